"""What the rows of a run come to, in numbers and in micro-dollars."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from sync_async.bulk.states import CHARGED, RESERVING, SAVING, State


@attrs.frozen
class Failures:
    """Rows that failed for one reason.

    Attributes:
        code: The error code.
        rows: How many.
        samples: Names of the first of them.
        error: What was said of one of them.
    """

    code: str
    rows: int
    samples: tuple[str, ...] = ()
    error: str | None = None


@attrs.frozen
class Money:
    """What counts of one row, or of all.

    Attributes:
        spent: What finished jobs cost; where that is not known yet, their estimate.
        reserved: The estimates of those that run.
        saved: The estimates of those that were not bought because an earlier row asked for the same.
        unpriced_running: Rows that run, and of which nobody knows what they cost.
        unpriced_finished: The same of finished ones.
    """

    spent: int = 0
    reserved: int = 0
    saved: int = 0
    unpriced_running: int = 0
    unpriced_finished: int = 0

    def plus(self, other: Money, sign: int = 1) -> Money:
        """Add another one, or take it away with the sign -1."""
        return Money(
            self.spent + sign * other.spent,
            self.reserved + sign * other.reserved,
            self.saved + sign * other.saved,
            self.unpriced_running + sign * other.unpriced_running,
            self.unpriced_finished + sign * other.unpriced_finished,
        )


def counts_as(state: State) -> frozenset[State] | None:
    """Give the states in which a row's amounts count in the same way as in this one."""
    if state in RESERVING:
        return RESERVING
    if state in CHARGED:
        return CHARGED
    return SAVING if state in SAVING else None


def money_of(state: State, estimate: int | None, cost: int | None, past: int) -> Money:
    """Tell what counts of a row.

    Args:
        state: Where it stands.
        estimate: What it is expected to cost.
        cost: What this purchase has cost.
        past: What earlier purchases have.
    """
    if state in RESERVING:
        return Money(spent=past, reserved=estimate or 0, unpriced_running=int(estimate is None))
    if state in SAVING:
        return Money(saved=estimate or 0)
    if state in CHARGED and cost is None:
        return Money(spent=past + (estimate or 0), unpriced_finished=int(estimate is None))
    return Money(spent=past + (cost or 0))


@attrs.frozen(kw_only=True)
class Counters:
    """How many rows stand where, and what they come to.

    Attributes:
        states: Rows by state; states without rows are there, too.
        money: What they come to.
    """

    states: Mapping[State, int]
    money: Money = Money()

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.states.values())
