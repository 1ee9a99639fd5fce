"""Assets, batches and webhooks at the sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sync_async.sandbox.webhooks import is_loopback, sign
from tests.sandbox.conftest import BODY, Api, Opener


async def presign(api: Api, content: bytes, **change: Any) -> dict[str, Any]:
    asked = {"fileName": "v.mp4", "contentType": "video/mp4", "size": len(content), **change}
    answer: dict[str, Any] = (await api("POST", "/v2/assets/upload", json=asked)).json
    return answer


async def test_a_file_is_presigned_sent_and_registered(api: Api) -> None:
    """Three steps, the second on another origin and without the key."""
    place = await presign(api, b"bytes")
    assert place["expiresIn"] == 3600
    put = await api("PUT", place["uploadUrl"], key=None, data=b"bytes", headers={"Content-Type": "video/mp4"})
    assert put.status == 200
    asset = await api("POST", "/v2/assets", json={"url": place["url"], "type": "VIDEO", "name": "v.mp4"})
    assert asset.status == 201
    assert (asset.json["size"], asset.json["inputType"]) == (5, "UPLOAD")
    assert (await api("GET", place["url"], key=None)).body == b"bytes"
    id = asset.json["id"]
    assert (await api("GET", f"/v2/assets/{id}")).json == asset.json
    assert (await api("GET", f"/v2/assets/{id}/download")).body.decode() == place["url"]
    assert (
        await api.create({**BODY, "input": [{"type": "video", "assetId": id}, BODY["input"][1]]})
    ).status == 201
    mismatch = await api.create({**BODY, "input": [BODY["input"][0], {"type": "audio", "assetId": id}]})
    assert (mismatch.status, mismatch.json["errorCode"]) == (422, "generation_input_asset_type_mismatch")
    assert api.sandbox.leaks == []


async def test_an_upload_must_be_what_was_announced(opened: Opener) -> None:
    """Type, length and time; the errors are the storage's own XML."""
    api = await opened()
    place = await presign(api, b"bytes")
    wrong_type = await api(
        "PUT", place["uploadUrl"], key=None, data=b"bytes", headers={"Content-Type": "audio/wav"}
    )
    assert (wrong_type.status, wrong_type.headers["Content-Type"].partition(";")[0]) == (403, "application/xml")
    short = await api("PUT", place["uploadUrl"], key=None, data=b"byte", headers={"Content-Type": "video/mp4"})
    assert short.status == 400
    unsigned = await api("PUT", place["url"], key=None, data=b"bytes", headers={"Content-Type": "video/mp4"})
    assert unsigned.status == 403
    early = await api("POST", "/v2/assets", json={"url": place["url"], "type": "VIDEO"})
    assert (early.status, early.json["errorCode"]) == (422, "uploaded_file_not_found")
    late = await opened(presign_lifetime=-1)
    place = await presign(late, b"bytes")
    expired = await late("PUT", place["uploadUrl"], key=None, data=b"bytes", headers={"Content-Type": "video/mp4"})
    assert expired.status == 403


@pytest.mark.parametrize("change", [{"contentType": "text/plain"}, {"size": 0}, {"size": "5"}, {"fileName": ""}])
async def test_a_presign_that_cannot_be_right_is_refused(api: Api, change: dict[str, Any]) -> None:
    """With the field's name."""
    answer = await presign(api, b"bytes", **change)
    assert answer["statusCode"] == 400
    assert answer["field"] in change


async def test_a_key_that_leaks_to_the_storage_is_noted(api: Api) -> None:
    """And the request goes through, as it would in reality."""
    place = await presign(api, b"bytes")
    assert (
        await api("PUT", place["uploadUrl"], data=b"bytes", headers={"Content-Type": "video/mp4"})
    ).status == 200
    assert [leak.header for leak in api.sandbox.leaks] == ["x-api-key"]
    assert (await api("GET", "/_sandbox/leaks")).json[0]["method"] == "PUT"


