"""Deliveries: which are genuine, and what they say."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sync.webhooks
import sync_blocking.webhooks
from sync_async import (
    ArgumentError,
    BatchNotification,
    GenerationNotification,
    MalformedSignatureError,
    MissingSignatureError,
    StaleSignatureError,
    UnreadableNotificationError,
    WebhookError,
    WrongSignatureError,
    webhooks,
)
from sync_async.webhooks import parse, verify

SECRET, THEN = "whsec_test", 1_700_000_000
ONE = b'{"id":"a"}'
TWO = '{"id":"b","status":"FAILED","error":"Vidéo illisible 音声なし 🎬"}'.encode()
THREE = b'{"id":"c","status":"COMPLETED","outputDuration":1.0}'
V1 = "788fa36193b43030b3271df193dc9aca3bb83e3703a36313282ecbc45548b967"
GENUINE = [
    (ONE, V1),
    (TWO, "945856d7e48cce3c6a8a3b3f8b04c2594c9ac61e9684c992fcfa828f46ae5408"),
    (THREE, "2e517c14e1e90a8dfa2a2dc1f28709987492869cb35aadb25ce13a2cff194e02"),
]
FORGED = [
    (TWO, "fe6e637d52fe34ab58a73f58e5474551bbfe801742d1f960d439470b6a9163ad"),
    (THREE, "4e60434c4e1576e204f0f4b861f79c5c7ad33279eb5ced4fec39325f7be809c3"),
    (ONE, "2341fef40a135d99635c1c9795a68aecbc4682561d114a096625e7dd8b3c0219"),
]
HEADER = f"t={THEN},v1={V1}"


def signed(body: bytes, *, secret: str = SECRET, at: int = THEN) -> str:
    digest = hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


@pytest.mark.parametrize(("body", "digest"), GENUINE)
def test_what_the_server_signed_is_genuine(body: bytes, digest: str) -> None:
    """Over the bytes as they came, with the whole secret."""
    verify(body, f"t={THEN},v1={digest}", SECRET, now=THEN)
    verify(body.decode(), f"t={THEN},v1={digest}".encode(), SECRET, now=THEN)


@pytest.mark.parametrize(("body", "digest"), FORGED)
def test_what_was_written_again_or_signed_otherwise_is_not(body: bytes, digest: str) -> None:
    with pytest.raises(WrongSignatureError, match="byte for byte"):
        verify(body, f"t={THEN},v1={digest}", SECRET, now=THEN)


@pytest.mark.parametrize(
    "header",
    [
        f"t={THEN}, v1={V1}",
        f"v1={V1},t={THEN}",
        f"t={THEN},v1={'0' * 64},v1={V1}",
        f"t={THEN},v1={V1},v1={'0' * 64}",
        f"t={THEN},v0=abc,v1={V1}",
        f"t={THEN},v1={V1.upper()}",
        f"t={THEN},t={THEN},v1={V1}",
    ],
)
def test_the_header_is_read_as_it_may_come(header: str) -> None:
    verify(ONE, header, SECRET, now=THEN)


@pytest.mark.parametrize(
    "header",
    [
        f"t={THEN + 1},v1={V1}",
        f"t=0{THEN},v1={V1}",
        f"t={THEN},v1=788f",
        f"t={THEN},v1=nothex",
        f"t={THEN},v1=",
        f"t={THEN},v1=é",
    ],
)
def test_a_signature_that_does_not_fit_is_wrong(header: str) -> None:
    with pytest.raises(WrongSignatureError):
        verify(ONE, header, SECRET, now=THEN)


@pytest.mark.parametrize(
    "header",
    [
        f"t=,v1={V1}",
        f"t=17e8,v1={V1}",
        f"v1={V1}",
        f"t={THEN}",
        f"t={THEN},t=1,v1={V1}",
        f"t=\N{ARABIC-INDIC DIGIT ONE},v1={V1}",
        f"t={'9' * 400},v1={V1}",
        f"t=-5,v1={V1}",
        f"{THEN}={V1}",
        "x",
        ",",
    ],
)
def test_another_form_is_malformed(header: str) -> None:
    with pytest.raises(MalformedSignatureError, match="Sync-Signature"):
        verify(ONE, header, SECRET, now=THEN)


@pytest.mark.parametrize("header", [None, "", "  ", b""])
def test_no_signature_is_missing(header: Any) -> None:
    with pytest.raises(MissingSignatureError):
        verify(ONE, header, SECRET, now=THEN)


@pytest.mark.parametrize("body", [ONE[:-1] + b" }", ONE + b"\n", b"", ONE.replace(b"a", b"b")])
def test_a_body_that_was_changed_is_not_genuine(body: bytes) -> None:
    with pytest.raises(WrongSignatureError):
        verify(body, HEADER, SECRET, now=THEN)


def test_a_genuine_delivery_from_another_time_is_stale() -> None:
    """By more than five minutes either way, unless told otherwise."""
    verify(ONE, HEADER, SECRET, now=THEN + 300)
    verify(ONE, HEADER, SECRET, now=THEN - 300)
    with pytest.raises(StaleSignatureError, match="genuine, but 301 s old, and 300 s are tolerated") as caught:
        verify(ONE, HEADER, SECRET, now=THEN + 301)
    assert (caught.value.timestamp, caught.value.age) == (THEN, 301)
    with pytest.raises(StaleSignatureError, match="301 s ahead of this machine's clock"):
        verify(ONE, HEADER, SECRET, now=THEN - 301)
    verify(ONE, HEADER, SECRET, tolerance=None, now=0)
    verify(ONE, HEADER, SECRET, tolerance=3600, now=THEN + 3600)


def test_the_time_is_this_machines_unless_given() -> None:
    verify(ONE, signed(ONE, at=int(time.time())), SECRET)
    with pytest.raises(StaleSignatureError):
        verify(ONE, HEADER, SECRET)


def test_a_forged_delivery_is_never_called_stale() -> None:
    """Its time proves nothing."""
    with pytest.raises(WrongSignatureError):
        verify(ONE, f"t=1,v1={V1}", SECRET)


def test_a_secret_can_be_replaced() -> None:
    """Meanwhile both are good."""
    verify(ONE, HEADER, ["whsec_new", SECRET], now=THEN)
    with pytest.raises(WrongSignatureError):
        verify(ONE, HEADER, ("whsec_new", "whsec_newer"), now=THEN)


@pytest.mark.parametrize("secret", ["", [], ["whsec_a", ""], None, b"whsec_test"])
def test_an_empty_secret_is_refused(secret: Any) -> None:
    """Anybody could sign with it."""
    with pytest.raises(ArgumentError, match="^secret: "):
        verify(ONE, signed(ONE, secret=""), secret, now=THEN)


@pytest.mark.parametrize("body", [{"id": "a"}, [1], None, 3])
def test_a_parsed_body_is_refused_with_advice(body: Any) -> None:
    with pytest.raises(
        ArgumentError, match=r"not the raw body: .*request\.body\(\) in FastAPI.*get_data\(\) in Flask"
    ):
        parse(body, HEADER, SECRET)


def test_a_generations_notice_is_read() -> None:
    body = json.dumps(
        {
            "id": "g-1",
            "createdAt": "2026-11-22T10:00:00.000Z",
            "status": "FAILED",
            "model": "lipsync-2",
            "input": [{"type": "video", "url": "https://x/v.mp4"}],
            "error": "No face.",
            "error_code": "generation_pipeline_failed",
            "someNewField": 7,
        }
    ).encode()
    notice = parse(body, signed(body), SECRET, now=THEN)
    assert isinstance(notice, GenerationNotification)
    assert (notice.id, notice.status, notice.error_code) == ("g-1", "FAILED", "generation_pipeline_failed")
    assert notice.extra == {"someNewField": 7}


def test_a_batchs_notice_is_read() -> None:
    body = json.dumps(
        {
            "id": "batch_1",
            "created_at": "2026-11-22T10:00:00.000Z",
            "status": "COMPLETED",
            "metrics": {"total_generations": 25, "success_count": 24, "failed_count": 1, "pending_count": 0},
            "outputUrl": "https://api.sync.so/v2/batches/batch_1/result",
        }
    ).encode()
    notice = parse(body, signed(body), SECRET, now=THEN)
    assert isinstance(notice, BatchNotification)
    assert notice.metrics.failed_count == 1


def test_a_notice_of_an_unknown_kind_is_a_mapping() -> None:
    assert parse(ONE, HEADER, SECRET, now=THEN) == {"id": "a"}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"hello", "genuine, but no JSON"),
        (b"[1]", "genuine, but a JSON list, no object"),
        (b'{"id":3,"model":"m"}', r"not what it should be at \$\.id"),
        (b'{"id":"b","status":"COMPLETED","metrics":7}', r"not what it should be at \$\.metrics"),
    ],
)
def test_a_genuine_delivery_that_cannot_be_read_says_so(body: bytes, problem: str) -> None:
    with pytest.raises(UnreadableNotificationError, match=problem):
        parse(body, signed(body), SECRET, now=THEN)


def test_nothing_is_read_before_it_is_verified() -> None:
    with pytest.raises(WrongSignatureError):
        parse(b"no json", HEADER, SECRET, now=THEN)


@given(body=st.binary(max_size=200), secret=st.text(min_size=1, max_size=40), at=st.integers(0, 10**12))
def test_whatever_is_signed_is_genuine_and_whatever_is_changed_is_not(body: bytes, secret: str, at: int) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    header = signed(body, secret=secret, at=at)
    verify(body, header, secret, now=at)
    for changed in (body + b"\0", b" " + body, body[:-1] if body else b"x"):
        with pytest.raises(WrongSignatureError):
            verify(changed, header, secret, now=at)


@given(
    header=st.text(max_size=120) | st.from_regex(r"(t=[0-9]{0,12},?)?(v1=[0-9a-f]{0,70},?){0,3}", fullmatch=True)
)
def test_no_header_raises_anything_else(header: str) -> None:
    with pytest.raises(WebhookError):
        verify(ONE, header, SECRET, now=THEN)


def test_it_is_the_same_under_every_name() -> None:
    assert sync.webhooks.parse is sync_blocking.webhooks.parse is webhooks.parse
    assert sync.webhooks.verify is sync_blocking.webhooks.verify is webhooks.verify
