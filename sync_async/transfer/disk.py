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

AT_ONCE = 2
"""Threads at work: a large file that is made durable holds up no small ones."""

Work = Callable[[], Path | None]
"""Does something with a file, and gives the folder in which it has got its name, if it has."""


@attrs.define(eq=False)
class _Queued:
    work: Work
    done: asyncio.Future[None]
    error: BaseException | None = None


@attrs.define(eq=False)
class Disk:
    """The files of one download, or of many that are under way together.

    Waking a thread takes longer than writing a small file, and so does making the name of a file durable; both are
    done once for all that has come.
    """

    _waiting: deque[_Queued] = attrs.field(init=False, factory=deque)
    _at_work: int = attrs.field(init=False, default=0)
    _tasks: set[asyncio.Task[None]] = attrs.field(init=False, factory=set)
    """So that they are not collected."""

    async def do(self, work: Work) -> None:
        """Do something; a cancelled call waits until it is through, unless it has not begun.

        Raises:
            Exception: What the work raises.
        """
        loop = asyncio.get_running_loop()
        queued = _Queued(work, loop.create_future())
        self._waiting.append(queued)
        if self._at_work < AT_ONCE:
            self._at_work += 1
            task = loop.create_task(self._go_on())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
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

    async def _go_on(self) -> None:
        """Do what is waiting, and what comes meanwhile."""
        try:
            while self._waiting:
                group = list(self._waiting)
                self._waiting.clear()
                try:
                    await in_thread(_do_all, group)
                finally:  # a cancelled one waits until its thread is through
                    for queued in group:
                        queued.done.set_result(None)
        finally:
            self._at_work -= 1


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