async def test_assets_are_listed_searched_changed_and_deleted(api: Api) -> None:
    """In pages, in any order."""
    ids = []
    for name, kind in (("b.mp4", "VIDEO"), ("a.wav", "AUDIO"), ("c.png", "IMAGE")):
        body = {"url": f"https://public.example/{name}", "type": kind, "name": name}
        ids.append((await api("POST", "/v2/assets", json=body)).json["id"])
    page = (await api("GET", "/v2/assets?sortBy=nameAsc&limit=2")).json
    assert [asset["name"] for asset in page["items"]] == ["a.wav", "b.mp4"]
    assert page["totalCount"] == 3
    rest = (await api("GET", f"/v2/assets?sortBy=nameAsc&limit=2&cursor={page['nextCursor']}")).json
    assert [asset["name"] for asset in rest["items"]] == ["c.png"]
    assert "nextCursor" not in rest
    assert (await api("GET", "/v2/assets/count?types=AUDIO,IMAGE")).json == 2
    assert (await api("GET", "/v2/assets?searchQuery=B.&types=VIDEO&types=AUDIO")).json["items"][0]["id"] == ids[0]
    for query in ("limit=0", "sortBy=sideways", "types=FILM"):
        assert (await api("GET", f"/v2/assets?{query}")).status == 400
    changed = await api("PATCH", f"/v2/assets/{ids[0]}", json={"name": "z.mp4", "width": 640})
    assert (changed.json["name"], changed.json["width"]) == ("z.mp4", 640)
    assert (await api("PATCH", f"/v2/assets/{ids[0]}", json={"colour": "red"})).status == 400
    assert len((await api("POST", "/v2/assets/batch", json={"ids": [*ids, "none"]})).json) == 3
    assert (await api("POST", "/v2/assets/batch", json={"ids": []})).status == 400
    assert (await api("DELETE", f"/v2/assets/{ids[0]}")).json == {"id": ids[0]}
    assert (await api("GET", f"/v2/assets/{ids[0]}")).json["errorCode"] == "asset_not_found"


async def test_downloads_can_be_resumed(opened: Opener) -> None:
    """By Range with If-Range; each part of it is a switch."""
    api = await opened()
    done = await api.finished((await api.create()).json["id"])
    whole = await api("GET", done["outputUrl"], key=None)
    tag = whole.headers["ETag"]
    rest = await api("GET", done["outputUrl"], key=None, headers={"Range": "bytes=100-", "If-Range": tag})
    assert (rest.status, rest.body) == (206, whole.body[100:])
    assert rest.headers["Content-Range"] == f"bytes 100-{len(whole.body) - 1}/{len(whole.body)}"
    other = await api("GET", done["outputUrl"], key=None, headers={"Range": "bytes=100-", "If-Range": '"other"'})
    assert (other.status, other.body) == (200, whole.body)
    beyond = await api("GET", done["outputUrl"], key=None, headers={"Range": f"bytes={len(whole.body)}-"})
    assert beyond.status == 416
    assert (await api("GET", done["outputUrl"].replace("sig=", "sig=0"), key=None)).status == 403
    plain = await opened(ranges=False, etag="none", short_body=True)
    done = await plain.finished((await plain.create()).json["id"])
    with pytest.raises(aiohttp.ClientPayloadError):
        await plain("GET", done["outputUrl"], key=None, headers={"Range": "bytes=100-"})


def record(number: int, **payload: Any) -> dict[str, Any]:
    return {"request_id": f"r-{number}", "endpoint": "/v2/generate", "payload": {**BODY, **payload}}


def lines(records: list[Any]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("input", "\n".join(json.dumps(one) for one in records).encode(), filename="in.jsonl")
    return form


async def ended(api: Api, id: str) -> dict[str, Any]:
    while (batch := (await api("GET", f"/v2/batch/{id}")).json)["status"] not in ("COMPLETED", "FAILED"):
        await asyncio.sleep(0.01)
    return dict(batch)


async def test_a_batch_runs_beside_the_slots_and_has_a_result_for_each_row(opened: Opener) -> None:
    """Failed rows included; the link answers 302 to a signed file."""
    api = await opened(concurrency=1)
    records = [record(n) for n in range(19)] + [record(19, outputFileName="sandbox_fail")]
    made = await api("POST", "/v2/batch", data=lines(records))
    assert made.status == 201
    assert (made.json["status"], made.json["outputUrl"]) == ("PENDING", "")
    batch = await ended(api, made.json["id"])
    assert batch["metrics"] == {
        "total_generations": 20,
        "success_count": 19,
        "failed_count": 1,
        "pending_count": 0,
    }
    hop = await api("GET", batch["outputUrl"], key=None)
    assert hop.status == 302
    text = (await api("GET", hop.headers["Location"], key=None)).body.decode()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["request_id"] for row in rows] == [f"r-{n}" for n in range(20)]
    assert rows[19]["response"]["status"] == "FAILED"
    assert [b["id"] for b in (await api("GET", "/v2/batch?status=COMPLETED")).json] == [batch["id"]]
    assert (await api("GET", "/v2/batch?created_after=2100-01-01T00:00:00Z")).json == []
    assert (await api("GET", "/v2/batch/nowhere")).status == 404


