"""What makes a purchase the same one: its key, its bytes, and the hash by which doubles are found.

All are functions of what is durable, so that any process, at any time, sends the same again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from sync_async._json import json_bytes

KEY_PREFIX = "blk1."
KEY_CHARACTERS = 52
"""Base 32 of 256 bits, without padding."""
LONGEST_NAME = 80
MARK_CHARACTERS = 8
MARK_BYTES = MARK_CHARACTERS * 5 // 8
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
PAIRS = [first + second for first in LETTERS for second in LETTERS]
"""Base 32 of ten bits."""


def output_stem(item_id: str) -> str:
    """Give the name of an item's files: letters, digits, `.`, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", item_id).strip(".")[:120] or "_"


def idempotency_key(run_id: str, item_id: str, generation_no: int) -> str:
    """Derive the key of one purchase: 57 characters, the same for ever.

    Args:
        run_id: The run.
        item_id: The row.
        generation_no: The how-manieth purchase of the row it is, from 1.
    """
    digest = _digest(run_id, item_id, generation_no)
    return KEY_PREFIX + base64.b32encode(digest).decode().lower()[:KEY_CHARACTERS]


def marked_name(item_id: str, key: str) -> str:
    """Give the output name by which the job of a purchase can be found again at the server."""
    mark = key.removeprefix(KEY_PREFIX)[:MARK_CHARACTERS]
    return f"{output_stem(item_id)[:LONGEST_NAME]}_{mark}"


def plain_marked_names(run_id: str, item_ids: Iterable[str]) -> list[str]:
    """Give the output names of rows' first purchases; their names are plain and no longer than `LONGEST_NAME`."""
    pairs, sha256, names = PAIRS, hashlib.sha256, list[str]()
    for item_id in item_ids:
        digest = sha256(f"syncso-bulk\0{run_id}\0{item_id}\0{1}".encode()).digest()  # as `_digest` has it
        bits = int.from_bytes(digest[:MARK_BYTES])
        mark = pairs[bits >> 30] + pairs[bits >> 20 & 1023] + pairs[bits >> 10 & 1023] + pairs[bits & 1023]
        names.append(f"{item_id}_{mark}")
    return names


def _digest(run_id: str, item_id: str, generation_no: int) -> bytes:
    return hashlib.sha256(f"syncso-bulk\0{run_id}\0{item_id}\0{generation_no}".encode()).digest()


def renamed(body: bytes, item_id: str, earlier_key: str, key: str) -> bytes:
    """Give the bytes of a further purchase: an output name that marks the earlier one marks this one instead.

    Args:
        body: The bytes of the earlier purchase.
        item_id: The row.
        earlier_key: The key of that purchase.
        key: The key of the further one.
    """
    read = json.loads(body)
    if read.get("outputFileName") != marked_name(item_id, earlier_key):
        return body
    return frozen_body({**read, "outputFileName": marked_name(item_id, key)})


def frozen_body(body: Mapping[str, Any]) -> bytes:
    """Write the bytes that are sent: compact UTF-8 JSON, fields in the order of the mapping, no NaN.

    Raises:
        ArgumentError: Something in it has no JSON form.
    """
    return json_bytes(dict(body))


def body_sha(body: bytes) -> bytes:
    """Give the SHA-256 by which a frozen body is checked before it is sent."""
    return hashlib.sha256(body).digest()


@attrs.frozen
class Template:
    """A body whose local files have no URLs yet.

    Attributes:
        body: The body without the inputs that are files.
        files: Their paths, by kind.
        contents: The SHA-256 of what was in them when the run was planned, by kind, in hexadecimal.
    """

    body: Mapping[str, Any]
    files: Mapping[str, str]
    contents: Mapping[str, str] = attrs.field(factory=dict)

    def to_bytes(self) -> bytes:
        """Write it for the ledger.

        Raises:
            ArgumentError: Something in it has no JSON form.
        """
        parts = {"body": self.body, "files": self.files, "contents": self.contents}
        return json_bytes({name: dict(part) for name, part in parts.items()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Template:
        """Read it again."""
        read = json.loads(data)
        return cls(read["body"], read["files"], read["contents"])


def payload_sha(body: Mapping[str, Any], contents: Mapping[str, str] | None = None) -> bytes:
    """Hash what a row asks for, whatever the order of its fields: equal rows are bought once.

    Half a SHA-256, as there may be a million.

    Args:
        body: The body without the inputs that are files.
        contents: The SHA-256 of those files, by kind, so that a copy elsewhere counts as the same.

    Raises:
        ArgumentError: Something in it has no JSON form.
    """
    return hashlib.sha256(payload_bytes(body, contents)).digest()[:16]


def payload_bytes(body: Mapping[str, Any], contents: Mapping[str, str] | None = None) -> bytes:
    """Write what `payload_sha` hashes."""
    return json_bytes(_sorted({**body, "\0files": dict(contents or {})}))


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [_sorted(part) for part in value]
    return value
