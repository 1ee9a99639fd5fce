"""Rows of the ledger's file as data, and what they come to."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from sync_async.bulk.counters import Counters, Failures, Money
from sync_async.bulk.errors import DamagedLedgerError, told
from sync_async.bulk.keys import body_sha
from sync_async.bulk.ledger import Order
from sync_async.bulk.records import Item, Result
from sync_async.bulk.sqlite_schema import LIVE
from sync_async.bulk.states import CHARGED, OPEN, RESERVING, State

_FIELDS = tuple(attrs.fields_dict(Item))
COLUMNS = ", ".join("frozen" if name == "is_frozen" else name for name in _FIELDS) + ", body_sha"

WAITING = (State.NEW, State.READY)

COUNT = """
SELECT state, count(*), sum(past_micro), sum(coalesce(est_micro, 0)), sum(coalesce(cost_micro, 0)),
    sum(est_micro IS NULL), sum(iif(cost_micro IS NULL, coalesce(est_micro, 0), 0)),
    sum(cost_micro IS NULL AND est_micro IS NULL)
FROM item GROUP BY state
"""

DOUBLES = """
SELECT dedupe_of, seq FROM item WHERE dedupe_of IN (SELECT value FROM json_each(?)) ORDER BY dedupe_of, seq
"""
ENDED = """
SELECT seq FROM item WHERE state IN ('done', 'failed', 'rejected', 'conflict', 'cancelled')
ORDER BY finished_us, seq
"""
FAILURE_SAMPLES = 3
FAILURES = """
SELECT code, rows, item_id, error FROM (
    SELECT coalesce(error_code, state) AS code, item_id, error, seq,
        count(*) OVER (PARTITION BY coalesce(error_code, state)) AS rows,
        row_number() OVER (PARTITION BY coalesce(error_code, state) ORDER BY seq) AS place
    FROM item WHERE state IN ('failed', 'rejected', 'conflict', 'cancelled', 'unknown')
) WHERE place <= ? ORDER BY seq
"""


def item_of(path: Path, row: Sequence[Any]) -> Item:
    """Make an item of a row of `COLUMNS`.

    Raises:
        DamagedLedgerError: Its bytes are not those that were written.
    """
    *values, sha = row
    fields = dict(zip(_FIELDS, values, strict=True))
    fields["state"] = State(fields["state"])
    fields["is_frozen"] = bool(fields["is_frozen"])
    if sha is not None and body_sha(fields["body"]) != sha:
        raise DamagedLedgerError(path, f"the body of the row {fields['item_id']!r} is not what was written")
    return Item(**fields)


def recount(path: Path, connection: sqlite3.Connection) -> Counters:
    """Count all rows, in one pass over them.

    Raises:
        LedgerError: The file cannot be read to its end.
    """
    states, money = dict.fromkeys(State, 0), Money()
    try:
        for name, rows, past, estimate, cost, unpriced, uncosted, unknown in connection.execute(COUNT):
            state = State(name)
            states[state] = rows
            if state in RESERVING:
                part = Money(spent=past, reserved=estimate, unpriced_running=unpriced)
            elif state == State.SKIPPED:
                part = Money(saved=estimate)
            elif state in CHARGED:
                part = Money(spent=past + cost + uncosted, unpriced_finished=unknown)
            else:
                part = Money(spent=past + cost)
            money = money.plus(part)
    except sqlite3.Error as error:
        raise told(path, error) from error
    except ValueError as error:
        raise DamagedLedgerError(path, str(error)) from error
    return Counters(states=states, money=money)


def live_page(
    path: Path, connection: sqlite3.Connection, states: Iterable[State], after: Item | None, limit: int
) -> list[Item]:
    """Read a page of rows, each state along its own index."""
    found: list[Item] = []
    for state in sorted(states):
        if after is None or state > after.state:
            found += _rows_in(path, connection, state, limit - len(found))
        elif state == after.state:
            found += _rows_behind(path, connection, after, limit)
    return found


def _rows_in(
    path: Path,
    connection: sqlite3.Connection,
    state: State,
    limit: int,
    *,
    behind: str = "",
    values: tuple[int, ...] = (),
) -> list[Item]:
    # states stand in the text, as an index of some of them is not used for a parameter
    some = f" AND {LIVE}" if state not in WAITING and state in OPEN else ""
    query = f"""
        SELECT {COLUMNS} FROM item WHERE state = '{state}'{some}{behind} ORDER BY {_order(state)}, seq LIMIT ?
    """  # noqa: S608  # words of ours
    return [item_of(path, row) for row in connection.execute(query, (*values, limit))]


def _rows_behind(path: Path, connection: sqlite3.Connection, after: Item, limit: int) -> list[Item]:
    """Read what comes behind a row: first what shares its place, else SQLite would read all of that each time."""
    names = _order(after.state)
    place = (-after.prio, after.due_us) if after.state in WAITING else (after.due_us,)
    marks = ", ".join("?" * len(place))
    same, later = f" AND ({names}) = ({marks}) AND seq > ?", f" AND ({names}) > ({marks})"
    found = _rows_in(path, connection, after.state, limit, behind=same, values=(*place, after.seq))
    left = limit - len(found)
    return found + _rows_in(path, connection, after.state, left, behind=later, values=place)


def _order(state: State) -> str:
    return "rank, due_us" if state in WAITING else "due_us"


def places(connection: sqlite3.Connection, order: Order) -> array[int]:
    """Read the numbers of all rows in an order: 8 MB for a million."""
    by = "seq" if order == "input" else "finished_us IS NULL, finished_us, seq"
    return array("q", (seq for (seq,) in connection.execute(f"SELECT seq FROM item ORDER BY {by}")))  # noqa: S608


def with_doubles(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[int]:
    """Give some rows, each with those that share its fate behind it."""
    doubles: dict[int, list[int]] = {}
    for leader, seq in connection.execute(DOUBLES, (json.dumps(list(numbers)),)):
        doubles.setdefault(leader, []).append(seq)
    return [seq for number in numbers for seq in (number, *doubles.get(number, ()))]


def failures(connection: sqlite3.Connection) -> list[Failures]:
    """Tell why rows failed, the most frequent reason first."""
    found = connection.execute(FAILURES, (FAILURE_SAMPLES,)).fetchall()
    by_code: dict[str, Failures] = {}
    for code, rows, name, error in found:
        seen = by_code.get(code, Failures(code, rows, (), error))
        by_code[code] = attrs.evolve(seen, samples=(*seen.samples, name))
    return sorted(by_code.values(), key=lambda failure: (-failure.rows, failure.code))


def ended(connection: sqlite3.Connection) -> array[int]:
    """Read the numbers of rows that are over, but for doubles: 8 MB for a million."""
    return array("q", (seq for (seq,) in connection.execute(ENDED)))


def results_at(path: Path, connection: sqlite3.Connection, numbers: Sequence[int]) -> list[Result]:
    """Read rows with what became of them."""
    items = _items(path, connection, numbers)
    leaders = _items(path, connection, {item.dedupe_of for item in items.values() if item.dedupe_of is not None})
    return [_result(items[seq], leaders) for seq in numbers if seq in items]


def _result(item: Item, leaders: dict[int, Item]) -> Result:
    return Result(item=item, leader=item if item.dedupe_of is None else leaders[item.dedupe_of])


def _items(path: Path, connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, Item]:
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM item WHERE seq IN (SELECT value FROM json_each(?))",  # noqa: S608
        (json.dumps(list(numbers)),),
    )
    return {item.seq: item for item in (item_of(path, row) for row in rows)}
