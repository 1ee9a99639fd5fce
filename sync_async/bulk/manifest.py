"""Reading a manifest: rows as mappings with their numbers, from any form it may come in.

CSV and JSON Lines (also `.gz`), Parquet and other Arrow data (`pip install 'syncso[arrow]'`), any iterable of
mappings. Nothing is held but the row that is read, however long the manifest is.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import zlib
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import attrs

from sync_async._errors import ArgumentError, SyncError
from sync_async._json import json_of_text

ROWS_AT_ONCE = 1_000
LARGEST_CELL = 16 * 1024**2
ENDS_READING = (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile)
"""What is raised where a file is no text, or was packed and then cut or spoiled: nothing behind it can be read."""


@attrs.define(kw_only=True)
class RawRow:
    """One row as it stands in the manifest.

    Attributes:
        number: The line of a CSV or JSON Lines file, else the row, from 1.
        values: The row's values by column; empty cells of a CSV file are left out.
        is_text: Whether all values are text, as in a CSV file, and are yet to be read as numbers and the like.
        problem: Why the row cannot be read, or None.
    """

    number: int
    values: Mapping[str, Any] = attrs.field(factory=dict)
    is_text: bool = False
    problem: str | None = None


Manifest = str | os.PathLike[str] | Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]
"""A path, an iterable of mappings, or data with `__arrow_c_stream__` (polars, duckdb, pandas, pyarrow)."""


@attrs.define
class CsvLines:
    """Lines of a CSV file, not yet taken apart.

    Attributes:
        header: The columns.
        lines: The lines; the last row may go on behind them.
        number: The number of the first.
    """

    header: Sequence[str]
    lines: Sequence[str]
    number: int
    _file: _CsvFile

    def rows(self) -> Iterator[RawRow]:
        """Take them apart."""
        return self._file.rows(self.lines)


Piece = CsvLines | list[RawRow]
"""Rows that are read together."""


def read_manifest(manifest: Any) -> Iterator[RawRow]:
    """Read the rows of a manifest one by one; see `read_pieces`."""
    pieces = read_pieces(manifest)
    return (row for piece in pieces for row in rows_of(piece))


def rows_of(piece: Piece) -> Iterable[RawRow]:
    """Give the rows of a piece, before the next piece is asked for."""
    return piece if isinstance(piece, list) else piece.rows()


def read_pieces(manifest: Any) -> Iterator[Piece]:
    """Read the rows of a manifest, about a thousand at once.

    Args:
        manifest: See `Manifest`. A file's form is told by its name: `.csv`, `.jsonl`, `.ndjson`, `.jsonl.gz`,
            `.csv.gz`, `.parquet`.

    Raises:
        ArgumentError: There is no such file, its form is unknown, or it has no header.
        SyncError: pyarrow is needed and not installed.
    """
    if isinstance(manifest, str | os.PathLike):
        return _read_file(Path(manifest))
    if hasattr(manifest, "__arrow_c_stream__"):
        return _in_pieces(_from_arrow(_arrow().RecordBatchReader.from_stream(manifest)))
    if isinstance(manifest, Mapping) or not isinstance(manifest, Iterable):
        raise ArgumentError("manifest", f"{type(manifest).__name__} is neither a path nor a list of rows")
    return _in_pieces(_from_mappings(manifest))


def _in_pieces(rows: Iterator[RawRow]) -> Iterator[list[RawRow]]:
    while piece := list(islice(rows, ROWS_AT_ONCE)):
        yield piece


def _read_file(path: Path) -> Iterator[Piece]:
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        raise ArgumentError("manifest", f"{str(path)!r} {what}")
    form = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if form == "csv":
        return _from_csv(path)
    if form in ("jsonl", "ndjson"):
        return _in_pieces(_from_json_lines(path))
    if form == "parquet":
        batches = _arrow("parquet").ParquetFile(path).iter_batches(batch_size=ROWS_AT_ONCE)
        return _in_pieces(_from_arrow(batches))
    raise ArgumentError(
        "manifest", f"{path.name!r} is of no known form; there are .csv, .jsonl (both also .gz) and .parquet"
    )


def _opened(path: Path, errors: str = "strict") -> IO[str]:
    if path.name.lower().endswith(".gz"):
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", errors=errors, newline="")
    return path.open(encoding="utf-8-sig", errors=errors, newline="")


def _from_csv(path: Path) -> Iterator[Piece]:
    csv.field_size_limit(LARGEST_CELL)
    with _opened(path) as file:
        yield from _CsvFile(path, file).pieces()


class _CsvFile:
    """A CSV file on its way: lines are handed out in pieces, or to the reader, which may ask for more."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._file = file
        self._at_hand: Iterator[str] = iter(())
        self._line = 0
        """Lines that were handed out."""
        self._is_over = False
        self._reader = csv.reader(self._feed(), strict=True)
        self._header = _header(path, self._reader)

    def _feed(self) -> Iterator[str]:
        """Give the lines at hand, and then those that a row needs to its end."""
        while True:
            line = next(self._at_hand, None) or next(self._file, None)
            if line is None:
                return
            self._line += 1
            yield line

    def pieces(self) -> Iterator[Piece]:
        while not self._is_over:
            lines, trouble = list[str](), None
            try:
                lines.extend(islice(self._file, ROWS_AT_ONCE))  # keeps those before one that cannot be read
            except ENDS_READING as error:
                trouble = error
            before = self._line
            if lines:
                yield CsvLines(self._header, lines, before + 1, self)
            if self._line == before:  # they were read as they are
                self._line += len(lines)
            if trouble is not None:
                yield [RawRow(number=self._line, problem=f"it cannot be read: {trouble}")]
            self._is_over = self._is_over or trouble is not None or not lines

    def rows(self, lines: Sequence[str]) -> Iterator[RawRow]:
        """Take lines apart, and what belongs to the last of them."""
        end = self._line + len(lines)
        self._at_hand = iter(lines)
        while self._line < end and not self._is_over:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except (csv.Error, *ENDS_READING) as error:
                yield RawRow(number=self._line, problem=f"it cannot be read: {error}")
                self._is_over = isinstance(error, ENDS_READING)
                continue
            if cells:
                yield row_of_cells(self._line, self._header, cells)


