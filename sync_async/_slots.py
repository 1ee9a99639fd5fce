"""How many requests of a client are under way at once."""

from __future__ import annotations

import asyncio
import collections

GROWTH = 8
"""How many slots one turn of the loop may add.

A slot is a connection, and making one takes longer than a request over one that is there. If all calls of a
burst asked for theirs in the same turn, no request would leave before all connections were made, and no answer
could free one meanwhile.
"""


class Slots:
    """A semaphore that opens bit by bit: who waits gets a slot that comes back, or else a new one in some turn."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._unopened = limit
        self._free = 0
        self._growth = GROWTH
        self._turn_is_planned = False
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()

    async def acquire(self) -> None:
        """Take a slot; first come, first served."""
        if not self._waiting and self._has_taken():
            return
        slot = self._loop.create_future()
        self._waiting.append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if not slot.cancelled():  # it came at the same moment
                self.release()
            raise

    def release(self) -> None:
        """Give a slot back."""
        if not self._has_handed_over():
            self._free += 1

    def _has_taken(self) -> bool:
        if self._free:
            self._free -= 1
            return True
        if not self._unopened:
            return False
        self._plan_turn()
        if not self._growth:
            return False
        self._open()
        return True

    def _open(self) -> None:
        self._unopened -= 1
        self._growth -= 1

    def _has_handed_over(self) -> bool:
        while self._waiting:
            slot = self._waiting.popleft()
            if not slot.done():
                slot.set_result(None)
                return True
        return False

    def _plan_turn(self) -> None:
        if not self._turn_is_planned:
            self._turn_is_planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_planned = False
        self._growth = GROWTH
        while self._unopened and self._growth and self._has_handed_over():
            self._open()
        if self._unopened and self._waiting:
            self._plan_turn()
