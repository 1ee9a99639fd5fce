"""Keys, frozen bodies and payload hashes."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_async import ArgumentError
from sync_async.bulk.keys import (
    Template,
    body_sha,
    frozen_body,
    idempotency_key,
    marked_name,
    payload_sha,
)

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(NAMES, JSON, max_size=4)


def test_the_key_of_a_purchase_is_always_the_same() -> None:
    """Ledgers that were begun by older versions have to stay valid: these may never change."""
    assert idempotency_key("r", "row-1", 1) == "blk1.67vdcpwbhm723dqpypztfl2xrnfku4w6oo6nz3n3cfysrvwwvviq"
    assert idempotency_key("r", "row-1", 2) != idempotency_key("r", "row-1", 1)


@given(NAMES, NAMES, st.integers(1, 1000))
def test_a_key_has_57_legal_characters(run: str, item: str, number: int) -> None:
    key = idempotency_key(run, item, number)
    assert len(key) == 57
    assert key.isascii()
    assert not set(key) - set("abcdefghijklmnopqrstuvwxyz0123456789.")
    digest = hashlib.sha256(f"syncso-bulk\0{run}\0{item}\0{number}".encode()).digest()
    assert base64.b32decode(key[5:].upper() + "====") == digest


@given(st.lists(st.tuples(NAMES, NAMES, st.integers(1, 9)), unique=True, max_size=30))
def test_different_purchases_have_different_keys(purchases: list[tuple[str, str, int]]) -> None:
    assert len({idempotency_key(*purchase) for purchase in purchases}) == len(purchases)


def test_a_body_is_compact_utf_8_in_the_order_of_its_fields() -> None:
    body = {"model": "lipsync-2", "input": [{"type": "video", "url": "https://e.example/ü.mp4"}], "a": 1.5}
    assert frozen_body(body) == (
        '{"model":"lipsync-2","input":[{"type":"video","url":"https://e.example/ü.mp4"}],"a":1.5}'.encode()
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, object(), "\ud800"])
def test_what_is_no_json_is_refused(value: object) -> None:
    for write in (frozen_body, payload_sha):
        with pytest.raises(ArgumentError, match="JSON"):
            write({"options": {"temperature": value}})


@given(BODIES)
def test_a_frozen_body_reads_as_what_it_was(body: dict[str, Any]) -> None:
    data = frozen_body(body)
    assert json.loads(data) == body
    assert body_sha(data) == hashlib.sha256(data).digest()


@given(BODIES, st.dictionaries(NAMES, NAMES, max_size=2))
def test_a_template_reads_as_what_it_was(body: dict[str, Any], files: dict[str, str]) -> None:
    template = Template(body, files)
    assert Template.from_bytes(template.to_bytes()) == template


@given(BODIES)
def test_the_order_of_fields_does_not_make_a_row_another_one(body: dict[str, Any]) -> None:
    turned = dict(reversed(body.items()))
    assert payload_sha(turned) == payload_sha(body)
    assert len(payload_sha(body)) == 16


def test_the_order_of_inputs_does() -> None:
    assert payload_sha({"input": [1, 2]}) != payload_sha({"input": [2, 1]})


def test_files_count_by_what_is_in_them() -> None:
    body = {"model": "lipsync-2"}
    assert payload_sha(body, {"video": "ab"}) == payload_sha(body, {"video": "ab"})
    assert payload_sha(body, {"video": "ab"}) != payload_sha(body, {"video": "cd"})
    assert payload_sha(body, {"video": "ab"}) != payload_sha(body, {"audio": "ab"})
    assert payload_sha(body, {}) == payload_sha(body)


def test_an_output_name_leads_back_to_its_purchase() -> None:
    key = idempotency_key("r", "row 1/ü", 1)
    name = marked_name("row 1/ü", key)
    assert name == f"row_1___{key[5:13]}"
    assert len(marked_name("x" * 500, key)) == 80 + 1 + 8
    assert marked_name("row 1/ü", idempotency_key("r", "row 1/ü", 2)) != name
