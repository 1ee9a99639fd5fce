"""The client and its resources: which requests they send, and what they return."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sync_async import (
    ArgumentError,
    AsyncSync,
    Audio,
    BatchResponse,
    DubParams,
    EstimatedGenerationCost,
    GenerationOptions,
    GenerationSegment,
    NotFoundError,
    RawResponse,
    SegmentAudioInput,
    ValidationResponse,
    Video,
)
from tests.conftest import GENERATION, Server

VIDEO, AUDIO = Video(url="https://x/v.mp4"), Audio(url="https://x/a.wav")
ASSET = {
    "id": "as-1",
    "type": "VIDEO",
    "createdAt": "2026-11-22T10:00:00Z",
    "updatedAt": "2026-11-22T10:00:00Z",
    "visibility": "USER",
}
BATCH = {
    "id": "batch_abc123",
    "created_at": "2026-11-22T10:00:00.000Z",
    "status": "PROCESSING",
    "metrics": {"total_generations": 25, "success_count": 10, "failed_count": 0, "pending_count": 15},
    "webhookUrl": None,
    "outputUrl": "",
}


async def test_every_request_carries_the_key_and_says_who_sends_it(server: Server, client: AsyncSync) -> None:
    """And asks for JSON."""
    server.answer(200, [])
    await client.models.list()
    sent = server.seen[0]
    assert (sent.method, sent.raw_path) == ("GET", "/v2/models")
    assert sent.headers["x-api-key"] == "sk-test"
    assert sent.headers["Accept"] == "application/json"
    assert sent.headers["User-Agent"].startswith("syncso/")


async def test_create_sends_the_body_of_the_documentation(server: Server, client: AsyncSync) -> None:
    """In the wire's casing, in a fixed order, without unset fields."""
    server.answer(201, GENERATION)
    made = await client.generations.create(
        model="lipsync-2",
        input=[VIDEO, Audio(asset_id="as-1", ref_id="a1")],
        options=GenerationOptions(sync_mode="loop"),
        segments=[
            GenerationSegment(
                start_time=0,
                end_time=4.5,
                audio_input=SegmentAudioInput(ref_id="a1", start_time=1, end_time=5.5),
                options_override=GenerationOptions(temperature=0.4),
            )
        ],
        webhook_url="https://hooks.example/sync",
        output_file_name="take_01",
        project_id="p-1",
    )
    assert made.id == GENERATION["id"]
    sent = server.seen[0]
    assert (sent.method, sent.raw_path, sent.headers["Content-Type"]) == (
        "POST",
        "/v2/generate",
        "application/json",
    )
    assert json.loads(sent.body) == {
        "model": "lipsync-2",
        "input": [
            {"type": "video", "url": "https://x/v.mp4"},
            {"type": "audio", "assetId": "as-1", "refId": "a1"},
        ],
        "options": {"sync_mode": "loop"},
        "segments": [
            {
                "startTime": 0,
                "endTime": 4.5,
                "audioInput": {"refId": "a1", "startTime": 1, "endTime": 5.5},
                "optionsOverride": {"temperature": 0.4},
            }
        ],
        "webhookUrl": "https://hooks.example/sync",
        "outputFileName": "take_01",
        "projectId": "p-1",
    }


async def test_dubbing_names_its_provider_unless_told_not_to(server: Server, client: AsyncSync) -> None:
    """Older servers need the name."""
    server.answer(201, GENERATION)
    await client.generations.create(model="lipsync-2", input=[VIDEO], dub_params=DubParams(target_lang="es"))
    await client.generations.create(
        model="lipsync-2", input=[VIDEO], dub_params=DubParams(target_lang="es", provider_name=None)
    )
    bodies = [json.loads(request.body)["dubParams"] for request in server.seen]
    assert bodies == [{"targetLang": "es", "providerName": "elevenlabs"}, {"targetLang": "es"}]


