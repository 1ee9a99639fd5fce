"""One key, one generation; and every answer that the documentation leaves open."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import BODY, Answer, Api, Later, Opener


async def keyed(api: Api, key: str = "k", body: Any = BODY) -> Answer:
    return await api.create(body, headers={"Idempotency-Key": key})


async def test_a_repeat_gets_the_original_in_its_present_state(opened: Opener) -> None:
    """It takes no slot, and may be COMPLETED already."""
    api = await opened(concurrency=1, latency=float("inf"))
    first, again = await keyed(api), await keyed(api)
    assert (first.status, again.status) == (201, 201)
    assert first.json["id"] == again.json["id"]
    api.sandbox.finish(first.json["id"])
    await api.ended(first.json["id"])
    assert (await keyed(api)).json["status"] == "COMPLETED"
    assert len(api.sandbox.generations) == 1


async def test_status_and_headers_of_a_repeat_are_switches(opened: Opener) -> None:
    """The first answer has neither."""
    api = await opened(replay_status=200, replay_headers={"Idempotency-Replayed": "true"})
    first, again = await keyed(api), await keyed(api)
    assert (first.status, "Idempotency-Replayed" in first.headers) == (201, False)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")


async def test_a_copy_waits_for_the_first_and_gets_its_generation(opened: Opener) -> None:
    """All copies that arrive while the first is under way are one generation."""
    api = await opened(create_seconds=0.1)
    answers = await asyncio.gather(*(keyed(api) for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == len(api.sandbox.generations) == 1


async def test_a_copy_may_be_refused_while_the_first_is_under_way(opened: Opener) -> None:
    """The refusal names a code of the family and says when to come again."""
    api = await opened(create_seconds=0.2, twin="refuse")
    answers = await asyncio.gather(*(keyed(api) for _ in range(5)))
    refused = [answer for answer in answers if answer.status == 409]
    assert len(refused) == 4
    assert {answer.code for answer in refused} == {"IDEMPOTENCY_REQUEST_IN_PROGRESS"}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}


async def test_a_copy_of_a_refused_request_is_refused_alike(opened: Opener) -> None:
    """It waits for the first and hears the same."""
    api = await opened(create_seconds=0.1, concurrency=0)
    answers = await asyncio.gather(*(keyed(api) for _ in range(3)))
    assert {answer.code for answer in answers} == {"concurrency_limit_reached"}


@pytest.mark.parametrize("status", [409, 422])
async def test_a_key_with_another_body_is_a_conflict(opened: Opener, status: int) -> None:
    """The answer names the other request's generation."""
    api = await opened(conflict_status=status)
    first = await keyed(api)
    other = await keyed(api, body={**BODY, "outputFileName": "x"})
    assert (other.status, other.code) == (status, "IDEMPOTENCY_PAYLOAD_MISMATCH")
    assert other.json["generationId"] == first.json["id"]
    assert len(api.sandbox.generations) == 1


async def test_keys_differ_by_case_and_are_the_organisations(api: Api) -> None:
    """Another API key of the organisation gets the same generation."""
    first = await keyed(api, "k")
    assert (await keyed(api, "K")).json["id"] != first.json["id"]
    other = await api.create(key="sk-other", headers={"Idempotency-Key": "k"})
    assert other.json["id"] == first.json["id"]


@pytest.mark.parametrize(("by_value", "status"), [(True, 201), (False, 409)])
async def test_json_is_compared_by_its_bytes_or_by_its_value(opened: Opener, by_value: bool, status: int) -> None:
    """The order of the fields makes the difference."""
    api = await opened(compare_parsed=by_value)
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    for body in (BODY, dict(reversed(BODY.items()))):
        answer = await api("POST", "/v2/generate", data=json.dumps(body).encode(), headers=headers)
    assert answer.status == status


