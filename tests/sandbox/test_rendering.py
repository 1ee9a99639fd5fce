"""What outputs are made of: the right frames, the right sound, the right length."""

from __future__ import annotations

import array
import io
import math
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from sync_async.sandbox import render as rendering
from sync_async.sandbox.frames import FrameStore
from sync_async.sandbox.jobs import SAMPLES
from sync_async.sandbox.render import UnreadableMediaError, UnsupportedResolutionError, Voice, measure, render
from tests.sandbox.conftest import AUDIO, SPEECH, VIDEO, Api, Opener

FACE, VOICE, PICTURE = SAMPLES / "face.mp4", SAMPLES / "speech.wav", SAMPLES / "face.png"


def measured(source: Any) -> tuple[float, list[str], int]:
    """Decode a file wholly, and give its length, its streams and its number of frames."""
    with av.open(source if isinstance(source, io.BytesIO) else str(source)) as container:
        streams = [f"{stream.codec_context.name}" for stream in container.streams]
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        frames = sum(1 for _ in container.decode(video=0))
        return float(container.duration or 0) / av.time_base, streams, frames


def brightness(path: Path) -> list[int]:
    """Give what tells a frame of the test's video from another."""
    with av.open(str(path)) as container:
        return [bytes(frame.reformat(format="gray").planes[0])[0] for frame in container.decode(video=0)]


def loudness(path: Path, start: float, end: float) -> float:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=8000)
    sound = array.array("h")
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            for out in resampler.resample(frame):
                sound.frombytes(bytes(out.planes[0])[: out.samples * 2])
    part = sound[int(start * 8000) : int(end * 8000)]
    return math.sqrt(sum(value * value for value in part) / len(part))


def make_ramp(path: Path, count: int = 10, size: tuple[int, int] = (64, 48)) -> None:
    """Write a silent video whose frames become brighter."""
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=10, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(count):
            frame = av.VideoFrame(*size, "gray")
            frame.planes[0].update(bytes([20 + number * 20 % 220]) * frame.planes[0].buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))


