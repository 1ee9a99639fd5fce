"""May a failed attempt be repeated, and when.

What the rules are made of: https://sync.so/docs/developer-guides/error-handling,
https://sync.so/docs/api-reference/guides/rate-limits and https://sync.so/docs/api-reference/guides/idempotency.
No I/O and no clock here: time and chance are passed in.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from sync_async._request import Repeat

BACKOFF_BASE = 1.0
"""Seconds; the wait before the n-th repeat is drawn from 0 to this, doubled n - 1 times."""
BACKOFF_CAP = 60.0
SLOT_WAIT = 30.0
"""Seconds between tries for a free slot when the server names no time: jobs take minutes."""
SHORTEST_SLOT_WAIT = 1.0
"""The least seconds between them, whatever the server says: they do not count, and 0 would be no pause."""
LONGEST_HINT = 120.0
"""A server that asks to wait longer than this many seconds is not waited for; the error carries the hint."""

IN_PROGRESS = ("PROGRESS", "PROCESSING", "PENDING", "LOCKED", "IN_FLIGHT")


class Failure(enum.Enum):
    """What became of an attempt that brought no success."""

    REFUSED = "refused"
    """Nothing was started: no connection was made, or the server said 429 for its rate limit."""
    NO_SLOT = "no slot"
    """Nothing was started: as many generations run as the plan allows."""
    UNCLEAR = "unclear"
    """The answer was lost, or was a passing error; the request may have been carried out."""
    SAME_KEY = "same key"
    """The server wants to see the same key again: it does not know the outcome yet."""
    FINAL = "final"
    """Repeating cannot help."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Attempt:
    """A failed attempt, as the decision needs it."""

    failure: Failure
    repeats: int
    """Repeats before this one that counted."""
    hint: float | None = None
    """Seconds that the server asks to wait."""
    left: float | None = None
    """Seconds to the caller's deadline; None without one."""


def wait_before_repeat(
    attempt: Attempt, *, repeat: Repeat, keyed: bool, replayable: bool, max_retries: int, chance: float
) -> float | None:
    """Decide on a repeat.

    Args:
        attempt: What happened.
        repeat: How the endpoint may be repeated.
        keyed: Whether the request carries an idempotency key.
        replayable: Whether its body can be sent again.
        max_retries: How many repeats the caller allows.
        chance: A random number from 0 to 1.

    Returns:
        Seconds to wait before the repeat, or None to give up.
    """
    if not replayable or max_retries == 0 or not _allowed(attempt.failure, repeat, keyed=keyed):
        return None
    if not is_free(attempt) and attempt.repeats >= max_retries:
        return None
    if attempt.hint is not None and attempt.hint > LONGEST_HINT:
        return None
    wait = _wait(attempt, chance)
    return None if attempt.left is not None and wait >= attempt.left else wait


def is_free(attempt: Attempt) -> bool:
    """Tell whether a repeat does not count: the wait for a slot is bounded by the caller's deadline, if any."""
    return attempt.failure is Failure.NO_SLOT and attempt.left is not None


def _allowed(failure: Failure, repeat: Repeat, *, keyed: bool) -> bool:
    if failure is Failure.FINAL:
        return False
    if failure in (Failure.REFUSED, Failure.NO_SLOT):
        return True
    return repeat is Repeat.SAFE or (repeat is Repeat.KEYED and keyed)


def _wait(attempt: Attempt, chance: float) -> float:
    if attempt.failure is Failure.NO_SLOT:
        # a little more than asked for, so that those who were refused together do not come back together
        wait = SLOT_WAIT if attempt.hint is None else max(attempt.hint, SHORTEST_SLOT_WAIT)
        return wait * (1 + chance / 10)
    backoff = min(BACKOFF_CAP, BACKOFF_BASE * 2.0**attempt.repeats) * chance
    return backoff if attempt.hint is None else max(attempt.hint, backoff)


def failure_of_answer(status: int, error_code: str | None, body: Any, hint: float | None) -> Failure:
    """Classify an answer that is no success."""
    if status == 429:  # noqa: PLR2004
        return Failure.NO_SLOT if is_concurrency_limit(body) else Failure.REFUSED
    if error_code is not None and "IDEMPOTENCY" in error_code.upper():
        return _failure_of_key(error_code.upper(), hint)
    if status == 408 or status >= 500:  # noqa: PLR2004
        return Failure.UNCLEAR
    return Failure.FINAL


def _failure_of_key(code: str, hint: float | None) -> Failure:
    if code == "INVALID_IDEMPOTENCY_KEY":
        return Failure.FINAL
    if code == "IDEMPOTENCY_OUTCOME_UNKNOWN" or hint is not None or any(word in code for word in IN_PROGRESS):
        return Failure.SAME_KEY
    return Failure.FINAL


def names_its_generation(status: int, error_code: str | None) -> bool:
    """Tell whether a `generationId` in an error is the generation that the request itself made."""
    code = (error_code or "").upper()
    return code == "IDEMPOTENCY_OUTCOME_UNKNOWN" or ("IDEMPOTENCY" in code and status >= 500)  # noqa: PLR2004


def is_concurrency_limit(body: Any) -> bool:
    """Tell the two kinds of 429 apart: too many at once, or too many in a time window."""
    if body is None or isinstance(body, str | int | float | list):
        return False
    codes = (_read(body, name) for name in ("error_code", "errorCode"))
    code = next((code for code in codes if isinstance(code, str)), "")
    if code in ("rate_limit_exceeded", "voice_clone_busy") or code.endswith("_rate_limited"):
        return False
    return "concurrency" in code or any(
        _read(body, name) is not None for name in ("activeGenerations", "concurrencyLimit")
    )


def hint_of(headers: Mapping[str, str], body: Any = None, *, now: datetime | None = None) -> float | None:
    """Read how many seconds the server asks to wait: the largest of its headers and its body's word.

    Values that are negative, not finite or not understood say nothing. A date is read by the server's own clock
    where it tells the time, since this machine's may be wrong.
    """
    hints = [
        _milliseconds(headers.get("retry-after-ms")),
        _seconds_or_date(headers.get("retry-after"), headers.get("date"), now),
        None if isinstance(body, str) else _number(_read(body, "retryAfterSeconds")),
    ]
    return max((hint for hint in hints if hint is not None), default=None)


def _milliseconds(text: str | None) -> float | None:
    value = _number(text)
    return None if value is None else value / 1000


def _seconds_or_date(text: str | None, told: str | None, now: datetime | None) -> float | None:
    if text is None:
        return None
    seconds = _number(text)
    if seconds is not None or re.fullmatch(r"\s*[-+.\d].*", text):
        return seconds
    date = _date(text)
    if date is None:
        return None
    return max(0.0, (date - (_date(told or "") or now or datetime.now(UTC))).total_seconds())


def _date(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime  # rare, and slow to import

    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date


def _number(value: Any) -> float | None:
    """Read a finite number from 0, or nothing."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):  # an int may be too large for a float
        return None
    return number if 0 <= number < math.inf else None


def _read(body: Any, *names: str) -> Any:
    if isinstance(body, Mapping):
        return next((body[name] for name in names if body.get(name) is not None), None)
    return next((found for name in names if (found := getattr(body, name, None)) is not None), None)
