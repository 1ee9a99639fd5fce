"""One thread that writes: what is queued is written with one commit, and only then do its callers go on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from sync_async._errors import ClosedError
from sync_async._threads import in_own_thread
from sync_async.bulk.counters import Counters, Money, counts_as, money_of
from sync_async.bulk.errors import LedgerError, LedgerFullError, LedgerIOError, told
from sync_async.bulk.states import State

MOST_OPERATIONS = 512
"""Operations of one commit."""
PAUSE = 0.01
"""Seconds from one commit to the next, at least: what comes meanwhile shares the next one, as the disk's answer
and the waking of threads cost as much for one row as for many."""

T = TypeVar("T")


Amounts = tuple[int | None, int | None, int]
"""What a row is expected to cost, what this purchase has cost, and what earlier ones have."""


@attrs.define
class Tally:
    """What a transaction changes in the counters, should it be committed."""

    states: dict[State, int] = attrs.field(factory=dict)
    money: Money = attrs.field(factory=Money)

    def enter(self, state: State, estimate: int | None, cost: int | None, past: int) -> None:
        """Count a row that comes into a state."""
        self.states[state] = self.states.get(state, 0) + 1
        self.money = self.money.plus(money_of(state, estimate, cost, past))

    def leave(self, state: State, estimate: int | None, cost: int | None, past: int) -> None:
        """Count a row that leaves a state."""
        self.states[state] = self.states.get(state, 0) - 1
        self.money = self.money.plus(money_of(state, estimate, cost, past), sign=-1)

    def move(self, source: State, before: Amounts, target: State, after: Amounts) -> None:
        """Count a row that goes from a state to another."""
        if before == after and counts_as(source) is counts_as(target):  # most ways change no money
            self.states[source] = self.states.get(source, 0) - 1
            self.states[target] = self.states.get(target, 0) + 1
        else:
            self.leave(source, *before)
            self.enter(target, *after)

    def added_to(self, counters: Counters) -> Counters:
        """Give the counters after the commit."""
        states = {state: count + self.states.get(state, 0) for state, count in counters.states.items()}
        return Counters(states=states, money=counters.money.plus(self.money))


@attrs.define
class Transaction:
    """What an operation works with."""

    connection: sqlite3.Connection
    tally: Tally = attrs.field(factory=Tally)


@attrs.frozen(eq=False)
class Joint:
    """Work that is done at once for all that are queued side by side.

    Attributes:
        do: Called with the parts of all of them.
        part: What this one is about.
    """

    do: Callable[[Transaction, Sequence[Any]], None]
    part: Any

    def __call__(self, transaction: Transaction) -> None:
        """Do it for this one alone."""
        self.do(transaction, [self.part])


@attrs.define(eq=False)
class _Queued:
    work: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    weight: int


@attrs.define(eq=False)
class _Outcome:
    queued: _Queued
    value: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        """Let the caller go on, if it still waits."""
        if self.queued.future.done():
            return
        if self.error is None:
            self.queued.future.set_result(self.value)
        else:
            self.queued.future.set_exception(self.error)


class GroupWriter:
    """Writes through one connection, in a thread of its own; a commit takes what has come.

    Args:
        path: The ledger's file, for messages.
        connection: Its only writing connection, from now on the thread's.
        counters: What the rows in it come to.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, counters: Counters) -> None:
        self._path = path
        self._connection = connection
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._coming: list[_Queued | None] = []
        """What this turn of the loop has brought; handed over together, as each waking of a thread takes time."""
        self._queue: queue.SimpleQueue[list[_Queued | None]] = queue.SimpleQueue()
        self._held: deque[_Queued | None] = deque()
        self._is_closed = False
        self._trouble: LedgerError | None = None
        self._thread = threading.Thread(target=self._run, name="syncso ledger", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> Counters:
        """What the rows come to after the last commit."""
        return self._counters

    @property
    def trouble(self) -> LedgerError | None:
        """Why nothing more should be bought: the disk was full or failing once."""
        return self._trouble

    async def write(self, work: Callable[[Transaction], T], *, weight: int = 1) -> T:
        """Do something within a commit; a caller that is cancelled does not stop it.

        Args:
            work: Called in the thread, and once more when another one's work of the same commit fails. An error
                undoes all that it has written, and nothing of the others. See `Joint`, too.
            weight: For how many of the operations of a commit it stands.

        Raises:
            ClosedError: The ledger was closed.
            LedgerError: It could not be written.
        """
        if self._is_closed:
            raise ClosedError("the ledger was closed; open the run again")
        queued = _Queued(work, self._loop.create_future(), weight)
        self._bring(queued)
        written: T = await queued.future
        return written

    async def aclose(self) -> None:
        """Write what is queued, and close the connection."""
        if not self._is_closed:
            self._is_closed = True
            self._bring(None)
        await in_own_thread(self._thread.join)

    def _bring(self, queued: _Queued | None) -> None:
        self._coming.append(queued)
        if len(self._coming) == 1:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        coming, self._coming = self._coming, []
        self._queue.put(coming)

    def _run(self) -> None:
        while group := self._next_group():
            began = time.monotonic()
            self._tell(self._written(group))
            time.sleep(max(0.0, PAUSE - (time.monotonic() - began)))
        with contextlib.suppress(sqlite3.Error):  # what was committed is in the log
            self._connection.close()

    def _next_group(self) -> list[_Queued]:
        """Wait for an operation, and take those that have come with it; none at the end."""
        if not self._held:
            self._held.extend(self._queue.get())
        with contextlib.suppress(queue.Empty):
            while True:
                self._held.extend(self._queue.get_nowait())
        group, weight = list[_Queued](), 0
        while self._held and (queued := self._held[0]) is not None:
            weight += queued.weight
            if group and weight > MOST_OPERATIONS:
                break
            group.append(queued)
            self._held.popleft()
        return group

    def _written(self, group: list[_Queued]) -> list[_Outcome]:
        """Write a group; when one of it fails, each by itself."""
        try:
            return self._commit(group)
        except Exception as error:  # noqa: BLE001  # raised where it is awaited
            if len(group) == 1:
                return [_Outcome(group[0], error=self._told(error))]
        return [outcome for queued in group for outcome in self._written([queued])]

    def _commit(self, group: list[_Queued]) -> list[_Outcome]:
        transaction = Transaction(self._connection)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = list(_done(transaction, group))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):  # SQLite may have done it by itself
                    self._connection.execute("ROLLBACK")
            raise
        self._counters = transaction.tally.added_to(self._counters)
        return outcomes

    def _told(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        problem = told(self._path, error)
        problem.__cause__ = error
        if isinstance(problem, LedgerFullError | LedgerIOError):
            self._trouble = problem
        return problem

    def _tell(self, outcomes: list[_Outcome]) -> None:
        def tell_all() -> None:
            for outcome in outcomes:
                outcome.tell()

        with contextlib.suppress(RuntimeError):  # the loop was closed; all is durable
            self._loop.call_soon_threadsafe(tell_all)


def _done(transaction: Transaction, group: Iterable[_Queued]) -> Iterator[_Outcome]:
    """Do the work of a group, what is joint of it together."""
    for do, queued in itertools.groupby(
        group, key=lambda one: one.work.do if isinstance(one.work, Joint) else None
    ):
        if do is None:
            yield from (_Outcome(one, one.work(transaction)) for one in queued)
        else:
            together = list(queued)
            do(transaction, [one.work.part for one in together if isinstance(one.work, Joint)])
            yield from map(_Outcome, together)
