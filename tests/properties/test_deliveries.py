"""A delivery is what was signed, or one of the documented reasons to refuse it, whatever comes."""

from __future__ import annotations

import hashlib
import hmac
import json
import pickle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync_async import (
    MalformedSignatureError,
    StaleSignatureError,
    UnreadableNotificationError,
    WebhookError,
    WrongSignatureError,
)
from sync_async.types.notifications import BatchNotification, GenerationNotification
from sync_async.webhooks import parse, verify
from tests.properties.effort import examples
from tests.properties.mutations import leads_into, mutated
from tests.properties.shapes import JSON, TEXT, is_of, wire_objects

SECRET, NOW = "whsec_test", 1_700_000_000
KINDS = [GenerationNotification, BatchNotification]
NOTICES = st.one_of([wire_objects(kind) for kind in KINDS])
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
BODIES = st.one_of(
    NOTICES.map(json.dumps).map(str.encode),
    mutated(NOTICES).map(json.dumps).map(str.encode),
    JSON.map(json.dumps).map(str.encode),
    st.binary(max_size=60),
)
HEADERS = st.one_of(
    TEXT,
    st.binary(max_size=60),
    st.lists(
        st.sampled_from(
            ["t", "v1", "v0", "=", ",", " ", str(NOW), "9" * 15, "9" * 16, "0" * 64, "\udcff", "\u0661"]
        ),
        max_size=12,
    ).map("".join),
)


def digest(body: bytes, at: Any = NOW, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def signed(body: bytes, at: Any = NOW, secret: str = SECRET) -> str:
    return f"t={at},v1={digest(body, at, secret)}"


def outcome_of(body: bytes | str, header: Any, secret: Any = SECRET, **more: Any) -> Any:
    """Give the notice, or the error that a receiver would get."""
    try:
        return parse(body, header, secret, **{"now": NOW, **more})
    except WebhookError as error:
        return error


@examples(80)
@given(body=BODIES)
@example(body=b"[" * 100_000)
@example(body=b'{"input":' * 2000)
@example(body=b"9" * 5000)
@example(body=b'{"metrics":{},"id":' + b"9" * 4000 + b"}")
def test_what_is_genuine_is_a_notice_or_cannot_be_read(body: bytes) -> None:
    """An error tells the place, and travels between processes."""
    outcome = outcome_of(body, signed(body))
    if isinstance(outcome, WebhookError):
        assert type(outcome) is UnreadableNotificationError
        assert str(pickle.loads(pickle.dumps(outcome))) == str(outcome)
        if outcome.path != "$":
            assert leads_into(outcome.path, json.loads(body))
    else:
        assert any(is_of(outcome, kind) for kind in KINDS) or type(outcome) is dict


@pytest.mark.parametrize("kind", KINDS)
@examples(50)
@given(data=st.data(), at=st.integers(0, 10**12), secret=SECRETS)
def test_a_notice_that_was_signed_is_read_as_its_kind(
    kind: type[Any], data: st.DataObject, at: int, secret: str
) -> None:
    value = data.draw(wire_objects(kind))
    told_by = ("metrics",) if kind is BatchNotification else ("input", "model")
    if kind is GenerationNotification:
        value.pop("metrics", None)
    body = json.dumps(value).encode()
    outcome = outcome_of(body, signed(body, at, secret), secret, now=at)
    assert isinstance(outcome, kind) or (type(outcome) is dict and not any(name in value for name in told_by))


@examples(200)
@given(body=BODIES, header=HEADERS)
def test_no_header_that_was_not_signed_brings_a_notice(body: bytes, header: Any) -> None:
    outcome = outcome_of(body, header, tolerance=None)
    assert isinstance(outcome, WebhookError)
    assert not isinstance(outcome, StaleSignatureError | UnreadableNotificationError)


@examples(100)
@given(body=BODIES, data=st.data())
def test_a_header_with_one_character_changed_brings_no_notice(body: bytes, data: st.DataObject) -> None:
    """But for the case of a letter, and for space around its parts."""
    header = signed(body)
    place = data.draw(st.integers(0, len(header) - 1), "place")
    new = data.draw(st.sampled_from("0123456789abcdefABCDEF,=tv \0\udcff\u0661") | st.characters(), "character")
    changed = data.draw(
        st.sampled_from([
            header[:place] + new + header[place + 1 :],
            header[:place] + new + header[place:],
            header[:place] + header[place + 1 :],
        ])
    )  # fmt: skip
    if parts_of(changed) == parts_of(header):
        verify(body, changed, SECRET, now=NOW)
        return
    with pytest.raises((WrongSignatureError, MalformedSignatureError)):
        verify(body, changed, SECRET, now=NOW, tolerance=None)


def parts_of(header: str) -> list[str]:
    """Say what a header comes to by the words of the documentation."""
    parts = (part.strip() for part in header.split(","))
    return [f"v1={part[3:].lower()}" if part.startswith("v1=") else part for part in parts if part]


@examples(60)
@given(
    body=BODIES,
    secrets=st.lists(SECRETS, min_size=1, max_size=3),
    data=st.data(),
    more=st.lists(st.sampled_from(["v0=1", "v1=" + "0" * 64, "v1=", "x", "", "v1=\udcff"]), max_size=3),
)
def test_any_of_the_secrets_and_any_of_the_signatures_will_do(
    body: bytes, secrets: list[str], data: st.DataObject, more: list[str]
) -> None:
    """In any order, in bytes or in text, with what a later version may add."""
    secret = data.draw(st.sampled_from(secrets))
    parts = data.draw(st.permutations([*signed(body, secret=secret).split(","), *more]))
    header = ",".join(parts)
    verify(body, header, secrets, now=NOW)
    verify(body, header.encode("utf-8", "surrogateescape"), iter(secrets), now=NOW)
    verify(bytearray(body), header, secrets, now=NOW)


@examples(200)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    at=st.integers(0, 10**12),
    tolerance=st.integers(0, 10**6),
    off=st.integers(1, 10**6),
)
def test_a_delivery_is_tolerated_up_to_the_edge_and_not_beyond(
    text: str, at: int, tolerance: int, off: int
) -> None:
    """On both sides; and a body that is text is that of its UTF-8."""
    header = signed(text.encode(), at)
    for now in (at - tolerance, at, at + tolerance):
        verify(text, header, SECRET, tolerance=tolerance, now=now)
    for now in (at - tolerance - off, at + tolerance + off):
        with pytest.raises(StaleSignatureError) as caught:
            verify(text, header, SECRET, tolerance=tolerance, now=now)
        assert (caught.value.timestamp, caught.value.age) == (at, now - at)
        verify(text, header, SECRET, tolerance=None, now=now)
