"""Limits, idempotency and faults at the sandbox."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from tests.sandbox.conftest import BODY, Api, Opener


async def test_a_full_plan_refuses_with_its_numbers_until_a_job_ends(opened: Opener) -> None:
    """PENDING and PROCESSING count; the slot is free with the end."""
    api = await opened(latency=30, concurrency=2)
    ids = [(await api.create()).json["id"] for _ in range(2)]
    full = await api.create()
    assert full.status == 429
    assert full.json["errorCode"] == "concurrency_limit_reached"
    assert (full.json["activeGenerations"], full.json["concurrencyLimit"]) == (2, 2)
    assert full.json["retryAfterSeconds"] == 30
    assert "Retry-After" not in full.headers
    api.sandbox.finish(ids[0])
    await api.finished(ids[0])
    assert (await api.create()).status == 201


async def test_a_slot_may_be_freed_late(opened: Opener) -> None:
    """The release lag is a switch."""
    api = await opened(concurrency=1, release_lag=0.3)
    await api.finished((await api.create()).json["id"])
    assert (await api.create()).status == 429
    await asyncio.sleep(0.35)
    assert (await api.create()).status == 201


async def test_too_many_requests_a_minute_are_refused(opened: Opener) -> None:
    """Creates and reads are counted apart; hints and codes are switches."""
    api = await opened(posts_per_minute=2, polls_per_minute=3, concurrency=None)
    assert [(await api.create()).status for _ in range(3)] == [201, 201, 429]
    assert [(await api("GET", "/v2/models")).status for _ in range(4)] == [200, 200, 200, 429]
    other = await opened(posts_per_minute=0, tell_retry_after=True, tell_codes=False)
    other.sandbox.world.limits["create"].allowed = 1
    assert (await other.create()).status == 201
    refused = await other.create()
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "errorCode" not in refused.json


async def test_one_key_makes_one_generation(opened: Opener) -> None:
    """A repeat gets the original in its present state, and takes no slot."""
    api = await opened(concurrency=1, latency=30, replay_status=200)
    first = await api.create(headers={"Idempotency-Key": "k-1"})
    again = await api.create(headers={"Idempotency-Key": "k-1"})
    assert (first.status, again.status) == (201, 200)
    assert first.json["id"] == again.json["id"]
    api.sandbox.finish(first.json["id"])
    await api.finished(first.json["id"])
    done = await api.create(headers={"Idempotency-Key": "k-1"})
    assert done.json["status"] == "COMPLETED"
    assert len(api.sandbox.generations) == 1


async def test_copies_that_arrive_together_make_one_generation(api: Api) -> None:
    """All get the same id."""
    answers = await asyncio.gather(*(api.create(headers={"Idempotency-Key": "k"}) for _ in range(20)))
    assert len({answer.json["id"] for answer in answers}) == 1


@pytest.mark.parametrize(("status"), [409, 422])
async def test_a_key_with_another_body_is_a_conflict(opened: Opener, status: int) -> None:
    """Bytes are compared; by value on request. Case matters in a key."""
    api = await opened(conflict_status=status)
    first = await api.create(headers={"Idempotency-Key": "k"})
    other = await api.create({**BODY, "outputFileName": "x"}, headers={"Idempotency-Key": "k"})
    assert (other.status, other.json["errorCode"]) == (status, "IDEMPOTENCY_PAYLOAD_MISMATCH")
    assert other.json["generationId"] == first.json["id"]
    assert (await api.create(headers={"Idempotency-Key": "K"})).json["id"] != first.json["id"]


async def test_bodies_may_be_compared_by_value(opened: Opener) -> None:
    """The order of fields does not matter then."""
    for by_value, status in ((True, 201), (False, 409)):
        api = await opened(compare_parsed=by_value)
        for body in (BODY, dict(reversed(BODY.items()))):
            answer = await api(
                "POST",
                "/v2/generate",
                data=json.dumps(body).encode(),
                headers={"Idempotency-Key": "k", "Content-Type": "application/json"},
            )
        assert answer.status == status


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "é"])
async def test_a_malformed_key_is_refused(api: Api, key: str) -> None:
    """With a code of its own."""
    answer = await api.create(headers={"Idempotency-Key": key})
    assert (answer.status, answer.json["errorCode"]) == (400, "INVALID_IDEMPOTENCY_KEY")


async def test_a_refused_request_does_not_use_up_its_key_unless_told(opened: Opener) -> None:
    """A corrected request may reuse it."""
    for uses, status in ((False, 201), (True, 400)):
        api = await opened(refusal_uses_key=uses)
        bad = await api.create({"model": "x"}, headers={"Idempotency-Key": "k"})
        assert bad.status == 400
        if uses:
            same = await api.create({"model": "x"}, headers={"Idempotency-Key": "k"})
            assert same.json == bad.json
        else:
            assert (await api.create(headers={"Idempotency-Key": "k"})).status == status


async def test_forms_of_one_key_are_compared_by_their_content(api: Api) -> None:
    """Another boundary is the same form; another file is not."""

    async def send(content: bytes) -> tuple[int, str]:
        form = aiohttp.FormData()
        form.add_field("model", "lipsync-2")
        form.add_field("video", content, filename="v.mp4", content_type="video/mp4")
        form.add_field("audio", b"a", filename="a.wav", content_type="audio/wav")
        answer = await api("POST", "/v2/generate", data=form, headers={"Idempotency-Key": "k"})
        return answer.status, answer.json.get("id", "")

    first, again, other = await send(b"x"), await send(b"x"), await send(b"y")
    assert first[1] == again[1]
    assert other[0] == 409


@pytest.mark.parametrize("kind", ["reset", "lost", "cut", "length"])
async def test_connections_break_on_order(api: Api, kind: str) -> None:
    """Before or after the request is carried out, or in the middle of the answer; once."""
    await api("POST", "/_sandbox/faults", json={"kind": kind, "method": "POST", "path": "/v2/generate"})
    with pytest.raises(aiohttp.ClientError):
        await api.create()
    assert len(api.sandbox.generations) == (0 if kind == "reset" else 1)
    assert (await api.create()).status == 201


async def test_answers_are_spoilt_on_order(api: Api) -> None:
    """HTML, nothing, half of the JSON, a gzip that is none, a status of choice."""
    api.sandbox.faults.add("html")
    assert (await api("GET", "/v2/models")).body.startswith(b"<html>")
    api.sandbox.faults.add("empty")
    assert (await api("GET", "/v2/models")).body == b""
    api.sandbox.faults.add("truncated")
    with pytest.raises(json.JSONDecodeError):
        await api("GET", "/v2/models")
    api.sandbox.faults.add("gzip")
    with pytest.raises(aiohttp.ClientError):
        await api("GET", "/v2/models")
    api.sandbox.faults.add("answer", status=503, body={"message": "no"}, headers={"Retry-After": "9"}, skip=1)
    assert (await api("GET", "/v2/models")).status == 200
    refused = await api("GET", "/v2/models")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "9")
    api.sandbox.faults.add("stall", seconds=0.05)
    with pytest.raises(aiohttp.ClientError):
        await api.create()
    api.sandbox.faults.add("drip", seconds=0.05)
    assert (await api("GET", "/v2/models")).json
    api.sandbox.faults.add("html", times=None)
    await api("DELETE", "/_sandbox/faults")
    assert (await api("GET", "/v2/models")).status == 200


async def test_the_log_shows_what_came_without_the_key(api: Api) -> None:
    """For tests in other processes, too."""
    await api.create(headers={"Idempotency-Key": "k-9"})
    seen = (await api("GET", "/_sandbox/requests")).json[-1]
    assert (seen["method"], seen["path"], seen["headers"]["Idempotency-Key"]) == ("POST", "/v2/generate", "k-9")
    assert "sk-test" not in json.dumps(seen)
    assert seen["bodyBytes"] == len(api.sandbox.requests[-1].body)
