"""Between the wire and the data classes."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_async import (
    ActiveSpeaker,
    Asset,
    Audio,
    BatchResponse,
    Generation,
    GenerationNotification,
    GenerationOptions,
    GenerationSegment,
    OtherInput,
    SegmentAudioInput,
    Tts,
    Video,
)
from sync_async._codec import WrongShapeError, decode
from sync_async._encoding import encode
from tests.conftest import GENERATION


def test_a_generation_is_read_with_python_names_and_types() -> None:
    """Wire names become Python names, times become aware datetimes, inputs become their classes."""
    made = decode({**GENERATION, "outputUrl": "https://x/o.mp4?sig=1", "outputDuration": 9}, Generation)
    assert made.created_at == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert made.input == [Video(url="https://media.example/v.mp4"), Audio(url="https://media.example/a.wav")]
    assert made.output_url == "https://x/o.mp4?sig=1"
    assert made.output_duration == 9


def test_unknown_fields_are_kept_readable_and_sent_back() -> None:
    """A field that this version does not know survives the round trip."""
    made = decode({**GENERATION, "newField": {"a": [1]}}, Generation)
    assert made.newField == {"a": [1]}
    assert made.extra == {"newField": {"a": [1]}}
    assert made.to_dict()["newField"] == {"a": [1]}
    assert json.loads(made.to_json()) == made.to_dict()


def test_unknown_words_and_unknown_inputs_pass_through() -> None:
    """An enumeration may grow, and so may the kinds of input."""
    made = decode({**GENERATION, "status": "PAUSED", "input": [{"type": "depth", "map": "m"}]}, Generation)
    assert made.status == "PAUSED"
    assert made.input == [OtherInput(type="depth", extra={"map": "m"})]
    assert made.to_dict()["input"] == [{"type": "depth", "map": "m"}]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"input": "abc"}, "$.input"),
        ({"input": {"type": "video"}}, "$.input"),
        ({"input": [{"type": "video", "url": 3}]}, "$.input[0].url"),
        ({"input": [GENERATION["input"][0], {"url": "x"}]}, "$.input[1]"),
        ({"createdAt": "yesterday"}, "$.createdAt"),
        ({"createdAt": 1700000000}, "$.createdAt"),
        ({"id": None}, "$.id"),
        ({"status": 3}, "$.status"),
        ({"options": []}, "$.options"),
        ({"options": {"temperature": "hot"}}, "$.options.temperature"),
        ({"segments": [{"startTime": 0, "endTime": 1, "audioInput": {}}]}, "$.segments[0].audioInput.refId"),
        ({"outputDuration": True}, "$.outputDuration"),
        ({"outputDuration": float("inf")}, "$.outputDuration"),
        ({"outputDuration": float("nan")}, "$.outputDuration"),
    ],
)
def test_a_wrong_value_is_refused_with_the_path_to_it(change: dict[str, Any], path: str) -> None:
    """What cannot be what it claims is never returned as if it were fine."""
    with pytest.raises(WrongShapeError) as caught:
        decode({**GENERATION, **change}, Generation)
    assert caught.value.path == path
    assert str(caught.value).startswith(path + ": ")


@pytest.mark.parametrize("value", [None, "text", 3, [], [GENERATION]])
def test_an_answer_that_is_no_object_is_no_generation(value: Any) -> None:
    """The whole answer is checked, too."""
    with pytest.raises(WrongShapeError, match=r"^\$: "):
        decode(value, Generation)


def test_a_list_must_be_a_list() -> None:
    """An object where a list belongs is not read as a list of its keys."""
    with pytest.raises(WrongShapeError, match="is not a list"):
        decode({"a": 1}, list[Generation])
    with pytest.raises(WrongShapeError) as caught:
        decode([GENERATION, {"id": "x"}], list[Generation])
    assert caught.value.path == "$[1].status"


def test_only_id_and_status_of_a_generation_must_be_there() -> None:
    """Older and newer servers leave out different fields."""
    made = decode({"id": "a", "status": "PENDING"}, Generation)
    assert made.created_at is None
    assert made.input == []


def test_a_generation_that_was_read_equals_one_that_was_made() -> None:
    """Fields that did not come have their defaults, for whoever reads, compares, copies or hashes."""
    read = decode({"id": "a", "status": "PENDING"}, Generation)
    made = Generation(id="a", status="PENDING")
    assert read == made
    assert read.output_url is None
    assert pickle.loads(pickle.dumps(read)) == copy.copy(read) == attrs.evolve(read) == made
    assert decode({"type": "video"}, Video) == Video()
    assert hash(decode({"type": "video"}, Video)) == hash(Video())
    read.input.append(Video())
    assert read.input == [Video()], "a default that can change is each object's own"


def test_the_failure_code_is_read_under_both_names_and_the_newer_one_wins() -> None:
    """Polled objects say errorCode, webhooks error_code."""
    base = {"id": "a", "status": "FAILED"}
    assert decode({**base, "errorCode": "new"}, Generation).error_code == "new"
    assert decode({**base, "error_code": "old"}, Generation).error_code == "old"
    both = decode({**base, "errorCode": "new", "error_code": "old"}, Generation)
    assert both.error_code == "new"
    assert both.extra == {"error_code": "old"}
    notice = decode({**base, "error_code": "old"}, GenerationNotification)
    assert notice.error_code == "old"
    assert notice.to_dict()["error_code"] == "old"


def test_the_newer_name_of_the_output_is_understood() -> None:
    """A server that only says outputMediaUrl still gives an output_url."""
    made = decode({"id": "a", "status": "COMPLETED", "outputMediaUrl": "https://x/o"}, Generation)
    assert made.output_url == "https://x/o"


def test_batch_answers_are_told_apart_by_their_fields() -> None:
    """A dry run answers with a status alone."""
    from sync_async import ValidationResponse
    from sync_async.types.batches import CreateBatchResponse

    metrics = {"total_generations": 1, "success_count": 0, "failed_count": 0, "pending_count": 1}
    batch = {
        "id": "b",
        "created_at": "2026-11-22T10:00:00Z",
        "status": "PENDING",
        "metrics": metrics,
        "outputUrl": "",
    }
    made = decode(batch, CreateBatchResponse)
    assert isinstance(made, BatchResponse)
    assert made.metrics.pending_count == 1
    assert decode({"status": "VALIDATED"}, CreateBatchResponse) == ValidationResponse()
    with pytest.raises(WrongShapeError):
        decode({"status": "PENDING"}, CreateBatchResponse)


def test_requests_are_written_in_the_wires_own_casing() -> None:
    """Top level in camelCase, options in snake_case, unset fields left out, constant types kept."""
    segment = GenerationSegment(
        start_time=0,
        end_time=4.5,
        audio_input=SegmentAudioInput(ref_id="a"),
        options_override=GenerationOptions(
            active_speaker_detection=ActiveSpeaker(frame_number=1, coordinates=[1, 2])
        ),
    )
    assert encode(segment) == {
        "startTime": 0,
        "endTime": 4.5,
        "audioInput": {"refId": "a"},
        "optionsOverride": {"active_speaker_detection": {"frame_number": 1, "coordinates": [1, 2]}},
    }
    assert encode(Video(asset_id="x", segments_secs=[[0, 1]])) == {
        "type": "video",
        "assetId": "x",
        "segments_secs": [[0, 1]],
    }
    assert encode(GenerationOptions(temperature=0.0, extra={"i2v_prompt": "wave"})) == {
        "temperature": 0.0,
        "i2v_prompt": "wave",
    }


def test_a_time_without_zone_is_read_as_utc_and_written_with_milliseconds() -> None:
    """What this machine's zone is does not matter for what the server says."""
    made = decode({"id": "a", "type": "VIDEO", "createdAt": "2026-11-22T10:00:00"}, Asset)
    assert made.to_dict()["createdAt"] == "2026-11-22T10:00:00.000Z"


