"""Generations at the sandbox: created, refused, followed, priced, deleted."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import AUDIO, BODY, VIDEO, Api, Opener


async def test_a_generation_is_created_runs_and_ends_with_a_link(opened: Opener) -> None:
    """201 and PENDING first, COMPLETED with a signed output on another origin in the end."""
    api = await opened(latency=0.2)
    made = await api.create({**BODY, "options": {"sync_mode": "loop"}, "outputFileName": "my take!"})
    assert made.status == 201
    assert made.json["status"] == "PENDING"
    assert made.json["options"] == {"sync_mode": "loop"}
    assert made.json["outputFileName"] == "my_take"
    done = await api.finished(made.json["id"])
    assert done["status"] == "COMPLETED"
    assert not done["outputUrl"].startswith(api.sandbox.base_url)
    again = (await api("GET", f"/v2/generations/{done['id']}")).json
    assert again["outputUrl"] != done["outputUrl"]
    assert (await api("GET", done["outputUrl"], key=None)).status == 200


TTS = {"type": "text", "provider": {"name": "elevenlabs", "voiceId": "v", "script": "Hi."}}
SEGMENT = {"startTime": 0, "endTime": 1, "audioInput": {"refId": "a"}}


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"model": None}, 400, "generation_input_validation_failed", "model"),
        ({"model": "lipsync-9"}, 400, "generation_unsupported_model", "model"),
        ({"input": "x"}, 400, "generation_input_validation_failed", "input"),
        ({"input": [VIDEO]}, 400, "generation_input_validation_failed", "input"),
        ({"input": [AUDIO]}, 400, "generation_input_validation_failed", "input"),
        ({"input": [VIDEO, VIDEO, AUDIO]}, 400, "generation_input_too_many_visual", "input"),
        ({"input": [VIDEO, AUDIO, TTS]}, 400, "generation_input_validation_failed", "input"),
        ({"input": [{"type": "video"}, AUDIO]}, 400, "generation_input_validation_failed", "input[0]"),
        (
            {"input": [{"type": "film", "url": "https://x"}, AUDIO]},
            400,
            "generation_input_validation_failed",
            "input[0].type",
        ),
        (
            {"input": [VIDEO, {**TTS, "provider": {"name": "elevenlabs", "voiceId": "v", "script": ""}}]},
            400,
            "generation_input_validation_failed",
            "input[1].provider.script",
        ),
        ({"input": [{"type": "video", "assetId": "none"}, AUDIO]}, 404, "asset_not_found", "input[0].assetId"),
        ({"options": {"sync_mode": "backwards"}}, 400, "generation_input_validation_failed", "options.sync_mode"),
        ({"options": {"temperature": 2}}, 400, "generation_input_validation_failed", "options.temperature"),
        (
            {"options": {"active_speaker_detection": {"frame_number": 1}}},
            400,
            "generation_input_face_selection_invalid",
            "options.active_speaker_detection",
        ),
        ({"segments": [SEGMENT]}, 400, "generation_input_segments_invalid", "segments"),
        (
            {"input": [VIDEO, {**AUDIO, "refId": "b"}], "segments": [SEGMENT]},
            400,
            "generation_input_segments_invalid",
            "segments[0]",
        ),
        ({"dubParams": {"targetLang": "es"}}, 400, "generation_input_dub_audio_conflict", "input"),
        ({"projectId": "nowhere"}, 422, "project_not_found", "projectId"),
        ({"webhookUrl": "hooks"}, 400, "generation_input_validation_failed", "webhookUrl"),
        ({"outputFileName": "x" * 256}, 400, "generation_input_validation_failed", "outputFileName"),
    ],
)
async def test_what_the_api_refuses_is_refused_with_its_code(
    api: Api, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    """The body names status, code, field, message and advice."""
    answer = await api.create({**BODY, **change})
    assert (answer.status, answer.json["errorCode"], answer.json["field"]) == (status, code, field)
    assert answer.json["statusCode"] == status
    assert answer.json["message"]
    assert answer.json["suggestion"]
    assert api.sandbox.generations == {}


async def test_a_body_that_is_no_json_is_refused(api: Api) -> None:
    """Not a crash."""
    answer = await api("POST", "/v2/generate", data=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status, answer.json["errorCode"]) == (400, "generation_input_validation_failed")


@pytest.mark.parametrize(
    "body",
    [
        {**BODY, "input": [VIDEO, TTS]},
        {**BODY, "model": "sync-3", "input": [{"type": "image", "url": "https://x/i.png"}, AUDIO]},
        {**BODY, "input": [VIDEO], "dubParams": {"targetLang": "es"}},
        {**BODY, "input": [VIDEO, {**AUDIO, "refId": "a"}], "segments": [SEGMENT]},
        {**BODY, "options": {"i2v_prompt": "wave", "sync_mode": None}},
    ],
)
async def test_what_the_api_takes_is_taken(api: Api, body: dict[str, Any]) -> None:
    """Every composition of its documentation, and options that it does not know."""
    assert (await api.create(body)).status == 201


async def test_a_form_with_files_is_taken_and_its_files_become_assets(api: Api) -> None:
    """Nested fields are JSON strings."""
    form = aiohttp.FormData()
    form.add_field("model", "lipsync-2")
    form.add_field("options", json.dumps({"sync_mode": "loop"}))
    form.add_field("video", b"video bytes", filename="v.mp4", content_type="video/mp4")
    form.add_field("audio", b"audio bytes", filename="a.wav", content_type="audio/wav")
    made = await api("POST", "/v2/generate", data=form)
    assert made.status == 201
    assert [item["type"] for item in made.json["input"]] == ["video", "audio"]
    assets = (await api("GET", "/v2/assets")).json
    assert {asset["name"] for asset in assets["items"]} == {"v.mp4", "a.wav"}
    assert (await api("GET", made.json["input"][0]["url"], key=None)).body == b"video bytes"


@pytest.mark.parametrize(
    ("name", "content", "options", "status"),
    [
        ("v.mp4", b"x", "{sync_mode: loop}", 400),
        ("v.exe", b"x", "{}", 400),
        ("v.mp4", b"x" * 2000, "{}", 413),
    ],
)
async def test_a_form_that_cannot_be_right_is_refused(
    opened: Opener, name: str, content: bytes, options: str, status: int
) -> None:
    """Raw structures instead of JSON, other media, too many bytes."""
    api = await opened(multipart_limit=1000)
    form = aiohttp.FormData()
    form.add_field("model", "lipsync-2")
    form.add_field("options", options)
    kind = "video/mp4" if name.endswith("mp4") else "application/x-exe"
    form.add_field("video", content, filename=name, content_type=kind)
    form.add_field("audio", b"audio bytes", filename="a.wav", content_type="audio/wav")
    answer = await api("POST", "/v2/generate", data=form)
    assert (answer.status, answer.json["errorCode"]) == (status, "generation_input_validation_failed")


async def test_a_long_poll_answers_when_the_job_ends(opened: Opener) -> None:
    """Or when its time is up; with the headers of the documentation."""
    api = await opened(latency=30.0)
    id = (await api.create()).json["id"]
    early = await api("GET", f"/v2/generate/{id}?wait=true&timeout=1")
    assert early.json["status"] in ("PENDING", "PROCESSING")
    assert early.headers["Retry-After"] == "2"
    assert early.headers["X-Sync-Wait-Mode"] == "long_poll"
    waiting = asyncio.create_task(api("GET", f"/v2/generate/{id}?wait=true&timeout=10"))
    await asyncio.sleep(0.05)
    await api("POST", f"/_sandbox/generations/{id}/finish")
    assert (await waiting).json["status"] == "COMPLETED"


@pytest.mark.parametrize(
    "query",
    ["wait=maybe", "wait=true&timeout=0", "timeout=11", "timeout=x", "include=all", "wait=true&include=progress"],
)
async def test_a_long_poll_out_of_range_is_refused(api: Api, query: str) -> None:
    """With 400."""
    id = (await api.create()).json["id"]
    assert (await api("GET", f"/v2/generate/{id}?{query}")).status == 400


async def test_the_progress_rises(opened: Opener) -> None:
    """From 0 to 100, only when it is asked for."""
    api = await opened(latency=0.5)
    id = (await api.create()).json["id"]
    assert "progress_percent" not in (await api("GET", f"/v2/generate/{id}")).json
    await asyncio.sleep(0.3)
    half = (await api("GET", f"/v2/generate/{id}?include=progress")).json["progress_percent"]
    assert 0 < half < 100
    await api.finished(id)
    assert (await api("GET", f"/v2/generate/{id}?include=progress")).json["progress_percent"] == 100


async def test_lists_filter_and_page(api: Api) -> None:
    """By status, ids (joined or repeated) and cursor; newest first with a limit."""
    ids = [(await api.create()).json["id"] for _ in range(5)]
    for id in ids:
        await api.finished(id)
    api.sandbox.end_next("REJECTED", "generation_unknown_error", "No.")
    rejected = (await api.create()).json["id"]
    await api.finished(rejected)
    assert [g["id"] for g in (await api("GET", "/v2/generations?status=REJECTED,FAILED")).json] == [rejected]
    assert [g["id"] for g in (await api("GET", f"/v2/generations?ids={ids[1]},{ids[0]}&ids=none")).json] == [
        ids[1],
        ids[0],
    ]
    first = (await api("GET", "/v2/generations?limit=4")).json
    second = (await api("GET", f"/v2/generations?limit=4&cursor={first[-1]['id']}")).json
    assert [g["id"] for g in first + second] == [rejected, *reversed(ids)]
    assert (await api("GET", "/v2/generations/count?status=COMPLETED")).json == {"count": 5}
    for query in ("limit=0", "limit=101", "cursor=x", "status=DONE"):
        assert (await api("GET", f"/v2/generations?{query}")).status == 400
    assert (await api("GET", "/v2/generations?projectId=other")).json == []


async def test_failures_can_be_ordered(api: Api) -> None:
    """By the output's name, or for the next generation."""
    for name, status in (("sandbox_fail_1", "FAILED"), ("sandbox_reject_1", "REJECTED")):
        id = (await api.create({**BODY, "outputFileName": name})).json["id"]
        ended = await api.finished(id)
        assert ended["status"] == status
        assert ended["error"]
        assert ended["errorCode"]
        assert "outputUrl" not in ended
    await api(
        "POST", "/_sandbox/endings", json={"status": "FAILED", "code": "controller_timeout", "message": "Slow."}
    )
    ended = await api.finished((await api.create()).json["id"])
    assert (ended["errorCode"], ended["error"]) == ("controller_timeout", "Slow.")


