"""Jobs that run: followed by list, a hundred with one request, and taken over when they have ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

import attrs

from sync_async._errors import NotFoundError
from sync_async._settings import RequestOptions
from sync_async.bulk.clock import Clock, clock
from sync_async.bulk.pacer import Pace
from sync_async.bulk.pulse import Pulse
from sync_async.bulk.records import Item
from sync_async.bulk.session import Session
from sync_async.jobs.generation_looks import IDS_A_REQUEST, LookAtMany, requests_for
from sync_async.jobs.kinds import GENERATION
from sync_async.jobs.pace import FlowPace
from sync_async.jobs.waiter import Look, Waiter
from sync_async.types.generations import Generation

READ_SHARE = 0.5
"""Part of the reads that looks at jobs may use."""
ONE_LIST = RequestOptions(max_retries=0, additional_query_parameters={"limit": IDS_A_REQUEST})
"""A list that fails is asked for again with the next look, and not before."""
ONE_READ = RequestOptions(max_retries=0)

Ended = Callable[[Item, Generation], Coroutine[Any, Any, None]]
Lost = Callable[[Item, NotFoundError], Coroutine[Any, Any, None]]


@attrs.frozen
class _Followed:
    item: Item
    since: float
    """When it was known to run."""


@attrs.define(eq=False)
class Poller:
    """Follows the jobs of a run.

    Args:
        session: What the parts of a run share.
        ended: Called with each job that has ended.
        lost: Called with each job that the server does not know.
    """

    session: Session
    ended: Ended
    lost: Lost
    _now: Clock = attrs.field(init=False, factory=clock)
    _jobs: dict[str, _Followed] = attrs.field(init=False, factory=dict)
    _wake: Pulse = attrs.field(init=False, factory=Pulse)
    _is_over: bool = attrs.field(init=False, default=False)
    _pace: FlowPace = attrs.field(
        init=False, default=attrs.Factory(lambda self: FlowPace(self._looks_a_second), takes_self=True)
    )
    _waiter: Waiter[Generation] = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: Waiter(
                kind=GENERATION, ids=(), look=self._look, sleep=self._wake.wait, pace=self._pace, patience=math.inf
            ),
            takes_self=True,
        ),
    )
    _list: LookAtMany = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: LookAtMany(self._read_list, self._read_one), takes_self=True),
    )

    @property
    def usual_seconds(self) -> float | None:
        """Seconds that a job usually takes, None while nobody knows."""
        return self._pace.usual_seconds

    async def follow(self, item: Item, generation: Generation | None = None) -> None:
        """Follow a job, which holds a slot; one that has ended already is taken over at once."""
        job = item.job_id or ""
        if generation is not None and GENERATION.is_over(generation.status):
            await self._end(_Followed(item, self._now()), generation)
            return
        self._jobs[job] = _Followed(item, self._now())
        self._waiter.follow(job)
        if len(self._jobs) == 1:
            self._wake.beat()

    def wake(self) -> None:
        """Look now: somebody has told that a job has ended."""
        self._wake.beat()

    def end(self) -> None:
        """End, as there is nothing left to follow."""
        self._is_over = True
        self._wake.beat()

    async def run(self) -> None:
        """Follow jobs until the run ends."""
        while not self._is_over:
            if not self._jobs:
                await self._wake.wait()
                continue
            for job in await self._waiter.next_ended():
                self.session.spawn(self._end(self._jobs.pop(job.id), job))

    async def _end(self, followed: _Followed, job: Generation) -> None:
        self._pace.note_length(self._now() - followed.since)
        self.session.slots.ended()
        await self.ended(followed.item, job)

    async def _look(self, ids: Collection[str], left: float | None) -> Look[Generation]:
        began, known = self._now(), len(ids)
        look = await self._list(ids, left)
        for id, error in look.lost.items():
            self._waiter.drop(id)
            self.session.slots.ended()
            self.session.spawn(self.lost(self._jobs.pop(id).item, error))
        if len(look.jobs) == known:  # else a part of it failed, and nobody knows how many run
            running = sum(not GENERATION.is_over(job.status) for job in look.jobs.values())
            self.session.slots.looked(running, began)
        return Look(look.jobs, look.hint)

    async def _read_list(self, ids: Sequence[str]) -> Sequence[Generation]:
        session = self.session
        return await session.traffic.ask(
            Pace.READ, lambda: session.generations.list(ids=ids, request_options=ONE_LIST)
        )

    async def _read_one(self, id: str) -> Generation:
        session = self.session
        return await session.traffic.ask(Pace.READ, lambda: session.generations.get(id, request_options=ONE_READ))

    def _looks_a_second(self) -> float:
        reads = self.session.traffic.pacers[Pace.READ].rate / 60
        return READ_SHARE * reads / max(1, requests_for(len(self._jobs)))
