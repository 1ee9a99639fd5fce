"""Whatever stands in an error answer, a caller gets the `ApiError` of its status, with what can be read of it."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync_async import ApiError, ConcurrencyLimitError, InternalServerError
from sync_async._errors import ERROR_OF
from sync_async._headers import Headers
from sync_async._request import ApiRequest, Repeat
from sync_async._response import ApiResponse, error_of
from sync_async._retry import Failure
from sync_async._transport import _failure_of_answer
from sync_async.types.error_body import GenerationError
from tests.properties.effort import examples
from tests.properties.mutations import mutated
from tests.properties.shapes import JSON, TEXT, endpoints, is_of

CREATE = endpoints()["POST /v2/generate"]
REQUEST = ApiRequest(endpoint=CREATE, target="/v2/generate", path="/v2/generate", repeat=Repeat.KEYED)
STATUSES = st.sampled_from(
    [*ERROR_OF, 300, 304, 405, 408, 415, 418, 451, 501, 502, 503, 504, 529, 599]
) | st.integers(300, 999)
FIELDS = [
    "message", "statusCode", "errorCode", "error_code", "code", "suggestion", "field", "error", "requestId",
    "generationId", "activeGenerations", "concurrencyLimit", "retryAfterSeconds", "extra", "_nulls", "self",
]  # fmt: skip
CODES = st.sampled_from(
    ["concurrency_limit_reached", "rate_limit_exceeded", "IDEMPOTENCY_OUTCOME_UNKNOWN", "IDEMPOTENCY_IN_PROGRESS"]
)
RIGHT = st.fixed_dictionaries(
    {"message": TEXT | st.lists(TEXT, max_size=2), "statusCode": st.integers(400, 599)},
    optional={
        "errorCode": CODES | TEXT,
        "suggestion": TEXT,
        "field": TEXT,
        "error": TEXT,
        "requestId": TEXT,
        "generationId": TEXT,
        "activeGenerations": st.integers(0, 99),
        "concurrencyLimit": st.integers(0, 99),
        "retryAfterSeconds": st.integers(0, 999) | st.floats(0, 999),
    },
)
ANY = st.dictionaries(st.sampled_from(FIELDS) | TEXT, JSON | CODES, max_size=6)
BODIES = st.one_of(
    mutated(RIGHT).map(json.dumps).map(str.encode),
    ANY.map(json.dumps).map(str.encode),
    JSON.map(json.dumps).map(str.encode),
    st.binary(max_size=60),
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Content-Type", "Retry-After", "retry-after-ms", "x-request-id"]),
        TEXT | st.sampled_from(["application/json", "text/html", "120", "1e400", "Wed, 21 Oct 2026 07:28:00 GMT"]),
    ),
    max_size=4,
).map(Headers)


def error_from(status: int, body: bytes, headers: Headers | None = None) -> ApiError:
    """Give the error that a caller would get."""
    return error_of(REQUEST, ApiResponse(status, Headers() if headers is None else headers, body))


@examples(150)
@given(status=STATUSES, body=BODIES, headers=HEADERS)
@example(429, b'{"retryAfterSeconds": %s}' % (b"9" * 400), Headers())
@example(429, b'{"retryAfterSeconds": 1e999, "message": NaN}', Headers())
@example(500, b"[" * 100_000, Headers())
@example(500, b"9" * 5000, Headers())
@example(400, b'{"message": ' + b"[" * 900 + b"]" * 900 + b"}", Headers())
@example(429, b'{"errorCode": ["concurrency_limit_reached"], "concurrencyLimit": 3}', Headers())
@example(503, b"\xff\xfe", Headers([("Content-Type", "application/json")]))
def test_any_error_answer_becomes_the_error_of_its_status(status: int, body: bytes, headers: Headers) -> None:
    error = error_from(status, body, headers)
    wanted = InternalServerError if status >= 500 else ERROR_OF.get(status, ApiError)
    assert type(error) is wanted or (status == 429 and type(error) is ConcurrencyLimitError)
    assert error.status_code == status
    assert error.retry_after is None or (0 <= error.retry_after < math.inf)
    for text in (error.error_code, error.suggestion, error.field, error.request_id, error.generation_id):
        assert text is None or type(text) is str
    assert type(error.message) is str
    if isinstance(error, ConcurrencyLimitError):
        assert all(type(n) in (int, type(None)) for n in (error.active_generations, error.concurrency_limit))
    assert isinstance(error.body, GenerationError | str | list | float | int | None)
    assert isinstance(_failure_of_answer(status, error), Failure)
    travelled = pickle.loads(pickle.dumps(error))
    assert (type(travelled), str(travelled)) == (type(error), str(error))


@examples(100)
@given(body=mutated(RIGHT) | ANY)
def test_the_fields_of_an_error_body_have_their_types(body: dict[str, Any]) -> None:
    """A field of another type is none of them; the rest is kept as it came."""
    error = error_from(400, json.dumps(body).encode())
    if isinstance(body, dict):
        assert is_of(error.body, GenerationError)


@examples(100)
@given(body=mutated(RIGHT) | ANY)
def test_nothing_that_an_error_body_says_is_lost(body: dict[str, Any]) -> None:
    """Each field can be read under its own name, or in `extra` where a code with several names stands there."""
    error = error_from(400, json.dumps(body).encode())
    if isinstance(body, dict):
        kept = error.body
        assert isinstance(kept, GenerationError)
        for name, value in body.items():
            assert value is None or value in (kept.get(name), kept.extra.get(name))


@pytest.mark.parametrize("form", ["[%s]", '{"x":%s}'])
def test_any_nesting_of_an_error_body_is_read(form: str) -> None:
    start, end = form.split("%s")
    for depth in [*range(1, 50), *range(700, 1200)]:
        nested = start * depth + "1" + end * depth
        error = error_from(500, f'{{"message":{nested},"errorCode":{nested},"x":{nested}}}'.encode())
        assert type(error) is InternalServerError
        assert isinstance(str(error), str)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
