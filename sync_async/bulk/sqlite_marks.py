"""Claims and changes of rows, each guarded by the state that the row has to be in."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from sync_async.bulk.errors import StateConflictError
from sync_async.bulk.keys import body_sha, idempotency_key, renamed
from sync_async.bulk.ledger import CLAIM_ROWS
from sync_async.bulk.records import Change, Claim, Item, Value
from sync_async.bulk.sqlite_ingest import promote_followers
from sync_async.bulk.sqlite_rows import COLUMNS, item_of
from sync_async.bulk.sqlite_writer import Amounts, Transaction
from sync_async.bulk.states import OF_A_GENERATION, SET_ONCE, TRANSITIONS, State, Transition

NEXT = f"SELECT {COLUMNS} FROM item WHERE state = 'ready' AND due_us <= ? ORDER BY rank, due_us, seq LIMIT ?"  # noqa: S608
CLAIMED = """
UPDATE item SET state = 'submitting', idem_key = claimed.key, first_post_us = coalesce(first_post_us, ?)
FROM (SELECT json_extract(value, '$[0]') AS seq, json_extract(value, '$[1]') AS key FROM json_each(?)) AS claimed
WHERE item.seq = claimed.seq AND +state = 'ready'
"""
RENAMED = "UPDATE item SET body = ?, body_sha = ? WHERE seq = ?"
BEFORE = """
SELECT state, item_id, generation_no, job_id, frozen, est_micro, cost_micro, past_micro,
    error_code
FROM item WHERE seq = ?
"""
STAYS = Transition(when="a note")
AMOUNTS = frozenset({"est_micro", "cost_micro", "past_micro"})


@attrs.frozen
class _Before:
    state: str
    item_id: str
    generation_no: int
    job_id: str | None
    frozen: int
    est_micro: int | None
    cost_micro: int | None
    past_micro: int
    error_code: str | None


def claim(
    transaction: Transaction,
    path: Path,
    *,
    run_id: str,
    n: int,
    now_us: int,
    left_micro: int | None,
    assumed_micro: int | None,
) -> Claim:
    """Take the next rows that are due, as long as they can be paid for."""
    connection, claimed, left, is_over_budget = transaction.connection, list[Item](), left_micro, False
    for row in connection.execute(NEXT, (now_us, min(n, CLAIM_ROWS))).fetchall():
        item = item_of(path, row)
        if left is not None:
            amount = assumed_micro if item.est_micro is None else item.est_micro
            if amount is None or amount > left:
                is_over_budget = True
                break
            left -= amount
        key, body = _purchase(run_id, item)
        if body is not item.body:
            connection.execute(RENAMED, (body, body_sha(body), item.seq))
        amounts = (item.est_micro, item.cost_micro, item.past_micro)
        transaction.tally.move(State.READY, amounts, State.SUBMITTING, amounts)
        first = now_us if item.first_post_us is None else item.first_post_us
        claimed.append(attrs.evolve(item, state=State.SUBMITTING, idem_key=key, body=body, first_post_us=first))
    keys = json.dumps([(item.seq, item.idem_key) for item in claimed])
    if claimed and connection.execute(CLAIMED, (now_us, keys)).rowcount != len(claimed):
        raise StateConflictError(path, "a row left ready while it was claimed")
    return Claim(items=tuple(claimed), is_over_budget=is_over_budget)


def _purchase(run_id: str, item: Item) -> tuple[str, bytes]:
    """Give key and bytes of a row's next purchase; those of one that was begun stay."""
    if item.idem_key is not None:
        return item.idem_key, item.body
    key = idempotency_key(run_id, item.item_id, item.generation_no)
    if item.generation_no == 1:
        return key, item.body
    earlier = idempotency_key(run_id, item.item_id, item.generation_no - 1)
    return key, renamed(item.body, item.item_id, earlier, key)


def mark(transaction: Transaction, path: Path, changes: Sequence[Change], now_us: int) -> None:
    """Write changes, in their order.

    Raises:
        StateConflictError: One of them is not to be; what was written of the others has to be undone.
    """
    for change in changes:
        if change.problem is not None:
            raise StateConflictError(path, change.problem)
        way = way_of(change.source, change.target)
        if leaves_amounts(change, way):
            _move(transaction, path, change)
        else:
            _apply(transaction, path, change, way, now_us)
        if change.target == State.CANCELLED:
            promote_followers(transaction, change.seq)


def way_of(source: State, target: State) -> Transition:
    """Give the way from a state to another; there is one."""
    return STAYS if source == target else TRANSITIONS[source, target]


def leaves_amounts(change: Change, way: Transition) -> bool:
    """Tell whether a change leaves all amounts of a row as they are, so that they need not be read before."""
    return not way.starts_generation and change.target != State.READY and AMOUNTS.isdisjoint(change.values)


