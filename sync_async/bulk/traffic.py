"""Requests in their turn: each class of endpoints at its own pace, whoever of the run sends them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from sync_async._errors import ApiError, ConcurrencyLimitError, TooManyRequestsError
from sync_async.bulk.clock import Clock, clock
from sync_async.bulk.pacer import STARTS, Pace, Pacer

T = TypeVar("T")


def paces(posts_per_minute: float | None, learned: dict[str, float]) -> dict[Pace, Pacer]:
    """Make the pacers of a run.

    A server that takes more creates a minute than reads are begun with takes as many reads.

    Args:
        posts_per_minute: How many creates it takes, where the caller knows.
        learned: Rates that an earlier session of the run learned, by class.
    """
    made = {pace: Pacer.of(pace, learned=learned.get(pace.value)) for pace in Pace}
    if posts_per_minute is not None:
        made[Pace.CREATE] = Pacer.of(Pace.CREATE, limit=posts_per_minute)
        for pace in (Pace.READ, Pace.UPLOAD):
            if posts_per_minute > max(made[pace].rate, STARTS[pace].rate):
                made[pace] = Pacer(posts_per_minute, STARTS[pace].burst, highest=posts_per_minute)
    return made


@attrs.define(eq=False)
class Traffic:
    """Lets requests go at the pace of their class."""

    pacers: dict[Pace, Pacer]
    wall: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    _now: Clock = attrs.field(init=False, factory=clock)
    refusals: int = attrs.field(init=False, default=0)
    """Creates that were refused for the rate."""

    def wait(self, pace: Pace) -> float:
        """Give the seconds until the next request of a class may be sent; 0 for now."""
        return self.pacers[pace].wait(self._now())

    def sent(self, pace: Pace) -> None:
        """Take note of a request that is being sent."""
        self.pacers[pace].sent(self._now())

    async def turn(self, pace: Pace) -> float:
        """Wait until a request may be sent, take note of it, and give the time."""
        while (seconds := self.wait(pace)) > 0:  # noqa: ASYNC110  # only time can end it
            await asyncio.sleep(seconds)
        self.sent(pace)
        return self._now()

    def passed(self, pace: Pace) -> None:
        """Take note of an answer that is no refusal for the rate."""
        self.pacers[pace].passed(self._now())

    def refused(self, pace: Pace, sent: float, hint: float | None) -> None:
        """Take note of a refusal for the rate."""
        self.refusals += pace is Pace.CREATE
        self.pacers[pace].refused(sent, self._now(), hint=hint, wall=self.wall(), chance=self.chance())

    async def ask(self, pace: Pace, call: Callable[[], Awaitable[T]]) -> T:
        """Send a request in its turn.

        Raises:
            SyncError: What the call raises.
        """
        sent = await self.turn(pace)
        try:
            answer = await call()
        except ApiError as error:
            is_refusal = isinstance(error, TooManyRequestsError) and not isinstance(error, ConcurrencyLimitError)
            if is_refusal:
                self.refused(pace, sent, error.retry_after)
            else:
                self.passed(pace)
            raise
        self.passed(pace)
        return answer
