"""A run at work: its parts started, joined, and ended when nothing is left to do.

    ledger ──claim──▶ Submitter ──▶ Poller ──▶ Endings ──▶ Downloader
       ▲                  ▲                                     │
       └── Uploader       └── Reconciler ◀── unknown rows       ▼
            (new rows)                                     out/<id>.mp4

The ledger is the truth: each part writes what happened before it hands a row on, so that a process that is killed
at any moment leaves nothing but rows that the next one takes up where they stand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import attrs

from sync_async.bulk.account import concurrency_of_account
from sync_async.bulk.ahead import put_ahead
from sync_async.bulk.counters import Counters
from sync_async.bulk.downloads import Downloader
from sync_async.bulk.endings import Endings
from sync_async.bulk.learned import Learned
from sync_async.bulk.ledger import Ledger
from sync_async.bulk.poller import Poller
from sync_async.bulk.pulse import REST, Pulse
from sync_async.bulk.records import Item
from sync_async.bulk.safety import Canary, Halt
from sync_async.bulk.seeker import LevelChange
from sync_async.bulk.session import Listener, RunSettings, Session
from sync_async.bulk.settling import Settler
from sync_async.bulk.slots import Slots
from sync_async.bulk.states import State
from sync_async.bulk.submitter import Submitter
from sync_async.bulk.timeline import Timeline
from sync_async.bulk.traffic import Traffic, paces
from sync_async.bulk.unknown import KEY_LIFETIME, Reconciler
from sync_async.bulk.uploads import Uploader
from sync_async.bulk.usage import Usage
from sync_async.resources._resource import Caller

WATCH = 5.0
"""Seconds after which a run looks whether it is over though nothing seems to have changed."""
KEEP_EVERY = 60.0
ACCOUNT_EVERY = 600.0
UNKNOWN_PATIENCE = 1800.0
"""Seconds for which a run waits for rows of which nobody knows what became, when no others are left."""


@attrs.define(kw_only=True, eq=False)
class Runner:
    """Works on a run that is open.

    Args:
        ledger: The run.
        caller: The way to the API.
        folder: Where outputs go.
        settings: How it is worked on.
        canary_rows: Rows that go ahead, those that did so in an earlier session among them.
        listeners: Told of what happens.
        wall_us: Gives microseconds since 1970.
    """

    ledger: Ledger
    caller: Caller
    folder: Path
    settings: RunSettings
    canary_rows: int = 0
    listeners: list[Listener] = attrs.field(factory=list)
    wall_us: Callable[[], int] = lambda: time.time_ns() // 1000
    session: Session = attrs.field(init=False)
    submitter: Submitter = attrs.field(init=False)
    poller: Poller = attrs.field(init=False)
    downloader: Downloader = attrs.field(init=False)
    uploader: Uploader = attrs.field(init=False)
    reconciler: Reconciler = attrs.field(init=False)
    timeline: Timeline = attrs.field(init=False)
    settler: Settler = attrs.field(init=False)
    usage: Usage = attrs.field(init=False, factory=Usage)
    is_prepared: bool = attrs.field(init=False, default=False)
    """Whether there is a session, with all its parts."""
    _is_stopped: bool = attrs.field(init=False, default=False)
    _canary_rows: int = attrs.field(init=False, default=0)
    _told_cap: int | None = attrs.field(init=False, default=None)
    _only_unknown_since: float | None = attrs.field(init=False, default=None)

    async def run(self) -> Halt | None:
        """Work on the run until nothing is left to do, or as little as its halt leaves.

        Returns:
            Why it stopped buying before the end, or None.

        Raises:
            LedgerError: The ledger cannot be written; all that was bought is in it, or will be found again.
        """
        learned = await Learned.read(self.ledger)
        try:
            async with asyncio.TaskGroup() as group:
                await self._prepare(group.create_task, learned)
                background = [group.create_task(work) for work in self._background(learned)]
                await self._recover()
                for work in self._parts():
                    group.create_task(work)
                await self._watch()
                self._end()
                for task in background:
                    task.cancel()
                await self.settler.finish()
        except BaseExceptionGroup as errors:
            raise first_of(errors) from errors
        await self.timeline.write()
        await self._keep(learned)
        return self.session.halt

    def stop(self) -> None:
        """Buy nothing more; what runs is followed to its end and fetched."""
        self._is_stopped = True
        if self.is_prepared:
            self.session.stop_buying(Halt("stopped"))

    def limit_concurrency(self, most: int | None) -> None:
        """Hold at most so many slots from now on."""
        self.settings = attrs.evolve(self.settings, max_concurrency=most)
        if self.is_prepared:
            self.session.slots.limit(most)

    def wake(self) -> None:
        """Look at the jobs now: somebody has told that one has ended."""
        if self.is_prepared:
            self.poller.wake()

    def traffic(self) -> dict[str, int]:
        """Count the creates that were sent, and those that were refused, by reason."""
        if not self.is_prepared:
            return {}
        session = self.session
        return {
            "posts": session.slots.posts,
            "refused": session.slots.refusals,
            "rate_refused": session.traffic.refusals,
        }

    async def _prepare(self, spawn: Callable[[Coroutine[Any, Any, Any]], object], learned: Learned) -> None:
        changed = Pulse()
        self._told_cap = hint = await concurrency_of_account(self.caller)
        counters = await self.ledger.counters()
        if self.canary_rows and not _begun(counters):
            await put_ahead(self.ledger, self.canary_rows)
        settings = self.settings  # those of now: a limit may have been set meanwhile
        seeker = learned.seeker(hint, settings.max_concurrency, self.wall_us())
        seeker.on_change = self._tell_level
        self.session = session = Session(
            ledger=self.ledger,
            caller=self.caller,
            settings=settings,
            slots=Slots(seeker, changed),
            traffic=Traffic(paces(settings.posts_per_minute, learned.rates)),
            spawn=spawn,
            changed=changed,
            listeners=self.listeners,
            wall_us=self.wall_us,
            canary=Canary(max(0, self.canary_rows - _begun(counters))),
        )
        self._canary_rows = session.canary.rows
        self.downloader = Downloader(session, self.folder)
        endings = Endings(session, self.downloader.completed)
        self.poller = Poller(session, endings.ended, endings.lost)
        self.submitter = Submitter(session, self.poller.follow, self._may_claim)
        self.uploader = Uploader(session)
        self.reconciler = Reconciler(session, self.poller, self.submitter.recover)
        self.timeline = Timeline(session, self.poller)
        self.settler = Settler(session)
        session.ended = self.settler.note
        self.is_prepared = True
        if self._is_stopped:
            self.stop()

    def _parts(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Begin what ends by itself when the run does."""
        yield self.submitter.run()
        yield self.poller.run()
        yield self.reconciler.run()
        yield self.uploader.run()
        yield self.downloader.recover()

    def _background(self, learned: Learned) -> Iterator[Coroutine[Any, Any, None]]:
        """Begin what goes on until it is cancelled."""
        yield self.timeline.run()
        yield self.settler.run()
        yield self._keep_learned(learned)
        yield self._read_account()

    async def _recover(self) -> None:
        """Take rows up where an earlier process left them."""
        now = self.wall_us()
        async for item in self._live(State.SUBMITTING):
            if now - (item.first_post_us or now) > KEY_LIFETIME * 1e6:
                await self.session.mark(item, State.UNKNOWN, error_code="unclear", due_us=0, unclear_us=now)
            else:
                await self.session.mark(item, State.SUBMITTING, unclear_us=now)
                self.submitter.recover([item])
        async for item in self._live(State.SUBMITTED):
            self.session.slots.restore(1)
            await self.poller.follow(attrs.evolve(item, body=b""))

    async def _live(self, state: State) -> AsyncIterator[Item]:
        after: Item | None = None
        while page := await self.ledger.live({state}, after):
            for item in page:
                yield item
            after = page[-1]

    async def _watch(self) -> None:
        """Wait until nothing is left to do."""
        session, changed = self.session, self.session.changed
        seen = changed.beats
        while not await self._is_over():
            states, slots = (await self.ledger.counters()).states, session.slots
            now, is_waiting = asyncio.get_running_loop().time(), bool(states[State.READY])
            self.usage.note(now, slots.held, slots.seeker.level, is_waiting=is_waiting)
            await changed.wait(WATCH, since=seen, rest=REST)
            seen = changed.beats

    async def _is_over(self) -> bool:
        states, halt = (await self.ledger.counters()).states, self.session.halt
        if states[State.SUBMITTING] or states[State.SUBMITTED]:
            return False
        if halt is not None and halt.reason == "stopped":
            return not self.downloader.is_busy
        if states[State.REMOTE_DONE] + states[State.DOWNLOADING] > self.downloader.left:
            return False
        if halt is not None:
            return True
        if states[State.NEW] or states[State.READY]:
            return False
        return not states[State.UNKNOWN] or self._was_patient()

    def _was_patient(self) -> bool:
        """Tell whether the run has waited long enough for rows of which nobody knows what became."""
        now = asyncio.get_running_loop().time()
        if self._only_unknown_since is None:
            self._only_unknown_since = now
        return now - self._only_unknown_since > UNKNOWN_PATIENCE

    def _end(self) -> None:
        for part in (self.submitter, self.poller, self.reconciler, self.uploader, self.downloader):
            part.end()

    def _may_claim(self) -> int | None:
        if self.session.canary.is_over:
            return None
        return max(0, self._canary_rows - self.submitter.claimed)

    def _tell_level(self, change: LevelChange) -> None:
        self.session.tell("level", before=change.before, level=change.after, reason=change.reason)

    async def _keep_learned(self, learned: Learned) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY)
            await self._keep(learned)

    async def _keep(self, learned: Learned) -> None:
        session, usual = self.session, self.poller.usual_seconds
        await learned.keep(self.ledger, session.slots.seeker, session.traffic, usual, self.wall_us())

    async def _read_account(self) -> None:
        """Read the account now and then, for a cap that it tells and that has changed."""
        while True:
            await asyncio.sleep(ACCOUNT_EVERY)
            cap = await concurrency_of_account(self.caller)
            if cap is not None and self._told_cap is not None and cap != self._told_cap:
                self.session.slots.announced(before=self._told_cap, cap=cap)
            self._told_cap = self._told_cap if cap is None else cap


def _begun(counters: Counters) -> int:
    """Count rows that were sent at any time."""
    waiting = (State.NEW, State.READY, State.REJECTED, State.SKIPPED, State.CANCELLED)
    return sum(count for state, count in counters.states.items() if state not in waiting)


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the first error of a group; the others came of it, or at the same time."""
    first = errors.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
