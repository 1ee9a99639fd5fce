"""Lines of a CSV file: those that are plain are read at once, and come to what the reader of CSV makes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_async.bulk import manifest
from sync_async.bulk.manifest import read_manifest, read_pieces
from sync_async.bulk.rows import RowReader
from tests.bulk.test_alike import outcome, the_short_way

BASE = Path(__file__).parent
HEADER = "item_id,model,video,audio,priority"


def both_ways(path: Path) -> tuple[list[Any], list[Any], int]:
    """Read a file piece by piece, and row by row; and tell how many rows went the short way."""
    short, took_short = the_short_way(RowReader(BASE), read_pieces(path))
    long = RowReader(BASE)
    return short, [outcome(long.read(row)) for row in read_manifest(path)], took_short


def write(folder: Path, *lines: str, end: str = "\n") -> Path:
    path = folder / "jobs.csv"
    path.write_bytes("".join(f"{line}{end}" for line in lines).encode())
    return path


def line(number: int, **changes: str) -> str:
    cells = {
        "item_id": f"take-{number}",
        "model": "lipsync-2",
        "video": "https://e.com/face.mp4",
        "audio": f"https://e.com/{number}.wav",
        "priority": "",
    }
    return ",".join({**cells, **changes}.values())


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "ROWS_AT_ONCE", 4)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_plain_lines_go_the_short_way(tmp_path: Path, end: str) -> None:
    path = write(tmp_path, HEADER, *(line(number) for number in range(20)), end=end)
    short, long, took_short = both_ways(path)
    assert short == long
    assert [row[0] for row in short] == list(range(2, 22))
    assert took_short == 16


def test_lines_of_several_kinds_keep_their_order(tmp_path: Path) -> None:
    kinds = [{"model": "lipsync-2"}, {"model": "lipsync-2-pro"}, {"priority": "5"}, {}]
    short, long, took_short = both_ways(
        write(tmp_path, HEADER, *(line(number, **kinds[number % 4]) for number in range(40)))
    )
    assert short == long
    assert took_short >= 28


def test_rows_without_names_are_named_by_what_they_ask_for(tmp_path: Path) -> None:
    lines = [f"lipsync-2,https://e.com/face.mp4,https://e.com/{number % 30}.wav" for number in range(40)]
    short, long, took_short = both_ways(write(tmp_path, "model,video,audio", *lines))
    assert short == long
    assert took_short > 20


def test_a_column_that_no_row_fills_is_as_good_as_none(tmp_path: Path) -> None:
    lines = (f"take-{number},lipsync-2,https://e.com/f.mp4,https://e.com/{number}.wav, ," for number in range(20))
    short, long, took_short = both_ways(write(tmp_path, "item_id,model,video,audio,priority,image", *lines))
    assert short == long
    assert took_short == 16


def test_a_row_over_several_lines_may_go_beyond_its_piece(tmp_path: Path) -> None:
    lines = [line(number) for number in range(20)]
    lines[8:8] = ['"take', 'and more"' + line(99).removeprefix("take-99"), ""]
    short, long, _ = both_ways(write(tmp_path, HEADER, *lines))
    assert short == long
    assert [row[0] for row in short if isinstance(row, tuple)] == [*range(2, 10), *range(13, 25)]


@pytest.mark.parametrize(
    "other",
    [
        line(7),
        line(0, item_id="TAKE-7"),
        line(30, audio="https://e.com/a.wav?X-Amz-Date=20200101T000000Z&X-Amz-Expires=60"),
        line(30, model="a model"),
        line(30, model=""),
        line(30, audio=""),
        line(30, audio="no-such-file.wav"),
        line(30) + ",more",
        '"' + line(30),
        "",
        "\u00e4" + line(30),
    ],
)
def test_one_line_that_is_not_plain_changes_nothing_for_the_others(tmp_path: Path, other: str) -> None:
    lines = [line(number) for number in range(30)]
    short, long, took_short = both_ways(write(tmp_path, HEADER, *lines[:18], other, *lines[18:]))
    assert short == long
    assert took_short > 10


def test_what_stands_before_a_line_that_is_no_text_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, *(line(number) for number in range(2_000)))
    path.write_bytes(path.read_bytes() + b"\xff\xfe,\n")
    *rows, last = read_manifest(path)
    assert last.problem is not None
    assert len(rows) > 1_500
    assert all(row.problem is None for row in rows)


def test_a_manifest_whose_lines_are_never_plain_is_not_tried_for_ever(tmp_path: Path) -> None:
    lines = (line(number, video=f'"https://e.com/{number}.mp4"') for number in range(200))
    reader = RowReader(BASE)
    the_short_way(reader, read_pieces(write(tmp_path, HEADER, *lines)))
    assert reader._lines is not None
    assert reader._lines._failures == 8


cells = st.one_of(
    st.sampled_from(
        ["", " ", "a", "take-1", "lipsync-2", "https://e.com/a.mp4", '"', '"a,b"', "5", "a\rb", "\0", "\u2028"]
    ),
    st.text(max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(cells, min_size=4, max_size=6).map(",".join), max_size=6),
    st.integers(0, 12),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_whatever_stands_in_a_file_both_ways_come_to_the_same(odd: Sequence[str], place: int, end: str) -> None:
    lines = [line(number) for number in range(12)]
    lines[place:place] = odd
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "jobs.csv")
        path.write_bytes((HEADER + end + end.join(lines)).encode("utf-8", "surrogatepass"))
        short, long, _ = both_ways(path)
    assert short == long