async def test_files_travel_as_a_form_whose_nested_fields_are_json(
    server: Server, client: AsyncSync, tmp_path: Path
) -> None:
    """With names, and types of the API's own table."""
    server.answer(201, GENERATION)
    (tmp_path / "face.MP4").write_bytes(b"video bytes")
    (tmp_path / "speech.wav").write_bytes(b"audio bytes")
    await client.generations.create_with_files(
        model="lipsync-2",
        video=tmp_path / "face.MP4",
        audio=str(tmp_path / "speech.wav"),
        input=[Audio(ref_id="a1")],
        options=GenerationOptions(sync_mode="loop"),
        segments=[GenerationSegment(start_time=0, end_time=1, audio_input=SegmentAudioInput(ref_id="a1"))],
        request_options={"additional_body_parameters": {"dialogueEdit": {"id": "e"}, "note": "x"}},
    )
    sent = server.seen[0]
    assert sent.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert "Idempotency-Key" in sent.headers
    for part in [
        b'name="model"\r\n\r\nlipsync-2\r\n',
        b'name="input"\r\n\r\n[{"type":"audio","refId":"a1"}]\r\n',
        b'name="options"\r\n\r\n{"sync_mode":"loop"}\r\n',
        b'name="dialogueEdit"\r\n\r\n{"id":"e"}\r\n',
        b'name="note"\r\n\r\nx\r\n',
        b'name="video"; filename="face.MP4"\r\nContent-Type: video/mp4\r\n\r\nvideo bytes\r\n',
        b'name="audio"; filename="speech.wav"\r\nContent-Type: audio/wav\r\n\r\naudio bytes\r\n',
    ]:
        assert part in sent.body


@pytest.mark.parametrize(
    ("audio", "name", "kind"),
    [
        (("v.mp4", b"x"), b"v.mp4", b"audio/mp4"),
        (("v.m4a", b"x"), b"v.m4a", b"audio/x-m4a"),
        (("v.xyz", b"x", "audio/x-own"), b"v.xyz", b"audio/x-own"),
        (b"RIFF0000WAVEfmt ", b"audio.wav", b"audio/wav"),
        (b"ID3\x03", b"audio.mp3", b"audio/mpeg"),
        (b"OggS", b"audio.ogg", b"audio/ogg"),
        (b"fLaC", b"audio.flac", b"audio/flac"),
        (b"\0\0\0\x18ftypM4A ", b"audio.m4a", b"audio/x-m4a"),
    ],
)
async def test_a_voice_is_named_by_its_name_its_type_or_its_first_bytes(
    server: Server, client: AsyncSync, audio: Any, name: bytes, kind: bytes
) -> None:
    """An explicit type wins; bytes without a name are recognised."""
    server.answer(201, GENERATION)
    await client.generations.create_with_files(model="lipsync-2", video=("v.mp4", b"x"), audio=audio)
    assert b'name="audio"; filename="' + name + b'"\r\nContent-Type: ' + kind + b"\r\n" in server.seen[0].body


@pytest.mark.parametrize(
    ("answer", "costs"),
    [
        ({"estimatedFrameCount": 90, "estimatedGenerationCost": 0.3}, [(90, 0.3)]),
        (
            [
                {"estimatedFrameCount": 90, "estimatedGenerationCost": 0.3},
                {"estimatedFrameCount": 10, "estimatedGenerationCost": 0.1},
            ],
            [(90, 0.3), (10, 0.1)],
        ),
        ([], []),
    ],
)
async def test_an_estimate_is_a_list_whichever_shape_the_server_answers(
    server: Server, client: AsyncSync, answer: Any, costs: list[tuple[float, float]]
) -> None:
    """It prices the whole body on the older endpoint."""
    server.answer(200, answer)
    estimate = await client.generations.estimate_cost(model="lipsync-2", input=[VIDEO, AUDIO])
    assert estimate == [
        EstimatedGenerationCost(estimated_frame_count=frames, estimated_generation_cost=cost)
        for frames, cost in costs
    ]
    assert (server.seen[0].method, server.seen[0].raw_path) == ("POST", "/v2/analyze/cost")
    assert "Idempotency-Key" not in server.seen[0].headers