def make_tone(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        samples = (int(9000 * math.sin(number / 4)) for number in range(int(seconds * 8000)))
        file.writeframes(array.array("h", samples).tobytes())


@pytest.mark.parametrize(
    ("mode", "seconds"), [("cut_off", 3.0), ("loop", 4.0), ("bounce", 4.0), ("remap", 4.0), ("silence", 4.0)]
)
def test_a_longer_voice_gives_the_length_of_the_sync_mode(tmp_path: Path, mode: str, seconds: float) -> None:
    """A video of 3 s and a voice of 4 s; both streams are there and play."""
    target = tmp_path / "out.mp4"
    assert render(FACE, [Voice(path=VOICE)], mode, target) == seconds
    length, streams, frames = measured(target)
    assert length == pytest.approx(seconds, abs=0.05)
    assert (streams, frames) == (["h264", "aac"], seconds * 25)


@pytest.mark.parametrize(
    ("mode", "seconds"), [("cut_off", 1.0), ("loop", 1.0), ("bounce", 1.0), ("remap", 1.0), ("silence", 3.0)]
)
def test_a_shorter_voice_gives_the_length_of_the_sync_mode(tmp_path: Path, mode: str, seconds: float) -> None:
    """Only `silence` keeps the video whole."""
    make_tone(tmp_path / "a.wav", 1.0)
    assert render(FACE, [Voice(path=tmp_path / "a.wav")], mode, tmp_path / "out.mp4") == seconds
    assert measured(tmp_path / "out.mp4")[0] == pytest.approx(seconds, abs=0.05)


@pytest.mark.parametrize(
    ("mode", "order"),
    [
        ("loop", [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]),
        ("bounce", [0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1]),
        ("remap", [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4]),
        ("silence", [0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4]),
        ("cut_off", [0, 1, 2, 3, 4]),
    ],
)
def test_the_frames_come_in_the_order_of_the_sync_mode(tmp_path: Path, mode: str, order: list[int]) -> None:
    """A video of five frames under a voice of twelve."""
    make_ramp(tmp_path / "v.mp4", 5)
    make_tone(tmp_path / "a.wav", 1.2)
    render(tmp_path / "v.mp4", [Voice(path=tmp_path / "a.wav")], mode, tmp_path / "out.mp4")
    shown = brightness(tmp_path / "out.mp4")
    original = brightness(tmp_path / "v.mp4")
    nearest = [min(range(5), key=lambda n, value=value: abs(original[n] - value)) for value in shown]
    assert nearest == order


def test_an_image_becomes_as_long_as_the_voice(tmp_path: Path) -> None:
    """Every frame is the picture."""
    assert render(PICTURE, [Voice(path=VOICE)], "bounce", tmp_path / "out.mp4", is_image=True) == 4.0
    length, streams, frames = measured(tmp_path / "out.mp4")
    assert (length, streams, frames) == (pytest.approx(4.0, abs=0.05), ["h264", "aac"], 100)


def test_the_file_can_be_played_while_it_is_loaded(tmp_path: Path) -> None:
    """The index stands before the media."""
    render(FACE, [Voice(path=VOICE)], "loop", tmp_path / "out.mp4")
    raw = (tmp_path / "out.mp4").read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")


def test_segments_lie_over_the_sound_of_the_video(tmp_path: Path) -> None:
    """The video keeps its length and its own sound outside of them; a crop chooses what is heard."""
    make_tone(tmp_path / "a.wav", 2.0)
    voices = [
        Voice(path=tmp_path / "a.wav", start=0.5, end=1.0, crop=(0, 0.25)),
        Voice(path=tmp_path / "a.wav", start=1.5, end=2.0),
    ]
    target = tmp_path / "out.mp4"
    assert render(FACE, voices, "bounce", target, has_segments=True) == 3.0
    hum = loudness(FACE, 0.1, 0.4)
    assert 0 < hum < 1000
    for start, end, expected in ((0.1, 0.4, hum), (0.55, 0.7, 6000), (1.55, 1.95, 6000), (2.2, 2.8, hum)):
        assert loudness(target, start, end) == pytest.approx(expected, rel=0.3)
    assert loudness(target, 0.82, 0.95) < 100


def test_one_segment_is_a_segment(tmp_path: Path) -> None:
    """A silent video is fine as well."""
    make_ramp(tmp_path / "v.mp4", 20)
    voice = Voice(path=VOICE, start=0.5, end=1.0)
    assert render(tmp_path / "v.mp4", [voice], "loop", tmp_path / "out.mp4", has_segments=True) == 2.0


def test_a_long_video_is_decoded_only_as_far_as_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short voice does not pay for the rest."""
    stores: list[FrameStore] = []

    class Counted(FrameStore):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            stores.append(self)

    monkeypatch.setattr(rendering, "FrameStore", Counted)
    make_ramp(tmp_path / "v.mp4", 12)
    make_tone(tmp_path / "a.wav", 0.3)
    for mode in ("loop", "remap"):
        render(tmp_path / "v.mp4", [Voice(path=tmp_path / "a.wav")], mode, tmp_path / "out.mp4")
    assert [len(store) for store in stores] == [3, 12]


def test_frames_beyond_the_budget_are_kept_small(tmp_path: Path) -> None:
    """They look the same, and can be had in any order."""
    make_ramp(tmp_path / "v.mp4", 10)
    with av.open(str(tmp_path / "v.mp4")) as container:
        frames = list(container.decode(video=0))
    store = FrameStore(iter(frames), raw_bytes=64 * 48 * 3)
    assert len(store) == 10
    for number in (9, 0, 5, 9, 4):
        kept = store[number]
        assert kept.format.name == "yuv420p"
        assert bytes(kept.planes[0])[0] == pytest.approx(bytes(frames[number].planes[0])[0], abs=3)


def test_what_is_no_medium_is_named(tmp_path: Path) -> None:
    """So that the job can fail with the right code."""
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"no video at all")
    make_ramp(tmp_path / "silent.mp4")
    for visual, voice, is_image, kind in (
        (noise, VOICE, False, "video"),
        (noise, VOICE, True, "image"),
        (VOICE, VOICE, False, "video"),
        (FACE, noise, False, "audio"),
        (FACE, tmp_path / "silent.mp4", False, "audio"),
    ):
        with pytest.raises(UnreadableMediaError, match=kind):
            render(visual, [Voice(path=voice)], "loop", tmp_path / "out.mp4", is_image=is_image)
    assert measure(noise) is None


def test_a_video_above_4k_is_refused(tmp_path: Path) -> None:
    """Either way round."""
    make_ramp(tmp_path / "v.mp4", 1, (2162, 2162))
    with pytest.raises(UnsupportedResolutionError, match="2162x2162"):
        render(tmp_path / "v.mp4", [Voice(path=VOICE)], "loop", tmp_path / "out.mp4")


async def played(api: Api, **change: Any) -> tuple[float, list[str], int]:
    done = await api.made(**change)
    assert done["status"] == "COMPLETED", done
    output = measured(io.BytesIO((await api("GET", done["outputUrl"])).body))
    assert done["outputDuration"] == pytest.approx(output[0], abs=0.05)
    return output


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({}, 4.0),
        ({"options": {"sync_mode": "cut_off"}}, 3.0),
        ({"model": "sync-3", "input": [{"type": "image", "url": "https://x.example/i.png"}, AUDIO]}, 4.0),
        ({"input": [VIDEO], "dubParams": {"targetLang": "es"}}, 3.0),
        (
            {
                "input": [VIDEO, {**AUDIO, "refId": "a"}],
                "segments": [{"startTime": 1, "endTime": 2, "audioInput": {"refId": "a"}}],
            },
            3.0,
        ),
    ],
)
async def test_a_finished_job_has_a_playable_output(
    opened: Opener, change: dict[str, Any], seconds: float
) -> None:
    """Examples of the documentation are rendered from the packaged clip, picture and voice."""
    length, streams, _ = await played(await opened(render=True), **change)
    assert (length, streams) == (pytest.approx(seconds, abs=0.1), ["h264", "aac"])


async def test_without_rendering_the_input_is_the_output(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be it switched off or PyAV not there; for an image the packaged clip comes, which plays."""
    for render_it in (False, True):
        monkeypatch.setattr(rendering, "can_render", lambda: False)
        api = await opened(render=render_it)
        url = await api.upload(b"any bytes")
        done = await api.made(input=[{"type": "video", "url": url}, AUDIO])
        assert (done["outputDuration"], (await api("GET", done["outputUrl"])).body) == (None, b"any bytes")
        image = await api.made(model="sync-3", input=[{"type": "image", "url": "https://x.example/i.png"}, AUDIO])
        assert (await api("GET", image["outputUrl"])).body == FACE.read_bytes()


async def test_speech_is_made_of_a_script(opened: Opener) -> None:
    """It is as long as the script, is named by the finished job, and can be an input later."""
    api = await opened(render=True)
    done = await api.made(input=[VIDEO, SPEECH])
    assert 1 < done["outputDuration"] < 4
    voice = await api("GET", done["synthesizedAudioUrl"])
    assert voice.headers["Content-Type"] == "audio/wav"
    again = await api.made(input=[VIDEO, {"type": "audio", "url": done["synthesizedAudioUrl"]}])
    assert again["outputDuration"] == done["outputDuration"]
    assert "synthesizedAudioUrl" not in again
    assert api.sandbox.leaks == []
    longer = {**SPEECH, "provider": {**SPEECH["provider"], "script": "Once upon a time. " * 9}}  # type: ignore[dict-item]
    assert (await api.made(input=[VIDEO, longer]))["outputDuration"] > 8


@pytest.mark.parametrize("script", ["?", "こんにちは。", "Zzz 123", "a" * 5000])
def test_any_script_is_speech(tmp_path: Path, script: str) -> None:
    """Also one without a vowel or a letter."""
    from sync_async.sandbox.speech import speak

    speak(script, tmp_path / "s.wav")
    with wave.open(str(tmp_path / "s.wav")) as file:
        assert file.getnframes() / file.getframerate() >= 0.25


async def test_several_scripts_are_several_voices(opened: Opener) -> None:
    """Each segment hears its own."""
    api = await opened(render=True)
    items = [VIDEO, {**SPEECH, "refId": "a"}, {**SPEECH, "refId": "b"}]
    segments = [
        {"startTime": start, "endTime": start + 1, "audioInput": {"refId": name}}
        for start, name in ((0, "a"), (1, "b"))
    ]
    done = await api.made(input=items, segments=segments)
    assert (done["status"], done["outputDuration"]) == ("COMPLETED", 3.0)
    assert done["segments"] == segments
