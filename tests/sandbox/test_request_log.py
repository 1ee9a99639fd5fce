"""What tests can see of the requests that came."""

from __future__ import annotations

import hashlib
import json

import aiohttp
import pytest

from tests.sandbox.conftest import BODY, Api


async def test_a_request_is_logged_with_its_bytes_and_without_its_key(api: Api) -> None:
    """In Python with the body, over HTTP with its digest."""
    await api.create(headers={"Idempotency-Key": "k-9"})
    seen = api.sandbox.requests[-1]
    assert (seen.method, seen.path, json.loads(seen.body)) == ("POST", "/v2/generate", BODY)
    wire = (await api("GET", "/_sandbox/requests")).json[-1]
    assert wire["headers"]["Idempotency-Key"] == "k-9"
    assert wire["headers"]["x-api-key"] == "…"
    assert "sk-test" not in json.dumps(wire)
    assert (wire["bodyBytes"], wire["bodySha256"]) == (len(seen.body), hashlib.sha256(seen.body).hexdigest())


@pytest.mark.filterwarnings("ignore:Sending a large body")
@pytest.mark.parametrize("size", [0, 10, 300_000, 2_500_000])
async def test_a_form_is_logged_byte_by_byte(api: Api, size: int) -> None:
    """The digest is that of the body as it was sent, also of a refused one, so that repeats can be compared."""
    for model in ("lipsync-2", "none"):
        form = aiohttp.FormData()
        form.add_field("model", model)
        form.add_field("video", b"\r\n--" * (size // 4), filename="v.mp4", content_type="video/mp4")
        form.add_field("audio", b"a", filename="a.wav", content_type="audio/wav")
        writer = form()
        raw = await writer.as_bytes()
        await api("POST", "/v2/generate", data=writer)
        seen = api.sandbox.requests[-1]
        assert (seen.body_bytes, seen.body_sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
        assert seen.body == raw[: 1024**2]


async def test_refused_requests_are_logged_whole(api: Api) -> None:
    """A missing key is no reason to know less of the request."""
    form = aiohttp.FormData()
    form.add_field("video", b"x" * 100_000, filename="v.mp4", content_type="video/mp4")
    assert (await api("POST", "/v2/generate", data=form, key=None)).status == 401
    assert api.sandbox.requests[-1].body_bytes > 100_000


async def test_storage_requests_have_a_log_of_their_own(api: Api) -> None:
    """Control requests are in neither."""
    done = await api.made()
    await api("GET", done["outputUrl"], headers={"Range": "bytes=0-1"})
    seen = (await api("GET", "/_sandbox/storage-requests")).json
    assert [(one["method"], one["headers"]["Range"]) for one in seen] == [("GET", "bytes=0-1")]
    paths = [one.path for one in api.sandbox.requests]
    assert all(not path.startswith(("/_sandbox", "/outputs")) for path in paths)


async def test_a_reset_forgets_everything(api: Api) -> None:
    """Generations, keys, assets, batches, faults, leaks and logs; the next requests find a new sandbox."""
    first = await api.create(headers={"Idempotency-Key": "k"})
    done = await api.ended(first.json["id"])
    await api("POST", "/v2/assets", json={"url": await api.upload(b"x"), "type": "VIDEO"})
    await api("GET", done["outputUrl"], headers={"x-api-key": "k"})
    api.sandbox.faults.add("html", path="/never")
    assert (await api("POST", "/_sandbox/reset")).status == 200
    assert (list(api.sandbox.requests), list(api.sandbox.faults), api.sandbox.leaks) == ([], [], [])
    assert (await api("GET", "/v2/generations")).json == []
    assert (await api("GET", "/v2/assets/count")).json == 0
    assert (await api("GET", done["outputUrl"])).status == 404
    again = await api.create(headers={"Idempotency-Key": "k"})
    assert again.json["id"] != done["id"]
    assert (await api.ended(again.json["id"]))["status"] == "COMPLETED"
    await api.sandbox.reset()
    assert api.sandbox.generations == {}
