"""Taking rows into the ledger's file: new ones, known ones, changed ones, and those that ask for the same."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import attrs

from sync_async._errors import ArgumentError
from sync_async.bulk.doubles import Doubles
from sync_async.bulk.errors import ManifestChangedError, StateConflictError
from sync_async.bulk.keys import body_sha
from sync_async.bulk.records import IngestReport, NewItem
from sync_async.bulk.sqlite_columns import PackedItems, Part
from sync_async.bulk.sqlite_writer import Transaction
from sync_async.bulk.states import State
from sync_async.bulk.usual_items import UsualItems

INSERT = """
INSERT INTO item (seq, item_id, prio, state, body, frozen, body_sha, payload_sha, dedupe_of, est_micro,
    predicted_s, finished_us, error_code, error)
SELECT :first + key, {0}, coalesce({4}, 0), coalesce({5}, 'ready'), coalesce(substr(:bodies, {1}, {2}), x''),
    coalesce({6}, 1),
    CASE WHEN coalesce({6}, 1) THEN substr(:hashes, 48 * key + 1, 32) END, substr(:hashes, 48 * key + 33, 16),
    {7}, {8}, {3}, {9}, {10}, {11}
FROM json_each(:rows)
""".format(*(f"json_extract(value, '$[{column}]')" for column in range(12)))  # no value of anybody's
"""All rows of a chunk with one statement: other threads go on meanwhile, whom one for each row would stop at each.
Bodies and hashes are cut out of what holds all of them; a usual row leaves the last columns out."""
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
        self._added: dict[int, tuple[NewItem, int | None]] = {}
        """Rows that are yet to be written, with those that they follow, by their numbers."""

    def take(self, transaction: Transaction, parts: Sequence[Part]) -> IngestReport:
        """Take in a chunk, which consists of parts.

        Raises:
            ManifestChangedError: A row was changed after it was sent.
            ArgumentError: Two rows have one name.
        """
        connection, report = transaction.connection, IngestReport()
        if not self._begin:
            last = connection.execute("SELECT max(seq) FROM item").fetchone()[0] or 0
            self._begin = self._next = last + 1
        known = self._known(connection, list(chain.from_iterable(map(_names_of, parts))))
        for part in parts:
            if not isinstance(part, PackedItems):
                self._take_rows(transaction, part, known, report)
            elif known or self._has_doubles(connection, part.rows):
                self._take_rows(transaction, part.rows, known, report)
            else:
                self._add_all(transaction, part, report)
        self._flush(connection)
        return report

    def _has_doubles(self, connection: sqlite3.Connection, rows: UsualItems) -> bool:
        """Tell whether some rows ask for what an earlier one asks for; all of them have asked by then."""
        if not self._dedupe or (rows.are_first and self._is_told):
            return False
        return bool(self._asked(connection).first_all(rows.payloads, self._next))

    @property
    def _is_told(self) -> bool:
        """Whether the run was empty, and it was told of each row so far that it is the first to ask."""
        return self._begin == 1 and self._doubles is None

    def _add_all(self, transaction: Transaction, part: PackedItems, report: IngestReport) -> None:
        """Add rows that are new, frozen, and no doubles."""
        connection, first, count = transaction.connection, self._next, len(part.rows)
        self._flush(connection)
        _insert(connection, lambda: part.insert(connection, first), part.rows.item_ids)
        self._next += count
        report.added += count
        transaction.tally.states[State.READY] = transaction.tally.states.get(State.READY, 0) + count

    def _take_rows(
        self, transaction: Transaction, rows: Iterable[NewItem], known: Mapping[str, _Known], report: IngestReport
    ) -> None:
        for row in rows:
            found = known.get(row.item_id)
            if found is not None:
                self._meet(transaction, row, found, report)
                continue
            leader = self._leader(transaction.connection, row, self._next)
            self._added[self._next] = row, leader
            self._next += 1
            _count(transaction, report, row, leader)

    def _flush(self, connection: sqlite3.Connection) -> None:
        if not self._added:
            return
        added, self._added = self._added, {}
        names = [row.item_id for row, _ in added.values()]
        _insert(connection, lambda: connection.execute(INSERT, _packed(added, self._now_us)), names)

    def _known(self, connection: sqlite3.Connection, listed: Sequence[str]) -> dict[str, _Known]:
        names = set(listed)
        if len(names) < len(listed):
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
        connection.execute(REPLACE, (*_replacement(row, leader, self._now_us), known.seq))
        transaction.tally.enter(row.state if leader is None else State.SKIPPED, row.est_micro, None, 0)

    def _leader(self, connection: sqlite3.Connection, row: NewItem, seq: int) -> int | None:
        """Find the earlier row that asks for the same, if there is one that can lead."""
        if not self._dedupe or row.problem is not None or (row.is_first and self._is_told):
            return None
        doubles = self._asked(connection)
        first = doubles.first(row.payload_sha, seq)
        if first is None or first == seq:
            return None
        if first in self._added:
            return first if self._added[first][0].payload_sha == row.payload_sha else None
        found = connection.execute(
            f"SELECT 1 FROM item WHERE seq = ? AND payload_sha = ? AND {LEADING}",  # noqa: S608
            (first, row.payload_sha),
        ).fetchone()
        if found is None:
            doubles.replace(row.payload_sha, seq)
            return None
        return first

    def _asked(self, connection: sqlite3.Connection) -> Doubles:
        """Give what the rows ask for that may be followed."""
        if self._doubles is None:
            self._flush(connection)
            self._doubles = _doubles_in(connection)
        return self._doubles


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


def _packed(added: Mapping[int, tuple[NewItem, int | None]], now_us: int) -> dict[str, object]:
    """Write rows as the statement takes them; their numbers follow one another."""
    rows, bodies, hashes, begin = list[list[object]](), list[bytes](), list[bytes](), 1
    for row, leader in added.values():
        body = b"" if row.problem is not None else row.body
        columns: list[object] = [row.item_id, begin, len(body), row.predicted_s]
        if (
            leader is not None
            or row.problem is not None
            or row.prio
            or not row.is_frozen
            or row.est_micro is not None
        ):
            columns += _unusual(row, leader, now_us)
        rows.append(columns)
        bodies.append(body)
        hashes += (hashlib.sha256(body).digest(), row.payload_sha)
        begin += len(body)
    text = json.dumps(rows, ensure_ascii=False, allow_nan=False)
    return {"first": next(iter(added)), "rows": text, "bodies": b"".join(bodies), "hashes": b"".join(hashes)}


def _unusual(row: NewItem, leader: int | None, now_us: int) -> tuple[object, ...]:
    code, error = row.problem or (None, None)
    return (
        row.prio,
        (row.state if leader is None else State.SKIPPED).value,
        int(row.is_frozen and row.problem is None),
        leader,
        row.est_micro,
        None if row.problem is None else now_us,
        code,
        error,
    )


def _replacement(row: NewItem, leader: int | None, now_us: int) -> tuple[object, ...]:
    """Give the columns of a row that takes the place of another one, as `REPLACE` has them."""
    prio, state, frozen, _, _, finished, code, error = _unusual(row, leader, now_us)
    body = b"" if row.problem is not None else row.body
    sha = body_sha(body) if frozen else None
    head = (row.item_id, prio, state, body, frozen, sha, row.payload_sha, leader, row.est_micro, row.predicted_s)
    return (*head, finished, code, error)


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


def _insert(connection: sqlite3.Connection, insert: Callable[[], object], item_ids: Sequence[str]) -> None:
    try:
        insert()
    except sqlite3.IntegrityError as error:
        raise _twice(_item_that_is_there(connection, item_ids)) from error


def _item_that_is_there(connection: sqlite3.Connection, item_ids: Sequence[str]) -> str:
    for item_id in item_ids:
        if connection.execute("SELECT 1 FROM item WHERE item_id = ?", (item_id,)).fetchone():
            return item_id
    raise AssertionError  # no other rule of the table can be broken


def _names_of(part: Part) -> Iterable[str]:
    return part.rows.item_ids if isinstance(part, PackedItems) else (row.item_id for row in part)


def _twice(item_id: str) -> ArgumentError:
    return ArgumentError("item_id", f"{item_id!r} stands twice; each row needs a name of its own")
