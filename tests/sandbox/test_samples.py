"""The packaged clip, picture and voice."""

from __future__ import annotations

from pathlib import Path

from sync_async.sandbox.jobs import SAMPLES
from sync_async.sandbox.media import make_samples
from sync_async.sandbox.render import measure
from sync_async.sandbox.speech import SYLLABLE_SECONDS, SYLLABLES

FACE, VOICE, PICTURE = SAMPLES / "face.mp4", SAMPLES / "speech.wav", SAMPLES / "face.png"


def test_the_samples_are_small_and_have_their_lengths() -> None:
    """Under 300 kB together: three seconds of a face, four of a voice."""
    assert sum(path.stat().st_size for path in (FACE, VOICE, PICTURE)) < 300_000
    face, voice, picture = measure(FACE), measure(VOICE), measure(PICTURE)
    assert face is not None
    assert voice is not None
    assert picture is not None
    assert (round(face.seconds or 0, 1), face.width, face.height) == (3.0, 320, 240)
    assert (voice.seconds, voice.width) == (4.0, None)
    assert (picture.width, picture.height) == (320, 240)


def test_the_script_makes_the_same_samples_each_time(tmp_path: Path) -> None:
    """Byte for byte, but for the video, which depends on the version of its encoder."""
    make_samples.make_voice(tmp_path / "speech.wav")
    make_samples.make_picture(tmp_path / "face.png")
    make_samples.make_video(tmp_path / "face.mp4")
    assert (tmp_path / "speech.wav").read_bytes() == VOICE.read_bytes()
    assert (tmp_path / "face.png").read_bytes()[:8] == PICTURE.read_bytes()[:8]
    assert measure(tmp_path / "face.mp4") == measure(FACE)
    make_samples.make_video(tmp_path / "again.mp4")
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "face.mp4").read_bytes()


def test_speech_knows_the_syllables_of_the_voice() -> None:
    """It is cut where the script put them together."""
    assert list(SYLLABLES) == make_samples.SYLLABLES
    assert make_samples.SYLLABLE_SECONDS == SYLLABLE_SECONDS
