"""Making the output: the video's frames with the new voice, as long as `sync_mode` says. It moves no lips.

Needs PyAV (`pip install 'syncso[sandbox]'`). Source of the lengths: https://sync.so/docs/developer-guides/sync-mode
"""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import av.audio.frame
    import av.container
    import av.video.frame

SAMPLE_RATE = 48_000
SAMPLES_A_FRAME = 1024
IMAGE_FPS = 25
LONGEST_SIDE = 1280
"""Pixels; larger videos are scaled down, so that a demonstration need not take minutes."""


class UnreadableMediaError(Exception):
    """A file is no medium of its kind; `kind` is `video`, `image` or `audio`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@attrs.frozen(kw_only=True)
class Voice:
    """A voice of the output: a file, and the stretch of the output that it fills."""

    path: Path
    start: float = 0.0
    end: float | None = None
    crop: tuple[float, float] | None = None


def can_render() -> bool:
    """Tell whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def render(visual: Path, voices: Sequence[Voice], sync_mode: str, target: Path, *, is_image: bool) -> float:
    """Write the output and give its length in seconds.

    Raises:
        UnreadableMediaError: An input is no medium.
    """
    frames, fps = ([_first_frame(visual)], Fraction(IMAGE_FPS)) if is_image else _frames(visual)
    track = _mix(voices)
    video_seconds = len(frames) / fps
    audio_seconds = Fraction(len(track) // 2, SAMPLE_RATE)
    length = _length(video_seconds, audio_seconds, sync_mode, is_image=is_image, has_segments=len(voices) > 1)
    order = _order(len(frames), max(1, round(length * fps)), sync_mode)
    _write(target, (frames[index] for index in order), fps, track, length)
    return float(length)


def copy_input(visual: Path, target: Path) -> None:
    """Give the input back where nothing can be rendered."""
    shutil.copyfile(visual, target)


def duration_of(path: Path) -> float | None:
    """Measure a file, where PyAV is there to do it."""
    if not can_render():
        return None
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            return float(container.duration / av.time_base) if container.duration else None
    except (FFmpegError, ValueError):
        return None


def _length(video: Fraction, audio: Fraction, sync_mode: str, *, is_image: bool, has_segments: bool) -> Fraction:
    if has_segments:
        return video
    if is_image or sync_mode in ("loop", "bounce", "remap"):
        return audio
    return min(video, audio) if sync_mode == "cut_off" else max(video, audio)


def _order(count: int, wanted: int, sync_mode: str) -> Iterator[int]:
    """Give the frames to show, one after the other."""
    for index in range(wanted):
        if sync_mode == "remap":
            yield index * count // wanted
        elif sync_mode == "bounce" and count > 1:
            turn, place = divmod(index, count)
            yield place if turn % 2 == 0 else count - 1 - place
        elif sync_mode == "loop":
            yield index % count
        else:
            yield min(index, count - 1)


def _frames(path: Path) -> tuple[list[av.video.frame.VideoFrame], Fraction]:
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            fps = Fraction(stream.average_rate or IMAGE_FPS)
            width, height = _size(stream.width, stream.height)
            frames = [
                frame.reformat(width=width, height=height, format="yuv420p") for frame in container.decode(stream)
            ]
    except (FFmpegError, IndexError, ValueError) as error:
        raise UnreadableMediaError("video") from error
    if not frames:
        raise UnreadableMediaError("video")
    return frames, fps


def _first_frame(path: Path) -> av.video.frame.VideoFrame:
    try:
        return _frames(path)[0][0]
    except UnreadableMediaError as error:
        raise UnreadableMediaError("image") from error


def _size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


def _mix(voices: Sequence[Voice]) -> bytes:
    """Put the voices one behind the other, as 16-bit mono, with silence where none speaks."""
    track = bytearray()
    for voice in voices:
        sound = _samples(voice.path)
        if voice.crop is not None:
            sound = sound[_offset(voice.crop[0]) : _offset(voice.crop[1])]
        start = _offset(voice.start)
        if len(track) < start:
            track.extend(bytes(start - len(track)))
        if voice.end is not None:
            sound = sound[: _offset(voice.end) - start]
        track[start : start + len(sound)] = sound
    return bytes(track)


def _offset(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE) * 2


def _samples(path: Path) -> bytes:
    import av
    from av.error import FFmpegError

    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    parts: list[bytes] = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(container.streams.audio[0]):
                parts += [_bytes(out) for out in resampler.resample(frame)]
        parts += [_bytes(out) for out in resampler.resample(None)]
    except (FFmpegError, IndexError, ValueError) as error:
        raise UnreadableMediaError("audio") from error
    if not parts:
        raise UnreadableMediaError("audio")
    return b"".join(parts)


def _bytes(frame: av.audio.frame.AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * 2]  # planes are padded


def _write(
    target: Path, frames: Iterator[av.video.frame.VideoFrame], fps: Fraction, track: bytes, length: Fraction
) -> None:
    import av

    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as container:
        first = next(frames)
        video: Any = container.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = first.width, first.height, "yuv420p"
        audio: Any = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        sound = _audio_frames(track, math.ceil(length * SAMPLE_RATE))
        for number, frame in enumerate(_chain(first, frames)):
            frame.pts, frame.time_base, frame.pict_type = number, 1 / fps, 0
            container.mux(video.encode(frame))
            while (heard := next(sound, None)) is not None:
                container.mux(audio.encode(heard))
                if Fraction(heard.pts or 0, SAMPLE_RATE) > number / fps:
                    break
        for heard in sound:
            container.mux(audio.encode(heard))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _audio_frames(track: bytes, samples: int) -> Iterator[av.audio.frame.AudioFrame]:
    """Cut or pad the voice to a number of samples, in frames."""
    import av

    wanted = track[: samples * 2].ljust(samples * 2, b"\0")
    for start in range(0, samples, SAMPLES_A_FRAME):
        part = wanted[start * 2 : (start + SAMPLES_A_FRAME) * 2]
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(part) // 2)
        frame.planes[0].update(part.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.pts, frame.sample_rate, frame.time_base = start, SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        yield frame
