"""Waking those who wait for something to change."""

from __future__ import annotations

import asyncio

import attrs


@attrs.define(eq=False)
class Pulse:
    """Wakes all who wait at that moment; who looks and then waits misses nothing, as nothing comes between."""

    _waiting: set[asyncio.Future[None]] = attrs.field(init=False, factory=set)

    def beat(self) -> None:
        """Wake all who wait."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the next beat, or for so many seconds."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.add(future)
        timer = None if seconds is None else loop.call_later(seconds, _wake, future)
        try:
            await future
        finally:
            self._waiting.discard(future)
            if timer is not None:
                timer.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
