"""What is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from sync_async import (
    ActiveSpeaker,
    ArgumentError,
    AsyncSync,
    Audio,
    DialogueEdit,
    DubParams,
    ElevenLabs,
    GenerationOptions,
    GenerationSegment,
    Image,
    OtherInput,
    SegmentAudioInput,
    Tts,
    Video,
)
from tests.conftest import GENERATION, Server

VIDEO, AUDIO = Video(url="https://x/v.mp4"), Audio(url="https://x/a.wav")
VOICE = Tts(provider=ElevenLabs(voice_id="v", script="Hello."))
SEGMENT = GenerationSegment(start_time=0, end_time=1, audio_input=SegmentAudioInput(ref_id="a"))


def tts(**provider: Any) -> Tts:
    return Tts(provider=ElevenLabs(**{"voice_id": "v", "script": "Hello.", **provider}))


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": ""}),
    ("model", {"model": None}),
    ("input", {"input": []}),
    ("input", {"input": [AUDIO]}),
    ("input: exactly one voice", {"input": [VIDEO]}),
    (
        "input: exactly one video or image.*2: Video, Image",
        {"input": [VIDEO, Image(url="https://x/i.png"), AUDIO]},
    ),
    ("input: exactly one voice.*2", {"input": [VIDEO, AUDIO, VOICE]}),
    ("input: str is not a list", {"input": "https://x/v.mp4"}),
    ("input: Video is not a list", {"input": VIDEO}),
    (r"input\[1\]: str is none of", {"input": [VIDEO, "https://x/a.wav"]}),
    (r"input\[0\]: Video has neither url nor asset_id", {"input": [Video(), AUDIO]}),
    (r"input\[0\]: Video has both", {"input": [Video(url="https://x/v", asset_id="a"), AUDIO]}),
    (r"input\[0\].url: 'face.mp4'.*create_with_files", {"input": [Video(url="face.mp4"), AUDIO]}),
    (r"input\[0\].url", {"input": [Video(url="file:///etc/passwd"), AUDIO]}),
    (r"input\[1\].asset_id", {"input": [VIDEO, Audio(asset_id="")]}),
    (r"input\[1\].provider.script: 1 to 5000.*5001", {"input": [VIDEO, tts(script="x" * 5001)]}),
    (r"input\[1\].provider.script", {"input": [VIDEO, tts(script="")]}),
    (r"input\[1\].provider.voice_id", {"input": [VIDEO, tts(voice_id="")]}),
    (r"input\[1\].provider.stability", {"input": [VIDEO, tts(stability=1.1)]}),
    (r"input\[0\]\.url: 3 is not text", {"input": [{"type": "video", "url": 3}, AUDIO]}),
    (r"input\[1\]: Audio has neither", {"input": [VIDEO, {"type": "audio"}]}),
    ("options.temperature: 1.5", {"options": GenerationOptions(temperature=1.5)}),
    ("options.temperature", {"options": GenerationOptions(temperature=float("nan"))}),
    ("options: str is not a GenerationOptions", {"options": "loop"}),
    (
        "options.active_speaker_detection: frame_number and coordinates",
        {"options": GenerationOptions(active_speaker_detection=ActiveSpeaker(frame_number=1))},
    ),
    (r"segments\[0\].audio_input.ref_id: no voice is called 'a'", {"segments": [SEGMENT]}),
    (
        "input: with segments each voice",
        {"input": [VIDEO, Audio(url="https://x/a", ref_id="a"), AUDIO], "segments": [SEGMENT]},
    ),
    (
        "input: segments need a video",
        {"input": [Image(url="https://x/i"), Audio(url="https://x/a", ref_id="a")], "segments": [SEGMENT]},
    ),
    ("input: segments need at least one voice", {"input": [VIDEO], "segments": []}),
    (
        r"segments\[0\]: start_time 2 is after end_time 1",
        {
            "input": [VIDEO, Audio(url="https://x/a", ref_id="a")],
            "segments": [GenerationSegment(start_time=2, end_time=1, audio_input=SegmentAudioInput(ref_id="a"))],
        },
    ),
    (
        r"segments\[0\].audio_input: start_time and end_time belong together",
        {
            "input": [VIDEO, Audio(url="https://x/a", ref_id="a")],
            "segments": [
                GenerationSegment(
                    start_time=0, end_time=1, audio_input=SegmentAudioInput(ref_id="a", start_time=1)
                )
            ],
        },
    ),
    ("input: with dub_params", {"dub_params": DubParams(target_lang="es")}),
    ("input: with dialogue_edit", {"dialogue_edit": DialogueEdit(id="e")}),
    ("output_file_name: 'a b'", {"output_file_name": "a b"}),
    ("output_file_name", {"output_file_name": "take.mp4"}),
    ("output_file_name", {"output_file_name": "x" * 256}),
    ("output_file_name", {"output_file_name": "take\n"}),
    ("output_file_name", {"output_file_name": ""}),
    ("webhook_url", {"webhook_url": "hooks.example"}),
    ("timeout", {"request_options": {"timeout_in_seconds": -1}}),
    ("max_retries", {"request_options": {"max_retries": -1}}),
]


@pytest.mark.parametrize("method", ["create", "estimate_cost"])
@pytest.mark.parametrize(("problem", "change"), REFUSED)
async def test_what_cannot_be_right_is_refused_and_nothing_is_sent(
    server: Server, client: AsyncSync, problem: str, change: dict[str, Any], method: str
) -> None:
    """The error names the argument, and no request leaves."""
    with pytest.raises(ArgumentError, match=f"^{problem}"):
        await getattr(client.generations, method)(**{"model": "lipsync-2", "input": [VIDEO, AUDIO], **change})
    assert server.seen == []


@pytest.mark.parametrize(
    "change",
    [
        {"input": [VIDEO, VOICE]},
        {"input": [Image(asset_id="i"), AUDIO], "model": "sync-3"},
        {"input": [VIDEO], "dub_params": DubParams(target_lang="es")},
        {"input": [VIDEO], "dialogue_edit": DialogueEdit(id="e")},
        {"input": [VIDEO, Audio(url="https://x/a", ref_id="a")], "segments": [SEGMENT]},
        {"input": [OtherInput(type="depth", extra={"map": "m"})]},
        {"input": (VIDEO, AUDIO)},
        {"input": [VIDEO.to_dict(), AUDIO.to_dict()]},
        {"model": "a-model-of-tomorrow"},
        {"options": {"sync_mode": "a-mode-of-tomorrow", "i2v_prompt": "wave"}},
        {"output_file_name": "take_01-b"},
    ],
)
async def test_what_may_be_right_is_sent(server: Server, client: AsyncSync, change: dict[str, Any]) -> None:
    """Only what is wrong on any plan and model is refused here."""
    server.answer(201, GENERATION)
    await client.generations.create(**{"model": "lipsync-2", "input": [VIDEO, AUDIO], **change})
    assert len(server.seen) == 1


@pytest.mark.parametrize("limit", [0, 101, -1, 1.5, True, "10"])
async def test_a_page_has_1_to_100_items(server: Server, client: AsyncSync, limit: Any) -> None:
    """Other limits are refused here."""
    with pytest.raises(ArgumentError, match="limit: .* from 1 to 100"):
        await client.assets.list(limit=limit)
    assert server.seen == []


async def test_an_unknown_keyword_is_refused_by_name(client: AsyncSync) -> None:
    """Python's own error names it."""
    with pytest.raises(TypeError, match="modle"):
        await client.generations.create(modle="lipsync-2", input=[VIDEO, AUDIO])  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "input: exactly one video or image is needed; there is none"),
        ({"video": b"x"}, "input: exactly one voice"),
        ({"video": b"x", "image": b"x", "audio": b"x"}, "input: exactly one video or image.*Video, Image"),
        ({"video": ("v.mp4", b"x"), "audio": ("a.mp3", b"x"), "input": [VOICE]}, "input: exactly one voice"),
        ({"video": ("v.mp4", b"x"), "audio": ("a.mp3", b"x"), "input": [VIDEO]}, "input: exactly one video"),
        ({"video": "none.mp4", "audio": ("a.mp3", b"x")}, "video: there is no file"),
        ({"video": ".", "audio": ("a.mp3", b"x")}, "video: .*is a directory"),
        ({"video": ("v.xyz", b"x"), "audio": ("a.mp3", b"x")}, "video: 'v.xyz' does not tell a media type"),
        ({"video": b"no known format", "audio": ("a.mp3", b"x")}, "video: 'video' does not tell a media type"),
    ],
)
async def test_files_that_cannot_be_right_are_refused(
    server: Server, client: AsyncSync, files: dict[str, Any], problem: str
) -> None:
    """Before anything is sent."""
    with pytest.raises(ArgumentError, match=f"^{problem}"):
        await client.generations.create_with_files(model="lipsync-2", **files)
    assert server.seen == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"not json", "input line 1: it is no JSON"),
        (b"[1]", "input line 1: it is no JSON object"),
        (b'{"request_id":"a","endpoint":"/v2/generate"}', "input line 1: payload"),
        (b'{"endpoint":"/v2/generate","payload":{}}', "input line 1: request_id"),
        (b'{"request_id":"a","endpoint":"/v2/batch","payload":{}}', "input line 1: endpoint"),
        (b'{"request_id":"a","endpoint":"/v2/generate","payload":{"x":NaN}}', "input line 1: .*NaN"),
        (
            b'{"request_id":"a","endpoint":"/v2/generate","payload":{}}\n' * 2,
            "input line 2: request_id 'a' is that of input line 1",
        ),
        (b"\xff\xfe", "input: it is not UTF-8"),
        (b"\n\n", "input: a batch holds 20 to 500 records; this one has 0"),
        (b" " * (5 * 1024 * 1024 + 1), "input: it has 5,242,881 bytes"),
        (None, "input: a batch needs either input, a JSON Lines file, or rows"),
    ],
)
async def test_a_batch_file_is_checked_line_by_line(
    server: Server, client: AsyncSync, content: bytes | None, problem: str
) -> None:
    """A batch cannot be taken back, so its file is read first."""
    with pytest.raises(ArgumentError, match=f"^{problem}"):
        await client.batch.create(input=content)
    assert server.seen == []


@pytest.mark.parametrize("count", [1, 19, 501])
async def test_a_batch_of_an_unusual_size_is_refused(server: Server, client: AsyncSync, count: int) -> None:
    """A batch cannot be taken back."""
    lines = [f'{{"request_id":"{n}","endpoint":"/v2/generate","payload":{{}}}}' for n in range(count)]
    with pytest.raises(ArgumentError, match=f"20 to 500 records; this one has {count}"):
        await client.batch.create(input="\n".join(lines), dry_run=True)
    assert server.seen == []