async def test_results_may_be_as_strange_as_reality(opened: Opener) -> None:
    """Shuffled, broken, incomplete, with top-level errors, without a redirect, behind the key."""
    api = await opened(
        batch_shuffled=True,
        batch_broken_line=True,
        batch_missing_rows=2,
        batch_failed_rows="error",
        batch_redirect=False,
        batch_result_needs_key=True,
    )
    records = [record(n, outputFileName="sandbox_fail") for n in range(20)]
    batch = await ended(api, (await api("POST", "/v2/batch", json={"rows": records})).json["id"])
    assert (await api("GET", batch["outputUrl"], key=None)).status == 401
    answer = await api("GET", batch["outputUrl"])
    found = answer.body.decode().splitlines()
    assert (answer.status, len(found)) == (200, 19)
    assert '{"request_id": "broken", ' in found
    assert sum('"error": {"message"' in line for line in found) == 18


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ([record(n) for n in range(19)], "batch_insufficient_records"),
        ([record(0)] * 20, "batch_duplicate_request_id"),
        ([{**record(n), "endpoint": "/v2/x"} for n in range(20)], "batch_invalid_endpoint"),
        ([1] * 20, "batch_invalid_jsonl"),
        ([record(n, model="x") for n in range(20)], "generation_unsupported_model"),
    ],
)
async def test_a_batch_that_cannot_be_right_is_refused(api: Api, records: list[Any], code: str) -> None:
    """Also in a dry run; the line is named where there is one."""
    answer = await api("POST", "/v2/batch", data=lines(records))
    assert (answer.status, answer.json["errorCode"]) == (400, code)


async def test_dry_runs_plans_and_a_second_batch(opened: Opener) -> None:
    """Validated without an id; refused by plan and by number."""
    api = await opened(latency=30)
    form = lines([record(n) for n in range(20)])
    form.add_field("dry_run", "true")
    assert (await api("POST", "/v2/batch", data=form)).json == {"status": "VALIDATED"}
    assert (await api("POST", "/v2/batch", data=lines([record(n) for n in range(20)]))).status == 201
    second = await api("POST", "/v2/batch", data=lines([record(n) for n in range(20)]))
    assert (second.status, second.json["errorCode"]) == (429, "concurrency_limit_reached")
    for plan in ("402", "403"):
        refused = await (await opened(batch_refusal=plan))("POST", "/v2/batch", data=lines([]))
        assert refused.status == int(plan)


SECRET, BODY_1 = "whsec_test", b'{"id":"a"}'
BODY_2 = bytes.fromhex(
    "7b226964223a2262222c22737461747573223a224641494c4544222c226572726f72223a22566964c3a96f20696c6c697369626c65"
    "20e99fb3e5a3b0e381aae3819720f09f8eac227d"
)


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        (BODY_1, "788fa36193b43030b3271df193dc9aca3bb83e3703a36313282ecbc45548b967"),
        (BODY_2, "945856d7e48cce3c6a8a3b3f8b04c2594c9ac61e9684c992fcfa828f46ae5408"),
        (
            b'{"id":"c","status":"COMPLETED","outputDuration":1.0}',
            "2e517c14e1e90a8dfa2a2dc1f28709987492869cb35aadb25ce13a2cff194e02",
        ),
    ],
)
def test_signatures_are_those_of_the_documentation(body: bytes, digest: str) -> None:
    """HMAC over time and raw bytes, the secret with its prefix."""
    assert sign(body, SECRET, 1700000000) == f"t=1700000000,v1={digest}"


