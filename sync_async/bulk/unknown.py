"""Rows of which nobody knows whether they were bought: looked for in the list of generations, then sent again.

A row is only sent with the key that it had, and one that may be older than the server's memory of keys only after
the whole list since then was gone through and does not have it.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import attrs

from sync_async._encoding import encode
from sync_async._errors import ApiConnectionError, ApiError, DecodeError
from sync_async.bulk.errors import StateConflictError
from sync_async.bulk.outcome import UNKNOWN_WAIT
from sync_async.bulk.pacer import Pace
from sync_async.bulk.poller import Poller
from sync_async.bulk.pulse import REST
from sync_async.bulk.records import Item
from sync_async.bulk.session import Session
from sync_async.bulk.states import State
from sync_async.types.generations import Generation

KEY_LIFETIME = 20 * 3600.0
"""Seconds for which a server is trusted to know a key; nobody says how long it does."""
MARGIN = 300.0
"""Seconds by which clocks may differ."""
WIDE_MARGIN = 24 * 3600.0
"""Seconds by which they may where a key may be forgotten, and what is not found would be bought again."""
MOST_PAGES = 1_000


@attrs.frozen
class Wanted:
    """What the generation of a row looks like in the list.

    Attributes:
        since: Back to when the list is gone through.
    """

    item: Item
    name: str | None
    body: dict[str, Any]
    since: datetime

    @classmethod
    def of(cls, item: Item, *, is_young: bool) -> Wanted:
        """Read it off the bytes that were sent."""
        body = json.loads(item.body)
        return cls(item, body.get("outputFileName"), body, _begun(item, MARGIN if is_young else WIDE_MARGIN))

    def is_found_in(self, job: Generation) -> bool:
        """Tell whether a generation is the one that this row has bought."""
        if self.name is not None and self.name.endswith(f"_{(self.item.idem_key or '')[5:13]}"):
            return job.output_file_name == self.name  # nobody else has that name
        if job.created_at is not None and job.created_at < _begun(self.item, MARGIN):
            return False
        seen = encode(job)
        return all(seen.get(field) == self.body.get(field) for field in ("model", "input", "outputFileName"))


def _begun(item: Item, margin: float) -> datetime:
    return datetime.fromtimestamp((item.first_post_us or 0) / 1e6 - margin, UTC)


@attrs.define(eq=False)
class Reconciler:
    """Finds out what became of rows that are set aside.

    Args:
        session: What the parts of a run share.
        poller: Follows what is found.
        resend: Sends rows again with their keys.
    """

    session: Session
    poller: Poller
    resend: Callable[[Iterable[Item]], None]
    _is_over: bool = attrs.field(init=False, default=False)

    def end(self) -> None:
        """End, as nothing is unknown any more, or nobody waits for it."""
        self._is_over = True
        self.session.changed.beat()

    async def run(self) -> None:
        """Look for rows whenever some are due, until the run ends."""
        changed, count, now = self.session.changed, 0, asyncio.get_running_loop().time
        next_look = math.inf  # by the loop's clock: the other may be set while a row waits
        while not self._is_over:
            seen, before = changed.beats, count
            count = (await self.session.ledger.counters()).states[State.UNKNOWN]
            if count != before or now() >= next_look:  # else there is nothing new to read
                left = await self._look_for_due()
                next_look = now() + left
            left = next_look - now()
            await changed.wait(None if math.isinf(left) else max(0.0, left), since=seen, rest=REST)

    async def _look_for_due(self) -> float:
        """Look for the rows that are due, and tell in how many seconds the next one is."""
        if due := [item for item in await self._unknown() if self._left(item) <= 0]:
            await self._look_for(due)
        return min((self._left(item) for item in await self._unknown()), default=math.inf)

    def _left(self, item: Item) -> float:
        """Give the seconds until a row is due."""
        left = (item.due_us - self.session.wall_us()) / 1e6
        return 0.0 if left > UNKNOWN_WAIT else left  # none is put off for longer: the clock was set back meanwhile

    async def _unknown(self) -> list[Item]:
        return await self.session.ledger.live({State.UNKNOWN})

    async def _look_for(self, items: list[Item]) -> None:
        wanted = [Wanted.of(item, is_young=self._is_young(item)) for item in items]
        matches, is_complete = await self._search(wanted)
        for want in wanted:
            await self._settle(want.item, matches[want.item.seq], is_complete=is_complete)

    async def _search(self, wanted: list[Wanted]) -> tuple[dict[int, list[Generation]], bool]:
        """Go through the list once, back to the oldest of them, and tell whether it came that far."""
        matches: dict[int, list[Generation]] = {want.item.seq: [] for want in wanted}
        since = min(want.since for want in wanted)
        pages = self.session.generations.iter()
        for _ in range(MOST_PAGES):
            try:
                page = await self.session.traffic.ask(Pace.READ, pages.next_group)
            except (ApiError, ApiConnectionError, DecodeError):
                return matches, False
            for want in wanted:
                matches[want.item.seq] += [job for job in page if want.is_found_in(job)]
            if not page or any(job.created_at is not None and job.created_at < since for job in page):
                return matches, True
        return matches, False

    async def _settle(self, item: Item, matches: list[Generation], *, is_complete: bool) -> None:
        """Adopt the generation of a row, or send it again, or leave it for somebody to look at."""
        if len(matches) == 1:
            await self._adopt(item, matches[0])
        elif not matches and (is_complete or self._is_young(item)) and self.session.halt is None:
            await self.session.mark(item, State.SUBMITTING)
            self.resend([attrs.evolve(item, state=State.SUBMITTING)])
        else:
            await self._wait(item, "several generations look like it" if matches else "the list broke off")

    async def _adopt(self, item: Item, job: Generation) -> None:
        session, now = self.session, self.session.wall_us()
        try:
            await session.mark(item, State.SUBMITTED, job_id=job.id, submitted_us=now)
        except StateConflictError:  # it belongs to another row
            await self._wait(item, f"generation {job.id} looks like it, and belongs to another row")
            return
        session.slots.restore(1)
        followed = attrs.evolve(item, state=State.SUBMITTED, job_id=job.id, submitted_us=now, body=b"")
        await self.poller.follow(followed, job)

    async def _wait(self, item: Item, problem: str) -> None:
        due = self.session.wall_us() + int(UNKNOWN_WAIT * 1e6)
        await self.session.mark(item, State.UNKNOWN, due_us=due, error=problem)

    def _is_young(self, item: Item) -> bool:
        """Tell whether the server surely knows its key; one from the future has an age that nobody knows."""
        age = (self.session.wall_us() - (item.first_post_us or 0)) / 1e6
        return -MARGIN <= age < KEY_LIFETIME
