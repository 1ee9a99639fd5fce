"""What jobs have really cost: asked for when they are over, with reads that nothing else needs.

Until then, and where the server does not tell, the estimate counts.
Source: https://sync.so/docs/api-reference/api/generate-api/get-costs
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

import attrs

from sync_async._errors import ApiError, ArgumentError
from sync_async._request import Answer, Endpoint, Repeat, make_request
from sync_async._settings import RequestOptions
from sync_async.bulk.budget import micro
from sync_async.bulk.pacer import Pace
from sync_async.bulk.pulse import Pulse
from sync_async.bulk.records import Change
from sync_async.bulk.session import Session
from sync_async.bulk.states import State
from sync_async.jobs.waiter import PASSING

COSTS = Endpoint[Any]("GET", "/v2/generate/{id}/costs", Repeat.SAFE, answer=Answer.ANY)
ONE_READ = RequestOptions(max_retries=0)
READ_SHARE = 0.25
"""Part of the reads that may go into it while jobs run."""
LEAST_PAUSE = 0.2
"""Seconds between two of them, however many reads the server takes: nobody is in haste."""
PATIENCE = 5.0
"""Seconds that the end of a run waits for what is still to be asked for."""
MOST_WAITING = 10_000
"""Jobs that wait; of those before them the estimates stay."""
TRIES = 3

log = logging.getLogger("syncso")


@attrs.define
class _Job:
    seq: int
    state: State
    id: str
    tries: int = 0


@attrs.define(eq=False)
class Settler:
    """Asks what jobs have cost, and writes it in the ledger.

    Args:
        session: What the parts of a run share.
    """

    session: Session
    _waiting: deque[_Job] = attrs.field(init=False, factory=lambda: deque(maxlen=MOST_WAITING))
    _news: Pulse = attrs.field(init=False, factory=Pulse)
    _refusals: int = attrs.field(init=False, default=0)
    """How many were refused one after the other."""

    @property
    def is_refused(self) -> bool:
        """Whether the server does not tell costs at all."""
        return self._refusals >= TRIES

    def note(self, seq: int, state: State, job: str) -> None:
        """Take note of a job that is over."""
        if not self.is_refused:
            self._waiting.append(_Job(seq, state, job))
            self._news.beat()

    async def run(self) -> None:
        """Ask now and then, until it is cancelled."""
        while True:
            seen = self._news.beats
            if not self._waiting:
                await self._news.wait(since=seen)
            await asyncio.sleep(self._pause())
            await self._settle_next()

    async def finish(self) -> None:
        """Ask for what is left, as far as a few seconds take it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._waiting:
                    await self._settle_next()

    def _pause(self) -> float:
        reads = self.session.traffic.pacers[Pace.READ].rate / 60
        return max(LEAST_PAUSE, 1 / (READ_SHARE * reads))

    async def _settle_next(self) -> None:
        job = self._waiting[0]  # a cancelled look leaves it first
        is_settled = await self._settle(job)
        if self._waiting and self._waiting[0] is job:  # else there were too many
            self._waiting.popleft()
        job.tries += 1
        if not is_settled and job.tries < TRIES and not self.is_refused:
            self._waiting.append(job)

    async def _settle(self, job: _Job) -> bool:
        """Ask for the cost of a job, and tell whether there is nothing more to ask."""
        session = self.session
        request = make_request(COSTS, ONE_READ, id=job.id)
        try:
            answer = await session.traffic.ask(Pace.READ, lambda: session.caller.fetch(request))
        except PASSING as error:
            log.info("the cost of %s is not known yet: %s", job.id, error)
            return False
        except ApiError as error:
            self._refuse(error)
            return True
        self._refusals = 0
        if not isinstance(answer, Mapping) or answer.get("availability") == "unavailable":
            return True
        if answer.get("availability") != "complete":
            return False
        try:
            cost = micro(answer.get("totalCostUsd") or "", "totalCostUsd")
        except ArgumentError as error:
            log.warning("the cost of %s cannot be read: %s", job.id, error)
            return True
        await session.ledger.mark(
            [Change(seq=job.seq, source=job.state, target=job.state, values={"cost_micro": cost})]
        )
        return True

    def _refuse(self, error: ApiError) -> None:
        """Ask no more when it goes on like this."""
        self._refusals += 1
        if self.is_refused:
            log.info("the server does not tell what jobs have cost: %s", error)
            self._waiting.clear()
