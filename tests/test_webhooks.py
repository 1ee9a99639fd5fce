"""Deliveries: which are genuine, and what they say."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
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


GENERATION = {
    "id": "6533643b-aceb-4c40-967e-d9ba9baac39e",
    "createdAt": "2026-11-22T10:00:00.000Z",
    "status": "COMPLETED",
    "model": "lipsync-2",
    "input": [
        {"type": "video", "url": "https://media.example/v.mp4"},
        {"type": "audio", "url": "https://media.example/a.wav"},
    ],
    "options": {"sync_mode": "loop"},
    "outputUrl": "https://assets.sync.so/outputs/x.mp4?sig=abc",
    "outputDuration": 9.04,
    "webhookUrl": "https://hooks.example/sync",
}
BATCH = {
    "id": "batch_abc123",
    "created_at": "2026-11-22T10:00:00.000Z",
    "status": "COMPLETED",
    "metrics": {"total_generations": 25, "success_count": 24, "failed_count": 1, "pending_count": 0},
    "outputUrl": "https://api.sync.so/v2/batches/batch_abc123/result",
    "webhookUrl": "https://hooks.example/sync",
}


def signed(body: bytes, *, secret: str = SECRET, at: int | str = THEN) -> str:
    digest = hmac.new(secret.encode(), str(at).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def delivered(payload: dict[str, Any]) -> webhooks.Notification:
    body = json.dumps(payload).encode()
    return parse(body, signed(body), SECRET, now=THEN)


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
        f"t={THEN},v1=\udcff",  # aiohttp's way with a stray byte
    ],
)
def test_a_signature_that_does_not_fit_is_wrong(header: str) -> None:
    with pytest.raises(WrongSignatureError):
        verify(ONE, header, SECRET, now=THEN)


def test_the_time_is_signed_as_it_is_written() -> None:
    """With its leading zeros."""
    verify(ONE, signed(ONE, at=f"00{THEN}"), SECRET, now=THEN)


def test_all_signatures_are_compared_with_all_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after one has fitted, so that the time taken does not tell which one it was."""
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    verify(ONE, f"t={THEN},v1={V1},v1={'0' * 64},v1=short", [SECRET, "whsec_old"], now=THEN)
    assert len(set(compared)) == 6


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
        f"t=\udcff,v1={V1}",
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
    assert (caught.value.timestamp, caught.value.age, caught.value.tolerance) == (THEN, 301, 300)
    with pytest.raises(StaleSignatureError, match="301 s ahead of this machine's clock"):
        verify(ONE, HEADER, SECRET, now=THEN - 301)
    verify(ONE, HEADER, SECRET, tolerance=None, now=0)
    verify(ONE, HEADER, SECRET, tolerance=3600, now=THEN + 3600)


def test_the_time_is_this_machines_unless_given() -> None:
    verify(ONE, signed(ONE, at=int(time.time())), SECRET)
    with pytest.raises(StaleSignatureError):
        verify(ONE, HEADER, SECRET)


@pytest.mark.parametrize("tolerance", [-1, float("nan")])
def test_a_tolerance_that_nothing_could_meet_is_refused(tolerance: float) -> None:
    with pytest.raises(ArgumentError, match="^tolerance: .*None"):
        verify(ONE, HEADER, SECRET, tolerance=tolerance, now=THEN)


def test_a_forged_delivery_is_never_called_stale() -> None:
    """Its time proves nothing."""
    with pytest.raises(WrongSignatureError):
        verify(ONE, f"t=1,v1={V1}", SECRET)


def test_a_secret_can_be_replaced() -> None:
    """Meanwhile both are good."""
    verify(ONE, HEADER, ["whsec_new", SECRET], now=THEN)
    with pytest.raises(WrongSignatureError):
        verify(ONE, HEADER, ("whsec_new", "whsec_newer"), now=THEN)


