"""What can be done with a run that is open: starting it, leaving it, and mending rows by hand."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import attrs

from sync_async._errors import ArgumentError, ClosedError, SyncError
from sync_async.bulk.again import FAILED, code_of, templates
from sync_async.bulk.budget import MICRO, needs_consent, usd
from sync_async.bulk.errors import StateConflictError
from sync_async.bulk.ledger import Ledger
from sync_async.bulk.listing import write_listing
from sync_async.bulk.plan import Plan
from sync_async.bulk.records import Change, Item, Result, Run
from sync_async.bulk.results import ItemResult, Report, Retry, RunStatus
from sync_async.bulk.runner import Runner
from sync_async.bulk.safety import Halt, canary_rows
from sync_async.bulk.session import Listener, RunSettings
from sync_async.bulk.states import State
from sync_async.bulk.stream import ResultStream
from sync_async.resources._resource import Caller
from sync_async.resources.generations import AsyncGenerations

log = logging.getLogger("syncso")

UNSETTLED = frozenset({State.UNKNOWN, State.CONFLICT})
"""States of rows that somebody may have to decide about."""


@attrs.define(kw_only=True, eq=False)
class Work:
    """An open run, and the task that works on it.

    Attributes:
        ledger: Its rows.
        run: What it is.
        caller: The way to the API.
        folder: Where its outputs go.
        settings: How it is worked on.
        plan: What its rows came to when they were taken in.
        listeners: Told of what happens.
    """

    ledger: Ledger
    run: Run
    caller: Caller
    folder: Path
    settings: RunSettings
    plan: Plan
    listeners: list[Listener] = attrs.field(factory=list)
    now_us: Callable[[], int] = lambda: time.time_ns() // 1000
    runner: Runner | None = attrs.field(init=False, default=None)
    _task: asyncio.Task[Report] | None = attrs.field(init=False, default=None)
    _began: float = attrs.field(init=False, default=0.0)
    _is_closed: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self.caller.transport.pool.before_close.add(self.close)

    def start(self) -> asyncio.Task[Report]:
        """Work on the run until nothing is left to do; one that is over stays so.

        Raises:
            ClosedError: It was closed.
        """
        if self._is_closed:
            raise ClosedError("this run is closed; open it again to go on")
        if self._task is None:
            rows = self.plan.rows
            is_costly = needs_consent(int(self.plan.price * MICRO), self.plan.rows_of_unknown_price)
            self.runner = Runner(
                ledger=self.ledger,
                caller=self.caller,
                folder=self.folder,
                settings=self.settings,
                canary_rows=canary_rows(self.settings.canary, rows, is_costly=is_costly),
                listeners=self.listeners,
            )
            self._began = asyncio.get_running_loop().time()
            self._task = asyncio.create_task(self._work(self.runner))
        return self._task

    @property
    def is_at_work(self) -> bool:
        """Whether a task works on it."""
        return self._task is not None and not self._task.done()

    async def _work(self, runner: Runner) -> Report:
        report = await self._report(await runner.run())
        try:
            await write_listing(self.ledger, self.folder, report)
        except OSError as error:
            raise SyncError(
                f"the run is over, and its files cannot be written: {error.filename!r}, {error.strerror}; make "
                "room, and open it again"
            ) from error
        return report

    async def _report(self, halt: Halt | None) -> Report:
        runner = self.runner
        return Report(
            status=await self.status(),
            failures=tuple(await self.ledger.failures()),
            halt=halt,
            seconds=asyncio.get_running_loop().time() - self._began,
            used=None if runner is None else runner.usage.share,
            **({} if runner is None else runner.traffic()),
        )

    async def result(self) -> Report:
        """Wait for the end of the work, and tell what the run has come to.

        Raises:
            LedgerError: The ledger cannot be written.
        """
        task = self.start()
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():  # the caller was
                raise
            return await self._report(Halt("stopped"))

    def stream(self) -> ResultStream:
        """Give rows as they end."""
        return ResultStream(self.ledger, self.folder, self.start, self.listeners)

    async def status(self) -> RunStatus:
        """Tell how it stands."""
        return RunStatus.of(self.run.run_id, await self.ledger.counters(), self.run.budget_micro)

    async def stop(self, *, drain: bool) -> None:
        """Buy nothing more, and follow what runs to its end, or leave it."""
        if self._task is None or self.runner is None:
            return
        if drain:
            self.runner.stop()
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled() and (error := self._task.exception()) is not None:
            log.info("the run %s ended with an error: %s", self.run.run_id, error)

    def limit_concurrency(self, most: int | None) -> None:
        """Hold at most so many slots from now on."""
        self.settings = attrs.evolve(self.settings, max_concurrency=most)
        if self.runner is not None:
            self.runner.limit_concurrency(most)

    def wake(self) -> None:
        """Look at the jobs now."""
        if self.runner is not None:
            self.runner.wake()

    async def retry(self, ids: Collection[str] | None, codes: Collection[str] | None, *, dry_run: bool) -> Retry:
        """Let rows that failed be bought once more.

        Raises:
            ArgumentError: The run is at work, or there is no such row among those that failed.
        """
        self._check_idle("retry")
        items = [
            item
            for item in await self._rows_in(FAILED)
            if item.body and (ids is None or item.item_id in ids) and (codes is None or code_of(item) in codes)
        ]
        if ids is not None and (missing := set(ids) - {item.item_id for item in items}):
            raise ArgumentError("ids", f"no row that failed is called {min(missing)!r}")
        if not dry_run:
            for item, template in zip(items, await templates(self.ledger, items), strict=True):
                await self._again(item, template.to_bytes() if template.files else None)
            self._task = None
        return Retry(
            rows=len(items),
            price=usd(sum(item.est_micro or 0 for item in items)),
            rows_of_unknown_price=sum(item.est_micro is None for item in items),
        )

    async def _again(self, item: Item, template: bytes | None) -> None:
        """Let a row be bought once more; one with local files has them sent again, where they have to be."""
        target = State.READY if template is None else State.NEW
        values = {} if template is None else {"body": template}
        await self.ledger.mark([Change(seq=item.seq, source=item.state, target=target, values=values)])

    async def resolve(self, adopt: Mapping[str, str], drop: Collection[str]) -> None:
        """Decide about rows of which nobody knows whether they were bought.

        Raises:
            ArgumentError: The run is at work, or a row is not one of these.
            NotFoundError: There is no such generation.
        """
        self._check_idle("resolve")
        rows = {item.item_id: item for item in await self._rows_in(UNSETTLED)}
        for argument, names in (("adopt", adopt), ("drop", drop)):
            if missing := set(names) - rows.keys():
                raise ArgumentError(argument, f"no unknown or conflicting row is called {min(missing)!r}")
        if both := adopt.keys() & set(drop):
            raise ArgumentError("drop", f"{min(both)!r} is to be adopted, too")
        generations = AsyncGenerations(self.caller)
        for name, id in adopt.items():
            await generations.get(id)
            await self._settle(rows[name], State.SUBMITTED, job_id=id, submitted_us=self.now_us())
        for name in drop:
            await self._settle(rows[name], State.FAILED, finished_us=self.now_us(), error_code="given_up")
        self._task = None

    async def unsettled(self) -> list[ItemResult]:
        """Give the rows that somebody may have to decide about."""
        return [
            ItemResult.of(Result(item=item, leader=item), self.folder) for item in await self._rows_in(UNSETTLED)
        ]

    async def _settle(self, item: Item, target: State, **values: str | int) -> None:
        change = Change(seq=item.seq, source=item.state, target=target, values=values)
        try:
            await self.ledger.mark([change])
        except StateConflictError as error:  # the ledger is ours alone: it can be nothing else
            raise ArgumentError("adopt", f"generation {values['job_id']} belongs to another row") from error

    async def _rows_in(self, states: Collection[State]) -> list[Item]:
        found: list[Item] = []
        after: Item | None = None
        while page := await self.ledger.live(states, after):
            found += page
            after = page[-1]
        return found

    def _check_idle(self, what: str) -> None:
        if self.is_at_work:
            raise ArgumentError(what, "the run is at work; wait for its end, or stop it")

    async def close(self) -> None:
        """Leave the run as it stands, and give it free; closing twice is fine."""
        self._is_closed = True
        self.caller.transport.pool.before_close.discard(self.close)
        await self.stop(drain=False)
        await self.ledger.aclose()
