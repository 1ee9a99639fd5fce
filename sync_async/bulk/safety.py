"""When a run stops buying by itself: a few rows go ahead and fail, or too many fail for the same reason."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Literal

import attrs

CANARY_ROWS = 5
CANARY_FAILURES = 2
CANARY_FROM_ROWS = 100
IN_A_ROW = 10
WINDOW = 50
MOST_OF_WINDOW = 0.2


HaltReason = Literal["canary", "breaker", "budget", "blocked", "stopped"]


@attrs.frozen
class Halt:
    """Why a run stops buying.

    Attributes:
        reason: `canary`, `breaker`, `budget`, `blocked` (the account cannot buy) or `stopped` (by the caller).
        code: The error code behind it, if there is one.
        failures: How many failures share it.
        samples: Ids of some of the rows.
        problem: What the server said, if that is why.
    """

    reason: HaltReason
    code: str = ""
    failures: int = 0
    samples: tuple[str, ...] = ()
    problem: str = ""


SAMPLES = 3


@attrs.define
class Breaker:
    """Stops a run in which many rows fail for one reason: ten in a row, or a fifth of the last fifty."""

    _in_a_row: list[tuple[str, str]] = attrs.field(init=False, factory=list)
    _window: deque[tuple[str, str | None]] = attrs.field(init=False, factory=lambda: deque(maxlen=WINDOW))

    def note(self, item_id: str, code: str | None) -> Halt | None:
        """Take note of a job that has ended, with its error code or None, and tell whether to stop.

        Failures of different codes have different reasons, so each code is counted by itself.
        """
        self._window.append((item_id, code))
        if code is None:
            self._in_a_row.clear()
            return None
        if self._in_a_row and self._in_a_row[-1][1] != code:
            self._in_a_row.clear()
        self._in_a_row.append((item_id, code))
        if len(self._in_a_row) >= IN_A_ROW:
            return self._halt(code, [id for id, _ in self._in_a_row])
        failed = [id for id, other in self._window if other == code]
        if len(self._window) == WINDOW and len(failed) > MOST_OF_WINDOW * WINDOW:
            return self._halt(code, failed)
        return None

    def _halt(self, code: str, ids: Sequence[str]) -> Halt:
        return Halt("breaker", code, len(ids), tuple(ids[-SAMPLES:]))


@attrs.define
class Canary:
    """Lets a few rows go ahead, down to the file, before the others are bought."""

    rows: int
    _failures: list[tuple[str, str]] = attrs.field(init=False, factory=list)
    _ended: int = attrs.field(init=False, default=0)

    @property
    def is_over(self) -> bool:
        """Whether all rows that went ahead have ended."""
        return self._ended >= self.rows

    def note(self, item_id: str, code: str | None) -> Halt | None:
        """Take note of a row that went ahead and has ended, and tell whether to stop."""
        self._ended += 1
        if code is None:
            return None
        self._failures.append((item_id, code))
        worst, count = Counter(code for _, code in self._failures).most_common(1)[0]
        if count < CANARY_FAILURES:
            return None
        ids = [id for id, code in self._failures if code == worst]
        return Halt("canary", worst, count, tuple(ids[:SAMPLES]))


def canary_rows(asked: int | None, rows: int, *, is_costly: bool) -> int:
    """Tell how many rows go ahead.

    Args:
        asked: What the caller wants; None leaves it to this rule, 0 switches it off.
        rows: Rows of the run.
        is_costly: Whether the run costs much, or nobody knows what.
    """
    if asked is not None:
        return min(asked, rows)
    return CANARY_ROWS if rows >= CANARY_FROM_ROWS and is_costly else 0


def spread(models: Iterable[tuple[str, str]], count: int) -> list[str]:
    """Choose rows over all models, the first of each before the second of any.

    Args:
        models: Ids and models of the rows, in order.
        count: How many to choose.
    """
    by_model: dict[str, list[str]] = {}
    for id, model in models:
        found = by_model.setdefault(model, [])
        if len(found) < count:
            found.append(id)
    rounds = (ids[turn] for turn in range(count) for ids in by_model.values() if turn < len(ids))
    return [id for id, _ in zip(rounds, range(count), strict=False)]
