"""Taking rows into the ledger's file: new ones, known ones, changed ones, and those that ask for the same."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import attrs

from sync_async._errors import ArgumentError
from sync_async.bulk.doubles import Doubles
from sync_async.bulk.errors import ManifestChangedError, StateConflictError
from sync_async.bulk.keys import body_sha
from sync_async.bulk.ledger import IngestReport, NewItem
from sync_async.bulk.sqlite_writer import Transaction
from sync_async.bulk.states import State

INSERT = """
INSERT INTO item (seq, item_id, prio, state, body, frozen, body_sha, payload_sha, dedupe_of, est_micro,
    predicted_s, finished_us, error_code, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
REPLACE = """
UPDATE item SET due_us = 0, item_id = ?, prio = ?, state = ?, body = ?, frozen = ?, body_sha = ?,
    payload_sha = ?, dedupe_of = ?, est_micro = ?, predicted_s = ?, finished_us = ?, error_code = ?, error = ?
WHERE seq = ?
"""
KNOWN = """
SELECT item_id, seq, state, prio, payload_sha, est_micro, past_micro, job_id,
    first_post_us IS NULL AND generation_no = 1
FROM json_each(?) AS asked CROSS JOIN item ON item_id = asked.value
"""
UNSENT = "state IN ('new', 'ready', 'skipped', 'rejected') AND first_post_us IS NULL AND generation_no = 1"
DOUBLES_OF_LATER = "SELECT seq, frozen, est_micro, past_micro FROM item WHERE dedupe_of >= ? AND seq < ?"
LEADING = """
state NOT IN ('skipped', 'cancelled') AND NOT (state = 'rejected' AND first_post_us IS NULL)
"""


@attrs.frozen
class _Known:
    seq: int
    state: State
    prio: int
    payload_sha: bytes
    est_micro: int | None
    past_micro: int
    job_id: str | None
    is_unsent: bool


class Intake:
    """One ingest, chunk by chunk.

    Args:
        path: The ledger's file, for messages.
        now_us: When it is.
        dedupe: Whether rows that ask for the same are bought once.
    """

    def __init__(self, path: Path, now_us: int, *, dedupe: bool) -> None:
        self._path = path
        self._now_us = now_us
        self._dedupe = dedupe
        self._begin = self._next = 0
        self._doubles: Doubles | None = None
        self._added: dict[int, NewItem] = {}
        self._values: list[tuple[object, ...]] = []

    def take(self, transaction: Transaction, rows: Sequence[NewItem]) -> IngestReport:
        """Take in a chunk.

        Raises:
            ManifestChangedError: A row was changed after it was sent.
            ArgumentError: Two rows have one name.
        """
        connection, report = transaction.connection, IngestReport()
        if not self._begin:
            last = connection.execute("SELECT max(seq) FROM item").fetchone()[0] or 0
            self._begin = self._next = last + 1
        known = self._known(connection, rows)
        for row in rows:
            found = known.get(row.item_id)
            if found is None:
                self._add(transaction, row, report)
            else:
                self._meet(transaction, row, found, report)
        self._flush(connection)
        return report

    def _add(self, transaction: Transaction, row: NewItem, report: IngestReport) -> None:
        leader = self._leader(transaction.connection, row, self._next)
        self._added[self._next] = row
        self._values.append(_values(row, self._next, leader, self._now_us))
        self._next += 1
        _count(transaction, report, row, leader)

    def _flush(self, connection: sqlite3.Connection) -> None:
        rows = list(self._added.values())
        try:
            connection.executemany(INSERT, self._values)
        except sqlite3.IntegrityError as error:
            raise _twice(_item_that_is_there(connection, rows)) from error
        self._added.clear()
        self._values.clear()

    def _known(self, connection: sqlite3.Connection, rows: Sequence[NewItem]) -> dict[str, _Known]:
        names = {row.item_id for row in rows}
        if len(names) < len(rows):
            listed = [row.item_id for row in rows]
            raise _twice(next(name for name in listed if listed.count(name) > 1))
        if self._begin == 1:  # the run was empty
            return {}
        known = {
            item_id: _Known(seq, State(state), prio, payload, estimate, past, job_id, bool(is_unsent))
            for item_id, seq, state, prio, payload, estimate, past, job_id, is_unsent in connection.execute(
                KNOWN, (json.dumps(list(names)),)
            )
        }
        for item_id, found in known.items():
            if found.seq >= self._begin:  # it came with an earlier chunk
                raise _twice(item_id)
        return known

    def _meet(self, transaction: Transaction, row: NewItem, known: _Known, report: IngestReport) -> None:
        """Leave a row that is there already, or replace it as long as it was not sent."""
        is_same = row.payload_sha == known.payload_sha
        if is_same and (row.prio == known.prio or not known.is_unsent):
            report.known += 1
            return
        if not known.is_unsent:
            raise ManifestChangedError(self._path, row.item_id, known.state, known.job_id)
        report.replaced += 1
        connection = transaction.connection
        if is_same:
            connection.execute("UPDATE item SET prio = ? WHERE seq = ?", (row.prio, known.seq))
            return
        self._flush(connection)  # among them may be rows that follow this one, or that it is to follow
        state, *_ = connection.execute("SELECT state FROM item WHERE seq = ?", (known.seq,)).fetchone()
        transaction.tally.leave(State(state), known.est_micro, None, known.past_micro)
        # until it has its new payload it leads nobody, itself included
        connection.execute("UPDATE item SET state = 'cancelled' WHERE seq = ?", (known.seq,))
        promoted = promote_followers(transaction, known.seq)
        if promoted is not None and self._doubles is not None:
            self._doubles.replace(known.payload_sha, promoted)
        leader = self._leader(connection, row, known.seq)
        seq, *values = _values(row, known.seq, leader, self._now_us)
        connection.execute(REPLACE, (*values, seq))
        transaction.tally.enter(row.state if leader is None else State.SKIPPED, row.est_micro, None, 0)

    def _leader(self, connection: sqlite3.Connection, row: NewItem, seq: int) -> int | None:
        """Find the earlier row that asks for the same, if there is one that can lead."""
        if not self._dedupe or row.problem is not None:
            return None
        if self._doubles is None:
            self._doubles = _doubles_in(connection)
        first = self._doubles.first(row.payload_sha, seq)
        if first is None or first == seq:
            return None
        if first in self._added:
            return first if self._added[first].payload_sha == row.payload_sha else None
        found = connection.execute(
            f"SELECT 1 FROM item WHERE seq = ? AND payload_sha = ? AND {LEADING}",  # noqa: S608
            (first, row.payload_sha),
        ).fetchone()
        if found is None:
            self._doubles.replace(row.payload_sha, seq)
            return None
        return first


def take_out(transaction: Transaction, path: Path, first: int) -> int:
    """Take out rows that were never sent, from a number on.

    Raises:
        StateConflictError: One of them was sent.
    """
    connection, tally = transaction.connection, transaction.tally
    sent = connection.execute(
        f"SELECT item_id FROM item WHERE seq >= ? AND NOT ({UNSENT}) LIMIT 1",  # noqa: S608
        (first,),
    ).fetchone()
    if sent is not None:
        raise StateConflictError(path, f"the row {sent[0]!r} is to be taken out, and was sent")
    doubles = connection.execute(DOUBLES_OF_LATER, (first, first)).fetchall()
    for seq, frozen, estimate, past in doubles:  # rows that were changed, and follow one that goes
        state = State.READY if frozen else State.NEW
        connection.execute("UPDATE item SET state = ?, dedupe_of = NULL WHERE seq = ?", (state.value, seq))
        tally.leave(State.SKIPPED, estimate, None, past)
        tally.enter(state, estimate, None, past)
    for state, estimate in connection.execute("SELECT state, est_micro FROM item WHERE seq >= ?", (first,)):
        tally.leave(State(state), estimate, None, 0)
    return connection.execute("DELETE FROM item WHERE seq >= ?", (first,)).rowcount


def promote_followers(transaction: Transaction, leader: int) -> int | None:
    """Let the first of the rows that share a row's fate be bought itself, as that row will not be.

    Returns:
        Its number, or None when no row shares it.
    """
    connection = transaction.connection
    followers = connection.execute(
        "SELECT seq, frozen, est_micro, past_micro FROM item WHERE dedupe_of = ? ORDER BY seq", (leader,)
    ).fetchall()
    if not followers:
        return None
    seq: int = followers[0][0]
    _, frozen, estimate, past = followers[0]
    state = State.READY if frozen else State.NEW
    connection.execute("UPDATE item SET state = ?, dedupe_of = NULL WHERE seq = ?", (state.value, seq))
    connection.execute("UPDATE item SET dedupe_of = ? WHERE dedupe_of = ?", (seq, leader))
    transaction.tally.leave(State.SKIPPED, estimate, None, past)
    transaction.tally.enter(state, estimate, None, past)
    return seq


def _values(row: NewItem, seq: int, leader: int | None, now_us: int) -> tuple[object, ...]:
    code, error = row.problem or (None, None)
    is_frozen = row.is_frozen and row.problem is None
    return (
        seq,
        row.item_id,
        row.prio,
        (row.state if leader is None else State.SKIPPED).value,
        b"" if row.problem is not None else row.body,
        int(is_frozen),
        body_sha(row.body) if is_frozen else None,
        row.payload_sha,
        leader,
        row.est_micro,
        row.predicted_s,
        None if row.problem is None else now_us,
        code,
        error,
    )


def _count(transaction: Transaction, report: IngestReport, row: NewItem, leader: int | None) -> None:
    report.added += 1
    tally = transaction.tally
    if leader is not None:
        report.doubled += 1
        tally.enter(State.SKIPPED, row.est_micro, None, 0)
        return
    state = row.state  # one in which nothing is reserved or spent, so that a million need not be added up
    report.rejected += state == State.REJECTED
    tally.states[state] = tally.states.get(state, 0) + 1


def _doubles_in(connection: sqlite3.Connection) -> Doubles:
    doubles = Doubles()
    for payload, seq in connection.execute(f"SELECT payload_sha, seq FROM item WHERE {LEADING}"):  # noqa: S608
        doubles.first(payload, seq)
    return doubles


def _item_that_is_there(connection: sqlite3.Connection, rows: Sequence[NewItem]) -> str:
    for row in rows:
        if connection.execute("SELECT 1 FROM item WHERE item_id = ?", (row.item_id,)).fetchone():
            return row.item_id
    raise AssertionError  # no other rule of the table can be broken


def _twice(item_id: str) -> ArgumentError:
    return ArgumentError("item_id", f"{item_id!r} stands twice; each row needs a name of its own")
