"""An answer becomes a value or an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import attrs

from sync_async import _retry
from sync_async._errors import (
    ERROR_OF,
    ApiError,
    ConcurrencyLimitError,
    DecodeError,
    InternalServerError,
)
from sync_async._forks import imports
from sync_async._headers import Headers
from sync_async._json import json_of_bytes
from sync_async._loading import load_codec
from sync_async._request import Answer, ApiRequest

T = TypeVar("T")

KEPT_OF_A_BODY = 4096
"""Characters of an unreadable answer that an error keeps."""
DEEPEST = 100
"""Levels of an error body that are read as JSON; one with more is kept as text."""


@attrs.define(eq=False, repr=False)
class ApiResponse:
    """What came back, undecoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):  # noqa: N818  # it is a finding, which the transport turns into an error
    """An exchange that brought no whole answer.

    Attributes:
        problem: What happened, in words.
        reached: Whether the server may have seen the request.
        timed_out: Whether time ran out.
        hopeless: Whether another attempt would fail in the same way.
    """

    def __init__(self, problem: str, *, reached: bool, timed_out: bool = False, hopeless: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.reached = reached
        self.timed_out = timed_out
        self.hopeless = hopeless


@attrs.frozen(kw_only=True)
class RawResponse(Generic[T]):
    """An answer with what stands around it.

    Attributes:
        status_code: The HTTP status.
        headers: The response headers, compared without case.
        data: What the plain method returns.
        request_id: What sync.so's support asks for, or None.
        idempotency_key: The key that the request carried, or None.
    """

    status_code: int
    headers: Mapping[str, str]
    data: T
    idempotency_key: str | None = None

    @property
    def request_id(self) -> str | None:
        """What sync.so's support asks for, or None."""
        return self.headers.get("x-request-id")


def value_of(request: ApiRequest[T], response: ApiResponse) -> T:
    """Decode a successful answer.

    Raises:
        DecodeError: It is not what the endpoint promises.
    """
    if request.endpoint.answer is not Answer.JSON:
        value: Any = (
            _text(response.body).strip() if request.endpoint.answer is Answer.TEXT else any_value(response)
        )
        return value  # type: ignore[no-any-return]  # whatever the server says
    codec = load_codec()
    try:
        value = json_of_bytes(response.body)
        if request.endpoint.one_or_many and type(value) is dict:
            value = [value]
        made: T = codec.decode(value, request.endpoint.shape)
    except codec.WrongShapeError as fault:
        raise _decode_error(request, response, fault.path, fault.problem) from None
    except (ValueError, RecursionError) as fault:
        raise _decode_error(request, response, "$", _why_not_json(response, fault)) from fault
    return made


def any_value(response: ApiResponse) -> Any:
    """Decode an answer of unknown form: JSON where it is JSON, else text, None when it is empty."""
    if not response.body.strip():
        return None
    if "json" in response.headers.get("Content-Type", "json"):
        try:
            return json_of_bytes(response.body)
        except (ValueError, RecursionError):
            return _text(response.body)
    return _text(response.body)


def error_of(request: ApiRequest[Any], response: ApiResponse) -> ApiError:
    """Make the error for an answer whose status is no success."""
    body = _error_body(response)
    headers = plain_headers(response.headers)
    cls = _error_class(response.status, body)
    return cls(
        body,
        status_code=response.status,
        headers=headers,
        idempotency_key=request.idempotency_key,
        retry_after=_retry.hint_of(headers, body),
        request=request.name,
    )


def plain_headers(headers: Mapping[str, str]) -> Headers:
    """Copy headers into plain data."""
    return headers if isinstance(headers, Headers) else Headers(headers.items())


def _error_class(status: int, body: Any) -> type[ApiError]:
    if status == 429 and _retry.is_concurrency_limit(body):  # noqa: PLR2004
        return ConcurrencyLimitError
    if status >= 500:  # noqa: PLR2004
        return InternalServerError
    return ERROR_OF.get(status, ApiError)


def _error_body(response: ApiResponse) -> Any:
    """Read an error body leniently: each field that has its right type, the rest kept as it came."""
    with imports.under_way():
        from sync_async.types.error_body import GenerationError

    value = any_value(response)
    if _nests_deeply(value):  # such an error could not be pickled
        value = _text(response.body)
    if isinstance(value, str):
        return value[:KEPT_OF_A_BODY]
    if not isinstance(value, dict):
        return value
    found = {name: field for name, (wire, is_right) in ERROR_FIELDS.items() if is_right(field := value.get(wire))}
    read = {ERROR_FIELDS[name][0] for name in found}
    extra = {name: field for name, field in value.items() if name not in read}
    codes = (value.get(name) for name in ("errorCode", "error_code", "code"))
    if code := next((code for code in codes if code and _is_text(code)), None):
        found["error_code"] = code
    return GenerationError(**found, extra=extra)


def _nests_deeply(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [part for holder in level if isinstance(holder, dict | list) for part in _parts(holder)]
        if not level:
            return False
    return True


def _parts(holder: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return holder.values() if isinstance(holder, dict) else holder


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_message(value: Any) -> bool:
    return _is_text(value) or (type(value) is list and all(map(_is_text, value)))


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


ERROR_FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "message": ("message", _is_message),
    "status_code": ("statusCode", _is_number),
    "error_code": ("errorCode", _is_text),
    "suggestion": ("suggestion", _is_text),
    "field": ("field", _is_text),
    "error": ("error", _is_text),
    "request_id": ("requestId", _is_text),
}
"""The fields of an error body: the name of each on the wire, and whether a value can be one."""


def _decode_error(request: ApiRequest[Any], response: ApiResponse, path: str, problem: str) -> DecodeError:
    return DecodeError(
        path,
        problem,
        status_code=response.status,
        headers=plain_headers(response.headers),
        body=_text(response.body[:KEPT_OF_A_BODY]),
        idempotency_key=request.idempotency_key,
        request=request.name,
    )


def unreadable(request: ApiRequest[Any], response: ApiResponse, problem: str) -> DecodeError:
    """Make the error for an answer that is text, and not the text that it should be."""
    return _decode_error(request, response, "$", problem)


def is_page(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer is an HTML page, as of a proxy or a login; nobody was asked for one."""
    return "html" in headers.get("Content-Type", "")


def _why_not_json(response: ApiResponse, fault: Exception) -> str:
    if not response.body.strip():
        return "it is empty"
    kind = response.headers.get("Content-Type", "no Content-Type")
    if "html" in kind:
        return "it is an HTML page; is a proxy or a login page in between?"
    return f"it is no JSON ({fault}; {kind})"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
