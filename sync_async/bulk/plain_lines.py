"""Lines of a CSV file whose rows are all alike, read with one pass of one expression.

The reader of CSV gives a row, a mapping is made of it, and its words are looked at: together they take longer than
all else that is done with a row. A line without quotes, whose words are plain and whose other cells are those of a
checked row, needs none of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sync_async.bulk.alike import (
    MEDIA,
    NAME,
    PLAIN_ADDRESS,
    PLAIN_NAME,
    TEXT,
    VARIED,
    Alikes,
    Shape,
    Words,
    unnamed_ids,
)
from sync_async.bulk.manifest import CsvLines, row_of_cells

CELLS = {
    NAME: PLAIN_NAME,
    TEXT: r'[^",\\\x00-\x1f]+',  # what JSON has as it is
    **dict.fromkeys(MEDIA, PLAIN_ADDRESS),
}
OTHER_CELL = r'[^",\r\n\0]*'
MOST_FAILURES = 8
"""Pieces in a row that are not plain, after which no more are looked at."""


class PlainRows:
    """What is found in lines that are all plain."""

    __slots__ = ("item_ids", "shapes", "words")

    def __init__(self, item_ids: Sequence[str], shapes: Sequence[Shape], words: Sequence[Words]) -> None:
        self.item_ids = item_ids
        self.shapes = shapes
        self.words = words


class LineReader:
    """Reads plain lines under one header.

    Args:
        header: The columns.
        alikes: Knows the rows that were checked.
    """

    def __init__(self, header: Sequence[str], alikes: Alikes) -> None:
        self._header = header
        self._alikes = alikes
        self._failures = 0
        self._varied = {name: place for place, name in enumerate(header) if name in VARIED}
        self._fixed = [place for place, name in enumerate(header) if name not in VARIED]
        cells = (f"({CELLS[name]}|)" if name in CELLS else f"({OTHER_CELL})" for name in header)
        self._line = re.compile(rf"^{','.join(cells)}\r?$", re.ASCII | re.MULTILINE)
        self._shapes: dict[frozenset[str], dict[Words, Shape]] = {}
        """Those that were met, by the varied columns that have words, and by the other cells."""

    def read(self, piece: CsvLines) -> PlainRows | None:
        """Give what the rows of a piece are, or None when they are not all plain and alike."""
        if self._failures == MOST_FAILURES or len(self._header) == 1:
            return None
        found = self._read(piece)
        self._failures = 0 if found is not None else self._failures + 1
        return found

    def _read(self, piece: CsvLines) -> PlainRows | None:
        rows = self._line.findall("".join(piece.lines))
        if len(rows) != len(piece.lines):
            return None
        columns: list[Words] = list(zip(*rows, strict=True))
        filled = frozenset(name for name, place in self._varied.items() if any(columns[place]))
        if not all(all(map(str.strip, columns[self._varied[name]])) for name in filled):
            return None  # in a column some rows have a word, and others have none
        shapes = self._shapes_of(rows, columns, self._shapes.setdefault(filled, {}))
        if shapes is None:
            return None
        gaps = shapes[0].gaps  # the same for all, as it depends on the columns alone
        words: list[Words] = [()] * len(rows)
        if gaps:
            words = list(zip(*(columns[self._varied[name]] for name in gaps), strict=True))
        names = columns[self._varied[NAME]] if NAME in filled else unnamed_ids(shapes, words)
        return PlainRows(names, shapes, words)

    def _shapes_of(
        self, rows: Sequence[Words], columns: Sequence[Words], known: dict[Words, Shape]
    ) -> list[Shape] | None:
        """Give the shape of each row; None when one of them has none."""
        keys: list[Words] = [()] * len(rows)
        if self._fixed:
            keys = list(zip(*(columns[place] for place in self._fixed), strict=True))
        for key in set(keys) - known.keys():
            (alike,) = self._alikes.find([row_of_cells(1, self._header, rows[keys.index(key)])])
            if alike is None:
                return None
            known[key] = alike.shape
        return [known[key] for key in keys]
