"""What the parts of a run share while one process works on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

import attrs

from sync_async._errors import ArgumentError
from sync_async.bulk.budget import MICRO
from sync_async.bulk.ledger import Ledger
from sync_async.bulk.outcome import Outage, RepeatQuota
from sync_async.bulk.pulse import Pulse
from sync_async.bulk.records import Change, Item, Value
from sync_async.bulk.safety import Breaker, Canary, Halt
from sync_async.bulk.slots import Slots
from sync_async.bulk.states import State
from sync_async.bulk.traffic import Traffic
from sync_async.resources._resource import Caller
from sync_async.resources.generations import AsyncGenerations

EventName = Literal["item", "level", "rate", "halted", "progress"]
Listener = Callable[[str, dict[str, Any]], object]
Step = tuple[State, State, dict[str, Value]]
"""From which state a row goes to which, and what else is known."""


def _whole(lowest: int) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < lowest):
            raise ArgumentError(attribute.name, f"{value!r} is not a whole number from {lowest}")

    return check


def _positive(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
        raise ArgumentError(attribute.name, f"{value!r} is not a number above 0")


@attrs.frozen(kw_only=True)
class RunSettings:
    """How a run is worked on; what it buys does not depend on any of it.

    Attributes:
        max_concurrency: Most generations at once, from 1; None leaves it to what the account takes.
        budget_micro: What may be spent, None for no limit.
        assumed_micro: What to reserve for a row whose price nobody knows.
        attempts: Generations that a row may fail before it counts as failed, from 1; each is a purchase.
        canary: Rows that go ahead, down to their files; None leaves it to the size of the run, 0 for none.
        posts_per_minute: Creates that the account takes in any minute, where that is known.
        downloads: Files that are fetched at once, from 1.
        uploads: Files that are sent at once, from 1.
        download: Whether outputs are fetched at all.
        breaker: Whether a run stops when many rows fail for one reason.
    """

    max_concurrency: int | None = attrs.field(default=None, validator=_whole(1))
    budget_micro: int | None = attrs.field(default=None, validator=_whole(0))
    assumed_micro: int | None = attrs.field(default=None, validator=_whole(0))
    attempts: int = attrs.field(default=1, validator=_whole(1))
    canary: int | None = attrs.field(default=None, validator=_whole(0))
    posts_per_minute: float | None = attrs.field(default=None, validator=_positive)
    downloads: int = attrs.field(default=4, validator=_whole(1))
    uploads: int = attrs.field(default=4, validator=_whole(1))
    download: bool = True
    breaker: bool = True


@attrs.define(kw_only=True, eq=False)
class Session:
    """What the parts of a run share.

    Attributes:
        ledger: Where its rows stand; the truth.
        caller: The way to the API.
        settings: How it is worked on.
        slots: What it holds at the server.
        traffic: When requests may go.
        spawn: Starts a task that ends with the run, and ends the run when it fails.
        changed: Beats whenever a row or a slot has changed.
        listeners: Told of what happens.
        ended: Told of each job that is over, and where its row stands.
        wall_us: Gives microseconds since 1970.
        halt: Why nothing more is bought, None while rows are bought.
    """

    ledger: Ledger
    caller: Caller
    settings: RunSettings
    slots: Slots
    traffic: Traffic
    spawn: Callable[[Coroutine[Any, Any, Any]], object]
    changed: Pulse
    listeners: list[Listener] = attrs.field(factory=list)
    ended: Callable[[int, State, str], object] = lambda _seq, _state, _job: None
    wall_us: Callable[[], int] = lambda: time.time_ns() // 1000
    outage: Outage = attrs.field(factory=Outage)
    quota: RepeatQuota = attrs.field(factory=RepeatQuota)
    breaker: Breaker = attrs.field(factory=Breaker)
    canary: Canary = attrs.field(factory=lambda: Canary(0))
    halt: Halt | None = attrs.field(init=False, default=None)

    @property
    def generations(self) -> AsyncGenerations:
        """The generations of the API."""
        return AsyncGenerations(self.caller)

    def stop_buying(self, halt: Halt) -> None:
        """Buy nothing more; what runs is followed to its end. The first reason counts."""
        if self.halt is None:
            self.halt = halt
            self.tell("halted", reason=halt.reason, code=halt.code, failures=halt.failures, samples=halt.samples)
            self.changed.beat()

    def note_end(self, item: Item, code: str | None) -> None:
        """Take note of a row that has ended, with its error code or None: it may be reason to stop."""
        halts = [self.breaker.note(item.item_id, code)] if self.settings.breaker else []
        if not self.canary.is_over:
            halts.append(self.canary.note(item.item_id, code))
        for halt in halts:
            if halt is not None:
                self.stop_buying(halt)

    async def mark(self, item: Item, target: State, *, source: State | None = None, **values: Value) -> None:
        """Bring a row from its state to another, durably, and tell of it.

        Args:
            item: The row as it was read.
            target: Where it goes.
            source: Where it stands by now, if that is not its state.
            values: What else is known.
        """
        await self.mark_all(item, [(source or item.state, target, values)])

    async def mark_all(self, item: Item, steps: Sequence[Step]) -> None:
        """Bring a row through several states with one commit."""
        await self.ledger.mark(
            [Change(seq=item.seq, source=source, target=target, values=values) for source, target, values in steps]
        )
        _, last, values = steps[-1]
        job = values.get("job_id", item.job_id)
        if last in OF_ENDED_JOBS and isinstance(job, str):
            self.ended(item.seq, last, job)
        for source, target, values in steps if self.listeners else ():
            if source != target:
                self.tell("item", seq=item.seq, id=item.item_id, state=target.value, **_told(item, values))
        self.changed.beat()

    def tell(self, event: EventName, **fields: Any) -> None:
        """Tell the listeners."""
        for listener in self.listeners:
            listener(event, fields)


OF_ENDED_JOBS = frozenset({State.DONE, State.FAILED, State.REJECTED})
TOLD = {"job_id": "job", "error_code": "code", "error": "error", "out_path": "path"}
"""Columns of a row that are told, and what they are called then."""


def _told(item: Item, values: dict[str, Value]) -> dict[str, Any]:
    told = {name: values.get(column, getattr(item, column)) for column, name in TOLD.items()}
    cost = values.get("cost_micro", item.cost_micro)
    if isinstance(cost, int):
        told["cost"] = cost / MICRO
    return {name: value for name, value in told.items() if value is not None}