async def test_prices_come_from_both_endpoints(opened: Opener) -> None:
    """By length, and for a whole body in either shape, or not at all."""
    api = await opened()
    short = {"model": "lipsync-2", "duration": 10, "fps": 25}
    for path in ("/v2/generations/estimate", "/v2/generate/estimate-cost"):
        assert (await api("POST", path, json=short)).json == {
            "estimatedFrameCount": 250,
            "estimatedGenerationCost": 0.5,
            "estimatedCredits": None,
        }
    assert (await api("POST", "/v2/generations/estimate", json={"model": "x", "duration": 1})).status == 422
    assert (
        await api("POST", "/v2/generations/estimate", json={"model": "lipsync-2", "duration": 0})
    ).status == 400
    whole = await api("POST", "/v2/analyze/cost", json=BODY)
    assert whole.json == {"estimatedFrameCount": 100, "estimatedGenerationCost": 0.2}
    assert (await (await opened(estimate="array"))("POST", "/v2/analyze/cost", json=BODY)).json == [whole.json]
    assert (await (await opened(estimate="missing"))("POST", "/v2/analyze/cost", json=BODY)).status == 404


async def test_costs_download_link_and_delete_follow_the_state(opened: Opener) -> None:
    """Pending, refused and in conflict while it runs."""
    api = await opened(latency=30)
    id = (await api.create()).json["id"]
    assert (await api("GET", f"/v2/generate/{id}/costs")).json["availability"] == "pending"
    assert (await api("GET", f"/v2/generations/{id}/download")).status == 409
    deleted = await api("DELETE", f"/v2/generations/{id}")
    assert (deleted.status, deleted.json["errorCode"]) == (409, "generation_not_deletable_while_processing")
    api.sandbox.finish(id)
    await api.finished(id)
    costs = (await api("GET", f"/v2/generate/{id}/costs")).json
    assert (costs["availability"], costs["currency"], costs["excludedCosts"]) == ("complete", "USD", ["tax"])
    link = await api("GET", f"/v2/generations/{id}/download")
    assert link.headers["Content-Type"].startswith("text/plain")
    assert (await api("GET", link.body.decode(), key=None)).status == 200
    assert (await api("DELETE", f"/v2/generations/{id}")).json["id"] == id
    gone = await api("GET", f"/v2/generate/{id}")
    assert (gone.status, gone.json["errorCode"]) == (404, "generation_not_found")


