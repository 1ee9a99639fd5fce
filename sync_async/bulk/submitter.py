"""Rows on their way to the server: claimed, sent with a durable key, and sent again until the answer is clear.

The order of the gates is: a slot, the pace, the claim's commit, the request. A refusal for want of a slot or for
the rate puts a row first in line again, with its key, and costs it nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

import attrs

from sync_async._errors import ApiConnectionError, ApiError, DecodeError, NotFoundError
from sync_async._request import make_request
from sync_async._settings import RequestOptions
from sync_async.bulk.clock import Clock, clock
from sync_async.bulk.ledger import CLAIM_ROWS
from sync_async.bulk.outcome import (
    CreateAnswer,
    Finding,
    Outcome,
    RowStep,
    Tries,
    outcome_of,
)
from sync_async.bulk.pacer import Pace
from sync_async.bulk.records import Item
from sync_async.bulk.safety import Halt
from sync_async.bulk.seeker import Post
from sync_async.bulk.session import Session
from sync_async.bulk.states import State
from sync_async.jobs.waiter import PASSING
from sync_async.resources._endpoints import CREATE
from sync_async.types.generations import Generation

MOST_UNFETCHED = 1_000
"""Outputs that wait for their download above which nothing more is bought."""
AHEAD = 0.1
"""Seconds of creates that are claimed with one commit: what is claimed and not sent counts as perhaps sent after a
crash."""
QUOTA_WAIT = 5.0
"""Seconds until a repeat asks again whether it is paid for."""
READ_WAIT = 2.0
"""Seconds between two tries to read a generation that an answer has named."""
NOT_THERE_WAIT = 30.0
"""Seconds until a row is sent again whose named generation is not there."""

Submitted = Callable[[Item, Generation], Awaitable[None]]


@attrs.define(eq=False)
class Purchase:
    """A claimed row on its way.

    Attributes:
        item: The row, with key and bytes.
        unsent: Tries in a row for which no connection was made.
        unclear: Tries whose outcome is unclear.
        unclear_since: When the first of them was.
        paid: What its repeat took of the quota.
    """

    item: Item
    unsent: int = 0
    unclear: int = 0
    unclear_since: float = 0.0
    paid: int = 0

    def tries(self, now: float) -> Tries:
        """Give what it has been through."""
        age = now - self.unclear_since if self.unclear else 0.0
        return Tries(unsent=self.unsent, unclear=self.unclear, unclear_for=age)


@attrs.define(eq=False)
class Submitter:
    """Buys rows.

    Args:
        session: What the parts of a run share.
        submitted: Called with each row whose generation exists.
        may_claim: How many rows may be claimed besides what slots and pace say; None for any number.
    """

    session: Session
    submitted: Submitted
    may_claim: Callable[[], int | None] = lambda: None
    chance: Callable[[], float] = random.random
    claimed: int = attrs.field(init=False, default=0)
    """Rows that were claimed since the submitter was made."""
    _now: Clock = attrs.field(init=False, factory=clock)
    _line: deque[Purchase] = attrs.field(init=False, factory=deque)
    _is_over: bool = attrs.field(init=False, default=False)

    def recover(self, items: Iterable[Item]) -> None:
        """Take rows up that an earlier process may have sent; the same key and bytes ask what became of them."""
        self._line.extend(Purchase(item, unclear=1, unclear_since=self._now()) for item in items)
        self.session.changed.beat()

    def end(self) -> None:
        """End, as there is nothing left to buy."""
        self._is_over = True
        self.session.changed.beat()

    @property
    def line(self) -> int:
        """Rows that are claimed and wait for their turn."""
        return len(self._line)

    async def run(self) -> None:
        """Buy rows as slots come free, until the run ends or is halted."""
        while (purchase := await self._next()) is not None:
            post = self.session.slots.take()
            self.session.traffic.sent(Pace.CREATE)
            self.session.spawn(self._buy(purchase, post))
        while self._line:
            await self._give_back(self._line.popleft())

    async def _next(self) -> Purchase | None:
        session = self.session
        while not self._is_over and session.halt is None:
            seen = session.changed.beats
            wait = await self._gate()
            if wait == 0 and self._line:
                return self._line.popleft()
            if wait == 0 and await self._claim():
                continue
            await session.changed.wait(wait or None, since=seen)
        return None

    async def _gate(self) -> float | None:
        """Give the seconds until a row may be sent: 0 for now, None until something happens."""
        session = self.session
        if not session.slots.may_take():
            return session.slots.wait()
        states = (await session.ledger.counters()).states
        if states[State.REMOTE_DONE] + states[State.DOWNLOADING] >= MOST_UNFETCHED:
            return None
        return max(session.traffic.wait(Pace.CREATE), session.outage.wait(self._now()))

    async def _claim(self) -> bool:
        """Claim the next rows, and tell whether there are any."""
        session, settings = self.session, self.session.settings
        most = self.may_claim()
        rate = session.traffic.pacers[Pace.CREATE].rate / 60
        n = min(CLAIM_ROWS, session.slots.room(), max(1, int(rate * AHEAD)))
        n = n if most is None else min(n, most)
        if n < 1:
            return False
        claim = await session.ledger.claim(
            n, session.wall_us(), left_micro=await self._left(), assumed_micro=settings.assumed_micro
        )
        self._line.extend(Purchase(item) for item in claim.items)
        self.claimed += len(claim.items)
        if claim.is_over_budget and not claim.items and not session.slots.held:  # else some may come back
            session.stop_buying(Halt("budget"))
        return bool(claim.items)

    async def _left(self) -> int | None:
        """Give what may yet be reserved."""
        settings, money = self.session.settings, (await self.session.ledger.counters()).money
        if settings.budget_micro is None:
            return None
        assumed = (settings.assumed_micro or 0) * (money.unpriced_running + money.unpriced_finished)
        return settings.budget_micro - money.spent - money.reserved - assumed

    async def _buy(self, purchase: Purchase, post: Post) -> None:
        """Send a row until it is clear what became of it, or until it is first in line again."""
        session = self.session
        while True:
            sent = post.sent
            answer = await self._send(purchase.item)
            outcome = outcome_of(answer, purchase.tries(self._now()), chance=self.chance())
            session.outage.note(outcome.finding, self._now())
            if outcome.is_rate_refusal:
                session.traffic.refused(Pace.CREATE, sent, outcome.hint)
            elif outcome.finding is not Finding.NOT_SENT:
                session.traffic.passed(Pace.CREATE)
            session.slots.answered(post, outcome)
            if not await self._goes_on(purchase, outcome, answer):
                return
            await self._turn()
            post = session.slots.repeat()

    async def _turn(self) -> None:
        """Wait until a repeat may be sent: no slot is asked for, since it has one."""
        outage = self.session.outage
        while (wait := outage.wait(self._now())) > 0:  # noqa: ASYNC110  # only time can end it
            await asyncio.sleep(wait)
        await self.session.traffic.turn(Pace.CREATE)

    async def _send(self, item: Item) -> CreateAnswer:
        options = RequestOptions(idempotency_key=item.idem_key, max_retries=0)
        try:
            return await self.session.caller.fetch(make_request(CREATE, options, body=item.body))
        except (ApiError, ApiConnectionError, DecodeError) as error:
            return error

    async def _goes_on(self, purchase: Purchase, outcome: Outcome, answer: CreateAnswer) -> bool:
        """Do with a row what the answer says, and tell whether it is to be sent again."""
        match outcome.row:
            case RowStep.SUBMITTED:
                self.session.quota.give_back(purchase.paid or 1)
                await self._accept(purchase.item, answer)
            case RowStep.STAYS:
                await self._stay(purchase, outcome)
            case RowStep.REPEATS:
                return await self._wait_for_repeat(purchase, outcome, answer)
            case RowStep.READS:
                return not await self._read(purchase, outcome)
            case RowStep.UNKNOWN:
                await self._set_aside(purchase.item, outcome.code or outcome.finding.value, outcome.wait)
            case RowStep.CONFLICT | RowStep.REJECTED:
                await self._refuse(purchase.item, State(outcome.row.value), outcome, answer)
            case RowStep.READY:
                await self.session.mark(purchase.item, State.READY)
        if outcome.stops_run:
            self.session.stop_buying(Halt("blocked", outcome.code or "", 1, (purchase.item.item_id,), str(answer)))
        return False

    async def _accept(self, item: Item, answer: object) -> None:
        if not isinstance(answer, Generation):
            raise TypeError(answer)  # the table says SUBMITTED for nothing else
        now = self.session.wall_us()
        await self.session.mark(item, State.SUBMITTED, job_id=answer.id, submitted_us=now)
        known = attrs.evolve(item, state=State.SUBMITTED, job_id=answer.id, submitted_us=now, body=b"")
        await self.submitted(known, answer)

    async def _stay(self, purchase: Purchase, outcome: Outcome) -> None:
        purchase.unsent = purchase.unsent + 1 if outcome.finding is Finding.NOT_SENT else 0
        if outcome.wait:
            await asyncio.sleep(outcome.wait)
        if self._is_over or self.session.halt is not None:
            await self._give_back(purchase)
        else:
            self._line.appendleft(purchase)
            self.session.changed.beat()

    async def _give_back(self, purchase: Purchase) -> None:
        """Let go of a row that is not to be sent now: it was not bought, or else nobody knows."""
        if purchase.unclear:
            await self._set_aside(purchase.item, "unclear", 0.0)
        else:
            await self.session.mark(purchase.item, State.READY)

    async def _wait_for_repeat(self, purchase: Purchase, outcome: Outcome, answer: CreateAnswer) -> bool:
        if not purchase.unclear:
            purchase.unclear_since = self._now()
            now = self.session.wall_us()
            await self.session.mark(purchase.item, State.SUBMITTING, unclear_us=now)
        purchase.unclear += 1
        purchase.unsent = 0
        await asyncio.sleep(outcome.wait)
        while (paid := self.session.quota.take(answer)) is None:  # noqa: ASYNC110  # seldom, and no haste
            await asyncio.sleep(QUOTA_WAIT)
        purchase.paid += paid
        return True

    async def _read(self, purchase: Purchase, outcome: Outcome) -> bool:
        """Read the generation that the answer has named, and tell whether it is there."""
        session, id = self.session, outcome.generation_id or ""
        while True:
            try:
                found = await session.traffic.ask(Pace.READ, lambda: session.generations.get(id))
            except NotFoundError:
                await self._wait_for_repeat(purchase, attrs.evolve(outcome, wait=NOT_THERE_WAIT), _NOT_THERE)
                return False
            except (*PASSING, DecodeError):
                await asyncio.sleep(READ_WAIT)
            else:
                await self._accept(purchase.item, found)
                return True

    async def _set_aside(self, item: Item, code: str, wait: float) -> None:
        due = self.session.wall_us() + int(wait * 1e6)
        await self.session.mark(
            item, State.UNKNOWN, error_code=code, due_us=due, unclear_us=self.session.wall_us()
        )

    async def _refuse(self, item: Item, target: State, outcome: Outcome, answer: CreateAnswer) -> None:
        session, code = self.session, outcome.code or "refused"
        await session.mark(item, target, finished_us=session.wall_us(), error_code=code, error=str(answer))
        session.note_end(item, code)


_NOT_THERE = NotFoundError()
