"""Work on files, away from the loop: what comes while a thread is at work is done with one waking of the next."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

import attrs

from sync_async._loading import in_thread

AT_ONCE, MOST_AT_ONCE = 2, 16
"""Threads at work on a fast disk, and on a slow one or beside large files."""
SLOW = 0.02
"""Seconds after which what waits is not left to the threads at work."""

Work = Callable[[], Path | None]
"""Does something with a file, and gives the folder in which it has got its name, if it has."""


@attrs.define(eq=False)
class _Queued:
    work: Work
    done: asyncio.Future[None]
    is_through: bool = False
    error: BaseException | None = None


@attrs.define(eq=False)
class Disk:
    """The files of one download, or of many that are under way together.

    Waking a thread takes longer than writing a small file, and so does making the name of a file durable; both are
    done once for all that has come.
    """

    _waiting: deque[_Queued] = attrs.field(init=False, factory=deque)
    _at_work: set[asyncio.Task[None]] = attrs.field(init=False, factory=set)
    _taken: float = attrs.field(init=False, default=0.0)
    """When a thread was last to take up what was waiting."""

    async def do(self, work: Work) -> None:
        """Do something; a cancelled call waits until it is through, unless it has not begun.

        Raises:
            Exception: What the work raises.
        """
        loop = asyncio.get_running_loop()
        queued = _Queued(work, loop.create_future())
        self._waiting.append(queued)
        self._begin()
        try:
            await asyncio.shield(queued.done)
        except asyncio.CancelledError:
            if queued in self._waiting:
                self._waiting.remove(queued)
            else:
                await _through(queued.done)
            raise
        if queued.error is not None:
            raise queued.error

    def _begin(self) -> None:
        """Wake one more thread, when there is work for it."""
        loop, count = asyncio.get_running_loop(), len(self._at_work)
        now = loop.time()
        most = MOST_AT_ONCE if now - self._taken > SLOW else AT_ONCE
        if self._waiting and count < most:
            self._taken = now
            task = loop.create_task(self._go_on())
            self._at_work.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        self._begin()  # for what came meanwhile

    async def _go_on(self) -> None:
        """Do what is waiting, and what comes meanwhile."""
        group: list[_Queued] = []
        try:
            while self._waiting:
                group = self._take()
                await in_thread(_do_all, group)
                _tell(group)
        except BaseException as error:  # no thread was to be had, or the loop ends
            _tell(group, error)
            if not isinstance(error, Exception):
                raise

    def _take(self) -> list[_Queued]:
        group = list(self._waiting)
        self._waiting.clear()
        self._taken = asyncio.get_running_loop().time()
        return group


def _tell(group: list[_Queued], error: BaseException | None = None) -> None:
    for queued in group:
        if not queued.is_through:
            queued.error = error
        if not queued.done.done():
            queued.done.set_result(None)


async def _through(done: asyncio.Future[None]) -> None:
    """Wait for work that goes on, however often the call is cancelled."""
    while not done.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(done)


def _do_all(group: list[_Queued]) -> None:
    folders = set[Path]()
    for queued in group:
        try:
            folder = queued.work()
        except BaseException as error:  # noqa: BLE001  # raised where it is awaited
            queued.error = error
        else:
            if folder is not None:
                folders.add(folder)
        queued.is_through = True
    for folder in folders:
        _sync(folder)


def _sync(folder: Path) -> None:
    """Make new names durable, where a system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
