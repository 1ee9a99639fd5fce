"""What an answer to a create does to its row, the slots, the pace and the run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_async import (
    ApiConnectionError,
    ApiTimeoutError,
    DecodeError,
    Generation,
)
from sync_async._codec import decode
from sync_async._headers import Headers
from sync_async._request import Answer, ApiRequest, Endpoint, Repeat
from sync_async._response import ApiResponse, error_of
from sync_async.bulk.outcome import (
    OUTAGE_AFTER,
    QUOTA,
    RULES,
    UNKNOWN_WAIT,
    Finding,
    Outage,
    Outcome,
    RepeatQuota,
    RowStep,
    SlotStep,
    Tries,
    outcome_of,
)
from sync_async.bulk.seeker import Told
from sync_async.sandbox.catalogue import CODES
from tests.conftest import GENERATION

CREATE: ApiRequest[Any] = ApiRequest(
    endpoint=Endpoint("POST", "/v2/generate", Repeat.KEYED, answer=Answer.ANY),
    target="/v2/generate",
    path="/v2/generate",
    repeat=Repeat.KEYED,
)


def error(status: int, code: str | None = None, **body: Any) -> Any:
    """Make the error for an answer as it comes over the wire."""
    import json

    headers = {"Retry-After": str(body.pop("retry_after"))} if "retry_after" in body else {}
    fields = {"statusCode": status, "message": "…", **({"errorCode": code} if code else {}), **body}
    return error_of(CREATE, ApiResponse(status, Headers(headers.items()), json.dumps(fields).encode()))


def decide(answer: Any, *, chance: float = 1.0, **tries: Any) -> Outcome:
    return outcome_of(answer, Tries(**tries), chance=chance)


LOST = ApiTimeoutError("no answer in time", outcome_unknown=True)
UNSENT = ApiConnectionError("no connection")


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING", "COMPLETED", "FAILED", "SOMETHING_NEW"])
def test_a_generation_in_any_state_is_accepted(status: str) -> None:
    """A repeat with the same key may bring one that has ended long ago."""
    made = decide(decode({**GENERATION, "status": status}, Generation), unclear=3)
    assert made.row is RowStep.SUBMITTED
    assert made.slot is SlotStep.ACCEPTED
    assert made.generation_id == GENERATION["id"]
    assert made.uses_attempt


@pytest.mark.parametrize("code", ["concurrency_limit_reached", None])
def test_a_full_server_costs_the_row_nothing_and_teaches_the_seeker(code: str | None) -> None:
    made = decide(error(429, code, activeGenerations=3, concurrencyLimit=4, retryAfterSeconds=30))
    assert made.row is RowStep.STAYS
    assert made.slot is SlotStep.REFUSED
    assert made.told == Told(limit=4, active=3)
    assert made.hint == 30
    assert made.wait == 0
    assert not made.uses_attempt
    assert not made.is_rate_refusal


@pytest.mark.parametrize(
    ("limit", "active"), [(0, 3), (-1, 3), (3, 0), (20_000, 3), (3, 20_000), ("3", 3), (3, None)]
)
def test_numbers_that_cannot_be_right_tell_nothing(limit: Any, active: Any) -> None:
    made = decide(error(429, "concurrency_limit_reached", activeGenerations=active, concurrencyLimit=limit))
    assert made.slot is SlotStep.REFUSED
    assert made.told is None


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "audio_trim_rate_limited", "never_seen", None])
def test_a_429_for_the_rate_or_without_a_reason_is_for_the_pacer(code: str | None) -> None:
    made = decide(error(429, code, retry_after=7))
    assert made.row is RowStep.STAYS
    assert made.slot is SlotStep.RETURNED
    assert made.is_rate_refusal
    assert made.hint == 7
    assert not made.uses_attempt


def test_without_a_connection_the_row_waits_and_gives_its_slot_back() -> None:
    made = decide(UNSENT, unsent=2)
    assert made.row is RowStep.STAYS
    assert made.slot is SlotStep.RETURNED
    assert made.wait == 4


@pytest.mark.parametrize(
    "answer",
    [
        LOST,
        ApiConnectionError("the connection was reset", outcome_unknown=True),
        DecodeError("$", "it is cut", status_code=200),
        error(408),
        error(500, "internal_error"),
        error(502),
        error(503, "controller_unavailable"),
        error(504, "controller_timeout"),
    ],
)
def test_after_an_unclear_answer_the_row_keeps_its_slot_and_is_sent_again(answer: Any) -> None:
    made = decide(answer)
    assert made.row is RowStep.REPEATS
    assert made.slot is SlotStep.KEPT
    assert made.wait == 1
    assert not made.uses_attempt


def test_repeats_come_later_each_time_and_never_later_than_a_minute() -> None:
    assert [decide(LOST, unclear=n).wait for n in range(7)] == [1, 2, 4, 8, 16, 32, 60]
    assert decide(LOST, unclear=6, chance=0.25).wait == 15


def test_a_server_without_capacity_is_asked_again_after_half_a_minute() -> None:
    for code in ("generation_infra_resource_exhausted", "generation_infra_service_unavailable"):
        assert decide(error(503, code), chance=0.0).wait == 30


def test_a_wish_to_wait_is_the_least_and_two_minutes_the_most() -> None:
    assert decide(error(503, retry_after=20)).wait == 20
    assert decide(error(503, retry_after=3600)).wait == 120


def test_an_unknown_outcome_that_names_its_generation_is_read() -> None:
    made = decide(error(503, "IDEMPOTENCY_OUTCOME_UNKNOWN", generationId="g-1"), unclear=7)
    assert made.row is RowStep.READS
    assert made.slot is SlotStep.KEPT
    assert made.generation_id == "g-1"


@pytest.mark.parametrize(
    "answer",
    [
        error(503, "IDEMPOTENCY_OUTCOME_UNKNOWN", retry_after=9),
        error(409, "IDEMPOTENCY_REQUEST_IN_PROGRESS", retry_after=9),
        error(409, "IDEMPOTENCY_SOMETHING", retry_after=9),
    ],
)
def test_a_server_that_wants_the_same_key_again_gets_it(answer: Any) -> None:
    made = decide(answer)
    assert made.row is RowStep.REPEATS
    assert made.slot is SlotStep.KEPT
    assert made.wait == 9


@pytest.mark.parametrize(
    "answer",
    [
        error(409, "IDEMPOTENCY_PAYLOAD_MISMATCH", generationId="another"),
        error(422, "idempotency_strange"),
        error(400, "INVALID_IDEMPOTENCY_KEY"),
        error(409),
        error(409, "generation_conflict"),
    ],
)
def test_a_conflict_is_for_people_to_resolve(answer: Any) -> None:
    """The generation that it names belongs to another request."""
    made = decide(answer)
    assert made.row is RowStep.CONFLICT
    assert made.slot is SlotStep.RETURNED
    assert made.generation_id is None


@pytest.mark.parametrize("tries", [{"unclear": 7}, {"unclear": 1, "unclear_for": 600.0}])
@pytest.mark.parametrize("answer", [LOST, error(500), error(409, "IDEMPOTENCY_REQUEST_IN_PROGRESS")])
def test_after_eight_unclear_answers_or_ten_minutes_a_row_is_set_aside(answer: Any, tries: dict[str, Any]) -> None:
    made = decide(answer, **tries)
    assert made.row is RowStep.UNKNOWN
    assert made.slot is SlotStep.RETURNED
    assert made.wait == UNKNOWN_WAIT


@pytest.mark.parametrize(
    "answer",
    [
        error(400, "generation_input_validation_failed"),
        error(413),
        error(422, "generation_input_video_inaccessible"),
        error(418),
        error(404, "asset_not_found"),
        error(403, "asset_forbidden"),
        error(402, "generation_plan_duration_exceeded"),
        error(422, "file_size_exceeds_plan_limit"),
        error(402, "plan_feature_unavailable"),
    ],
)
def test_a_row_that_asks_for_the_impossible_is_rejected_with_its_code(answer: Any) -> None:
    made = decide(answer)
    assert made.row is RowStep.REJECTED
    assert made.slot is SlotStep.RETURNED
    assert made.code == answer.error_code
    assert not made.stops_run
    assert not made.uses_attempt


@pytest.mark.parametrize(
    "answer",
    [
        error(402, "free_tier_generations_exhausted"),
        error(402, "account_payment_required"),
        error(403, "account_on_hold"),
        error(402, "elevenlabs_quota_exceeded"),
        error(402, "never_seen"),
        error(401),
        error(403, "batch_plan_required"),
        error(308),
    ],
)
def test_an_account_that_may_not_buy_stops_the_run_and_keeps_the_row(answer: Any) -> None:
    made = decide(answer)
    assert made.row is RowStep.READY
    assert made.stops_run
    assert not made.uses_attempt


@pytest.mark.parametrize("answer", [error(422), error(401), error(402)])
def test_a_refusal_after_an_unclear_try_does_not_prove_that_nothing_was_bought(answer: Any) -> None:
    """The server may look at links and plans before it looks at keys."""
    made = decide(answer, unclear=1)
    assert made.row is RowStep.UNKNOWN
    assert made.stops_run == (answer.status_code != 422)


@pytest.mark.parametrize("code", sorted(code for code, known in CODES.items() if not known.job))
def test_every_known_code_has_a_line_of_the_table(code: str) -> None:
    made = decide(error(CODES[code].status, code))
    assert made.finding in RULES
    assert made.code == code


@given(
    status=st.integers(300, 599),
    code=st.none() | st.sampled_from(sorted(CODES)) | st.text(max_size=20),
    unclear=st.integers(0, 10),
    chance=st.floats(0, 1),
    hint=st.none() | st.integers(0, 10**9),
)
def test_no_answer_buys_twice_or_waits_for_ever(
    status: int, code: str | None, unclear: int, chance: float, hint: int | None
) -> None:
    """No error uses an attempt unless it names a generation, and after an unclear try none makes a row free."""
    answer = error(status, code, **({} if hint is None else {"retry_after": hint}))
    made = decide(answer, unclear=unclear, chance=chance)
    assert not made.uses_attempt
    assert 0 <= made.wait <= UNKNOWN_WAIT
    if unclear:
        assert made.row not in (RowStep.READY, RowStep.REJECTED)
    if status == 429:
        assert made.row is RowStep.STAYS


def test_the_table_has_a_line_for_everything_that_can_happen() -> None:
    assert set(RULES) == set(Finding)


def test_after_five_lost_answers_in_a_row_one_create_in_half_a_minute_asks() -> None:
    outage = Outage()
    for second in range(OUTAGE_AFTER):
        assert outage.wait(second) == 0
        outage.note(Finding.UNCLEAR, second)
    assert outage.is_on
    assert outage.wait(4) == 30
    outage.note(Finding.NOT_SENT, 34)
    assert outage.wait(34) == 30


@pytest.mark.parametrize("finding", [Finding.ACCEPTED, Finding.FULL, Finding.TOO_FAST, Finding.BAD_ROW])
def test_any_clear_word_of_the_server_ends_the_outage(finding: Finding) -> None:
    outage = Outage()
    for _ in range(OUTAGE_AFTER):
        outage.note(Finding.UNCLEAR, 0)
    outage.note(finding, 30)
    assert not outage.is_on
    assert outage.wait(30) == 0


def test_repeats_are_paid_from_a_quota_that_successes_fill_again() -> None:
    quota = RepeatQuota()
    assert quota.take(error(500)) == 5
    assert quota.take(LOST) == 10
    assert quota.left == QUOTA - 15
    quota.give_back(10)
    quota.give_back()
    assert quota.left == QUOTA - 4
    quota.give_back(100)
    assert quota.left == QUOTA


def test_an_empty_quota_makes_repeats_wait() -> None:
    quota = RepeatQuota(left=9)
    assert quota.take(LOST) is None
    assert quota.take(error(500)) == 5
    assert quota.take(error(500)) is None
