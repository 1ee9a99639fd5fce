"""Create bodies: what the sandbox takes, and what it refuses."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.conftest import AUDIO, BODY, SPEECH, VIDEO, Api, Opener

INVALID, SEGMENTS = "generation_input_validation_failed", "generation_input_segments_invalid"
FACE = "generation_input_face_selection_invalid"
SEGMENT = {"startTime": 0, "endTime": 1, "audioInput": {"refId": "a"}}
NAMED = [VIDEO, {**AUDIO, "refId": "a"}]
IMAGE = {"type": "image", "url": "https://x.example/i.png"}
SPEAKER = "options.active_speaker_detection"


async def test_a_created_generation_is_pending_and_shows_what_was_asked(held: Api) -> None:
    """The answer is 201 and has the fields of the documentation's example."""
    made = await held.create({**BODY, "options": {"sync_mode": "loop"}, "outputFileName": "my take!"})
    assert made.status == 201
    assert {**made.json, "id": "", "createdAt": ""} == {
        "id": "",
        "createdAt": "",
        "status": "PENDING",
        "model": "lipsync-2",
        "input": [VIDEO, AUDIO],
        "options": {"sync_mode": "loop"},
        "webhookUrl": None,
        "outputFileName": "my_take",
    }
    assert made.json["createdAt"].endswith("Z")


def speech(**change: Any) -> dict[str, Any]:
    return {**SPEECH, "provider": {**SPEECH["provider"], **change}}  # type: ignore[dict-item]


def voices(*segments: Any, items: list[Any] = NAMED) -> dict[str, Any]:
    return {"input": items, "segments": list(segments)}