TEXT = st.text(max_size=20)
VOICES = st.builds(
    Tts,
    provider=st.fixed_dictionaries({"voice_id": TEXT, "script": TEXT}).map(
        lambda f: __import__("sync_async").ElevenLabs(**f)
    ),
    ref_id=st.none() | TEXT,
)
GENERATIONS = st.builds(
    Generation,
    id=TEXT,
    status=TEXT,
    created_at=st.none()
    | st.datetimes(timezones=st.just(UTC)).map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)),
    input=st.lists(
        st.builds(Video, url=TEXT) | st.builds(Audio, asset_id=TEXT, ref_id=st.none() | TEXT) | VOICES, max_size=3
    ),
    options=st.none()
    | st.builds(GenerationOptions, sync_mode=st.none() | TEXT, temperature=st.none() | st.floats(0, 1)),
    output_url=st.none() | TEXT,
    output_duration=st.none() | st.floats(0, 1e6),
    error_code=st.none() | TEXT,
    extra=st.dictionaries(TEXT.filter(lambda name: name not in GENERATION), st.integers(), max_size=2),
)


@given(GENERATIONS)
def test_what_is_written_is_read_back_the_same(made: Generation) -> None:
    """Encoding and decoding are each other's inverse."""
    known = {"outputUrl", "outputDuration", "errorCode", "error_code", "outputMediaUrl", "segments", "error"}
    if known & made.extra.keys():
        return
    assert decode(json.loads(json.dumps(encode(made))), Generation) == made


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*GENERATION, "x"]) | TEXT, inner, max_size=5)
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_json_is_decoded_or_refused_never_a_crash(value: Any) -> None:
    """Whatever a server answers, the outcome is a generation or our own error."""
    try:
        made = decode(value, Generation)
    except WrongShapeError as fault:
        assert fault.path.startswith("$")
    else:
        assert isinstance(made.id, str)
