"""What the sandbox makes of its inputs, and how blocking programs use it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import av
import pytest

from sync_async.sandbox import PortInUseError, Sandbox
from sync_async.sandbox.jobs import SAMPLES
from sync_async.sandbox.render import UnreadableMediaError, Voice, render
from tests.sandbox.conftest import AUDIO, BODY, Opener

FACE, SPEECH, PICTURE = SAMPLES / "face.mp4", SAMPLES / "speech.wav", SAMPLES / "face.png"


def measured(path: Path) -> tuple[float, list[str], int]:
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
        return float(container.duration / av.time_base), [stream.type for stream in container.streams], frames


@pytest.mark.parametrize(
    ("mode", "seconds"), [("cut_off", 3.0), ("loop", 4.0), ("bounce", 4.0), ("remap", 4.0), ("silence", 4.0)]
)
def test_the_length_follows_the_sync_mode(tmp_path: Path, mode: str, seconds: float) -> None:
    """A video of 3 s and a voice of 4 s, with both streams in the result."""
    target = tmp_path / "out.mp4"
    assert render(FACE, [Voice(path=SPEECH)], mode, target, is_image=False) == seconds
    length, streams, frames = measured(target)
    assert length == pytest.approx(seconds, abs=0.1)
    assert streams == ["video", "audio"]
    assert frames == seconds * 25


def test_an_image_becomes_as_long_as_the_voice(tmp_path: Path) -> None:
    """Every frame is the picture."""
    render(PICTURE, [Voice(path=SPEECH)], "bounce", tmp_path / "out.mp4", is_image=True)
    assert measured(tmp_path / "out.mp4")[0] == pytest.approx(4.0, abs=0.1)


def test_segments_keep_the_videos_length(tmp_path: Path) -> None:
    """Voices are cropped and put where they belong."""
    voices = [Voice(path=SPEECH, start=0, end=1), Voice(path=SPEECH, start=1.5, end=3, crop=(1, 2))]
    assert render(FACE, voices, "bounce", tmp_path / "out.mp4", is_image=False) == 3.0


def test_what_is_no_medium_is_named(tmp_path: Path) -> None:
    """So that the job can fail with the right code."""
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"no video at all")
    with pytest.raises(UnreadableMediaError, match="video"):
        render(noise, [Voice(path=SPEECH)], "loop", tmp_path / "out.mp4", is_image=False)
    with pytest.raises(UnreadableMediaError, match="audio"):
        render(FACE, [Voice(path=noise)], "loop", tmp_path / "out.mp4", is_image=False)


async def test_a_job_with_unreadable_media_fails_with_its_code(opened: Opener) -> None:
    """As at the real service."""
    api = await opened(render=True)
    asked = {"fileName": "v.mp4", "contentType": "video/mp4", "size": 5}
    place = (await api("POST", "/v2/assets/upload", json=asked)).json
    await api("PUT", place["uploadUrl"], key=None, data=b"noise", headers={"Content-Type": "video/mp4"})
    made = await api.create({**BODY, "input": [{"type": "video", "url": place["url"]}, AUDIO]})
    assert (await api.finished(made.json["id"]))["errorCode"] == "generation_input_video_invalid"


async def test_media_of_this_machine_are_fetched_and_those_that_are_gone_fail(opened: Opener) -> None:
    """By the job, not by the create call."""
    api = await opened(render=True)
    gone = api.sandbox.world.storage.base_url.replace("127.0.0.1", "localhost") + "/uploads/none/v.mp4"
    made = await api.create({**BODY, "input": [{"type": "video", "url": gone}, AUDIO]})
    assert made.status == 201
    assert (await api.finished(made.json["id"]))["errorCode"] == "generation_input_video_inaccessible"


def test_the_samples_are_small_and_made_by_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under 300 kB together; running the script again gives the same voice and picture."""
    from sync_async.sandbox.media import make_samples

    assert sum(path.stat().st_size for path in (FACE, SPEECH, PICTURE)) < 300_000
    make_samples.make_voice(tmp_path / "speech.wav")
    make_samples.make_video(tmp_path / "face.mp4")
    assert (tmp_path / "speech.wav").read_bytes() == SPEECH.read_bytes()
    assert measured(tmp_path / "face.mp4")[0] == measured(FACE)[0]


def test_a_blocking_sandbox_starts_stops_and_starts_again() -> None:
    """On a thread that ends with it."""
    import urllib.request

    for _ in range(2):
        with Sandbox(latency=0) as sandbox:
            with urllib.request.urlopen(sandbox.base_url + "/health") as answer:
                assert answer.status == 200
            assert sandbox.requests[-1].path == "/health"
        assert not [thread for thread in threading.enumerate() if thread.name == "syncso sandbox"]
    sandbox.close()


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    """In the caller's thread."""
    with Sandbox() as first:
        port = int(first.base_url.rpartition(":")[2])
        with pytest.raises(PortInUseError, match=f"port {port}"):
            Sandbox(port=port).start()


def test_an_unknown_setting_is_refused_by_name() -> None:
    """With all that there are."""
    settings: dict[str, Any] = {"latencey": 1}
    with pytest.raises(TypeError, match="'latencey' is no setting.*latency"):
        Sandbox(**settings)
