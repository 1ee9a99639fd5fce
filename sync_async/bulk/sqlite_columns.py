"""Usual rows into the ledger's file: column by column, with one statement for thousands of them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import attrs

from sync_async.bulk.records import NewItem
from sync_async.bulk.usual_items import UsualItems

KIND = "json_extract(:kinds, '$[' || CAST(substr(:kind_of, 4 * key + 1, 4) AS INTEGER) || '][{}]')"
INSERT = f"""
INSERT INTO item (seq, item_id, prio, state, body, frozen, body_sha, payload_sha, est_micro, predicted_s)
SELECT :first + key, value, {KIND.format(0)}, 'ready',
    CAST(rtrim(substr(:bodies, :width * key + 1, :width)) AS BLOB), 1,
    substr(:hashes, 48 * key + 1, 32), substr(:hashes, 48 * key + 33, 16), {KIND.format(1)}, {KIND.format(2)}
FROM json_each(:names)
"""  # noqa: S608  # no value of anybody's
"""Bodies are filled up with spaces to the same width: to cut them out of what holds all of them costs half of what
a statement for each row does. It is one statement for all, as each makes this thread wait for the others."""
WIDEST = 16 * 1024
"""Bytes of a body above which rows are no usual ones."""


@attrs.frozen(eq=False)
class PackedItems:
    """Usual rows as the statement takes them.

    Attributes:
        rows: The rows.
        columns: What the statement takes.
    """

    rows: UsualItems
    columns: dict[str, Any]

    def insert(self, connection: sqlite3.Connection, first: int) -> None:
        """Write the rows, side by side from a number on.

        Raises:
            sqlite3.IntegrityError: There is a row of the name of one of them.
        """
        connection.execute(INSERT, {"first": first, **self.columns})


Part = Sequence[NewItem] | PackedItems


def packed(parts: Iterable[Sequence[NewItem]]) -> list[Part]:
    """Pack rows that are usual and lie side by side; others stay as they are."""
    return list(_packed(parts))


def _packed(parts: Iterable[Sequence[NewItem]]) -> Iterator[Part]:
    group = list[UsualItems]()
    for part in parts:
        if isinstance(part, UsualItems) and max(map(len, part.bodies), default=WIDEST + 1) <= WIDEST:
            group.append(part)
            continue
        if group:
            yield _pack(UsualItems.joined(group))
            group = []
        yield part
    if group:
        yield _pack(UsualItems.joined(group))


def _pack(rows: UsualItems) -> PackedItems:
    bodies, width, sha256 = rows.bodies, max(map(len, rows.bodies)), hashlib.sha256
    hashes = chain.from_iterable(
        (sha256(body).digest(), payload) for body, payload in zip(bodies, rows.payloads, strict=True)
    )
    kinds = {expected: f"{number:4}".encode() for number, expected in enumerate(dict.fromkeys(rows.expected))}
    columns = {
        "names": json.dumps(rows.item_ids, ensure_ascii=False),
        "bodies": b"".join([body.ljust(width) for body in bodies]),
        "width": width,
        "hashes": b"".join(hashes),
        "kinds": json.dumps([attrs.astuple(expected) for expected in kinds]),
        "kind_of": b"".join([kinds[expected] for expected in rows.expected]),
    }
    return PackedItems(rows, columns)
