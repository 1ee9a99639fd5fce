"""Changes of many callers in one commit: they come to what they come to one by one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_async.bulk import sqlite_moves, sqlite_writer
from sync_async.bulk.counters import Counters
from sync_async.bulk.errors import StateConflictError
from sync_async.bulk.records import Change, Item, NewItem, RunSpec
from sync_async.bulk.sqlite import SqliteLedger
from sync_async.bulk.sqlite_rows import recount
from sync_async.bulk.states import NOTES, TRANSITIONS, State

ROWS = 6
INTEGERS = frozenset({"due_us", "submitted_us", "finished_us", "unclear_us", "lease_until_us", "out_bytes"})
AMOUNTS = frozenset({"est_micro", "cost_micro"})
SECONDS = frozenset({"predicted_s", "output_s"})
WORDS = ("x", "", "ü", '"', "\\u0000", "a\0b", "\ud800", "100 %", "[1]")

Round = list[Change]


def new_rows() -> list[NewItem]:
    return [
        NewItem(item_id=f"row-{number}", body=b"{}", payload_sha=bytes([number]) * 16, est_micro=number or None)
        for number in range(ROWS)
    ]


@st.composite
def values(draw: st.DrawFn, seq: int, columns: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for column in columns:
        if column in INTEGERS | AMOUNTS:
            made[column] = draw(st.integers(0, 2**53))
        elif column in SECONDS:
            made[column] = draw(st.floats(0, 1e6))
        elif column == "body":
            made[column] = b'{"final":1}'
        elif column == "job_id":  # now and then that of another row
            made[column] = f"job-{draw(st.sampled_from([seq, seq, seq, 1]))}"
        elif column == "prio":
            made[column] = draw(st.integers(-5, 5))
        else:
            made[column] = draw(st.sampled_from(WORDS))
    return made


@st.composite
def walks(draw: st.DrawFn) -> list[Round]:
    """Make rounds of changes, most of which a row may take where it stands."""
    states, rounds = dict.fromkeys(range(1, ROWS + 1), State.SUBMITTING), list[Round]()
    for _ in range(draw(st.integers(1, 6))):
        changes = []
        for seq in draw(st.lists(st.integers(1, ROWS), min_size=1, max_size=8)):
            source = states[seq] if draw(st.integers(0, 9)) else draw(st.sampled_from(list(State)))
            ways = [way for way in TRANSITIONS if way[0] is source and TRANSITIONS[way].by == "mark"]
            target, required, allowed = source, frozenset[str](), NOTES.get(source, frozenset())
            if draw(st.booleans()) and ways:
                _, target = draw(st.sampled_from(ways))
                required, allowed = TRANSITIONS[source, target].required, TRANSITIONS[source, target].allowed
            columns = sorted(required | draw(st.sets(st.sampled_from(sorted(allowed or {"no_column"})))))
            changes.append(Change(seq=seq, source=source, target=target, values=draw(values(seq, columns))))
            states[seq] = target
        rounds.append(changes)
    return rounds


async def outcome_of(rounds: list[Round], *, together: bool) -> tuple[list[Any], list[Item], Counters]:
    """Write rounds of changes, and give what became of them."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(sqlite_writer, "PAUSE", 0.0):
        async with SqliteLedger(Path(folder), clock=lambda: 7) as ledger:
            await ledger.create_run(RunSpec(run_id="the-run"))
            await ledger.ingest(new_rows())
            await ledger.claim(ROWS, 1)
            outcomes = list[Any]()
            for changes in rounds:
                if together:
                    marked = (ledger.mark([change]) for change in changes)
                    outcomes += await asyncio.gather(*marked, return_exceptions=True)
                else:
                    outcomes += [await one(ledger, change) for change in changes]
            rows = [result.item async for result in ledger.results("input")]
            counters = await ledger.counters()
            assert ledger._writer is not None
            counted = await ledger._writer.write(lambda tx: recount(ledger.path, tx.connection))
            assert counted == counters
    told = [(type(error), str(error).replace(folder, "")) if error else None for error in outcomes]
    return told, rows, counters


async def one(ledger: SqliteLedger, change: Change) -> BaseException | None:
    try:
        await ledger.mark([change])
    except Exception as error:  # noqa: BLE001  # compared
        return error
    return None


@settings(max_examples=100, deadline=None)
@given(walks())
def test_together_they_come_to_what_they_come_to_one_by_one(rounds: list[Round]) -> None:
    assert asyncio.run(outcome_of(rounds, together=True)) == asyncio.run(outcome_of(rounds, together=False))


def accepted(seq: int) -> Change:
    return Change(
        seq=seq,
        source=State.SUBMITTING,
        target=State.SUBMITTED,
        values={"job_id": f"job-{seq}", "submitted_us": seq},
    )


async def test_changes_of_a_kind_take_one_statement() -> None:
    with mock.patch.object(sqlite_moves, "mark") as one_by_one:
        outcomes, rows, _ = await outcome_of([[accepted(seq) for seq in range(1, ROWS + 1)]], together=True)
    assert outcomes == [None] * ROWS
    assert [row.job_id for row in rows] == [f"job-{seq}" for seq in range(1, ROWS + 1)]
    assert not one_by_one.called


async def test_one_that_is_not_to_be_spoils_no_other() -> None:
    twice = [accepted(1), accepted(2), accepted(3), accepted(2)]
    outcomes, rows, counters = await outcome_of([twice], together=True)
    assert [outcome is None for outcome in outcomes] == [True, True, True, False]
    assert outcomes[3][0] is StateConflictError
    assert counters.states[State.SUBMITTED] == 3
    assert [row.state for row in rows].count(State.SUBMITTED) == 3


@pytest.mark.parametrize("word", WORDS)
async def test_texts_stay_as_they_are(word: str) -> None:
    changes = [
        Change(
            seq=seq,
            source=State.SUBMITTING,
            target=State.REJECTED,
            values={"finished_us": 1, "error_code": "x", "error": word},
        )
        for seq in (1, 2)
    ]
    outcomes, rows, _ = await outcome_of([changes], together=True)
    if word == "\ud800":
        assert {outcome[0] for outcome in outcomes} == {UnicodeEncodeError}
    else:
        assert [row.error for row in rows[:2]] == [word, word]
