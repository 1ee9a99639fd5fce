"""A ledger does what a dictionary would do, and refuses what the table of states does not have.

The test knows nothing but the protocol: give another implementation by adding it to `LEDGERS`.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sync_async.bulk.counters import Counters, Money, money_of
from sync_async.bulk.errors import ManifestChangedError, StateConflictError
from sync_async.bulk.keys import idempotency_key
from sync_async.bulk.ledger import Ledger
from sync_async.bulk.records import Change, Item, NewItem, RunSpec
from sync_async.bulk.sqlite import SqliteLedger
from sync_async.bulk.states import OF_A_GENERATION, SET_ONCE, TRANSITIONS, State

LEDGERS: dict[str, Callable[[Path], Ledger]] = {"sqlite": SqliteLedger}
RUN = "the-run"
WAYS = [
    (source, target) for (source, target), way in TRANSITIONS.items() if source is not None and way.by == "mark"
]
NUMBERS = {"due_us", "est_micro", "cost_micro", "first_post_us", "unclear_us", "submitted_us", "finished_us"}
NUMBERS |= {"out_bytes", "lease_until_us", "prio"}
UNSENT = {State.NEW, State.READY, State.REJECTED, State.SKIPPED, State.CANCELLED}


@attrs.define
class Kept:
    """What the dictionary holds of a row."""

    item: Item
    payload: bytes


@st.composite
def new_items(draw: st.DrawFn) -> NewItem:
    payload = draw(st.integers(0, 3))
    problem = draw(st.sampled_from([None, None, None, ("bad_row", "it is bad")]))
    return NewItem(
        item_id=draw(st.sampled_from("abcdefgh")),
        body=b'{"payload":%d}' % payload,
        payload_sha=bytes([payload]) * 16,
        is_frozen=draw(st.booleans()),
        prio=draw(st.integers(0, 1)),
        est_micro=draw(st.sampled_from([None, 0, 5])),
        problem=problem,
    )


def value_for(draw: Callable[[Any], Any], column: str, seq: int) -> Any:
    if column == "job_id":
        return f"job-{seq}-{draw(st.integers(0, 9999))}"
    if column == "body":
        return b'{"final":%d}' % draw(st.integers(0, 3))
    return (
        draw(st.integers(0, 5))
        if column in NUMBERS
        else float(draw(st.integers(0, 5)))
        if column.endswith("_s")
        else "x"
    )


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to a ledger and to a dictionary."""

    make: Callable[[Path], Ledger]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.rows: dict[int, Kept] = {}
        self.epoch = 0
        self.ledger = self.opened()

    def opened(self) -> Ledger:
        async def open_it() -> Ledger:
            ledger = type(self).make(Path(self.folder.name))
            run = await ledger.create_run(RunSpec(run_id=RUN) if not self.epoch else None)
            self.epoch += 1
            assert (run.run_id, run.epoch) == (RUN, self.epoch)
            return ledger

        return self.runner.run(open_it())

    def teardown(self) -> None:
        self.runner.run(self.ledger.aclose())
        self.runner.close()
        self.folder.cleanup()

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.ledger.aclose())
        self.ledger = self.opened()

    @rule(rows=st.lists(new_items(), max_size=6, unique_by=lambda row: row.item_id))
    def ingest(self, rows: list[NewItem]) -> None:
        by_name = {kept.item.item_id: kept for kept in self.rows.values()}
        known = [(row, by_name[row.item_id]) for row in rows if row.item_id in by_name]
        if any(row.payload_sha != kept.payload and not self.is_unsent(kept) for row, kept in known):
            with pytest.raises(ManifestChangedError):
                self.runner.run(self.ledger.ingest(rows))
            return
        report = self.runner.run(self.ledger.ingest(rows))
        stored = {item.item_id: item for item in self.read()}
        assert report.added == len(rows) - len(known)
        assert report.known + report.replaced == len(known)
        for row in rows:
            self.take_in(row, by_name.get(row.item_id), stored[row.item_id])
        self.follow_promotions(stored)

    @staticmethod
    def is_unsent(kept: Kept) -> bool:
        item = kept.item
        return item.state in UNSENT and item.first_post_us is None and item.generation_no == 1

    def take_in(self, row: NewItem, kept: Kept | None, stored: Item) -> None:
        """Expect what a row becomes; which equal row leads it, and when it ended, is for the ledger to say."""
        if kept is not None and kept.payload == row.payload_sha:
            if self.is_unsent(kept):
                kept.item = attrs.evolve(kept.item, prio=row.prio)
            return
        state = State.SKIPPED if stored.dedupe_of is not None and row.problem is None else row.state
        seq = len(self.rows) + 1 if kept is None else kept.item.seq
        code, error = row.problem or (None, None)
        item = Item(
            seq=seq,
            item_id=row.item_id,
            state=state,
            prio=row.prio,
            body=b"" if row.problem else row.body,
            is_frozen=row.is_frozen and row.problem is None,
            dedupe_of=stored.dedupe_of,
            est_micro=row.est_micro,
            finished_us=stored.finished_us if row.problem else None,
            error_code=code,
            error=error,
            attempt=0 if kept is None else kept.item.attempt,
            due_us=0,
        )
        self.rows[seq] = Kept(item, row.payload_sha)

    def follow_promotions(self, stored: dict[str, Item]) -> None:
        """A row whose leader will not be bought leads, or follows another one that asks for the same."""
        for kept in self.rows.values():
            now = stored[kept.item.item_id]
            if kept.item.state == State.SKIPPED and now != kept.item:
                state = State.SKIPPED if now.dedupe_of else State.READY if now.is_frozen else State.NEW
                kept.item = attrs.evolve(kept.item, state=state, dedupe_of=now.dedupe_of)

    @rule(
        n=st.integers(0, 4),
        now=st.integers(0, 5),
        left=st.sampled_from([None, 0, 5, 7]),
        assumed=st.sampled_from([None, 3]),
    )
    def claim(self, n: int, now: int, left: int | None, assumed: int | None) -> None:
        claimed = self.runner.run(self.ledger.claim(n, now, left_micro=left, assumed_micro=assumed))
        due = sorted(
            (
                kept.item
                for kept in self.rows.values()
                if kept.item.state == State.READY and kept.item.due_us <= now
            ),
            key=lambda item: (-item.prio, item.due_us, item.seq),
        )
        expected, is_over = [], False
        for item in due[:n]:
            amount = item.est_micro if item.est_micro is not None else assumed
            if left is not None:
                if is_over := amount is None or amount > left:
                    break
                left -= amount or 0
            expected.append(
                attrs.evolve(
                    item,
                    state=State.SUBMITTING,
                    idem_key=idempotency_key(RUN, item.item_id, item.generation_no),
                    first_post_us=now if item.first_post_us is None else item.first_post_us,
                )
            )
        assert list(claimed.items) == expected
        assert claimed.is_over_budget == is_over
        for item in expected:
            self.rows[item.seq].item = item

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), others=st.integers(0, 2))
    def go_on(self, data: st.DataObject, others: int) -> None:
        """Take ways that exist from where rows are, with one commit."""
        changes: list[Change] = []
        for seq in data.draw(
            st.lists(st.sampled_from(sorted(self.rows)), min_size=1, max_size=1 + others, unique=True)
        ):
            item = self.rows[seq].item
            ways = [way for way in WAYS if way[0] == item.state]
            if ways:
                changes.append(self.change(data.draw, seq, *data.draw(st.sampled_from(ways))))
        self.try_changes(changes)

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), way=st.sampled_from(WAYS))
    def go_astray(self, data: st.DataObject, way: tuple[State, State]) -> None:
        """Take any way from any row; a good change beside a bad one is not written, either."""
        seqs = sorted(self.rows)
        self.try_changes(
            [
                self.change(data.draw, data.draw(st.sampled_from(seqs)), *data.draw(st.sampled_from(WAYS))),
                self.change(data.draw, data.draw(st.sampled_from(seqs)), *way),
            ]
        )

    def change(self, draw: Callable[[Any], Any], seq: int, source: State, target: State) -> Change:
        way = TRANSITIONS[source, target]
        columns = set(way.required) | draw(
            st.sets(st.sampled_from(sorted(way.allowed or way.required or {"-"})))
        ) - {"-"}
        values = {column: value_for(draw, column, seq) for column in sorted(columns)}
        return Change(seq=seq, source=source, target=target, values=values)

    def try_changes(self, changes: list[Change]) -> None:
        after = {seq: attrs.evolve(kept) for seq, kept in self.rows.items()}
        if all(self.follows(after, change) for change in changes):
            self.runner.run(self.ledger.mark(changes))
            self.rows = after
        else:
            with pytest.raises(StateConflictError):
                self.runner.run(self.ledger.mark(changes))

    def follows(self, rows: dict[int, Kept], change: Change) -> bool:
        """Do a change to the dictionary, and tell whether it may be."""
        item, way, values = rows[change.seq].item, TRANSITIONS[change.source, change.target], dict(change.values)
        blocked = way.if_unset is not None and getattr(item, way.if_unset) is not None
        if item.state != change.source or blocked:
            return False
        if change.target == State.READY and not item.is_frozen and "body" not in values:
            return False
        if "body" in values:
            item = attrs.evolve(item, is_frozen=change.target != State.NEW)
        if way.starts_generation:
            past = item.past_micro + (values.get("cost_micro", item.cost_micro) or 0)
            values = {name: value for name, value in values.items() if name not in OF_A_GENERATION}
            cleared = dict.fromkeys(OF_A_GENERATION)
            item = attrs.evolve(item, **cleared, past_micro=past, generation_no=item.generation_no + 1)
        attempt = {"kept": item.attempt, "used": item.attempt + 1, "reset": 0}[way.attempt]
        for name in SET_ONCE & values.keys():
            if getattr(item, name) is not None:
                values[name] = getattr(item, name)
        clears = {name: None for name in way.clears if name not in values}
        rows[change.seq].item = attrs.evolve(item, state=change.target, attempt=attempt, **{**clears, **values})
        if change.target == State.CANCELLED:
            self.promote(rows, change.seq)
        return True

    @staticmethod
    def promote(rows: dict[int, Kept], leader: int) -> None:
        first: int | None = None
        for seq, kept in sorted(rows.items()):
            if kept.item.dedupe_of != leader:
                continue
            if first is None:
                first = seq
                state = State.READY if kept.item.is_frozen else State.NEW
                kept.item = attrs.evolve(kept.item, state=state, dedupe_of=None)
            else:
                kept.item = attrs.evolve(kept.item, dedupe_of=first)

    def read(self) -> list[Item]:
        async def all_of_it() -> list[Item]:
            return [result.item async for result in self.ledger.results("input")]

        return self.runner.run(all_of_it())

    @invariant()
    def both_hold_the_same(self) -> None:
        assert self.read() == [kept.item for _, kept in sorted(self.rows.items())]

    @invariant()
    def the_counters_are_right(self) -> None:
        states, money = dict.fromkeys(State, 0), Money()
        for kept in self.rows.values():
            item = kept.item
            states[item.state] += 1
            money = money.plus(money_of(item.state, item.est_micro, item.cost_micro, item.past_micro))
        assert self.runner.run(self.ledger.counters()) == Counters(states=states, money=money)

    @invariant()
    def equal_rows_are_bought_once(self) -> None:
        """A row that shares another one's fate asks for the same, and that one is to be bought itself."""
        for kept in self.rows.values():
            assert (kept.item.dedupe_of is not None) == (kept.item.state == State.SKIPPED)
            if kept.item.dedupe_of is not None:
                leader = self.rows[kept.item.dedupe_of]
                assert leader.payload == kept.payload
                assert leader.item.state not in (State.SKIPPED, State.CANCELLED)

    @invariant()
    def pages_of_live_rows_hold_each_row_once(self) -> None:
        async def all_pages() -> list[int]:
            found, after = list[Item](), None
            while page := await self.ledger.live(set(State), after, limit=2):
                found += page
                after = page[-1]
            return [item.seq for item in found]

        def place(item: Item) -> tuple[Any, ...]:
            waits = item.state in (State.NEW, State.READY)
            return item.state, -item.prio if waits else 0, item.due_us, item.seq

        items = sorted((kept.item for kept in self.rows.values()), key=place)
        assert self.runner.run(all_pages()) == [item.seq for item in items]


@pytest.mark.parametrize("kind", LEDGERS)
@pytest.mark.timeout(60)
def test_a_ledger_does_what_a_dictionary_does(kind: str) -> None:
    machine = type("Machine", (LedgerMachine,), {"make": staticmethod(LEDGERS[kind])})
    quick = settings(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(machine, settings=quick)