async def send_form(api: Api, content: bytes = b"x", model: str = "lipsync-2", boundary: str = "b") -> Answer:
    """Send a form with a boundary of choice."""
    with aiohttp.MultipartWriter("form-data", boundary) as form:
        for name, value, headers in (
            ("model", model.encode(), {}),
            ("video", content, {"Content-Type": "video/mp4"}),
            ("audio", b"a", {"Content-Type": "audio/wav"}),
        ):
            part = form.append(value, headers)
            file = {} if name == "model" else {"filename": f"{name}.bin"}
            part.set_content_disposition("form-data", name=name, **file)
    return await api("POST", "/v2/generate", data=form, headers={"Idempotency-Key": "k"})


async def test_forms_are_compared_by_their_fields_and_files(api: Api) -> None:
    """Another boundary is the same form, another file or field is not."""
    first = await send_form(api)
    assert (await send_form(api, boundary="c")).json["id"] == first.json["id"]
    assert (await send_form(api, content=b"y")).status == 409
    assert (await send_form(api, model="sync-3")).status == 409
    assert len(api.sandbox.world.assets) == 2
    assert len(list((api.sandbox.world.storage.folder / "uploads").iterdir())) == 2


async def test_forms_may_be_compared_by_their_bytes(opened: Opener) -> None:
    """Another boundary is another form then."""
    api = await opened(compare_form="raw")
    first = await send_form(api)
    assert (await send_form(api)).json["id"] == first.json["id"]
    assert (await send_form(api, boundary="c")).status == 409


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "é", "a/b"])
async def test_a_malformed_key_is_refused(api: Api, key: str) -> None:
    """Keys are 1 to 128 letters, digits, dots, underscores, tildes and hyphens."""
    answer = await keyed(api, key)
    assert (answer.status, answer.code) == (400, "INVALID_IDEMPOTENCY_KEY")


async def test_two_keys_in_one_request_are_refused(api: Api) -> None:
    """Even when they are the same."""
    headers = [("Idempotency-Key", "k"), ("Idempotency-Key", "k"), ("x-api-key", "k")]
    async with api.session.post(api.sandbox.base_url + "/v2/generate", json=BODY, headers=headers) as answer:
        assert (answer.status, (await answer.json())["errorCode"]) == (400, "INVALID_IDEMPOTENCY_KEY")


async def test_a_refused_request_does_not_use_up_its_key(api: Api) -> None:
    """A corrected one may reuse it."""
    assert (await keyed(api, body={"model": "x"})).status == 400
    assert (await keyed(api)).status == 201


async def test_a_refused_request_may_use_up_its_key(opened: Opener) -> None:
    """The same refusal comes for ever, but for 429, which is no verdict on the request."""
    api = await opened(refusal_uses_key=True, concurrency=1, latency=float("inf"))
    bad = await keyed(api, "bad", {"model": "x"})
    assert (await keyed(api, "bad", {"model": "x"})).json == bad.json
    assert (await keyed(api, "bad")).code == "IDEMPOTENCY_PAYLOAD_MISMATCH"
    first = (await api.create()).json["id"]
    assert (await keyed(api, "good")).status == 429
    api.sandbox.finish(first)
    await api.ended(first)
    assert (await keyed(api, "good")).status == 201


async def test_a_key_may_be_forgotten_after_a_time(opened: Opener, later: Later) -> None:
    """It makes a new generation then."""
    api = await opened(key_lifetime=3600)
    first = await keyed(api)
    later.by(3500)
    assert (await keyed(api)).json["id"] == first.json["id"]
    later.by(200)
    assert (await keyed(api)).json["id"] != first.json["id"]


async def test_the_key_of_a_deleted_generation_is_404(api: Api) -> None:
    """A repeat never makes another one."""
    id = (await keyed(api)).json["id"]
    await api.ended(id)
    await api("DELETE", f"/v2/generations/{id}")
    again = await keyed(api)
    assert (again.status, again.code) == (404, "generation_not_found")


async def test_keys_elsewhere_are_ignored(api: Api) -> None:
    """Only creates know them."""
    asked = {"url": "https://x.example/v.mp4", "type": "VIDEO"}
    ids = [
        (await api("POST", "/v2/assets", json=asked, headers={"Idempotency-Key": "k"})).json["id"] for _ in "ab"
    ]
    assert ids[0] != ids[1]