def _before(connection: sqlite3.Connection, path: Path, change: Change) -> _Before:
    row = connection.execute(BEFORE, (change.seq,)).fetchone()
    if row is None:
        raise StateConflictError(path, f"there is no row {change.seq}")
    return _Before(*row)


def _move(transaction: Transaction, path: Path, change: Change) -> None:
    """Write a change that leaves all amounts as they are: one statement is enough."""
    amounts = _update(transaction.connection, path, change, change.values)
    transaction.tally.move(change.source, amounts, change.target, amounts)


def _apply(transaction: Transaction, path: Path, change: Change, way: Transition, now_us: int) -> None:
    before = _before(transaction.connection, path, change)
    values = dict(change.values)
    if change.target == State.READY and not before.frozen and "body" not in values:
        raise StateConflictError(path, f"the row {before.item_id!r} has no body to be sent")
    if way.starts_generation:
        cost = values.get("cost_micro", before.cost_micro)
        _keep_generation(transaction.connection, change, before, now_us)
        values = {name: value for name, value in values.items() if name not in OF_A_GENERATION}
        values["past_micro"] = before.past_micro + (cost if isinstance(cost, int) else 0)
    after = _update(transaction.connection, path, change, values)
    amounts = (before.est_micro, before.cost_micro, before.past_micro)
    transaction.tally.move(change.source, amounts, change.target, after)


def _update(connection: sqlite3.Connection, path: Path, change: Change, values: Mapping[str, Value]) -> Amounts:
    """Write a change, and give the amounts of the row after it."""
    bound = {**values, "seq": change.seq}
    if isinstance(body := values.get("body"), bytes):
        bound["body_sha"] = None if change.target == State.NEW else body_sha(body)
    try:
        written = connection.execute(_statement(change.source, change.target, tuple(values)), bound).fetchall()
    except sqlite3.IntegrityError as error:
        name = _before(connection, path, change).item_id
        what = f"{change.source} to {change.target} of the row {name!r} breaks a rule ({error})"
        raise StateConflictError(path, what) from error
    if len(written) != 1:
        before = _before(connection, path, change)
        way = f"from {change.source} to {change.target}"
        raise StateConflictError(path, f"the row {before.item_id!r} is {before.state} and cannot go {way}")
    amounts: Amounts = written[0]
    return amounts


def _keep_generation(connection: sqlite3.Connection, change: Change, before: _Before, now_us: int) -> None:
    """Keep what is known of a purchase whose columns are about to be used for the next one."""
    detail = {
        "generation_no": before.generation_no,
        "job_id": before.job_id,
        "error_code": change.values.get("error_code", before.error_code),
        "cost_micro": change.values.get("cost_micro", before.cost_micro),
    }
    connection.execute(
        "INSERT INTO event (us, item_seq, kind, detail) VALUES (?, ?, 'generation', ?)",
        (now_us, change.seq, json.dumps(detail)),
    )


@functools.cache
def _statement(source: State, target: State, columns: tuple[str, ...]) -> str:
    sets, where = what_is_set(source, target, columns, ":"), f"seq = :seq AND {what_is_there(source, target)}"
    return f"UPDATE item SET {sets} WHERE {where} RETURNING est_micro, cost_micro, past_micro"  # noqa: S608  # columns of the table


def what_is_set(source: State, target: State, columns: tuple[str, ...], mark: str) -> str:
    """Give what a change sets, in SQL.

    Args:
        source: The state that the row is in.
        target: The state that it is to have.
        columns: What is to be written.
        mark: What stands before the name of a column where its new value is meant.
    """
    way = way_of(source, target)
    sets = [f"state = '{target}'"]
    for name in columns:
        value = f"{mark}{name}"
        sets.append(f"{name} = coalesce(item.{name}, {value})" if name in SET_ONCE else f"{name} = {value}")
    if "body" in columns:
        sets += [f"frozen = {int(target != State.NEW)}", f"body_sha = {mark}body_sha"]
    if way.attempt != "kept":
        sets.append("attempt = attempt + 1" if way.attempt == "used" else "attempt = 0")
    if way.starts_generation:
        sets.append("generation_no = generation_no + 1")
    cleared = {*way.clears, *(OF_A_GENERATION if way.starts_generation else ())}
    sets += [f"{name} = NULL" for name in sorted(cleared) if name not in columns]
    return ", ".join(sets)


def what_is_there(source: State, target: State) -> str:
    """Give what a row has to be like for a change, in SQL."""
    unset = way_of(source, target).if_unset
    # the sign keeps the index of states out of it: the row is found by its number
    return f"+state = '{source}'" + (f" AND {unset} IS NULL" if unset else "")