async def test_models_errors_account_and_secret_are_there(api: Api) -> None:
    """The catalogue needs no key and has 62 codes."""
    assert "lipsync-2" in [model["name"] for model in (await api("GET", "/v2/models")).json]
    catalogue = await api("GET", "/v2/errors", key=None)
    assert len(catalogue.json) == 62
    assert all(set(code) == {"code", "message", "suggestion"} for code in catalogue.json)
    assert (await api("GET", "/v2/account")).json["credentialType"] == "api_key"
    assert (await api("GET", "/v2/organizations/webhook/secret")).json == {"secret": "whsec_sandbox"}
    assert (await api("GET", "/health", key=None)).json == {"status": "ok"}
    assert (await api("GET", "/v2/nothing")).json["statusCode"] == 404
    assert (await api("PUT", "/v2/models")).status == 405


async def test_keys_are_asked_for(opened: Opener) -> None:
    """With the two bodies of the real service."""
    api = await opened(api_key="sk-right")
    missing = await api("GET", "/v2/models", key=None)
    assert (missing.status, missing.json["message"]) == (401, "Either Cookie or x-api-key header must be provided")
    wrong = await api("GET", "/v2/models", key="sk-wrong")
    assert (wrong.status, wrong.json["message"]) == (401, "Unauthorized")
    assert (await api("GET", "/v2/models", key="sk-right")).status == 200