def speaker(**fields: Any) -> dict[str, Any]:
    return {"options": {"active_speaker_detection": fields}}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"model": None}, INVALID, "model"),
    ({"model": ["lipsync-2"]}, INVALID, "model"),
    ({"model": "lipsync-9"}, "generation_unsupported_model", "model"),
    ({"input": "x"}, INVALID, "input"),
    ({"input": [VIDEO]}, INVALID, "input"),
    ({"input": [AUDIO]}, INVALID, "input"),
    ({"input": [VIDEO, AUDIO, SPEECH]}, INVALID, "input"),
    ({"input": [VIDEO, VIDEO, AUDIO]}, "generation_input_too_many_visual", "input"),
    ({"input": [{"type": "video"}, AUDIO]}, INVALID, "input[0]"),
    ({"input": [{"type": "video", "url": "file:///etc/passwd"}, AUDIO]}, INVALID, "input[0].url"),
    ({"input": [{"type": "video", "url": 1}, AUDIO]}, INVALID, "input[0].url"),
    ({"input": [{"type": "film", "url": "https://x"}, AUDIO]}, INVALID, "input[0].type"),
    ({"input": [{**VIDEO, "segments_secs": [[2, 1]]}, AUDIO]}, INVALID, "input[0].segments_secs"),
    ({"input": [{**VIDEO, "segments_frames": [[1, 2.5]]}, AUDIO]}, INVALID, "input[0].segments_frames"),
    ({"input": [VIDEO, {**SPEECH, "refId": {}}]}, INVALID, "input[1].refId"),
    ({"input": [VIDEO, speech(script="")]}, INVALID, "input[1].provider.script"),
    ({"input": [VIDEO, speech(script="x" * 5001)]}, INVALID, "input[1].provider.script"),
    ({"input": [VIDEO, speech(voiceId=None)]}, INVALID, "input[1].provider.voiceId"),
    ({"input": [VIDEO, speech(name="other")]}, INVALID, "input[1].provider"),
    ({"input": [VIDEO, speech(stability=1.1)]}, INVALID, "input[1].provider.stability"),
    ({"options": []}, INVALID, "options"),
    ({"options": {"sync_mode": "backwards"}}, INVALID, "options.sync_mode"),
    ({"options": {"prompt": []}}, INVALID, "options.prompt"),
    ({"options": {"temperature": 2}}, INVALID, "options.temperature"),
    ({"options": {"temperature": True}}, INVALID, "options.temperature"),
    ({"options": {"occlusion_detection_enabled": "yes"}}, INVALID, "options.occlusion_detection_enabled"),
    (speaker(frame_number=1), FACE, SPEAKER),
    (speaker(frame_number=-1, coordinates=[1, 2]), FACE, SPEAKER),
    (speaker(frame_number=1, coordinates=[1]), FACE, SPEAKER),
    (speaker(bounding_boxes=[[1, 2, 3]]), FACE, SPEAKER),
    (speaker(bounding_boxes=[None], bounding_boxes_url="https://x"), FACE, SPEAKER),
    (speaker(bounding_boxes=[None], frame_number=0, coordinates=[1, 2]), FACE, SPEAKER),
    (speaker(auto_detect=1), INVALID, SPEAKER + ".auto_detect"),
    ({"model": "lipsync-2", "input": [IMAGE, AUDIO]}, "generation_unsupported_model", "model"),
    ({"model": "sync-3", "input": [IMAGE, AUDIO], **speaker(auto_detect=True)}, FACE, SPEAKER),
    ({"model": "sync-3", "input": [IMAGE], "dubParams": {"targetLang": "es"}}, INVALID, "input[0]"),
    ({"model": "sync-3", **voices(SEGMENT, items=[IMAGE, NAMED[1]])}, SEGMENTS, "segments"),
    (voices(), SEGMENTS, "segments"),
    (voices(SEGMENT, items=[VIDEO, AUDIO]), SEGMENTS, "segments"),
    (voices(SEGMENT, items=[VIDEO, NAMED[1], NAMED[1]]), SEGMENTS, "input"),
    (voices({**SEGMENT, "audioInput": {"refId": "b"}}), SEGMENTS, "segments[0]"),
    (voices({**SEGMENT, "startTime": 2}), SEGMENTS, "segments[0]"),
    (voices({**SEGMENT, "audioInput": {"refId": "a", "startTime": 1}}), SEGMENTS, "segments[0]"),
    (voices({**SEGMENT, "optionsOverride": {"prompt": "sad"}}), INVALID, "segments[0].optionsOverride"),
    (voices({**SEGMENT, "optionsOverride": {"sync_mode": "x"}}), INVALID, "segments[0].optionsOverride.sync_mode"),
    ({"dubParams": {"targetLang": "es"}}, "generation_input_dub_audio_conflict", "input"),
    ({"input": [VIDEO], "dubParams": {}}, INVALID, "dubParams.targetLang"),
    (
        {"input": [VIDEO], "dubParams": {"targetLang": "es", "providerName": "x"}},
        INVALID,
        "dubParams.providerName",
    ),
    ({"input": [VIDEO], "dubParams": {"targetLang": "es", "sourceLang": 1}}, INVALID, "dubParams.sourceLang"),
    ({"input": [VIDEO], "dialogueEdit": {"id": "e"}}, "generation_unsupported_model", "model"),
    ({"model": "sync-3", "dialogueEdit": {"id": "e"}}, INVALID, "input"),
    ({"model": "sync-3", "input": [VIDEO], "dialogueEdit": {}}, INVALID, "dialogueEdit.id"),
    ({"webhookUrl": "hooks"}, INVALID, "webhookUrl"),
    ({"webhookUrl": "http://hooks.example/x"}, INVALID, "webhookUrl"),
    ({"outputFileName": "x" * 256}, INVALID, "outputFileName"),
]


@pytest.mark.parametrize(("change", "code", "field"), REFUSED)
async def test_a_body_that_breaks_a_rule_is_refused_with_the_rules_code(
    api: Api, change: dict[str, Any], code: str, field: str
) -> None:
    """The answer is 400 and names code, field, message and advice, and nothing is created."""
    answer = await api.create({**BODY, **change})
    assert (answer.status, answer.code, answer.json["field"]) == (400, code, field)
    assert (answer.json["statusCode"], answer.json["error"]) == (400, "Bad Request")
    assert answer.json["message"]
    assert answer.json["suggestion"]
    assert api.sandbox.generations == {}


