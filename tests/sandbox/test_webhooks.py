"""Signed deliveries to the callers' own servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sync_async.sandbox.webhooks import is_loopback, sign
from tests.sandbox.conftest import BODY, SPEECH, VIDEO, Api, Opener, Receiver
from tests.sandbox.test_batches import record

VECTORS = [
    (b'{"id":"a"}', "788fa36193b43030b3271df193dc9aca3bb83e3703a36313282ecbc45548b967"),
    (
        bytes.fromhex(
            "7b226964223a2262222c22737461747573223a224641494c4544222c226572726f72223a22566964c3a96f20696c6c697369626c65"
            "20e99fb3e5a3b0e381aae3819720f09f8eac227d"
        ),
        "945856d7e48cce3c6a8a3b3f8b04c2594c9ac61e9684c992fcfa828f46ae5408",
    ),
    (
        b'{"id":"c","status":"COMPLETED","outputDuration":1.0}',
        "2e517c14e1e90a8dfa2a2dc1f28709987492869cb35aadb25ce13a2cff194e02",
    ),
]


@pytest.mark.parametrize(("body", "digest"), VECTORS)
def test_a_signature_is_the_hmac_of_time_and_raw_bytes(body: bytes, digest: str) -> None:
    """The secret is used with its prefix."""
    assert sign(body, "whsec_test", 1700000000) == f"t=1700000000,v1={digest}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1/x", True),
        ("https://localhost/x", True),
        ("http://[::1]/x", True),
        ("http://10.0.0.1/", False),
        ("https://hooks.example/", False),
        ("http://127.0.0.1.example/", False),
        ("http://localhost@hooks.example/", False),
        ("file://127.0.0.1/x", False),
        ("http://[/", False),
    ],
)
def test_only_this_machine_is_told_or_asked(url: str, expected: bool) -> None:
    """Whatever else a URL pretends."""
    assert is_loopback(url) is expected


def is_signed(header: str, body: bytes, secret: str = "whsec_sandbox") -> bool:
    return header == sign(body, secret, int(header.partition(",")[0].removeprefix("t=")))


async def test_the_end_of_a_generation_is_told_with_a_signature(api: Api, receiver: Receiver) -> None:
    """It is a notification with the failure under `error_code`, and not the polled object."""
    await api.create({**BODY, "webhookUrl": receiver.url + "/hook", "outputFileName": "sandbox_fail"})
    header, body = (await receiver.arrivals(1))[0]
    assert is_signed(header, body)
    told = json.loads(body)
    assert set(told) == {"id", "createdAt", "status", "model", "input", "webhookUrl", "error", "error_code"}
    assert (told["status"], told["error_code"]) == ("FAILED", "generation_pipeline_failed")


async def test_a_success_is_told_with_its_output(api: Api, receiver: Receiver) -> None:
    """The link works, and a synthesised voice is left out."""
    body = {
        **BODY,
        "input": [VIDEO, SPEECH],
        "webhookUrl": receiver.url + "/hook",
        "options": {"sync_mode": "loop"},
    }
    await api.create({**body, "outputFileName": "take"})
    told = json.loads((await receiver.arrivals(1))[0][1])
    assert set(told) == {"id", "createdAt", "status", "model", "input", "options", "webhookUrl", "outputUrl"}
    assert (await api("GET", told["outputUrl"])).status == 200


async def test_the_polled_object_may_be_sent_as_in_2025(opened: Opener, receiver: Receiver) -> None:
    """All its fields are there."""
    api = await opened(webhook_payload="generation")
    await api.create({**BODY, "webhookUrl": receiver.url + "/hook", "outputFileName": "sandbox_fail"})
    told = json.loads((await receiver.arrivals(1))[0][1])
    assert (told["outputFileName"], told["errorCode"]) == ("sandbox_fail", "generation_pipeline_failed")


@pytest.mark.parametrize(
    ("how", "verified", "count"), [("right", True, 1), ("wrong", False, 1), ("stale", True, 1), ("two", False, 2)]
)
async def test_a_signature_can_be_other_than_right(
    opened: Opener, receiver: Receiver, how: str, verified: bool, count: int
) -> None:
    """Wrong, an hour old, or one of two, as after a change of the secret."""
    import time

    api = await opened(webhook_signature=how)
    await api.create({**BODY, "webhookUrl": receiver.url + "/hook"})
    header, body = (await receiver.arrivals(1))[0]
    timestamp = int(header.partition(",")[0].removeprefix("t="))
    assert is_signed(header, body) is verified
    assert header.count("v1=") == count
    assert (time.time() - timestamp > 3000) is (how == "stale")
    if how == "two":
        assert header.endswith(sign(body, "whsec_sandbox", timestamp).partition(",")[2])


async def test_a_delivery_can_come_twice_with_other_fields(opened: Opener, receiver: Receiver) -> None:
    """Copies are the same byte for byte; errors can be empty, and fields can be new."""
    api = await opened(webhook_copies=2, webhook_empty_errors=True, webhook_extra=True, rejected_webhook=True)
    await api.create({**BODY, "webhookUrl": receiver.url + "/hook", "outputFileName": "sandbox_fail"})
    first, second = await receiver.arrivals(2)
    assert first == second
    told = json.loads(first[1])
    assert (told["error"], told["error_code"], told["sandboxExtra"]) == ("", "", {"any": "thing"})


@pytest.mark.parametrize("is_sent", [True, False])
async def test_a_rejection_is_told_only_when_switched_on(
    opened: Opener, receiver: Receiver, is_sent: bool
) -> None:
    """The documentation names COMPLETED and FAILED only."""
    api = await opened(rejected_webhook=is_sent)
    for name in ("sandbox_reject", "sandbox_fail"):
        await api.made(webhookUrl=receiver.url + "/hook", outputFileName=name)
    got = await receiver.arrivals(2 if is_sent else 1)
    assert sorted(json.loads(body)["status"] for _, body in got) == (
        ["FAILED", "REJECTED"] if is_sent else ["FAILED"]
    )


async def test_deliveries_can_change_places(opened: Opener, receiver: Receiver) -> None:
    """Each two of them; a last one without a second goes out as well."""
    api = await opened(webhook_swapped=True, webhook_delay=0.01)
    made = [(await api.made(webhookUrl=receiver.url + "/hook", outputFileName=f"t{n}"))["id"] for n in range(3)]
    got = [json.loads(body)["id"] for _, body in await receiver.arrivals(3)]
    assert got == [made[1], made[0], made[2]]


async def test_what_was_delivered_can_be_seen(opened: Opener, receiver: Receiver) -> None:
    """With the status of the answer, or none where nobody listened; other machines are not told."""
    api = await opened()
    await api.made(webhookUrl=receiver.url + "/hook")
    await receiver.arrivals(1)
    await api.made(webhookUrl="http://127.0.0.1:9/hook")
    await api.made(webhookUrl="https://hooks.example/hook")
    receiver.redirects["away"] = "https://hooks.example/"
    deliveries: list[Any] = []
    while len(deliveries) < 2:
        deliveries = (await api("GET", "/_sandbox/deliveries")).json
    assert [delivery["status"] for delivery in deliveries] == [200, None]
    assert deliveries[0]["payload"]["status"] == "COMPLETED"
    assert [delivery.url for delivery in api.sandbox.deliveries] == [one["url"] for one in deliveries]


async def test_a_batch_tells_its_end_once(api: Api, receiver: Receiver) -> None:
    """The payload has its metrics; its rows tell nothing."""
    rows = [record(number, webhookUrl=receiver.url + "/hook") for number in range(20)]
    made = await api("POST", "/v2/batch", json={"rows": rows, "webhook_url": receiver.url + "/hook"})
    header, body = (await receiver.arrivals(1))[0]
    assert is_signed(header, body)
    told = json.loads(body)
    assert (told["id"], told["metrics"]["success_count"]) == (made.json["id"], 20)
    assert set(told) == {"id", "created_at", "status", "metrics", "outputUrl", "webhookUrl"}
    await api.made(webhookUrl=receiver.url + "/hook")
    assert len(await receiver.arrivals(2)) == 2
