"""How long a server asks to wait: read where it is clear, ignored where it is not."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync_async._headers import Headers
from sync_async._request import Repeat
from sync_async._retry import (
    BACKOFF_CAP,
    LONGEST_HINT,
    SLOT_WAIT,
    Attempt,
    Failure,
    hint_of,
    is_concurrency_limit,
    wait_before_repeat,
)
from tests.properties.effort import examples
from tests.properties.shapes import JSON, TEXT

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
DATES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(
    lambda time: time.replace(microsecond=0, tzinfo=UTC)
)
WORDS = st.sampled_from([
    "120", "-1", "1e999", "nan", "inf", "0x10", "1_000", "+", ",", "\0", "\u0661\u0662", "0" * 5000, "9" * 5000,
    "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 99999 07:28:00 GMT", "Sat, 31 Feb 2026 25:61:61 +9999",
    "21 Oct 2026", "Oct 2026", "GMT",
])  # fmt: skip
TEXTS = WORDS | TEXT | st.lists(WORDS | TEXT, max_size=4).map(" ".join)


def asked(text: str, *, now: datetime = NOW) -> float | None:
    """Give what a `Retry-After` header asks for."""
    return hint_of(Headers([("Retry-After", text)]), now=now)


@examples(200)
@given(seconds=TEXTS, milliseconds=TEXTS, body=st.dictionaries(st.just("retryAfterSeconds"), JSON | TEXTS) | JSON)
@example("9" * 400, "9" * 400, {"retryAfterSeconds": 10**400})
@example("Mon, 01 Jan 0001 00:00:00 +2359", "", None)
@example("Fri, 31 Dec 9999 23:59:59 -2359", "", None)
@example("1 Jan 2026 00:00:00 +999999999999", "", None)
def test_whatever_is_asked_for_is_a_finite_number_from_0_or_nothing(
    seconds: str, milliseconds: str, body: Any
) -> None:
    hint = hint_of(Headers([("retry-after", seconds), ("retry-after-ms", milliseconds)]), body, now=NOW)
    assert hint is None or (type(hint) is float and 0 <= hint < math.inf)
    assert type(is_concurrency_limit(body)) is bool
    for failure in Failure:
        attempt = Attempt(failure=failure, repeats=3, hint=hint)
        wait = wait_before_repeat(
            attempt, repeat=Repeat.SAFE, keyed=True, replayable=True, max_retries=9, chance=1.0
        )
        most = max(BACKOFF_CAP, SLOT_WAIT * 1.1, min(hint or 0.0, LONGEST_HINT) * 1.1)
        assert wait is None or 0 <= wait <= most


@examples(200)
@given(seconds=st.integers(0, 10**9) | st.floats(0, 1e9))
def test_seconds_are_taken_as_they_are(seconds: float) -> None:
    assert asked(str(seconds)) == asked(f" {seconds} ") == seconds
    assert hint_of(Headers([("Retry-After-Ms", str(seconds))])) == seconds / 1000
    assert hint_of(Headers(), {"retryAfterSeconds": seconds}) == seconds


@pytest.mark.parametrize(
    "form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"]
)
@examples(100)
@given(date=st.datetimes(datetime(2000, 1, 1), datetime(2068, 1, 1)))
def test_each_form_of_an_http_date_is_read(form: str, date: datetime) -> None:
    """The three of RFC 9110, the two old ones among them, which have two digits for the year or no zone."""
    date = date.replace(microsecond=0, tzinfo=UTC)
    assert asked(date.strftime(form)) == max(0.0, (date - NOW).total_seconds())


@examples(300)
@given(date=DATES, now=DATES, zone=st.integers(-12, 14))
def test_a_date_is_the_time_until_then_however_the_clocks_differ(date: datetime, now: datetime, zone: int) -> None:
    """One that this machine's clock has passed asks for no wait, and a far one for one that is not waited for."""
    there = date.astimezone(datetime.now(UTC).astimezone().tzinfo if not zone else UTC)
    until = max(0.0, (date - now).total_seconds())
    assert asked(format_datetime(date, usegmt=True), now=now) == until
    assert asked(format_datetime(there + timedelta(0)), now=now) == until
    attempt = Attempt(failure=Failure.REFUSED, repeats=0, hint=until)
    wait = wait_before_repeat(attempt, repeat=Repeat.SAFE, keyed=False, replayable=True, max_retries=1, chance=0.0)
    assert wait == (until if until <= LONGEST_HINT else None)


@examples(200)
@given(seconds=st.integers(0, 10**6), milliseconds=st.integers(0, 10**9), body=st.integers(0, 10**6))
def test_of_several_the_longest_counts(seconds: int, milliseconds: int, body: int) -> None:
    headers = Headers([("retry-after", str(seconds)), ("retry-after-ms", str(milliseconds))])
    assert hint_of(headers, {"retryAfterSeconds": body}) == max(seconds, milliseconds / 1000, body)
