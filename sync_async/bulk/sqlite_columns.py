"""Usual rows into the ledger's file: column by column, with one statement for a thousand of them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from itertools import chain
from typing import Any

from sync_async.bulk.usual_items import Expected, UsualItems

INSERT = """
INSERT INTO item (seq, item_id, prio, state, body, frozen, body_sha, payload_sha, est_micro, predicted_s)
SELECT :first + key, value, :prio, 'ready', CAST(rtrim(substr(:bodies, :width * key + 1, :width)) AS BLOB), 1,
    substr(:hashes, 48 * key + 1, 32), substr(:hashes, 48 * key + 33, 16), :est_micro, :predicted_s
FROM json_each(:names)
"""
"""Bodies are filled up with spaces to the same width: to cut them out of what holds all of them costs half of what
a statement for each row does, which also stops all other threads."""
OTHERS = """
UPDATE item SET prio = ?, est_micro = ?, predicted_s = ?
WHERE seq IN (SELECT ? + value FROM json_each(?))
"""
WIDEST = 16 * 1024
"""Bytes of a body above which rows are no usual ones."""


def are_narrow(rows: UsualItems) -> bool:
    """Tell whether rows can be written by `insert`."""
    return max(map(len, rows.bodies), default=0) <= WIDEST


def insert(connection: sqlite3.Connection, first: int, rows: UsualItems) -> None:
    """Write rows, side by side from a number on.

    Raises:
        sqlite3.IntegrityError: There is a row of the name of one of them.
    """
    kinds = Counter(rows.expected)
    (most, _), *others = kinds.most_common()
    connection.execute(INSERT, {"first": first, **_written(most), **_packed(rows)})
    for other, _ in others:
        places = [place for place, expected in enumerate(rows.expected) if expected is other]
        connection.execute(OTHERS, (*_written(other).values(), first, json.dumps(places)))


def _written(expected: Expected) -> dict[str, Any]:
    return {"prio": expected.prio, "est_micro": expected.est_micro, "predicted_s": expected.predicted_s}


def _packed(rows: UsualItems) -> dict[str, Any]:
    bodies, width, sha256 = rows.bodies, max(map(len, rows.bodies)), hashlib.sha256
    hashes = chain.from_iterable(
        (sha256(body).digest(), payload) for body, payload in zip(bodies, rows.payloads, strict=True)
    )
    return {
        "names": json.dumps(rows.item_ids, ensure_ascii=False),
        "bodies": b"".join([body.ljust(width) for body in bodies]),
        "width": width,
        "hashes": b"".join(hashes),
    }