async def test_get_takes_its_id_by_position_or_by_name(server: Server, client: AsyncSync) -> None:
    """For each resource that has one."""
    server.answer(200, GENERATION)
    await client.generations.get("g-1")
    await client.generations.get(id="g-1")
    server.answers[:] = []
    server.answer(200, ASSET)
    await client.assets.get("as-1")
    await client.assets.get(id="as-1")
    server.answers[:] = []
    server.answer(200, BATCH)
    await client.batch.get("batch_abc123")
    await client.batch.get(id="batch_abc123")
    paths = [request.raw_path for request in server.seen]
    assert paths == ["/v2/generate/g-1"] * 2 + ["/v2/assets/as-1"] * 2 + ["/v2/batch/batch_abc123"] * 2


async def test_lists_of_words_are_joined_in_the_query(server: Server, client: AsyncSync) -> None:
    """And left out when there are none."""
    server.answer(200, [GENERATION])
    listed = await client.generations.list(status=["PENDING", "PROCESSING"], ids=["a", "b"])
    assert [generation.id for generation in listed] == [GENERATION["id"]]
    await client.generations.list()
    assert [request.query for request in server.seen] == ["status=PENDING,PROCESSING&ids=a,b", ""]


async def test_assets_are_listed_a_page_at_a_time(server: Server, client: AsyncSync) -> None:
    """With all filters of the reference."""
    server.answer(200, {"items": [ASSET], "nextCursor": "c2", "totalCount": 12})
    page = await client.assets.list(
        project_id="p", limit=10, cursor="c1", search_query="a b", sort_by="dateDesc", types=["AUDIO", "VIDEO"]
    )
    assert (page.items[0].id, page.next_cursor, page.total_count) == ("as-1", "c2", 12)
    assert server.seen[0].raw_path == (
        "/v2/assets?projectId=p&limit=10&cursor=c1&searchQuery=a%20b&sortBy=dateDesc&types=AUDIO,VIDEO"
    )


async def test_batches_are_created_read_and_listed(server: Server, client: AsyncSync, tmp_path: Path) -> None:
    """From a file, bytes or text; times in the query are UTC."""
    lines = "\n".join(f'{{"request_id":"r{n}","endpoint":"/v2/generate","payload":{{}}}}' for n in range(20))
    (tmp_path / "in.jsonl").write_text(lines)
    server.answer(201, BATCH)
    for given in (tmp_path / "in.jsonl", lines.encode(), lines):
        made = await client.batch.create(input=given, webhook_url="https://hooks.example/b", dry_run=False)
        assert isinstance(made, BatchResponse)
        assert made.metrics.total_generations == 25
    body = server.seen[0].body
    assert b'name="input"; filename="in.jsonl"\r\n' in body
    assert b'name="webhook_url"\r\n\r\nhttps://hooks.example/b\r\n' in body
    assert b'name="dry_run"\r\n\r\nfalse\r\n' in body
    assert "Idempotency-Key" not in server.seen[0].headers
    server.answers[:] = []
    server.answer(200, {"status": "VALIDATED"})
    assert await client.batch.create(input=lines, dry_run=True) == ValidationResponse()
    server.answers[:] = []
    server.answer(200, [BATCH])
    await client.batch.list(status="COMPLETED", created_after=datetime(2026, 1, 2, tzinfo=UTC))
    assert server.seen[-1].query == "status=COMPLETED&created_after=2026-01-02T00:00:00.000Z"