@pytest.mark.parametrize("secret", ["", " \n", [], ["whsec_a", ""], None, b"whsec_test"])
def test_an_empty_secret_is_refused(secret: Any) -> None:
    """Anybody could sign with it."""
    with pytest.raises(ArgumentError, match="^secret: "):
        verify(ONE, signed(ONE, secret=secret if isinstance(secret, str) else ""), secret, now=THEN)


def test_text_without_bytes_is_refused_and_not_told() -> None:
    """A secret from an environment that is not UTF-8, a body that was decoded as something else."""
    for name, body, secret in [("secret", ONE, "whsec_\udcff"), ("body", '{"id":"\ud800"}', SECRET)]:
        with pytest.raises(ArgumentError, match=f"^{name}: .*UTF-8") as caught:
            verify(body, HEADER, secret, now=THEN)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("body", [{"id": "a"}, [1], None, 3])
def test_a_parsed_body_is_refused_with_advice(body: Any) -> None:
    with pytest.raises(
        ArgumentError,
        match=r"not the raw body: .*\.body\(\) in FastAPI.*\.read\(\) in aiohttp.*\.get_data\(\) in Flask",
    ):
        parse(body, HEADER, SECRET)


def test_a_generations_notice_is_read() -> None:
    notice = delivered(GENERATION)
    assert isinstance(notice, GenerationNotification)
    assert (notice.id, notice.status, notice.model) == (GENERATION["id"], "COMPLETED", "lipsync-2")
    assert notice.created_at == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert [one.type for one in notice.input] == ["video", "audio"]
    assert (notice.output_url, notice.output_duration) == (GENERATION["outputUrl"], 9.04)
    assert notice.to_dict() == GENERATION


def test_a_batchs_notice_is_read() -> None:
    notice = delivered(BATCH)
    assert isinstance(notice, BatchNotification)
    assert (notice.id, notice.status, notice.output_url) == ("batch_abc123", "COMPLETED", BATCH["outputUrl"])
    assert notice.created_at == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert (notice.metrics.total_generations, notice.metrics.failed_count) == (25, 1)
    assert notice.to_dict() == BATCH


@pytest.mark.parametrize("name", ["error_code", "errorCode"])
def test_the_code_of_a_failure_is_read_in_both_spellings(name: str) -> None:
    notice = delivered({"id": "g-1", "status": "FAILED", "model": "m", "error": "No face.", name: "no_face"})
    assert isinstance(notice, GenerationNotification)
    assert (notice.error, notice.error_code, notice.extra) == ("No face.", "no_face", {})


@pytest.mark.parametrize("payload", [GENERATION, BATCH])
def test_what_the_server_may_add_passes(payload: dict[str, Any]) -> None:
    """An unknown field is kept, and an unknown status is a word like the others."""
    notice = delivered({**payload, "status": "PAUSED", "someNewField": {"any": [7]}})
    assert isinstance(notice, GenerationNotification | BatchNotification)
    assert notice.status == "PAUSED"
    assert notice.extra == {"someNewField": {"any": [7]}}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"model": "m"}, GenerationNotification),
        ({"input": []}, GenerationNotification),
        ({"metrics": {}, "model": "m", "input": []}, BatchNotification),
    ],
)
def test_the_fields_tell_the_kind(fields: dict[str, Any], kind: type[Any]) -> None:
    """A delivery does not name its kind."""
    assert type(delivered({"id": "a", "status": "COMPLETED", **fields})) is kind


def test_a_notice_of_an_unknown_kind_is_a_mapping() -> None:
    assert parse(ONE, HEADER, SECRET, now=THEN) == {"id": "a"}


