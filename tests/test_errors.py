"""The errors: what they say, what they carry, how they travel."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

import sync_async
from sync_async import (
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    ArgumentError,
    BadRequestError,
    BatchFailedError,
    BatchMetrics,
    BatchResponse,
    ClosedError,
    ConcurrencyLimitError,
    DecodeError,
    DownloadError,
    Generation,
    GenerationError,
    GenerationFailedError,
    MalformedSignatureError,
    MissingSignatureError,
    RateLimitError,
    StaleSignatureError,
    SyncError,
    TooManyRequestsError,
    TransferError,
    UnreadableNotificationError,
    UploadError,
    WaitTimeoutError,
    WebhookError,
    WrongSignatureError,
)
from sync_async._errors import ERROR_OF
from sync_async._headers import Headers

BODY = GenerationError(
    message=["first", "second"],
    status_code=422,
    error_code="project_not_found",
    suggestion="Check projectId.",
    field="projectId",
    extra={"generationId": "g-1"},
)
BATCH = BatchResponse(id="batch_1", status="FAILED", metrics=BatchMetrics())
FAILED = Generation(id="g-1", status="FAILED", error="no face", error_code="generation_pipeline_failed")

EXAMPLES: dict[type[SyncError], SyncError] = {
    SyncError: SyncError("something"),
    ArgumentError: ArgumentError("limit", "0 is not from 1 to 100"),
    ClosedError: ClosedError("closed"),
    ApiConnectionError: ApiConnectionError(
        "reset", request="GET /x", attempts=3, idempotency_key="k", outcome_unknown=True
    ),
    ApiTimeoutError: ApiTimeoutError("late", request="GET /x", attempts=2),
    DecodeError: DecodeError("$.id", "3 is not text", status_code=200, headers=Headers([("A", "b")]), body="{}"),
    WaitTimeoutError: WaitTimeoutError(("g-1", "g-2"), "still running", FAILED),
    TransferError: TransferError("broke off", host="h", step="get"),
    UploadError: UploadError("refused", host="h", step="put"),
    DownloadError: DownloadError("broke off", host="h", step="get", part=Path(".a.part"), generation_id="g-1"),
    WebhookError: WebhookError("no"),
    MissingSignatureError: MissingSignatureError("no"),
    MalformedSignatureError: MalformedSignatureError("no"),
    WrongSignatureError: WrongSignatureError("no"),
    StaleSignatureError: StaleSignatureError("no", timestamp=1, age=2.0, tolerance=1.0),
    UnreadableNotificationError: UnreadableNotificationError("no", path="$.id"),
    BatchFailedError: BatchFailedError("it failed", BATCH),
    GenerationFailedError: GenerationFailedError("it failed", FAILED),
    ApiError: ApiError(
        BODY, status_code=418, headers=Headers([("X-Request-Id", "r-1")]), idempotency_key="k", retry_after=3.0
    ),
    **{
        cls: cls(BODY, headers=Headers([("Retry-After", "3")]), idempotency_key="k", request="POST /v2/generate")
        for cls in [*ERROR_OF.values(), TooManyRequestsError, ConcurrencyLimitError]
    },
}


def _tree(cls: type[SyncError]) -> set[type[SyncError]]:
    return {cls}.union(*(_tree(child) for child in cls.__subclasses__()))


def test_every_error_of_the_tree_is_public_and_tested_here() -> None:
    """A new class must be exported and must be shown to pickle."""
    ours = {cls for cls in _tree(SyncError) if cls.__module__ == "sync_async._errors"}
    assert ours == set(EXAMPLES)
    assert {cls.__name__ for cls in ours} <= set(sync_async.__all__)


@pytest.mark.parametrize("error", EXAMPLES.values(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_every_error_travels_whole(error: SyncError, travel: Any) -> None:
    """Class, text, attributes and notes survive pickling and copying."""
    error.add_note("row 7")
    try:
        arrived = travel(error)
        assert type(arrived) is type(error)
        assert str(arrived) == str(error)
        assert arrived.args == error.args
        assert arrived.__notes__ == ["row 7"]
        for name, value in vars(error).items():
            theirs = vars(arrived)[name]
            assert (dict(theirs) if isinstance(value, Headers) else theirs) == (
                dict(value) if isinstance(value, Headers) else value
            )
    finally:
        del error.__notes__


def test_an_api_error_carries_what_the_server_said() -> None:
    """Code, message, advice, field and ids are attributes, not text to be parsed."""
    error = EXAMPLES[BadRequestError]
    assert isinstance(error, ApiError)
    assert error.status_code == 400
    assert error.error_code == "project_not_found"
    assert error.message == "first; second"
    assert error.suggestion == "Check projectId."
    assert error.field == "projectId"
    assert error.generation_id == "g-1"
    assert error.idempotency_key == "k"
    assert error.headers["RETRY-after"] == "3"
    assert str(error) == (
        "400 first; second (project_not_found) [field projectId] at POST /v2/generate. Check projectId."
    )


def test_an_api_error_is_made_as_syncsdk_makes_it() -> None:
    """Tests of users' programs raise them by hand."""
    error = ApiError(status_code=500, body="boom")
    assert (error.status_code, error.body, error.message) == (500, "boom", "boom")
    assert BadRequestError(body=GenerationError(message="no", status_code=400)).status_code == 400
    assert BadRequestError(GenerationError(message="no", status_code=400)).message == "no"


def test_an_error_without_advice_of_the_server_says_what_to_do() -> None:
    """The text lets a stranger go on."""
    assert "SYNC_API_KEY" in str(sync_async.UnauthorizedError(status_code=401))
    assert "asset" in str(sync_async.PayloadTooLargeError(status_code=413))


def test_a_concurrency_limit_tells_its_numbers() -> None:
    """How many run, and how many may."""
    body = GenerationError(message="full", status_code=429, extra={"activeGenerations": 3, "concurrencyLimit": 3})
    error = ConcurrencyLimitError(body)
    assert (error.active_generations, error.concurrency_limit) == (3, 3)
    assert ConcurrencyLimitError(GenerationError(message="full")).active_generations is None
    assert isinstance(error, TooManyRequestsError)
    assert not isinstance(error, RateLimitError)


def test_errors_are_also_what_python_calls_them() -> None:
    """except ValueError and except TimeoutError catch them, too."""
    assert isinstance(EXAMPLES[ArgumentError], ValueError)
    assert isinstance(EXAMPLES[ApiTimeoutError], TimeoutError)
    assert isinstance(EXAMPLES[WaitTimeoutError], TimeoutError)


def test_a_failed_generation_is_in_its_error() -> None:
    """Nothing is lost when it is raised."""
    error = EXAMPLES[GenerationFailedError]
    assert isinstance(error, GenerationFailedError)
    assert error.generation is FAILED
    assert (error.id, error.error_code) == ("g-1", "generation_pipeline_failed")
