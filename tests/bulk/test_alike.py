"""Rows that are like earlier ones: the short way gives what the long way gives, to the byte."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sync_async
from sync_async.bulk.alike import AlikeRows
from sync_async.bulk.keys import frozen_body, idempotency_key, marked_name, payload_sha, plain_marked_names
from sync_async.bulk.manifest import Piece, RawRow, raw_row
from sync_async.bulk.rows import BulkRow, RowReader

RUN = "a-run"

names = st.one_of(
    st.from_regex(r"[A-Za-z0-9._-]{1,12}", fullmatch=True),
    st.sampled_from(["a", "A", "b", "ü", "a b", "a\nb", "x" * 79, "x" * 80, "x" * 81, "-", "_", ".a", "a.", " a"]),
    st.text(max_size=5),
)
addresses = st.one_of(
    st.from_regex(r"https://[a-z]{1,5}\.example/[a-z0-9/._~+@%-]{0,12}", fullmatch=True),
    st.sampled_from(
        [
            "https://e.com/a.mp4",
            "http://e.com/%41",
            "https://e.com/a?b=1",
            "https://e.com/a?X-Amz-Date=20200101T000000Z&X-Amz-Expires=60",
            "https://e.com",
            "https://",
            "ftp://e.com/a",
            "asset:1",
            'https://e.com/"',
            "https://e.com/a\nhttps://e.com/b",
            "https://e.com/ü",
            "no-such-file.mp4",
        ]
    ),
)
texts = st.one_of(st.text(max_size=12), st.sampled_from(["100 %", '"', "\\", "ü", "\ud800", "%(video)s", "a\nb"]))


def cells(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), strategy)


rows = st.fixed_dictionaries(
    {},
    optional={
        "item_id": cells(names),
        "model": st.sampled_from(["lipsync-2", "lipsync-2-pro", "a model", 3]),
        "video": cells(addresses),
        "audio": cells(addresses),
        "text": cells(texts),
        "voice": st.sampled_from(["v1", "v2"]),
        "priority": st.sampled_from([0, 1, True, 1.0, "1", "x"]),
        "options.sync_mode": st.sampled_from(["loop", "bounce", "nothing"]),
        "options": st.sampled_from([{"temperature": 0.5}, '{"temperature": 0.5}', []]),
        "output_name": st.sampled_from(["own", "own name"]),
        "outputFileName": st.just("own"),
        "unknown": st.just(1),
    },
)
usual = st.fixed_dictionaries(
    {"model": st.just("lipsync-2"), "video": addresses, "audio": addresses}, optional={"item_id": names}
)
spoken = st.fixed_dictionaries(
    {"item_id": names, "model": st.just("lipsync-2"), "video": addresses, "text": texts, "voice": st.just("v1")}
)


def outcome(read: Any) -> Any:
    """Write what became of a row in one form, whichever way it went."""
    if isinstance(read, list):
        return [(problem.number, problem.column, problem.reason) for problem in read]
    try:
        payload, body = payload_sha(read.body), read.body
        if "outputFileName" not in body:
            named = marked_name(read.item_id, idempotency_key(RUN, read.item_id, 1))
            body = {**body, "outputFileName": named}
        return (read.number, read.item_id, read.priority, frozen_body(body), payload)
    except ValueError as error:  # a text that cannot be written
        return str(error)


def both_ways(
    raw: list[RawRow], defaults: dict[str, Any] | None = None, *, at_once: int = 1
) -> tuple[list[Any], list[Any], int]:
    """Read rows the short way where there is one, and the long way; and tell how many there was one for."""
    base = Path(__file__).parent
    pieces: list[Piece] = [raw[place : place + at_once] for place in range(0, len(raw), at_once)]
    short, took_short = the_short_way(RowReader(base, defaults), pieces)
    long = RowReader(base, defaults)
    return short, [outcome(long.read(row)) for row in raw], took_short


def the_short_way(reader: RowReader, pieces: Iterable[Piece]) -> tuple[list[Any], int]:
    """Give what became of rows, and how many of them went the short way."""
    outcomes, took_short = list[Any](), 0
    for piece in pieces:
        for read in reader.read_piece(piece):
            if isinstance(read, AlikeRows):
                outcomes += outcomes_of(read)
                took_short += len(read)
            else:
                outcomes.append(outcome(read[1]))
    return outcomes, took_short


def outcomes_of(rows: AlikeRows) -> list[Any]:
    assert not any(shape.job.files for shape in rows.shapes)
    bodies = rows.bodies(plain_marked_names(RUN, rows.item_ids))
    priorities = [shape.job.priority for shape in rows.shapes]
    return list(zip(rows.numbers, rows.item_ids, priorities, bodies, rows.payloads, strict=True))


def numbered(values: Iterable[dict[str, Any]]) -> list[RawRow]:
    return [raw_row(number, row) for number, row in enumerate(values, start=1)]


@settings(max_examples=150)
@given(
    st.lists(st.one_of(rows, usual, usual, spoken, spoken), max_size=12),
    st.sampled_from([None, {"model": "lipsync-2"}, {"video": "https://e.com/d.mp4"}, {"output_name": "x"}]),
    st.integers(1, 4),
)
def test_both_ways_come_to_the_same(
    values: list[dict[str, Any]], defaults: dict[str, Any] | None, at_once: int
) -> None:
    short, long, _ = both_ways(numbered(values), defaults, at_once=at_once)
    assert short == long


@settings(max_examples=100)
@given(st.lists(st.one_of(usual, spoken), max_size=12), st.integers(1, 4))
def test_cells_of_text_come_to_the_same(values: list[dict[str, Any]], at_once: int) -> None:
    raw = [
        RawRow(number=number, values={name: cell for name, cell in row.items() if cell.strip()}, is_text=True)
        for number, row in enumerate(values, start=2)
    ]
    short, long, _ = both_ways(raw, at_once=at_once)
    assert short == long


def row(number: int, **more: Any) -> dict[str, Any]:
    media = {"video": "https://e.com/face.mp4", "audio": f"https://e.com/{number}.wav"}
    return {"item_id": f"row-{number}", "model": "lipsync-2", **media, **more}


@pytest.mark.parametrize("name", [None, "item_id"], ids=["unnamed", "named"])
def test_the_third_row_of_a_kind_goes_the_short_way(name: str | None) -> None:
    values = [
        {column: cell for column, cell in row(number).items() if name or column != "item_id"}
        for number in range(9)
    ]
    short, long, took_short = both_ways(numbered(values))
    assert short == long
    assert took_short == 7


@pytest.mark.parametrize(
    "more",
    [
        {"output_name": "own"},
        {"audio": "https://e.com/a.wav?signature=1"},
        {"options": {"sync_mode": "loop"}},
        {"item_id": "ü"},
        {"audio": str(Path(sync_async.__file__).parent / "sandbox" / "media" / "speech.wav")},
    ],
)
def test_what_is_not_plain_goes_the_long_way(more: dict[str, Any]) -> None:
    _, _, took_short = both_ways(numbered([row(1), row(2), row(3, **more), row(4, **more), row(5, **more)]))
    assert took_short == 0


def test_a_name_that_is_taken_is_a_problem_either_way() -> None:
    short, long, _ = both_ways(numbered([row(1), row(2), row(3), row(3), row(1)]))
    assert short == long
    assert [len(read) for read in short] == [5, 5, 5, 1, 1]


def test_values_that_are_equal_and_of_other_types_are_not_alike() -> None:
    values = [row(number, priority=1) for number in range(3)] + [row(9, priority=True)]
    short, long, _ = both_ways(numbered(values))
    assert short == long


def test_a_manifest_whose_rows_are_all_of_their_own_kind_keeps_few_of_them() -> None:
    reader = RowReader(Path())
    values = [row(number, **{"options.temperature": number / 9e4}) for number in range(1_500)]
    made = [read for read in reader.read_piece(numbered(values)) if not isinstance(read, AlikeRows)]
    assert len(made) == 1_500
    kept = sum(len(columns.shapes) for columns in reader._alikes._columns.values())
    assert kept <= 1_000
    _, last = made[-1]
    assert isinstance(last, BulkRow)
    assert last.body["options"] == {"temperature": 1_499 / 9e4}