@pytest.mark.parametrize(
    ("body", "problem", "path"),
    [
        (b"hello", "genuine, but no JSON", "$"),
        (b"", "genuine, but no JSON", "$"),
        (b"\xff", "genuine, but no JSON", "$"),
        (b"[" * 100_000, "genuine, but no JSON", "$"),
        (b"[1]", "genuine, but a JSON list, no object", "$"),
        (b'{"model":"m"}', r"not what it should be at \$\.id", "$.id"),
        (b'{"id":3,"model":"m"}', r"not what it should be at \$\.id", "$.id"),
        (b'{"id":"b","status":"COMPLETED","metrics":7}', r"not what it should be at \$\.metrics", "$.metrics"),
    ],
)
def test_a_genuine_delivery_that_cannot_be_read_says_so(body: bytes, problem: str, path: str) -> None:
    with pytest.raises(UnreadableNotificationError, match=problem) as caught:
        parse(body, signed(body), SECRET, now=THEN)
    assert caught.value.path == path


@pytest.mark.parametrize(
    "fields",
    [
        {"createdAt": "confidential"},
        {"outputDuration": "confidential"},
        {"metrics": "confidential"},
        {"metrics": {"success_count": "confidential"}},
        {"input": "confidential"},
        {"input": [{"type": ["confidential"]}]},
        {"status": {"confidential": 1}},
    ],
)
def test_no_error_tells_what_stands_in_the_body(fields: dict[str, Any]) -> None:
    """A value in the wrong place may be a signed link."""
    with pytest.raises(UnreadableNotificationError) as caught:
        delivered({"id": "a", "status": "COMPLETED", "model": "m", **fields})
    assert "confidential" not in f"{caught.value}{caught.value!r}{vars(caught.value)}"


@pytest.mark.parametrize("header", [None, "confidential", f"t={THEN},v1={'c' * 64}", HEADER])
def test_no_error_tells_secret_signature_or_body(header: str | None) -> None:
    """They end up in logs."""
    with pytest.raises(WebhookError) as caught:
        verify(ONE, header, SECRET, now=0)
    text = f"{caught.value}{caught.value!r}{vars(caught.value)}"
    assert not any(word in text for word in (SECRET, ONE.decode(), "confidential", "c" * 64, V1))


def test_nothing_is_read_before_it_is_verified() -> None:
    with pytest.raises(WrongSignatureError):
        parse(b"no json", HEADER, SECRET, now=THEN)


secrets = st.text(min_size=1, max_size=40).filter(str.strip)


@given(body=st.binary(max_size=200), secret=secrets, at=st.integers(0, 10**12))
def test_whatever_is_signed_is_genuine(body: bytes, secret: str, at: int) -> None:
    verify(body, signed(body, secret=secret, at=at), secret, now=at)


@given(body=st.binary(min_size=1, max_size=200), secret=secrets, data=st.data())
def test_a_single_byte_that_was_changed_is_noticed(body: bytes, secret: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1), "place")
    flipped = body[at] ^ data.draw(st.integers(1, 255), "bits")
    changed = [body[:at] + bytes([flipped]) + body[at + 1 :], body[:at] + body[at + 1 :], body + bytes([flipped])]
    for other in changed:
        with pytest.raises(WrongSignatureError):
            verify(other, signed(body, secret=secret), secret, now=THEN)


@given(
    header=st.text(st.characters(), max_size=120)  # lone surrogates as well: aiohttp makes them of stray bytes
    | st.binary(max_size=120)
    | st.from_regex(r"(t=[0-9]{0,20},?)?(v1=[0-9a-fA-F]{0,70},?){0,3}", fullmatch=True)
    | st.lists(st.sampled_from(["t", "v1", "=", ",", " ", str(THEN), "0" * 64, "\udcff"]), max_size=12).map(
        "".join
    )
)
def test_no_header_raises_anything_else(header: str | bytes) -> None:
    with pytest.raises((MissingSignatureError, MalformedSignatureError, WrongSignatureError)):
        verify(ONE, header, SECRET, now=THEN)


def test_it_brings_no_http_client() -> None:
    """A receiver may have a framework of its own."""
    code = "import sys, sync_async.webhooks; print({'aiohttp', 'yarl', 'anyio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_it_is_the_same_under_every_name() -> None:
    assert sync.webhooks.parse is sync_blocking.webhooks.parse is webhooks.parse
    assert sync.webhooks.verify is sync_blocking.webhooks.verify is webhooks.verify
