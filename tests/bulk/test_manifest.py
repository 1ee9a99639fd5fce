"""Manifests in every form: the same rows, each with its number, and what cannot be read told."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sync_async import ArgumentError
from sync_async.bulk.manifest import RawRow, read_manifest

ROWS = [
    {"item_id": "a", "video": "a.mp4", "priority": 2},
    {"item_id": "ü", "video": "b.mp4", "text": 'say, "hi"\nnow'},
]
CSV = 'item_id,video,priority,text\na,a.mp4,2,\nü,b.mp4,,"say, ""hi""\nnow"\n'
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def values(manifest: Any) -> list[dict[str, Any]]:
    return [dict(row.values) for row in read_manifest(manifest)]


def test_every_form_gives_the_same_rows(tmp_path: Path) -> None:
    """JSON has types, and CSV has text; empty cells and nulls are no values."""
    (tmp_path / "jobs.jsonl").write_text(LINES, encoding="utf-8")
    (tmp_path / "jobs.ndjson.gz").write_bytes(gzip.compress(LINES.encode()))
    columns = {"item_id": pa.string(), "video": pa.string(), "priority": pa.int64(), "text": pa.string()}
    table = pa.Table.from_pylist(ROWS, schema=pa.schema(columns))
    pq.write_table(table, tmp_path / "jobs.parquet")
    for manifest in (
        tmp_path / "jobs.jsonl",
        str(tmp_path / "jobs.ndjson.gz"),
        tmp_path / "jobs.parquet",
        table,
        ROWS,
    ):
        assert values(manifest) == ROWS
    (tmp_path / "jobs.csv").write_text(CSV, encoding="utf-8-sig")
    (tmp_path / "jobs.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    as_text = [{name: str(value) for name, value in row.items()} for row in ROWS]
    for name in ("jobs.csv", "jobs.csv.gz"):
        assert values(tmp_path / name) == as_text
    assert all(row.is_text for row in read_manifest(tmp_path / "jobs.csv"))


def test_rows_have_the_number_of_their_line(tmp_path: Path) -> None:
    """As an editor shows it: that of the last line of a row that has several."""
    path = tmp_path / "jobs.csv"
    path.write_text(CSV + "\nc,c.mp4,,\n")
    assert [row.number for row in read_manifest(path)] == [2, 4, 6]
    path = tmp_path / "jobs.jsonl"
    path.write_text('{"item_id":"a"}\n\n{"item_id":"b"}\n')
    assert [row.number for row in read_manifest(path)] == [1, 3]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"item_id,video\na\nb,b.mp4\n", "it has 1 cells under 2 columns"),
        ("a.csv", b'item_id,video\n"a"x,a.mp4\nb,b.mp4\n', "it cannot be read: "),
        ("a.jsonl", b'{"item_id":\n{"item_id":"b","video":"b.mp4"}\n', "it is no JSON object on one line"),
        ("a.jsonl", b'[1]\n{"item_id":"b","video":"b.mp4"}\n', "it is a JSON list, no object"),
        ("a.jsonl", b'{"x":NaN}\n{"item_id":"b","video":"b.mp4"}\n', "NaN is not JSON"),
        ("a.jsonl", b'{"x":"\xff"}\n{"item_id":"b","video":"b.mp4"}\n', "it is not UTF-8 text"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_and_the_others_are_read(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    bad, good = read_manifest(path)
    assert problem in (bad.problem or "")
    assert good.values["item_id"] == "b"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"video,video\n", "columns of the same name: video"),
        ("a.csv", b"\xff\xfe\n", "the first line of 'a.csv' cannot be read"),
        ("a.xlsx", b"x", r"of no known form; there are \.csv"),
        ("no.csv", None, "does not exist"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused(
    tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArgumentError, match=f"^manifest: .*{problem}"):
        list(read_manifest(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv.gz", "item_id\n" + "a\n" * 5000), ("a.jsonl.gz", '{"item_id":"a"}\n' * 5000)]
)
def test_a_packed_file_that_was_cut_tells_so_behind_what_can_be_read(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_bytes(gzip.compress(content.encode())[:-9])
    *rows, last = read_manifest(tmp_path / name)
    assert len(rows) > 4000
    assert all(row.problem is None for row in rows)
    assert "ended before" in (last.problem or "")


@pytest.mark.parametrize("manifest", [7, {"video": "a.mp4"}, None])
def test_what_is_no_list_of_rows_is_refused(manifest: Any) -> None:
    with pytest.raises(ArgumentError, match="neither a path nor a list of rows"):
        read_manifest(manifest)


def test_anything_may_give_rows_one_by_one() -> None:
    """A generator is read as it goes; what is no row is told."""
    given = iter([{"item_id": "a"}, "b"])
    rows = read_manifest(given)
    assert next(rows) == RawRow(number=1, values={"item_id": "a"})
    assert "str is not a mapping" in (next(rows).problem or "")


@pytest.mark.parametrize("name", ["jobs.csv", "jobs.jsonl.gz", "jobs.parquet"])
def test_memory_does_not_grow_with_the_manifest(tmp_path: Path, name: str) -> None:
    """A row at a time, or a thousand of Parquet."""
    path, count = tmp_path / name, 50_000
    rows = [{"item_id": f"row-{n}", "video": "https://example.com/a-rather-long-name.mp4"} for n in range(count)]
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith("csv"):
        path.write_text("item_id,video\n" + "".join(f"{row['item_id']},{row['video']}\n" for row in rows))
    else:
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), 1))
    del rows
    tracemalloc.start()
    assert sum(1 for _ in read_manifest(path)) == count
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000
