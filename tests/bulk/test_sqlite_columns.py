"""Usual rows go into the ledger column by column, and come to what they come to one by one."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_async._errors import ArgumentError
from sync_async.bulk.counters import Counters
from sync_async.bulk.doubles import Doubles
from sync_async.bulk.records import IngestReport, Item, NewItem, RunSpec
from sync_async.bulk.sqlite import SqliteLedger
from sync_async.bulk.sqlite_columns import WIDEST
from sync_async.bulk.sqlite_rows import recount
from sync_async.bulk.usual_items import Expected, UsualItems

KINDS = (Expected(0, None, 90.0), Expected(5, None, 90.0), Expected(-1, 7, None), Expected(0, 0, 0.5))

Part = Sequence[NewItem]
Row = tuple[int, int, int]
"""Payload, kind, and how much longer its body is."""


def usual(rows: Sequence[Row], first: int, asked: set[int]) -> UsualItems:
    """Make rows side by side; those before have asked for something already."""
    payloads = [payload for payload, _, _ in rows]
    are_first = len({*payloads}) == len(payloads) and asked.isdisjoint(payloads)
    return UsualItems(
        [f"rów-{first + place}" for place in range(len(rows))],
        ['{{"payload":"{}{}"}}'.format(payload, "ü" * more).encode() for payload, _, more in rows],
        [bytes([payload]) * 16 for payload in payloads],
        [KINDS[kind] for _, kind, _ in rows],
        are_first=are_first,
    )


def parts_of(groups: Sequence[Sequence[Row]]) -> list[UsualItems]:
    made, asked, first = list[UsualItems](), set[int](), 1
    for group in groups:
        made.append(usual(group, first, asked))
        asked |= {payload for payload, _, _ in group}
        first += len(group)
    return made


async def taken_in(
    parts: Sequence[Part], *, dedupe: bool = True
) -> tuple[list[IngestReport], list[Item], Counters]:
    async def source() -> AsyncIterator[Part]:
        for part in parts:
            yield part

    with tempfile.TemporaryDirectory() as folder:
        async with SqliteLedger(Path(folder), clock=lambda: 7) as ledger:
            await ledger.create_run(RunSpec(run_id="the-run"))
            reports = [await ledger.ingest(source(), dedupe=dedupe) for _ in range(2)]
            rows = [result.item async for result in ledger.results("input")]
            counters = await ledger.counters()
            assert ledger._writer is not None
            assert counters == await ledger._writer.write(lambda tx: recount(ledger.path, tx.connection))
    return reports, rows, counters


groups = st.lists(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=5),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(groups, st.sets(st.integers(0, 5)), st.booleans())
def test_columns_come_to_what_rows_come_to(made: list[list[Row]], as_rows: set[int], dedupe: bool) -> None:
    columns = parts_of(made)
    rows = [[attrs.evolve(row, is_first=False) for row in part] for part in columns]
    mixed = [list(part) if place in as_rows else part for place, part in enumerate(columns)]
    expected = asyncio.run(taken_in(rows, dedupe=dedupe))
    assert asyncio.run(taken_in(mixed, dedupe=dedupe)) == expected


async def test_a_body_that_is_very_long_is_taken_in_by_itself() -> None:
    columns = parts_of([[(1, 0, 0)], [(2, 0, WIDEST)], [(3, 1, 0)]])
    _, rows, _ = await taken_in(columns)
    assert [row.body for row in rows] == [body for part in columns for body in part.bodies]


async def test_a_name_that_stands_twice_is_told() -> None:
    one, other = usual([(1, 0, 0), (2, 0, 0)], 1, set()), usual([(3, 0, 0)], 2, set())
    with pytest.raises(ArgumentError, match="'rów-2' stands twice"):
        await taken_in([one, other])


def test_usual_rows_are_a_sequence_of_rows() -> None:
    part = usual([(1, 0, 0), (2, 2, 1), (3, 1, 0)], 1, set())
    assert [row.item_id for row in part] == ["rów-1", "rów-2", "rów-3"]
    assert [row.prio for row in part[1:]] == [-1, 5]
    assert part[-1].predicted_s == 90.0
    assert part[1] == NewItem(
        item_id="rów-2",
        body='{"payload":"2ü"}'.encode(),
        payload_sha=b"\2" * 16,
        prio=-1,
        est_micro=7,
        is_first=True,
    )


@given(st.lists(st.lists(st.integers(0, 300), max_size=90), max_size=90))
def test_many_payloads_at_once_are_found_like_one_after_the_other(made: list[list[int]]) -> None:
    many, single, row = Doubles(), Doubles(), 1
    for group in made:
        payloads = [number.to_bytes(8, "little") + bytes(8) for number in group]
        found = [single.first(payload, row + place) for place, payload in enumerate(payloads)]
        assert many.first_all(payloads, row) == [place for place, first in enumerate(found) if first is not None]
        row += len(group)
    known = [number.to_bytes(8, "little") for number in range(301)]
    assert [many.first(payload, row) for payload in known] == [single.first(payload, row) for payload in known]


def test_a_table_of_many_payloads_grows() -> None:
    doubles, payloads = Doubles(), [hashlib.sha256(b"%d" % number).digest() for number in range(50_000)]
    assert doubles.first_all(payloads, 1) == []
    assert doubles.first_all(payloads[::7], 50_001) == list(range(len(payloads[::7])))
    assert doubles.first(payloads[123], 60_000) == 124
