"""When a failed attempt is repeated."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_async import GenerationError
from sync_async._headers import Headers
from sync_async._request import Repeat
from sync_async._retry import (
    BACKOFF_CAP,
    LONGEST_HINT,
    SHORTEST_SLOT_WAIT,
    SLOT_WAIT,
    Attempt,
    Failure,
    failure_of_answer,
    hint_of,
    is_concurrency_limit,
    is_free,
    names_its_generation,
    wait_before_repeat,
)

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def decide(failure: Failure, repeat: Repeat = Repeat.SAFE, **other: Any) -> float | None:
    attempt = Attempt(
        failure=failure,
        repeats=other.pop("repeats", 0),
        hint=other.pop("hint", None),
        left=other.pop("left", None),
    )
    settings = {"keyed": repeat is Repeat.KEYED, "replayable": True, "max_retries": 2, "chance": 1.0, **other}
    return wait_before_repeat(attempt, repeat=repeat, **settings)


@pytest.mark.parametrize(
    ("failure", "repeat", "allowed"),
    [
        (Failure.REFUSED, Repeat.NEVER, True),
        (Failure.REFUSED, Repeat.KEYED, True),
        (Failure.REFUSED, Repeat.SAFE, True),
        (Failure.NO_SLOT, Repeat.NEVER, True),
        (Failure.UNCLEAR, Repeat.SAFE, True),
        (Failure.UNCLEAR, Repeat.KEYED, True),
        (Failure.UNCLEAR, Repeat.NEVER, False),
        (Failure.SAME_KEY, Repeat.KEYED, True),
        (Failure.SAME_KEY, Repeat.NEVER, False),
        (Failure.FINAL, Repeat.SAFE, False),
        (Failure.FINAL, Repeat.KEYED, False),
    ],
)
def test_what_may_be_repeated(failure: Failure, repeat: Repeat, *, allowed: bool) -> None:
    """A refused request always; a lost one only where repeating cannot pay twice."""
    assert (decide(failure, repeat) is not None) is allowed


def test_a_keyed_endpoint_without_a_key_is_not_repeated_after_a_lost_answer() -> None:
    """The key is what makes it safe, not the endpoint."""
    assert decide(Failure.UNCLEAR, Repeat.KEYED, keyed=False) is None


def test_max_retries_means_what_it_says() -> None:
    """Two repeats, then no more; none at all for 0."""
    assert [decide(Failure.UNCLEAR, repeats=n) is not None for n in range(4)] == [True, True, False, False]
    assert decide(Failure.REFUSED, max_retries=0) is None
    assert decide(Failure.NO_SLOT, max_retries=0, left=1000) is None


def test_a_body_that_cannot_be_read_again_is_not_sent_again() -> None:
    """A one-shot stream is sent once."""
    assert decide(Failure.REFUSED, replayable=False) is None


def test_the_waits_double_and_are_fully_jittered() -> None:
    """From 0 to 1, 2, 4 … 60 seconds."""
    assert [decide(Failure.UNCLEAR, repeats=n, max_retries=99) for n in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert decide(Failure.UNCLEAR, chance=0.0) == 0.0


@given(st.floats(0, 1), st.integers(0, 50), st.none() | st.floats(0, LONGEST_HINT))
def test_no_wait_undercuts_the_server_or_exceeds_the_bound(
    chance: float, repeats: int, hint: float | None
) -> None:
    """A hint is the least; the cap is the most unless the hint is longer."""
    wait = decide(Failure.UNCLEAR, chance=chance, repeats=repeats, hint=hint, max_retries=99)
    assert wait is not None
    assert (hint or 0.0) <= wait <= max(BACKOFF_CAP, hint or 0.0)


def test_a_server_that_asks_for_too_much_is_not_waited_for() -> None:
    """The bound is stated; the error then carries the hint."""
    assert decide(Failure.REFUSED, hint=LONGEST_HINT) is not None
    assert decide(Failure.REFUSED, hint=LONGEST_HINT + 1) is None


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    """The caller hears at once what he would hear later."""
    assert decide(Failure.REFUSED, hint=5.0, left=5.0) is None
    assert decide(Failure.REFUSED, hint=5.0, left=5.1) == 5.0


def test_waiting_for_a_slot_is_slow_and_bounded_by_the_callers_deadline() -> None:
    """Jobs take minutes; a tight loop would only be refused more often."""
    assert decide(Failure.NO_SLOT, chance=0.0) == SLOT_WAIT
    assert decide(Failure.NO_SLOT, hint=10.0, chance=0.0) == 10.0
    assert decide(Failure.NO_SLOT, hint=0.0, left=1000.0, chance=0.0) == SHORTEST_SLOT_WAIT
    assert decide(Failure.NO_SLOT, repeats=50, left=1000.0) is not None
    assert decide(Failure.NO_SLOT, repeats=2) is None
    assert is_free(Attempt(failure=Failure.NO_SLOT, repeats=0, left=1.0))
    assert not is_free(Attempt(failure=Failure.NO_SLOT, repeats=0))


@pytest.mark.parametrize(
    ("body", "full"),
    [
        ({"errorCode": "concurrency_limit_reached"}, True),
        ({"errorCode": "batch_concurrency_limit_reached"}, True),
        ({"activeGenerations": 3}, True),
        ({"concurrencyLimit": 3}, True),
        ({"errorCode": "rate_limit_exceeded", "concurrencyLimit": 3}, False),
        ({"errorCode": "audio_trim_rate_limited"}, False),
        ({"errorCode": "voice_clone_busy"}, False),
        ({"message": "slow down"}, False),
        ("<html>", False),
        (None, False),
        ([], False),
    ],
)
def test_the_two_kinds_of_429_are_told_apart(body: Any, *, full: bool) -> None:
    """By the code first, by the fields of the body second; otherwise it is the rate."""
    assert is_concurrency_limit(body) is full
    if isinstance(body, dict):
        typed = GenerationError(
            error_code=body.get("errorCode"), extra={k: v for k, v in body.items() if k != "errorCode"}
        )
        assert is_concurrency_limit(typed) is full


@pytest.mark.parametrize(
    ("status", "code", "hint", "failure"),
    [
        (429, None, None, Failure.REFUSED),
        (408, None, None, Failure.UNCLEAR),
        (500, "internal_error", None, Failure.UNCLEAR),
        (503, None, None, Failure.UNCLEAR),
        (599, None, None, Failure.UNCLEAR),
        (400, None, None, Failure.FINAL),
        (401, None, None, Failure.FINAL),
        (404, None, None, Failure.FINAL),
        (409, "generation_conflict", None, Failure.FINAL),
        (418, None, None, Failure.FINAL),
        (302, None, None, Failure.FINAL),
        (400, "INVALID_IDEMPOTENCY_KEY", None, Failure.FINAL),
        (503, "IDEMPOTENCY_OUTCOME_UNKNOWN", None, Failure.SAME_KEY),
        (409, "IDEMPOTENCY_REQUEST_IN_PROGRESS", None, Failure.SAME_KEY),
        (409, "idempotency_key_locked", None, Failure.SAME_KEY),
        (409, "IDEMPOTENCY_SOMETHING", 3.0, Failure.SAME_KEY),
        (409, "IDEMPOTENCY_PAYLOAD_MISMATCH", None, Failure.FINAL),
        (422, "IDEMPOTENCY_PAYLOAD_MISMATCH", None, Failure.FINAL),
    ],
)
def test_answers_are_classified(status: int, code: str | None, hint: float | None, failure: Failure) -> None:
    """By the code where it belongs to a family, else by the status."""
    assert failure_of_answer(status, code, {"errorCode": code}, hint) is failure


def test_only_an_unknown_outcome_names_the_requests_own_generation() -> None:
    """The generation in a conflict belongs to the other request."""
    assert names_its_generation(503, "IDEMPOTENCY_OUTCOME_UNKNOWN")
    assert names_its_generation(500, "IDEMPOTENCY_OTHER")
    assert not names_its_generation(409, "IDEMPOTENCY_PAYLOAD_MISMATCH")
    assert not names_its_generation(500, "internal_error")


@pytest.mark.parametrize(
    ("headers", "body", "hint"),
    [
        ({"retry-after": "3"}, None, 3.0),
        ({"Retry-After": " 2.5 "}, None, 2.5),
        ({"retry-after": "0"}, None, 0.0),
        ({"retry-after-ms": "1500"}, None, 1.5),
        ({"retry-after": "1", "retry-after-ms": "1500"}, None, 1.5),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:07 GMT"}, None, 7.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT"}, None, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:07 +0200"}, None, 7.0),
        ({}, {"retryAfterSeconds": 30}, 30.0),
        ({"retry-after": "60"}, {"retryAfterSeconds": 30}, 60.0),
        ({"retry-after": "-3"}, None, None),
        ({"retry-after": "nan"}, None, None),
        ({"retry-after": "inf"}, None, None),
        ({"retry-after": "soon"}, None, None),
        ({"retry-after": ""}, None, None),
        ({"retry-after": "1e999"}, None, None),
        ({}, {"retryAfterSeconds": "x"}, None),
        ({}, {"retryAfterSeconds": True}, None),
        ({}, "text", None),
        ({}, None, None),
    ],
)
def test_hints_are_read_in_every_form(headers: dict[str, str], body: Any, hint: float | None) -> None:
    """Seconds, fractions, milliseconds, dates, the body's word; the larger counts, nonsense does not."""
    assert hint_of(Headers(headers.items()), body, now=NOW) == hint


@given(st.text())
def test_no_header_can_break_the_reading(text: str) -> None:
    """Whatever stands there, the outcome is a number from 0 or nothing."""
    hint = hint_of(Headers([("Retry-After", text), ("retry-after-ms", text)]), now=NOW)
    assert hint is None or hint >= 0
