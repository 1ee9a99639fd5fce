"""Rows that go ahead of the others, chosen from all models."""

from __future__ import annotations

import json

from sync_async.bulk.ledger import Ledger
from sync_async.bulk.records import Change, Item
from sync_async.bulk.rows import MOST_PRIORITY
from sync_async.bulk.safety import spread
from sync_async.bulk.states import State

FIRST = MOST_PRIORITY + 1
"""A priority above all that a manifest may ask for."""


async def put_ahead(ledger: Ledger, count: int) -> None:
    """Let some rows be the first: one of each model, as far as the next thousand have it, then a second of each.

    Args:
        ledger: The run, of which nothing was sent yet.
        count: How many.

    Raises:
        LedgerError: It cannot be read or written.
    """
    waiting = await ledger.live({State.NEW, State.READY})
    rows = {str(item.seq): item for item in waiting}
    chosen = [rows[seq] for seq in spread(((seq, _model_of(item)) for seq, item in rows.items()), count)]
    await ledger.mark(
        [
            Change(seq=item.seq, source=item.state, target=item.state, values={"prio": FIRST})
            for item in chosen
            if item.prio != FIRST
        ]
    )


def _model_of(item: Item) -> str:
    body = json.loads(item.body)
    return str((body if item.is_frozen else body["body"]).get("model"))
