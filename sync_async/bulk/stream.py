"""Rows of a run as they end: those of earlier sessions first, then each when the ledger has it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from sync_async.bulk.ledger import PAGE_ROWS, Ledger
from sync_async.bulk.pulse import Pulse
from sync_async.bulk.records import Result
from sync_async.bulk.results import BOUGHT, ItemResult
from sync_async.bulk.session import Listener
from sync_async.bulk.states import TERMINAL, State

STUCK = BOUGHT | {State.UNKNOWN}
"""States of rows that cost money, perhaps, and are not over when the run ends."""


@attrs.define(eq=False)
class ResultStream:
    """Gives each row once; a bit of memory for each of them, however many there are.

    Args:
        ledger: The run.
        folder: Where outputs are.
        work: Starts the run's work, or gives the task that does it.
        listeners: Those who are told of each row.
    """

    ledger: Ledger
    folder: Path
    work: Callable[[], asyncio.Task[Any]]
    listeners: list[Listener]
    _earlier: Sequence[int] = attrs.field(init=False, default=())
    """Rows that were over when the stream began."""
    _place: int = attrs.field(init=False, default=0)
    """How many of them were told."""
    _ended: deque[int] = attrs.field(init=False, factory=deque)
    _told: bytearray = attrs.field(init=False, factory=bytearray)
    _news: Pulse = attrs.field(init=False, factory=Pulse)
    _task: asyncio.Task[Any] | None = attrs.field(init=False, default=None)
    _is_over: bool = attrs.field(init=False, default=False)

    async def next_group(self) -> Sequence[ItemResult]:
        """Give rows that have ended, at least one; none when the run has.

        Raises:
            LedgerError: The run has ended by it.
        """
        task = await self._start() if self._task is None else self._task
        while not self._is_over:
            seen, is_done = self._news.beats, task.done()
            while rows := self._next_rows():
                if group := self._new(await self.ledger.results_of(rows)):
                    return group
            if is_done:
                return await self._end(task)
            await self._news.wait(since=seen)
        return []

    async def _start(self) -> asyncio.Task[Any]:
        self.listeners.append(self._listen)  # first, so that none ends unseen between the two
        self._earlier = await self.ledger.ended()
        self._task = task = self.work()
        task.add_done_callback(lambda _: self._news.beat())
        return task

    def _listen(self, event: str, fields: dict[str, Any]) -> None:
        if event == "item" and State(fields["state"]) in TERMINAL:
            self._ended.append(fields["seq"])
            self._news.beat()

    def _next_rows(self) -> Sequence[int]:
        if rows := self._earlier[self._place : self._place + PAGE_ROWS]:
            self._place += PAGE_ROWS
            return rows
        return [self._ended.popleft() for _ in range(min(PAGE_ROWS, len(self._ended)))]

    async def _end(self, task: asyncio.Task[Any]) -> list[ItemResult]:
        """Tell of rows that cost money and are not over, and how the run has ended."""
        self._is_over = True
        self.listeners.remove(self._listen)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
        stuck: list[ItemResult] = []
        after = None
        while page := await self.ledger.live(STUCK, after):
            stuck += self._new(await self.ledger.results_of([item.seq for item in page]))
            after = page[-1]
        return stuck

    def _new(self, results: Sequence[Result]) -> list[ItemResult]:
        return [ItemResult.of(result, self.folder) for result in results if self._is_new(result.item.seq)]

    def _is_new(self, seq: int) -> bool:
        place, bit = divmod(seq, 8)
        if place >= len(self._told):
            self._told.extend(bytes(place + 1 - len(self._told)))
        is_new = not self._told[place] & (1 << bit)
        self._told[place] |= 1 << bit
        return is_new