def _header(path: Path, reader: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(reader)]
    except StopIteration:
        raise ArgumentError("manifest", f"{path.name!r} is empty") from None
    except (csv.Error, *ENDS_READING) as error:
        raise ArgumentError("manifest", f"the first line of {path.name!r} cannot be read: {error}") from error
    if twice := {name for name in header if header.count(name) > 1}:
        raise ArgumentError("manifest", f"{path.name!r} has columns of the same name: {', '.join(sorted(twice))}")
    return header


def row_of_cells(number: int, header: Sequence[str], cells: Sequence[str]) -> RawRow:
    """Make a row of the cells of a CSV file."""
    if len(cells) != len(header):
        return RawRow(number=number, problem=f"it has {len(cells)} cells under {len(header)} columns")
    values = dict(zip(header, cells, strict=True))
    if not all(map(str.strip, cells)):
        values = {name: cell for name, cell in values.items() if cell.strip()}
    return RawRow(number=number, values=values, is_text=True)


def _from_json_lines(path: Path) -> Iterator[RawRow]:
    number = 0
    with _opened(path, "surrogateescape") as file:  # so that one line that is no text is only that
        try:
            for line in file:
                number += 1
                if line.strip():
                    yield _json_row(number, line)
        except ENDS_READING as error:
            yield RawRow(number=number + 1, problem=f"it cannot be read: {error}")


def _json_row(number: int, line: str) -> RawRow:
    try:
        if not line.isascii():
            line.encode()
        values = json_of_text(line)
    except UnicodeEncodeError:
        return RawRow(number=number, problem="it is not UTF-8 text")
    except (ValueError, RecursionError) as error:
        return RawRow(number=number, problem=f"it is no JSON object on one line: {error}")
    if not isinstance(values, dict):
        return RawRow(number=number, problem=f"it is a JSON {type(values).__name__}, no object")
    return RawRow(number=number, values={name: value for name, value in values.items() if value is not None})


def _from_arrow(batches: Iterable[Any]) -> Iterator[RawRow]:
    number = 0
    for batch in batches:
        for values in batch.to_pylist():
            number += 1
            yield RawRow(
                number=number, values={name: value for name, value in values.items() if value is not None}
            )


def _from_mappings(rows: Iterable[Any]) -> Iterator[RawRow]:
    for number, row in enumerate(rows, start=1):
        yield raw_row(number, row)


def raw_row(number: int, row: Any) -> RawRow:
    """Take a row as a caller gives it.

    Args:
        number: The how-manieth it is, from 1.
        row: A mapping of columns to values; None is no value.
    """
    if not isinstance(row, Mapping):
        return RawRow(number=number, problem=f"{type(row).__name__} is not a mapping of columns to values")
    return RawRow(number=number, values={name: value for name, value in row.items() if value is not None})


def _arrow(part: str | None = None) -> Any:
    try:
        import pyarrow as pa

        if part == "parquet":
            import pyarrow.parquet

            return pyarrow.parquet
    except ImportError as error:
        raise SyncError("Arrow data needs pyarrow: pip install 'syncso[arrow]'") from error
    return pa
