"""All that can go wrong, in one tree.

    SyncError
    ├── ArgumentError                  a value that cannot be right; nothing was sent (also a ValueError)
    ├── ClosedError                    the client was closed
    ├── ApiError                       the server answered with an error
    │   ├── BadRequestError            400
    │   ├── UnauthorizedError          401
    │   ├── PaymentRequiredError       402
    │   ├── ForbiddenError             403
    │   ├── NotFoundError              404
    │   ├── ConflictError              409
    │   ├── PayloadTooLargeError       413
    │   ├── UnprocessableEntityError   422
    │   ├── TooManyRequestsError       429
    │   │   ├── RateLimitError         too many requests in a time window
    │   │   └── ConcurrencyLimitError  too many generations at once
    │   └── InternalServerError        5xx
    ├── ApiConnectionError             no answer came
    │   └── ApiTimeoutError            not in time (also a TimeoutError)
    ├── DecodeError                    an answer came that cannot be what it claims to be
    ├── TransferError                  a file did not get through; `host` and `step` name where
    │   ├── UploadError                to its storage host
    │   └── DownloadError              from it; `part` holds what came
    ├── WaitTimeoutError               the job still runs; `id` names it (also a TimeoutError)
    ├── GenerationFailedError          the job ended without a result; `generation` holds it
    ├── BatchFailedError               the batch failed as a whole; `batch` holds it
    └── WebhookError                   a delivery that is not to be trusted, or not to be read
        ├── MissingSignatureError      it has no signature
        ├── MalformedSignatureError    its signature has not the right form
        ├── WrongSignatureError        its signature is not that of its body
        ├── StaleSignatureError        it is genuine, but too old; `age` tells
        └── UnreadableNotificationError it is genuine, but not what it should be

Errors hold plain data and survive pickling. Their text names no key, no signed link and no request body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sync_async._headers import Headers

if TYPE_CHECKING:
    from pathlib import Path

    from sync_async.types.batches import BatchResponse
    from sync_async.types.error_body import GenerationError
    from sync_async.types.generations import Generation

    ErrorBody = GenerationError | str | list[Any] | float | bool | None


class SyncError(Exception):
    """Anything that this library raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[SyncError], args: tuple[Any, ...], state: dict[str, Any]) -> SyncError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ArgumentError(SyncError, ValueError):
    """A value that cannot be right; nothing was sent.

    Attributes:
        argument: The name of the argument, as in `input[1].url`.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument}: {problem}")
        self.argument = argument


class ClosedError(SyncError):
    """The client was closed; make a new one."""


class ApiError(SyncError):
    """The server answered with an error.

    Attributes:
        status_code: The HTTP status.
        body: The error body: a `GenerationError` where the server sent the API's own form, else the JSON
            value or the text, cut to a bounded length.
        headers: The response headers, compared without case.
        error_code: The API's stable code, such as `concurrency_limit_reached`, or None.
        message: The server's own words.
        suggestion: What the server advises, or None.
        field: The field of the request that is wrong, or None.
        request_id: What sync.so's support asks for, or None.
        idempotency_key: The key of the request; send it again with the same arguments to ask for the
            outcome without paying twice.
        generation_id: The generation that the error is about, or None.
        retry_after: Seconds that the server asks to wait, or None.
    """

    ADVICE: ClassVar[str] = ""

    def __init__(
        self,
        body: Any = None,
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        retry_after: float | None = None,
        request: str | None = None,
    ) -> None:
        self.status_code = status_code if status_code is not None else STATUS_OF.get(type(self))
        self.body: ErrorBody = body
        self.headers: Mapping[str, str] = Headers() if headers is None else headers
        self.error_code: str | None = _text(_field(body, "error_code"))
        self.message = _message(body)
        self.suggestion: str | None = _text(_field(body, "suggestion"))
        self.field: str | None = _text(_field(body, "field"))
        self.request_id: str | None = self.headers.get("x-request-id") or _text(_field(body, "request_id"))
        self.generation_id: str | None = _text(_field(body, "generationId"))
        self.idempotency_key = idempotency_key
        self.retry_after = retry_after
        self.request = request
        super().__init__(self._describe())

    def _describe(self) -> str:
        said = f"{self.status_code} {self.message or 'without a message'}"
        code = f" ({self.error_code})" if self.error_code else ""
        field = f" [field {self.field}]" if self.field else ""
        where = f" at {self.request}" if self.request else ""
        advice = self.suggestion or self.ADVICE
        request_id = f" Request id: {self.request_id}." if self.request_id else ""
        return f"{said}{code}{field}{where}.{' ' + advice if advice else ''}{request_id}".replace("..", ".")


class BadRequestError(ApiError):
    """400: the request must change."""

    ADVICE = "Correct the request; sending it again unchanged cannot help."


class UnauthorizedError(ApiError):
    """401: the API key is missing, wrong or revoked."""

    ADVICE = "Check api_key or SYNC_API_KEY; keys are made at https://sync.so/settings/api-keys."


class PaymentRequiredError(ApiError):
    """402: billing or the plan stands against it."""

    ADVICE = "Check plan and billing at https://sync.so/billing."


class ForbiddenError(ApiError):
    """403: the key may not do this."""

    ADVICE = "The key's organisation or plan has no access to this."


class NotFoundError(ApiError):
    """404: unknown, or another organisation's."""

    ADVICE = "Check the id, and that this key belongs to the organisation that made it."


