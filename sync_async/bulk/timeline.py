"""How a run goes: a line in the ledger and a word to the listeners every half minute."""

from __future__ import annotations

import asyncio

import attrs

from sync_async.bulk.poller import Poller
from sync_async.bulk.session import Session
from sync_async.bulk.states import State

INTERVAL = 30.0


@attrs.define(eq=False)
class Timeline:
    """Counts what happened since the last line.

    Args:
        session: What the parts of a run share.
        poller: Knows how long jobs take.
    """

    session: Session
    poller: Poller
    _before: dict[str, int] = attrs.field(init=False, factory=dict)

    async def run(self) -> None:
        """Write a line each half minute in which anything happened, until cancelled."""
        self._before = await self._totals()
        while True:
            await asyncio.sleep(INTERVAL)
            await self.write()

    async def write(self) -> None:
        """Write a line, if anything happened."""
        session, totals = self.session, await self._totals()
        passed = {name: totals[name] - self._before.get(name, 0) for name in totals}
        if not any(passed.values()) and not session.slots.held:
            return
        self._before = totals
        spent = (await session.ledger.counters()).money.spent
        line = {"level": session.slots.seeker.level, "slots": session.slots.held, "spent": spent, **passed}
        await session.ledger.note("minute", line)
        session.tell("progress", **line)

    async def _totals(self) -> dict[str, int]:
        slots, states = self.session.slots, (await self.session.ledger.counters()).states
        return {
            "posts": slots.posts,
            "refused": slots.refusals,
            "rate_refused": self.session.traffic.refusals,
            "completed": states[State.DONE] + states[State.REMOTE_DONE] + states[State.DOWNLOADING],
        }
