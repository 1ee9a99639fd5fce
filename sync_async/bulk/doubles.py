"""Which rows ask for the same as an earlier one, found without keeping a million hashes as objects."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence

SMALLEST = 1 << 12
MOST_FILLED = 0.6
FILLED = 1 << 63  # set in each mark, as zero is an empty slot


class Doubles:
    """A table from payloads to the rows that asked first, of 12 bytes a slot.

    An index in the ledger would be spread over all its pages, so that each commit of an ingest wrote it anew:
    15 s instead of 9 s for a million rows. A dictionary would hold 100 MB for them; this holds 25 MB.
    Only 63 bits of a hash are compared: who finds a row has to look at the rest.
    """

    def __init__(self) -> None:
        self._marks = array("Q", bytes(8 * SMALLEST))
        self._rows = array("I", bytes(4 * SMALLEST))
        self._count = 0

    def first(self, payload: bytes, row: int) -> int | None:
        """Give the row that asked first for a payload, or None and remember this one.

        Args:
            payload: A hash of at least 8 bytes.
            row: Its number, from 1.
        """
        marks = self._marks
        mark = int.from_bytes(payload[:8], "little") | FILLED
        slot = mark & (len(marks) - 1)
        if marks[slot] and (marks[slot] == mark or marks[slot := self._free_or_same(mark)]):
            return self._rows[slot]
        marks[slot], self._rows[slot] = mark, row
        self._count += 1
        if self._count > MOST_FILLED * len(marks):
            self._grow()
        return None

    def first_all(self, payloads: Sequence[bytes], row: int) -> list[int]:
        """Do as `first` does for rows side by side, and give the places of those that were not the first.

        Args:
            payloads: Their hashes.
            row: The number of the first of them.
        """
        while self._count + len(payloads) > MOST_FILLED * len(self._marks):
            self._grow()
        marks, rows, last, later = self._marks, self._rows, len(self._marks) - 1, list[int]()
        for place, mark in enumerate(_marks_of(payloads)):
            filled = mark | FILLED
            slot = filled & last
            while (found := marks[slot]) and found != filled:
                slot = (slot + 1) & last
            if found:
                later.append(place)
            else:
                marks[slot], rows[slot] = filled, row + place
        self._count += len(payloads) - len(later)
        return later

    def replace(self, payload: bytes, row: int) -> None:
        """Let another row be the first that asked for a payload."""
        slot, mark = self._slot(payload)
        self._count += not self._marks[slot]
        self._marks[slot], self._rows[slot] = mark, row

    def _slot(self, payload: bytes) -> tuple[int, int]:
        mark = int.from_bytes(payload[:8], "little") | FILLED
        return self._free_or_same(mark), mark

    def _free_or_same(self, mark: int) -> int:
        marks = self._marks
        last = len(marks) - 1
        slot = mark & last
        while marks[slot] and marks[slot] != mark:
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        marks, rows = array("Q", bytes(16 * len(self._marks))), array("I", bytes(8 * len(self._marks)))
        last = len(marks) - 1
        for mark, row in zip(self._marks, self._rows, strict=True):
            if mark:
                slot = mark & last
                while marks[slot]:
                    slot = (slot + 1) & last
                marks[slot], rows[slot] = mark, row
        self._marks, self._rows = marks, rows


def _marks_of(payloads: Iterable[bytes]) -> array[int]:
    marks = array("Q", b"".join([payload[:8] for payload in payloads]))
    if sys.byteorder == "big":
        marks.byteswap()
    return marks