class ConflictError(ApiError):
    """409: the state of the thing does not allow it."""

    ADVICE = "Read the current state before trying again."


class PayloadTooLargeError(ApiError):
    """413: a file or the body is too large."""

    ADVICE = "Upload the file as an asset and pass its asset_id, or pass a URL."


class UnprocessableEntityError(ApiError):
    """422: well formed, but impossible."""

    ADVICE = "Check that the media can be fetched and fit the plan and the model."


class TooManyRequestsError(ApiError):
    """429: too much at once."""

    ADVICE = "Send less often, or give the call a longer timeout to wait in."


class RateLimitError(TooManyRequestsError):
    """429: too many requests in the time window."""


class ConcurrencyLimitError(TooManyRequestsError):
    """429: as many generations are running as the plan allows.

    Attributes:
        active_generations: How many are running, or None when the server does not say.
        concurrency_limit: How many may run, or None when the server does not say.
    """

    ADVICE = "Wait for a running generation to end, or give the call a longer timeout to wait in."

    @property
    def active_generations(self) -> int | None:
        """How many generations are running, or None when the server does not say."""
        return _count(_field(self.body, "activeGenerations"))

    @property
    def concurrency_limit(self) -> int | None:
        """How many generations may run, or None when the server does not say."""
        return _count(_field(self.body, "concurrencyLimit"))


class InternalServerError(ApiError):
    """5xx: the server or something behind it failed."""

    ADVICE = "Try again later; if it stays, tell support the request id."