async def test_raw_responses_have_what_stands_around_the_answer(server: Server, client: AsyncSync) -> None:
    """Status, headers, request id and key, beside what the plain method returns."""
    server.answer(201, GENERATION, **{"X-Request-Id": "r-1"})
    raw = await client.generations.with_raw_response.create(model="lipsync-2", input=[VIDEO, AUDIO])
    assert isinstance(raw, RawResponse)
    assert (raw.status_code, raw.request_id, raw.headers["x-REQUEST-id"]) == (201, "r-1", "r-1")
    assert raw.idempotency_key == raw.data.idempotency_key == server.seen[0].headers["Idempotency-Key"]
    server.answers[:] = []
    server.answer(200, [])
    assert (await client.models.with_raw_response.list()).data == []
    assert (await client.generations.with_raw_response.list(ids=["a"])).data == []
    with pytest.raises(ArgumentError):
        await client.assets.with_raw_response.get("")


async def test_any_endpoint_can_be_reached(server: Server, client: AsyncSync) -> None:
    """Whatever its answer is: JSON, text, or nothing."""
    server.answer(200, [{"id": "v"}])
    server.answer(200, body=b"https://x/o.mp4?sig=1", **{"Content-Type": "text/plain"})
    server.answer(204, body=b"")
    server.answer(200, 12)
    assert (await client.request("get", "/v2/voices", query={"provider": "elevenlabs"})).data == [{"id": "v"}]
    assert (await client.request("GET", "/v2/generations/a/download")).data == "https://x/o.mp4?sig=1"
    assert (await client.request("POST", "/v2/projects/p/assets", json={"assetId": "a"})).data is None
    assert (await client.request("GET", "/v2/assets/count")).data == 12
    assert server.seen[0].raw_path == "/v2/voices?provider=elevenlabs"
    server.answers[:] = []
    server.refuse(404, "voice_not_found")
    with pytest.raises(NotFoundError):
        await client.request("GET", "/v2/voices/x")


async def test_a_raw_post_is_repeated_only_with_a_key(server: Server, client: AsyncSync) -> None:
    """Without one, a lost answer is the caller's to look into."""
    server.refuse(500)
    for options, sends in (({}, 1), ({"idempotency_key": "k"}, 3)):
        server.seen.clear()
        with pytest.raises(Exception, match="500"):
            await client.request("POST", "/v2/tts/jobs", json={}, request_options=options)
        assert len(server.seen) == sends


async def test_a_raw_create_has_a_key_like_any_other(server: Server, client: AsyncSync) -> None:
    """There is no way to send one without."""
    server.drop()
    server.answer(201, GENERATION)
    raw = await client.request("POST", "/v2/generate", json={"model": "lipsync-2"})
    assert {request.headers["Idempotency-Key"] for request in server.seen} == {raw.idempotency_key}
    assert len(server.seen) == 2


async def test_a_proxy_is_used_when_it_is_given(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only then: proxy variables of the environment are not read."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.answer(200, [])
    async with AsyncSync(api_key="k", base_url=server.url) as direct:
        await direct.models.list()
    async with AsyncSync(api_key="k", base_url="http://api.invalid", proxy=server.url) as client:
        assert await client.models.list() == []
    assert server.seen[1].raw_path == "http://api.invalid/v2/models"


@pytest.mark.parametrize("path", ["v2/x", "//evil.example/x", "https://evil.example/x", "", "/a b", "/a\n", None])
async def test_a_raw_path_stays_on_the_apis_origin(server: Server, client: AsyncSync, path: Any) -> None:
    """The key goes nowhere else."""
    with pytest.raises(ArgumentError, match="path"):
        await client.request("GET", path)
    assert server.seen == []


async def test_a_copy_has_its_own_settings_and_the_same_connections(server: Server, client: AsyncSync) -> None:
    """The original is untouched."""
    server.answer(200, [])
    copy = client.with_options(api_key="sk-other", headers={"X-A": "1"}, max_retries=0, timeout=5)
    await client.models.list()
    await copy.models.list()
    assert [request.headers.get("X-A") for request in server.seen] == [None, "1"]
    assert [request.headers["x-api-key"] for request in server.seen] == ["sk-test", "sk-other"]
    assert client._transport.pool is copy._transport.pool
