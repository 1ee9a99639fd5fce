"""How generations are looked at: one by long poll, or with its progress; many by list.

Source: https://sync.so/docs/api-reference/api/generate-api/get and …/generate-api/list
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import attrs

from sync_async._errors import ApiError, NotFoundError
from sync_async.jobs.waiter import FAILED_LOOK, Look
from sync_async.types.generations import Generation

LONG_POLL = (1, 10)
"""Seconds that the server holds a long poll, least and most."""
IDS_A_REQUEST = 100
REQUESTS_AT_ONCE = 4
MOST_ASKS, ASK_AGAIN = 3, 30.0
"""How often, and how many seconds apart, one that the list does not have is asked for before it counts as lost."""


@attrs.define
class LookAtOne:
    """Looks by long poll, or with progress when somebody watches."""

    read: Callable[[str, Mapping[str, Any]], Awaitable[Look[Generation]]]
    """Reads a generation with a query."""
    with_progress: bool

    async def __call__(self, ids: Collection[str], left: float | None) -> Look[Generation]:
        """Look at the only one of the ids."""
        (id,) = ids
        try:
            return await self.read(id, self._query(left))
        except ApiError as error:
            if error.status_code != 400 or self.with_progress:  # noqa: PLR2004
                raise
            self.with_progress = True  # a server without long poll
            return await self.read(id, self._query(left))

    def _query(self, left: float | None) -> Mapping[str, Any]:
        least, most = LONG_POLL
        if self.with_progress:
            return {"include": "progress"}
        if left is not None and left < least:
            return {}
        return {"wait": True, "timeout": most if left is None else min(most, int(left))}


@attrs.define
class LookAtMany:
    """Looks by list, a hundred at a time; one that the list does not have is asked for alone."""

    read_list: Callable[[Sequence[str]], Awaitable[Sequence[Generation]]]
    read_one: Callable[[str], Awaitable[Generation]]
    _asked: dict[str, list[float]] = attrs.field(init=False, factory=dict)

    async def __call__(self, ids: Collection[str], left: float | None) -> Look[Generation]:  # noqa: ARG002
        """Look at all of them; a group whose request fails is seen the next time."""
        wanted = list(ids)
        groups = [wanted[start : start + IDS_A_REQUEST] for start in range(0, len(wanted), IDS_A_REQUEST)]
        gate = asyncio.Semaphore(REQUESTS_AT_ONCE)
        outcomes = await asyncio.gather(*(self._listed(group, gate) for group in groups))
        failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if len(failures) == len(groups):
            raise failures[0]
        jobs: dict[str, Generation] = {}
        lost: dict[str, NotFoundError] = {}
        for group, outcome in zip(groups, outcomes, strict=True):
            if isinstance(outcome, Exception):
                continue
            jobs |= {job.id: job for job in outcome}
            for id in set(group) - jobs.keys():
                failures += await self._seek(id, jobs, lost)
        if failures and not jobs and not lost:
            raise failures[0]
        return Look(jobs, None, lost)

    async def _listed(self, ids: Sequence[str], gate: asyncio.Semaphore) -> Sequence[Generation] | Exception:
        async with gate:
            try:
                return await self.read_list(ids)
            except FAILED_LOOK as error:
                return error

    async def _seek(
        self, id: str, jobs: dict[str, Generation], lost: dict[str, NotFoundError]
    ) -> Sequence[Exception]:
        """Ask for one alone, which the server may not have listed yet, and give what stood against it."""
        now, asked = asyncio.get_running_loop().time(), self._asked.setdefault(id, [])
        if asked and now - asked[-1] < ASK_AGAIN:
            return ()
        try:
            jobs[id] = await self.read_one(id)
        except NotFoundError as error:
            asked.append(now)
            if len(asked) == MOST_ASKS:
                lost[id] = error
        except FAILED_LOOK as error:  # asked again at the next look
            return (error,)
        return ()


def requests_for(count: int) -> int:
    """Tell how many requests a look at so many takes."""
    return -(-count // IDS_A_REQUEST)