@pytest.mark.parametrize(
    "change",
    [
        {"input": [VIDEO, SPEECH]},
        {"input": [{**VIDEO, "segments_secs": [[0, 1]], "segments_frames": [[0, 5]]}, AUDIO]},
        {"model": "sync-3", "input": [IMAGE, AUDIO], **speaker(frame_number=0, coordinates=[1.5, 2])},
        {"input": [VIDEO], "dubParams": {"targetLang": "xx", "numSpeakers": 99, "providerName": "elevenlabs"}},
        {"model": "sync-3", "input": [VIDEO], "dialogueEdit": {"id": "e"}},
        voices(SEGMENT, {**SEGMENT, "startTime": 1, "optionsOverride": {"temperature": 0.5}}),
        voices({"startTime": 1, "endTime": 1, "audioInput": {"refId": "a", "startTime": 0, "endTime": 1}}),
        {"options": {"i2v_prompt": "wave", "sync_mode": None, "temperature": None}, "someNewField": 1},
        speaker(bounding_boxes=[[1, 2, 3, 4], None]),
        {"webhookUrl": "https://hooks.example/x"},
        {"webhookUrl": "http://127.0.0.1:9/x"},
        {"outputFileName": "x" * 255},
    ],
)
async def test_every_documented_composition_is_taken(api: Api, change: dict[str, Any]) -> None:
    """Unknown options and fields are taken as well, since the API is open."""
    assert (await api.create({**BODY, **change})).status == 201


async def test_projects_edits_and_assets_have_to_exist(opened: Opener) -> None:
    """Those that the settings name do, and the refusals carry the documented statuses."""
    api = await opened(projects=["p-1"], dialogue_edits=["e-1"], foreign_assets=["theirs"])
    edit = {"model": "sync-3", "input": [VIDEO]}
    assert (await api.create({**BODY, "projectId": "p-1"})).json["projectId"] == "p-1"
    assert (await api.create({**edit, "dialogueEdit": {"id": "e-1"}})).status == 201
    for change, status, code, field in (
        ({"projectId": "p-2"}, 422, "project_not_found", "projectId"),
        ({**edit, "dialogueEdit": {"id": "e-2"}}, 404, "dialogue_edit_not_found", "dialogueEdit.id"),
        ({"input": [{"type": "video", "assetId": "x"}, AUDIO]}, 404, "asset_not_found", "input[0].assetId"),
        ({"input": [VIDEO, {"type": "audio", "assetId": "theirs"}]}, 403, "asset_forbidden", "input[1].assetId"),
    ):
        answer = await api.create({**BODY, **change})
        assert (answer.status, answer.code, answer.json["field"]) == (status, code, field)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b'{"model": NaN}', "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"model": "lipsync-2"}', "text/plain"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes, kind: str) -> None:
    """Python's own extensions of JSON are no JSON, and neither is JSON under another type."""
    answer = await api("POST", "/v2/generate", data=body, headers={"Content-Type": kind})
    assert (answer.status, answer.code) == (400, INVALID)


async def test_a_body_above_64_mib_is_refused_in_the_apis_form(api: Api) -> None:
    """The status is 413 and the code that of an invalid input."""
    answer = await api("POST", "/v2/generate", data=io.BytesIO(bytes(65 * 1024**2)))
    assert (answer.status, answer.code) == (413, INVALID)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [
    "model",
    "input",
    "options",
    "segments",
    "dubParams",
    "dialogueEdit",
    "webhookUrl",
    "outputFileName",
    "projectId",
    "rows",
    "dry_run",
    "duration",
    "fps",
    "ids",
    "fileName",
    "contentType",
    "size",
    "url",
    "type",
    "visibility",
    "name",
]
ENDPOINTS = [
    "/v2/generate",
    "/v2/batch",
    "/v2/generations/estimate",
    "/v2/analyze/cost",
    "/v2/assets",
    "/v2/assets/upload",
    "/v2/assets/batch",
    "/_sandbox/faults",
    "/_sandbox/endings",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(endpoint=st.sampled_from(ENDPOINTS), change=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_no_body_makes_the_sandbox_fail(endpoint: str, change: dict[str, Any], running: Any) -> None:
    """Whatever JSON is sent, the answer is taken or refused, and never 500."""
    assert running(endpoint, {**BODY, "duration": 1, **change}) < 500


@pytest.fixture
def running() -> Any:
    """A sandbox on a thread, since the property is tested without a loop."""
    import json
    import urllib.error
    import urllib.request

    from sync_async.sandbox import Sandbox

    def send(path: str, body: Any) -> int:
        headers = {"x-api-key": "k", "Content-Type": "application/json"}
        request = urllib.request.Request(sandbox.base_url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    limits = dict.fromkeys(("posts_per_minute", "polls_per_minute", "uploads_per_minute", "concurrency"))
    with Sandbox(render=False, latency=0, **limits) as sandbox:
        yield send
