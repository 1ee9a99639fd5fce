"""A manifest comes to rows and to problems of rows, each with its line, whatever stands in it."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync_async import ArgumentError
from sync_async.bulk.assessment import Faulty, _judged
from sync_async.bulk.intake import take_in
from sync_async.bulk.keys import frozen_body, payload_sha
from sync_async.bulk.manifest import RawRow, raw_row, read_manifest
from sync_async.bulk.records import Item, RunSpec
from sync_async.bulk.rows import KNOWN, BulkRow, Problem, RowReader
from sync_async.bulk.sqlite import SqliteLedger
from sync_async.bulk.states import State
from tests.properties.effort import examples
from tests.properties.mutations import mutated
from tests.properties.shapes import JSON, TEXT

URLS = st.sampled_from([
    "https://e.com/v.mp4", "http://e.com/a.wav", "https://[", "https://[?a", "https://[::1/a", "https://",
    "http://\ud800", "https://e.com/é", "https://e.com/a?Expires=" + "9" * 20,
    "https://e.com/a?X-Amz-Date=20200101T000000Z&X-Amz-Expires=9e9",
    "asset:1", "asset:", "asset:\ud800", "face.mp4", "no.mp4", ".", "..", "/", "a\0b", "x" * 300, "x/" * 3000, "~",
    "face.mp4/", "\udcff.mp4",
])  # fmt: skip
WORDS = st.sampled_from([
    "lipsync-2", "loop", "true", "TRUE", "1", "-1", "1.5", "1e999", "NaN", "Infinity", "null", "{}", "[]", "[1]",
    '{"a":1}', "[" * 5000, "9" * 5000, '{"sync_mode":"loop"}', '[{"type":"video","url":"https://e.com/v.mp4"}]',
    '"', "'", "{", "\ud800", "\0", " ", "", "data:video/mp4;base64," + "A" * 9000,
])  # fmt: skip
NUMBERS = st.sampled_from([0, 1, -1, 1.5, True, 10**6, 10**400, float("inf"), float("nan"), -0.0])
DEEP = ["options.active_speaker_detection.auto_detect", "options.active_speaker_detection", "options.sync_mode.x"]
ODD = [
    "dub_params.a",
    "dub_params.a.b",
    "dialogue_edit.",
    "options.",
    "options..",
    ".",
    "",
    "Video",
    "videoUrl",
    "outputFileName",
]
COLUMNS = st.sampled_from([*sorted(KNOWN), *DEEP, *ODD, "request_id", "endpoint", "payload"])
VALUES = URLS | WORDS | NUMBERS | TEXT | JSON
ROWS = st.dictionaries(COLUMNS | TEXT, VALUES, max_size=6)
RIGHT = st.fixed_dictionaries(
    {
        "model": st.just("lipsync-2"),
        "video": st.just("https://e.com/v.mp4"),
        "audio": st.just("https://e.com/a.wav"),
    },
    optional={
        "item_id": TEXT | st.integers(),
        "priority": st.integers(-9, 9),
        "options": st.just({"sync_mode": "loop", "temperature": 0.5}),
        "options.sync_mode": st.sampled_from(["loop", "bounce"]),
        "output_name": st.just("take_1"),
        "segments": st.just([{"startTime": 0, "endTime": 1, "audioInput": {"refId": "a"}}]),
        "webhook_url": st.just("https://e.com/hook"),
    },
)
RECORDS = st.fixed_dictionaries(
    {"request_id": TEXT, "payload": RIGHT | ROWS}, optional={"endpoint": st.just("/v2/generate"), "x": JSON}
)
ANY_ROW = st.one_of(ROWS, mutated(RIGHT), mutated(RECORDS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("manifests")
    (made / "face.mp4").write_bytes(b"x")
    return made


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def check(raw: RawRow, read: Any) -> None:
    """See that a row is a job that can be written, or told problems of it under its number."""
    number = raw.number
    if isinstance(read, BulkRow):
        assert read.number == number
        assert json.loads(frozen_body(read.body)) is not None
        assert len(payload_sha(read.body)) == 16
        assert isinstance(_judged(raw, read), BulkRow | Faulty)
        assert 0 < len(read.item_id) <= 200
        assert read.item_id.isprintable()
        assert type(read.priority) is int
    else:
        assert read
        assert all(type(problem) is Problem and problem.number == number for problem in read)
        assert all(problem.reason and str(problem).encode() for problem in read)


@examples(150)
@given(rows=st.lists(ANY_ROW, max_size=3), defaults=st.none() | ROWS)
@example(rows=[{"priority": float("inf")}], defaults=None)
@example(rows=[{"options.sync_mode": "loop", "options.sync_mode.x": 1}], defaults=None)
@example(rows=[{"options": "[" * 5000}], defaults=None)
@example(rows=[{"request_id": "a", "payload": {1: 2}, 3: 4, "x": 5}], defaults=None)
@example(rows=[{"video": "x" * 300}], defaults=None)
def test_any_row_is_a_job_or_has_problems(folder: Path, rows: list[Any], defaults: Any) -> None:
    """And one that has problems can be named, so that it stands in the results."""
    reader = RowReader(folder, defaults)
    names = set()
    for number, row in enumerate(rows, start=1):
        raw = raw_row(number, row)
        read = reader.read(raw)
        check(raw, read)
        names.add(read.item_id if isinstance(read, BulkRow) else reader.name_of(raw))
    assert len(names) == len(rows)


@examples(50)
@given(rows=st.lists(ANY_ROW, max_size=4), at_once=st.integers(1, 4))
def test_rows_in_pieces_come_to_what_they_come_to_one_by_one(folder: Path, rows: list[Any], at_once: int) -> None:
    """Whatever stands in them: the short way for rows that are alike raises nothing of its own."""
    raw = [raw_row(number, row) for number, row in enumerate(rows + rows + rows, start=1)]
    pieces = RowReader(folder)
    numbers = []
    for place in range(0, len(raw), at_once):
        for read in pieces.read_piece(raw[place : place + at_once]):
            numbers += [read[0].number] if isinstance(read, tuple) else list(read.numbers)
    assert numbers == [row.number for row in raw]
    one_by_one = RowReader(folder)
    for row in raw:
        check(row, one_by_one.read(row))


@examples(10)
@given(rows=st.lists(ANY_ROW, max_size=6))
@example(rows=[{"\ud800": "\udfff"}, {"text": "\ud800", "voice": "a"}, {"dub_params": {(1,): 2}, "x": {(3,): 4}}])
def test_every_row_is_taken_in_or_kept_with_its_problems(
    folder: Path, runner: asyncio.Runner, rows: list[Any]
) -> None:
    """Nothing in a row can keep the others out, or be too odd to be told."""
    with tempfile.TemporaryDirectory() as made:
        problems = Path(made, "problems.jsonl")
        taken = runner.run(taken_in(Path(made, "ledger"), folder, rows, problems))
        told = problems.read_text(encoding="utf-8").split("\n")[:-1] if problems.exists() else []
    assert len({item.item_id for item in taken}) == len(taken) == len(rows)
    wrong = [number for number, item in enumerate(taken, start=1) if item.state is State.REJECTED]
    assert sorted({json.loads(line)["number"] for line in told}) == wrong
    for item in taken:
        assert item.state is State.REJECTED or json.loads(item.body)


async def taken_in(place: Path, folder: Path, rows: list[Any], problems: Path) -> list[Item]:
    async with SqliteLedger(place) as ledger:
        await ledger.create_run(RunSpec(run_id="the-run"))
        reader = RowReader(folder)
        options = {"prices": None, "run_id": "the-run", "skip_bad": True, "problems_file": problems}
        await take_in(ledger, rows, reader=reader, **options)
        return [result.item async for result in ledger.results("input")]


LINES = st.lists(
    st.one_of(
        mutated(RIGHT).map(json.dumps).map(str.encode),
        JSON.map(json.dumps).map(str.encode),
        st.sampled_from([b"", b" ", b"{", b"[" * 5000, b'{"a":' * 2000, b"9" * 5000, b"\xff"]),
        st.sampled_from([b'{"a":NaN}', b'{"a":"\xff"}', b"\0", b"\xef\xbb\xbf{}"]),
        st.binary(max_size=20),
    ),
    max_size=6,
)  # fmt: skip


def rows_in(path: Path) -> list[RawRow]:
    return list(read_manifest(path))


def lines_of(content: bytes) -> int:
    """Count the lines of a file as an editor does."""
    return len(io.StringIO(content.decode("utf-8", "replace"), newline=None).readlines())


@examples(150)
@given(lines=LINES, end=st.sampled_from([b"\n", b"\r\n"]), packed=st.booleans())
@example(lines=[b'{"item_id":"a"}', b"\xff", b'{"item_id":"b"}'], end=b"\n", packed=False)
def test_any_json_lines_are_rows_or_problems(folder: Path, lines: list[bytes], end: bytes, packed: bool) -> None:
    path = folder / ("a.jsonl.gz" if packed else "a.jsonl")
    content = end.join(lines)
    path.write_bytes(gzip.compress(content) if packed else content)
    rows = rows_in(path)
    numbers = [row.number for row in rows]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= lines_of(content) for number in numbers)
    reader = RowReader(folder)
    for row in rows:
        assert not row.is_text
        assert row.problem is None or not row.values
        check(row, reader.read(row))


@examples(100)
@given(values=st.lists(st.dictionaries(TEXT, JSON, max_size=3).filter(bool), max_size=4))
def test_objects_that_were_written_as_json_lines_are_read_as_they_were(folder: Path, values: list[Any]) -> None:
    """But for nulls, which are no values."""
    path = folder / "b.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in values), encoding="utf-8")
    read = rows_in(path)
    assert [row.number for row in read] == list(range(1, len(values) + 1))
    for row, given_row in zip(read, values, strict=True):
        assert row.values == {name: value for name, value in given_row.items() if value is not None}


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
TABLES = st.lists(CELLS.map(str.strip).filter(bool), min_size=1, max_size=4, unique=True).flatmap(
    lambda header: st.tuples(
        st.just(header), st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header)), max_size=4)
    )
)


@examples(200)
@given(table=TABLES, end=st.sampled_from(["\n", "\r\n"]), bom=st.booleans(), packed=st.booleans())
def test_cells_that_were_written_as_csv_are_read_as_they_were(
    folder: Path, table: tuple[list[str], list[list[str]]], end: str, bom: bool, packed: bool
) -> None:
    """But for those that are empty, which are no values."""
    header, cells = table
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([header, *cells])
    path = folder / ("b.csv.gz" if packed else "b.csv")
    content = text.getvalue().encode("utf-8-sig" if bom else "utf-8")
    path.write_bytes(gzip.compress(content) if packed else content)
    read = rows_in(path)
    assert [row.problem for row in read] == [None] * len(cells)
    assert [dict(row.values) for row in read] == [
        {name: cell for name, cell in zip(header, line, strict=True) if cell.strip()} for line in cells
    ]


@examples(150)
@given(
    header=st.sampled_from([b"", b"item_id,model,video,audio\n", b"model,video,audio,options.temperature\r\n"]),
    body=st.lists(
        st.sampled_from([b",", b'"', b"\n", b"\r\n", b"\r", b"lipsync-2", b"https://e.com/v.mp4", b"\xff", b"\0"])
        | st.binary(max_size=4),
        max_size=20,
    ).map(b"".join),
    packed=st.booleans(),
)  # fmt: skip
def test_any_csv_is_rows_or_problems_or_no_manifest(
    folder: Path, header: bytes, body: bytes, packed: bool
) -> None:
    path = folder / ("a.csv.gz" if packed else "a.csv")
    content = header + body
    path.write_bytes(gzip.compress(content) if packed else content)
    try:
        rows = rows_in(path)
    except ArgumentError as error:
        assert error.argument == "manifest"
        return
    numbers = [row.number for row in rows]
    assert numbers == sorted(numbers)
    assert all(1 <= number <= lines_of(content) for number in numbers)
    reader = RowReader(folder)
    for row in rows:
        check(row, reader.read(row))


@pytest.mark.parametrize("name", ["c.csv.gz", "c.jsonl.gz"])
@examples(100)
@given(data=st.data())
def test_a_packed_file_that_is_cut_or_spoiled_tells_so(folder: Path, name: str, data: st.DataObject) -> None:
    """What was read before counts; nothing is read as if the file ended there."""
    content = b"item_id\n" + b"a\n" * 9 if "csv" in name else b'{"item_id":"a"}\n' * 9
    packed = bytearray(gzip.compress(content, mtime=0))
    if data.draw(st.booleans(), "is cut"):
        del packed[data.draw(st.integers(1, len(packed) - 1), "at") :]
    else:
        place = data.draw(st.integers(0, len(packed) - 1), "place")
        packed[place] ^= data.draw(st.integers(1, 255), "bits")
    path = folder / name
    path.write_bytes(packed)
    try:
        rows = rows_in(path)
    except ArgumentError as error:
        assert error.argument == "manifest"
        return
    if [row.problem for row in rows] != [None] * 9:  # some bytes of the head mean nothing
        assert rows[-1].problem is not None


@attrs.frozen
class Odd:
    """Something that no column takes."""


@examples(100)
@given(
    rows=st.lists(
        st.dictionaries(
            COLUMNS | st.integers() | st.none() | st.tuples(st.integers()),
            st.builds(Odd)
            | st.decimals()
            | st.binary(max_size=3)
            | st.dates()
            | st.just(Path("face.mp4"))
            | VALUES,
            max_size=4,
        )
        | st.builds(Odd)
        | TEXT
        | st.none(),
        max_size=3,
    )
)
@example(rows=[{"priority": Decimal("NaN")}])
@example(rows=[{"priority": Decimal("Infinity")}])
def test_rows_of_python_objects_are_jobs_or_have_problems(folder: Path, rows: list[Any]) -> None:
    reader = RowReader(folder)
    for raw in read_manifest(iterator_over(rows)):
        read = reader.read(raw)
        check(raw, read)


def iterator_over(rows: list[Any]) -> Iterator[Any]:
    yield from rows
