"""Changes of many rows with one statement: what a thread does for a row costs less than its waking."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from sync_async.bulk.counters import counts_as
from sync_async.bulk.errors import StateConflictError
from sync_async.bulk.records import Change
from sync_async.bulk.sqlite_marks import leaves_amounts, mark, way_of, what_is_set, what_is_there
from sync_async.bulk.sqlite_writer import Transaction
from sync_async.bulk.states import State

Kind = tuple[State, State, tuple[str, ...]]
"""Changes with one statement: from which state they lead to which, and what they write."""

AMOUNTS = """
SELECT json_group_array(json_array(est_micro, cost_micro, past_micro)) FROM item
WHERE seq IN (SELECT json_extract(value, '$[0]') FROM json_each(?))
"""


def mark_together(transaction: Transaction, path: Path, changes: Sequence[Change], now_us: int) -> None:
    """Write changes of many callers: those of a kind at once, and those of a row in their order.

    Raises:
        StateConflictError: One of them is not to be. What was written has to be undone; written one by one they
            tell which it is.
    """
    moves: dict[Kind, dict[int, Change]] = {}
    moved = set[int]()
    for change in changes:
        is_plain = _is_plain(change)
        if moves and (change.seq in moved or not is_plain):
            _write(transaction, path, moves, now_us)
            moves, moved = {}, set()
        if is_plain:
            moves.setdefault((change.source, change.target, tuple(change.values)), {})[change.seq] = change
            moved.add(change.seq)
        else:
            mark(transaction, path, [change], now_us)
    _write(transaction, path, moves, now_us)


def _is_plain(change: Change) -> bool:
    """Tell whether a change can be one of many; a body, which is bytes, has no JSON form."""
    return (
        change.problem is None
        and "body" not in change.values
        and change.target != State.CANCELLED
        and leaves_amounts(change, way_of(change.source, change.target))
    )


def _write(transaction: Transaction, path: Path, moves: dict[Kind, dict[int, Change]], now_us: int) -> None:
    for kind, changes in moves.items():
        rows = json.dumps([[seq, *change.values.values()] for seq, change in changes.items()], ensure_ascii=False)
        if len(changes) == 1 or "\\u0000" in rows:  # SQLite's JSON ends a text there
            mark(transaction, path, list(changes.values()), now_us)
        else:
            _move(transaction, path, kind, rows, len(changes))


def _move(transaction: Transaction, path: Path, kind: Kind, rows: str, count: int) -> None:
    source, target, _ = kind
    try:
        written = transaction.connection.execute(_statement(kind), (rows,)).rowcount
    except sqlite3.IntegrityError as error:
        raise StateConflictError(path, f"{source} to {target} breaks a rule ({error})") from error
    if written != count:
        raise StateConflictError(path, f"of {count} rows {written} could go from {source} to {target}")
    tally = transaction.tally
    if counts_as(source) is counts_as(target):
        tally.states[source] = tally.states.get(source, 0) - written
        tally.states[target] = tally.states.get(target, 0) + written
        return
    amounts = transaction.connection.execute(AMOUNTS, (rows,)).fetchone()[0]
    for of_row in json.loads(amounts):
        tally.move(source, of_row, target, of_row)


@functools.cache
def _statement(kind: Kind) -> str:
    source, target, columns = kind
    places = ", ".join(
        f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(("seq", *columns))
    )
    sets, there = what_is_set(source, target, columns, "new."), what_is_there(source, target)
    rows = f"(SELECT {places} FROM json_each(?)) AS new"  # noqa: S608  # columns of the table
    return f"UPDATE item SET {sets} FROM {rows} WHERE item.seq = new.seq AND {there}"  # noqa: S608  # the same
