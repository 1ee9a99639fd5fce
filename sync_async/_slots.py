"""How many requests of a client are under way at once."""

from __future__ import annotations

import asyncio
import collections

GROWTH = 4
"""How many slots one turn of the loop may add, less those that came back since the last one.

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
        self._came_back = 0
        self._turn_is_planned = False
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()

    def take(self) -> asyncio.Future[None] | None:
        """Take a slot; first come, first served.

        Returns:
            None if it is there, else what to wait for.
        """
        if not self._waiting and self._has_taken():
            return None
        place = self._loop.create_future()
        self._waiting.append(place)
        return place

    def release(self, place: asyncio.Future[None] | None) -> None:
        """Give a slot back, or leave the queue.

        Args:
            place: What is waited for, if anything is; a slot may have come at the moment in which the wait ended.
        """
        if self._loop.is_closed():  # its calls are collected, and would say so
            return
        if place is not None and (place.cancel() or place.cancelled()):
            return
        self._came_back += 1
        if not self._has_handed_over():
            self._free += 1

    def _has_taken(self) -> bool:
        if self._free:
            self._free -= 1
            return True
        if not self._unopened:
            return False
        self._plan_turn()
        if self._growth <= 0:
            return False
        self._open()
        return True

    def _open(self) -> None:
        self._unopened -= 1
        self._growth -= 1

    def _has_handed_over(self) -> bool:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return True
        return False

    def _plan_turn(self) -> None:
        if not self._turn_is_planned:
            self._turn_is_planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_planned = False
        self._growth = GROWTH - self._came_back
        self._came_back = 0
        while self._unopened and self._growth > 0 and self._has_handed_over():
            self._open()
        if self._unopened and self._waiting:
            self._plan_turn()
