"""Waking those who wait for something to change."""

from __future__ import annotations

import asyncio

import attrs

REST = 0.02
"""Seconds between two looks of one who is in no haste, and whom each row of a fast run would wake."""


@attrs.define(eq=False)
class Pulse:
    """Wakes all who wait.

    Attributes:
        beats: How many there were: who looks and awaits something before it waits gives the number from before.
    """

    beats: int = attrs.field(init=False, default=0)
    _waiting: set[asyncio.Future[None]] = attrs.field(init=False, factory=set)

    def beat(self) -> None:
        """Wake all who wait."""
        self.beats += 1
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(
        self, seconds: float | None = None, *, since: int | None = None, rest: float | None = None
    ) -> None:
        """Wait for the next beat, or for so many seconds.

        Args:
            seconds: The longest wait; None for no limit.
            since: `beats` from before the caller looked: when there was one meanwhile, nothing is waited for.
            rest: Seconds to wait besides; see `REST`.
        """
        if rest is not None:
            await asyncio.sleep(rest)
        if since is not None and since != self.beats:
            return
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
