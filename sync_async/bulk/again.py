"""Rows that failed, as they can be bought once more: in place, or as rows of another manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sync_async.bulk.keys import Template, marked_name
from sync_async.bulk.ledger import Ledger
from sync_async.bulk.records import Item, LocalFile
from sync_async.bulk.states import State

FAILED = frozenset({State.FAILED, State.REJECTED, State.CONFLICT})
"""States of rows that can be bought once more."""


async def templates(ledger: Ledger, items: Sequence[Item]) -> list[Template]:
    """Give what rows asked for, with the local files that they were made of.

    Args:
        ledger: The run.
        items: Rows with bodies.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    bodies = [None if not item.is_frozen else json.loads(item.body) for item in items]
    urls = {medium["url"] for body in bodies if body for medium in body.get("input", ()) if "url" in medium}
    files = await ledger.local_files(urls)
    return [
        Template.from_bytes(item.body) if body is None else _template(body, files)
        for item, body in zip(items, bodies, strict=True)
    ]


def _template(body: Mapping[str, Any], files: Mapping[str, LocalFile]) -> Template:
    """Take the addresses that this library made out of a body, and put their files beside it."""
    inputs = body.get("input", ())
    sent = {medium["type"]: files[medium["url"]] for medium in inputs if medium.get("url") in files}
    if not sent:
        return Template(body, {})
    left = [medium for medium in inputs if medium.get("url") not in files]
    return Template(
        {**body, "input": left},
        {kind: file.path for kind, file in sent.items()},
        {kind: file.content_sha for kind, file in sent.items()},
    )


def manifest_row(item: Item, template: Template) -> dict[str, Any]:
    """Write a row as a manifest has it: the body of its create call, its files, its name and its priority.

    The output name goes without the mark that this library gave it.
    """
    body = dict(template.body)
    if item.idem_key is not None and body.get("outputFileName") == marked_name(item.item_id, item.idem_key):
        del body["outputFileName"]
    priority = {"priority": item.prio} if item.prio else {}
    return {"item_id": item.item_id, **priority, **body, **template.files}


def code_of(item: Item) -> str:
    """Give the error code of a row, or else the word of its state."""
    return item.error_code or item.state.value
