"""What one pass over the rows of a run counts, so that all numbers of the report are those of its table."""

from __future__ import annotations

import enum
import json
from collections import Counter

import attrs

from sync_async.bulk.counters import Money, money_of
from sync_async.bulk.keys import Template
from sync_async.bulk.records import Item, Result
from sync_async.bulk.states import CHARGED, RESERVING, State

SAMPLES = 3
"""Rows that are named for each reason."""


class Group(enum.StrEnum):
    """Where a row stands, as a person asks for it."""

    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    NOT_FETCHED = "not fetched"
    RUNNING = "running"
    WAITING = "waiting"
    CANCELLED = "cancelled"


GROUPS = {
    State.DONE: Group.DONE,
    State.FAILED: Group.FAILED,
    State.REJECTED: Group.REJECTED,
    State.CONFLICT: Group.CONFLICT,
    State.UNKNOWN: Group.UNKNOWN,
    State.REMOTE_DONE: Group.NOT_FETCHED,
    State.DOWNLOADING: Group.NOT_FETCHED,
    State.SUBMITTING: Group.RUNNING,
    State.SUBMITTED: Group.RUNNING,
    State.NEW: Group.WAITING,
    State.READY: Group.WAITING,
    State.CANCELLED: Group.CANCELLED,
}
"""A double stands where the row stands whose fate it shares, so that `skipped` is not among them."""
WITHOUT_OUTPUT = (Group.FAILED, Group.REJECTED, Group.CONFLICT, Group.UNKNOWN, Group.NOT_FETCHED, Group.CANCELLED)
"""Groups whose rows are explained; a row that is not fetched is, when a try has failed."""
OPEN = frozenset({Group.UNKNOWN, Group.NOT_FETCHED, Group.RUNNING, Group.WAITING})
"""Groups whose rows are not over."""


class Price(enum.IntEnum):
    """What is known of the price of a row."""

    NONE = 0
    """Nothing was bought."""
    TOLD = 1
    """The server has told it."""
    EXPECTED = 2
    """It is an estimate."""
    UNKNOWN = 3
    """Something was bought, and nobody knows for how much."""


@attrs.define
class Reason:
    """Rows that have no output for one reason.

    Attributes:
        group: Where they stand.
        code: The error code, or None.
        error: What was said of the first of them.
        rows: How many they are.
        samples: Names of the first of them.
    """

    group: Group
    code: str | None
    error: str | None
    rows: int = 0
    samples: list[str] = attrs.field(factory=list)


@attrs.define
class OfModel:
    """What the rows of one model come to; `seconds` are those of the outputs, `unpriced` rows of unknown price."""

    rows: int = 0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    spent: int = 0
    unpriced: int = 0


@attrs.define
class Tally:
    """What was counted.

    Attributes:
        groups: Rows by where they stand, doubles where the row stands that they ask the same as.
        doubles: How many rows are doubles.
        unpriced_doubles: Of these, rows of which nobody knows what they would have cost.
        money: What all come to.
        estimated: How much of what was spent is estimated.
        unpriced_failed: Rows that failed and may have been charged for, and nobody has told how much.
        models: What each model comes to, by name.
        reasons: Why rows have no output.
        last_us: When something became of a row last, None when nothing has.
    """

    groups: Counter[Group] = attrs.field(factory=Counter)
    doubles: int = 0
    unpriced_doubles: int = 0
    money: Money = attrs.field(factory=Money)
    estimated: int = 0
    unpriced_failed: int = 0
    models: dict[str, OfModel] = attrs.field(factory=dict)
    reasons: dict[tuple[Group, str | None], Reason] = attrs.field(factory=dict)
    last_us: int | None = None

    @property
    def total(self) -> int:
        """All rows."""
        return self.groups.total()

    @property
    def unpriced(self) -> int:
        """Rows that are over, and of which nobody knows what they cost."""
        return self.money.unpriced_finished + self.unpriced_failed

    @property
    def is_over(self) -> bool:
        """Whether no row is left of which something could become."""
        return not any(self.groups[group] for group in OPEN)

    def count(self, result: Result, model: str | None) -> None:
        """Count a row, and tell nothing of it."""
        item, leader = result.item, result.leader
        group = GROUPS[leader.state]
        self.groups[group] += 1
        money = money_of(item.state, item.est_micro, item.cost_micro, item.past_micro)
        self.money = self.money.plus(money)
        if item is not leader:
            self.doubles += 1
            self.unpriced_doubles += item.est_micro is None
        else:
            self._count_price(item)
        self._count_model(result, group, money, model)
        if group in WITHOUT_OUTPUT and (group is not Group.NOT_FETCHED or leader.error_code is not None):
            self._count_reason(item, leader, group)
        seen = [us for us in (item.first_post_us, item.submitted_us, item.finished_us) if us is not None]
        self.last_us = max([*seen, self.last_us or 0]) or None

    def _count_price(self, item: Item) -> None:
        if item.state in CHARGED and item.cost_micro is None:
            self.estimated += item.est_micro or 0
        self.unpriced_failed += _is_unpriced_failure(item)

    def _count_model(self, result: Result, group: Group, money: Money, model: str | None) -> None:
        if model is None:
            return
        is_double = result.item is not result.leader
        counted = self.models.setdefault(model, OfModel())
        counted.rows += 1
        counted.done += group is Group.DONE
        counted.failed += group in (Group.FAILED, Group.REJECTED, Group.CONFLICT)
        counted.seconds += (result.leader.output_s or 0.0) if group is Group.DONE else 0.0
        counted.spent += money.spent
        counted.unpriced += money.unpriced_finished + (not is_double and _is_unpriced_failure(result.item))

    def _count_reason(self, item: Item, leader: Item, group: Group) -> None:
        key = (group, leader.error_code)
        reason = self.reasons.setdefault(key, Reason(group, leader.error_code, leader.error))
        reason.rows += 1
        if len(reason.samples) < SAMPLES:
            reason.samples.append(item.item_id)

    def by_weight(self) -> list[Reason]:
        """Give the reasons, the most frequent first."""
        return sorted(self.reasons.values(), key=lambda reason: (-reason.rows, reason.group, reason.code or ""))


def price_of(item: Item) -> tuple[int | None, Price]:
    """Tell what a row costs in micro-dollars, all its purchases together, and how well that is known."""
    if item.cost_micro is not None:
        return item.cost_micro + item.past_micro, Price.TOLD
    if item.state in CHARGED | RESERVING:
        if item.est_micro is None:
            return None, Price.UNKNOWN
        return item.est_micro + item.past_micro, Price.EXPECTED
    if item.job_id is not None or item.state in (State.FAILED, State.CONFLICT):  # it may have been charged for
        return None, Price.UNKNOWN
    return (item.past_micro, Price.TOLD) if item.past_micro else (None, Price.NONE)


def _is_unpriced_failure(item: Item) -> bool:
    return item.state not in CHARGED | RESERVING and price_of(item)[1] is Price.UNKNOWN


def model_of(item: Item) -> str | None:
    """Read the model out of the body of a row, None for one that could not be read."""
    if not item.body:
        return None
    body = json.loads(item.body) if item.is_frozen else Template.from_bytes(item.body).body
    model = body.get("model")
    return model if isinstance(model, str) else None