class ApiConnectionError(SyncError):
    """No answer came: no connection, or it broke.

    Attributes:
        request: Method and path of the request.
        attempts: How many times it was sent or tried.
        idempotency_key: The key of the request; send it again with the same arguments to learn the outcome
            without paying twice. None for requests that carry none.
        outcome_unknown: True when the server may have carried out the request all the same.
    """

    def __init__(
        self,
        problem: str,
        *,
        request: str | None = None,
        attempts: int = 1,
        idempotency_key: str | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        self.request = request
        self.attempts = attempts
        self.idempotency_key = idempotency_key
        self.outcome_unknown = outcome_unknown
        super().__init__(f"{request}: {problem}" if request else problem)


class ApiTimeoutError(ApiConnectionError, TimeoutError):
    """No answer came in time."""


class DecodeError(SyncError):
    """An answer came that cannot be what it claims to be.

    Attributes:
        path: Where the first wrong field is, as in `$.input[0].url`; `$` is the whole answer.
        status_code: The HTTP status of the answer.
        headers: Its headers.
        body: The beginning of its text.
        idempotency_key: The key of the request, if it had one.
    """

    def __init__(
        self,
        path: str,
        problem: str,
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: str = "",
        idempotency_key: str | None = None,
        request: str | None = None,
    ) -> None:
        self.path = path
        self.status_code = status_code
        self.headers: Mapping[str, str] = Headers() if headers is None else headers
        self.body = body
        self.idempotency_key = idempotency_key
        self.request = request
        where = f"{request}: " if request else ""
        super().__init__(f"{where}the answer is not what it should be at {path}: {problem}")


class WaitTimeoutError(SyncError, TimeoutError):
    """Jobs did not end in time. They still run, and are paid for: wait for them again, do not create them again.

    Attributes:
        id: The id of the job, of the first of several.
        ids: The ids of all jobs that still run.
        job: The first as it was last seen, or None when no look succeeded.
    """

    def __init__(self, ids: tuple[str, ...], problem: str, job: Any = None) -> None:
        super().__init__(problem)
        self.ids = ids
        self.id = ids[0]
        self.job = job

    @property
    def generation(self) -> Generation | None:
        """The same as `job`, for those who wait for generations."""
        job: Generation | None = self.job
        return job


class BatchFailedError(SyncError):
    """A batch failed as a whole; what its rows came to may be there all the same.

    Attributes:
        batch: The batch, with `metrics` and perhaps `output_url`.
    """

    def __init__(self, problem: str, batch: BatchResponse) -> None:
        super().__init__(problem)
        self.batch = batch

    @property
    def id(self) -> str:
        """The id of the batch."""
        return self.batch.id


class TransferError(SyncError):
    """A file did not get through to or from its storage host.

    Attributes:
        host: The host that failed; never a link, which is signed.
        step: What was being done: `put` for an upload; `get` or `write` for a download.
    """

    def __init__(self, problem: str, *, host: str, step: str) -> None:
        super().__init__(problem)
        self.host = host
        self.step = step


class UploadError(TransferError):
    """A file was not taken by its storage host; nothing was registered or started."""


class DownloadError(TransferError):
    """A file did not arrive whole; what is here can be gone on with.

    Attributes:
        part: Where the bytes are that came, or None when there are none.
        generation_id: The generation whose output it is, or None.
    """

    def __init__(
        self, problem: str, *, host: str, step: str, part: Path | None = None, generation_id: str | None = None
    ) -> None:
        super().__init__(problem, host=host, step=step)
        self.part = part
        self.generation_id = generation_id


class GenerationFailedError(SyncError):
    """The job ended without a result.

    Attributes:
        generation: The job, with `status`, `error` and `error_code`.
    """

    def __init__(self, problem: str, generation: Generation) -> None:
        super().__init__(problem)
        self.generation = generation

    @property
    def id(self) -> str:
        """The id of the job."""
        return self.generation.id

    @property
    def error_code(self) -> str | None:
        """Why it failed, as one of the API's codes."""
        return self.generation.error_code


class WebhookError(SyncError):
    """A delivery that is not to be trusted, or not to be read; answer it with 400."""


class MissingSignatureError(WebhookError):
    """A delivery without a signature."""


class MalformedSignatureError(WebhookError):
    """A delivery whose signature has not the right form."""


class WrongSignatureError(WebhookError):
    """A delivery whose signature is not that of its body."""


class StaleSignatureError(WebhookError):
    """A genuine delivery from another time, which somebody may have kept and sent again.

    Attributes:
        timestamp: When it was signed, in seconds since 1970.
        age: How many seconds ago that was; below 0 when this machine's clock is behind.
        tolerance: How many seconds were tolerated.
    """

    def __init__(self, problem: str, *, timestamp: int, age: float, tolerance: float) -> None:
        super().__init__(problem)
        self.timestamp = timestamp
        self.age = age
        self.tolerance = tolerance


class UnreadableNotificationError(WebhookError):
    """A genuine delivery that is not what it should be.

    No `DecodeError`, which is about an answer and keeps its status and the beginning of its text: a receiver
    refuses all bad deliveries in one place, and writes what they say into a log.

    Attributes:
        path: Where the first wrong field is, as in `$.input[0].url`; `$` is the whole body.
    """

    def __init__(self, problem: str, *, path: str = "$") -> None:
        super().__init__(problem)
        self.path = path


ERROR_OF: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    402: PaymentRequiredError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    500: InternalServerError,
}
STATUS_OF: dict[type[ApiError], int] = {
    **{cls: status for status, cls in ERROR_OF.items()},
    TooManyRequestsError: 429,
    ConcurrencyLimitError: 429,
}


def _field(body: Any, name: str) -> Any:
    """Read a field of an error body, whichever form it has."""
    if isinstance(body, Mapping):
        return body.get(name)
    return getattr(body, name, None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _message(body: Any) -> str:
    message = _field(body, "message")
    if isinstance(message, list):
        return "; ".join(str(part) for part in message)
    if message:
        return str(message)
    return _first_line(body) if isinstance(body, str) else ""


def _first_line(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= 200 else shown[:200] + "…"  # noqa: PLR2004  # enough to recognise a proxy's page