def test_only_this_machine_is_told_or_asked() -> None:
    """No webhook and no fetch leaves it."""
    assert all(is_loopback(url) for url in ("http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x"))
    assert not any(
        is_loopback(url) for url in ("http://10.0.0.1/", "https://hooks.example/", "http://127.0.0.1.example/")
    )


class Receiver:
    """A server of a caller's own."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[tuple[str, bytes]] = []
        self.arrived = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.headers["Sync-Signature"], await request.read()))
        self.arrived.set()
        return web.Response()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a real socket."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = "http://{}:{}/hook".format(*runner.addresses[0][:2])
    yield made
    await runner.cleanup()


def verified(header: str, body: bytes, secret: str) -> bool:
    return header == sign(body, secret, int(header.partition(",")[0].removeprefix("t=")))


async def test_the_end_of_a_generation_is_told_with_a_signature(api: Api, receiver: Receiver) -> None:
    """A notification, not the polled object."""
    await api.create({**BODY, "webhookUrl": receiver.url, "outputFileName": "sandbox_fail"})
    await receiver.arrived.wait()
    header, body = receiver.got[0]
    assert verified(header, body, "whsec_sandbox")
    told = json.loads(body)
    assert (told["status"], told["error_code"]) == ("FAILED", "generation_pipeline_failed")
    assert "outputFileName" not in told
    assert "errorCode" not in told


@pytest.mark.parametrize("how", ["wrong", "stale", "two"])
async def test_deliveries_can_go_wrong(opened: Opener, receiver: Receiver, how: str) -> None:
    """Wrongly signed, too old, with two signatures, twice, with empty or further fields."""
    api = await opened(
        webhook_signature=how,
        webhook_copies=2,
        webhook_empty_errors=True,
        webhook_extra=True,
        rejected_webhook=True,
    )
    await api.create({**BODY, "webhookUrl": receiver.url, "outputFileName": "sandbox_fail"})
    while len(receiver.got) < 2:
        await asyncio.sleep(0.01)
    header, body = receiver.got[0]
    told = json.loads(body)
    assert (told["error"], told["error_code"], told["sandboxExtra"]) == ("", "", {"any": "thing"})
    assert receiver.got[0] == receiver.got[1]
    assert verified(header, body, "whsec_sandbox") is (how == "stale")
    assert header.count("v1=") == (2 if how == "two" else 1)


async def test_a_batch_tells_its_end(api: Api, receiver: Receiver) -> None:
    """Once, with its metrics; its rows tell nothing."""
    rows = [record(n, webhookUrl=receiver.url) for n in range(20)]
    await api("POST", "/v2/batch", json={"rows": rows, "webhook_url": receiver.url})
    await receiver.arrived.wait()
    await asyncio.sleep(0.05)
    assert len(receiver.got) == 1
    assert json.loads(receiver.got[0][1])["metrics"]["success_count"] == 20


async def test_a_folder_remembers(opened: Opener, tmp_path: Path) -> None:
    """Generations, assets and batches survive a restart; what had not ended goes on."""
    first = await opened(folder=tmp_path, latency=0.0)
    done = await first.finished((await first.create()).json["id"])
    place = await presign(first, b"bytes")
    await first("PUT", place["uploadUrl"], key=None, data=b"bytes", headers={"Content-Type": "video/mp4"})
    asset = (await first("POST", "/v2/assets", json={"url": place["url"], "type": "VIDEO"})).json
    batch = (await first("POST", "/v2/batch", json={"rows": [record(n) for n in range(20)]})).json
    await ended(first, batch["id"])
    await first.sandbox.close()
    second = await opened(folder=tmp_path, latency=30)
    again = (await second("GET", f"/v2/generate/{done['id']}")).json
    assert again["status"] == "COMPLETED"
    assert (await second("GET", again["outputUrl"], key=None)).status == 200
    url = (await second("GET", f"/v2/assets/{asset['id']}")).json["url"]
    assert (await second("GET", url, key=None)).body == b"bytes"
    assert (await second("GET", f"/v2/batch/{batch['id']}")).json["metrics"]["success_count"] == 20
    running = (await second.create()).json["id"]
    await second.sandbox.close()
    third = await opened(folder=tmp_path)
    assert (await third.finished(running))["status"] == "COMPLETED"
