"""Hours that pass at once: a loop whose clock jumps ahead whenever nothing is left to do now.

Sockets are real. While a thread works for the loop the clock stands still, since nobody knows how long it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar
from unittest import mock

from anyio import to_thread

from sync_async.bulk import sqlite_writer
from sync_async.bulk.sqlite_writer import GroupWriter

T = TypeVar("T")

START = 1_800_000_000.0
"""The time at which virtual hours begin, in seconds since 1970."""


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.works = 0
        """Calls to other threads under way that nothing else counts."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready or super().select(timeout)
        if self._is_anybody_busy():
            return super().select(0.02)
        self.now += timeout
        return super().select(0)

    def _is_anybody_busy(self) -> bool:
        in_threads = any(thread.name == "syncso worker" for thread in threading.enumerate())
        return bool(self.works or in_threads or to_thread.current_default_thread_limiter().borrowed_tokens)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time."""

    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.now

    def run_in_executor(self, *args: Any) -> asyncio.Future[Any]:
        self.virtual.works += 1
        future = super().run_in_executor(*args)
        future.add_done_callback(self._is_back)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        self.virtual.works += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self.virtual.works -= 1

    def _is_back(self, _: object) -> None:
        self.virtual.works -= 1


def wall_clock() -> Callable[[], int]:
    """Give what tells the virtual time in microseconds since 1970, to any thread."""
    loop = asyncio.get_running_loop()
    return lambda: int((START + loop.time()) * 1e6)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with _counted_commits(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


@contextlib.contextmanager
def _counted_commits() -> Iterator[None]:
    """Let the clock stand still while the ledger's thread writes."""
    write = GroupWriter.write

    async def counted(self: GroupWriter, *args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.virtual.works += 1
        try:
            return await write(self, *args, **kwargs)
        finally:
            loop.virtual.works -= 1

    with mock.patch.object(GroupWriter, "write", counted), mock.patch.object(sqlite_writer, "PAUSE", 0.0):
        yield
