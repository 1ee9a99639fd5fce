"""Making the output: the video's frames with the new voice, as long as `sync_mode` says. It moves no lips.

Needs PyAV (`pip install 'syncso[sandbox]'`). Source of the lengths: https://sync.so/docs/developer-guides/sync-mode
"""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from sync_async.sandbox.frames import FrameStore

if TYPE_CHECKING:
    import av.audio.frame
    import av.container
    import av.video.frame
    import av.video.stream

SAMPLE_RATE = 48_000
SAMPLES_A_FRAME = 1024
IMAGE_FPS = 25
MOST_FPS = 60
LONGEST_SIDE = 1280
"""Pixels; larger videos are scaled down, so that a demonstration need not take minutes."""
LARGEST = (4096, 2160)
"""Pixels that the API takes, either way round."""


class UnreadableMediaError(Exception):
    """A file is no medium of its kind; `kind` is `video`, `image` or `audio`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class UnsupportedResolutionError(Exception):
    """A video or image is larger than the API takes."""


@attrs.frozen(kw_only=True)
class Voice:
    """A voice of the output: a file, and the stretch of the output that it fills."""

    path: Path
    start: float = 0.0
    end: float | None = None
    crop: tuple[float, float] | None = None


@attrs.frozen(kw_only=True)
class Medium:
    """What can be measured of a file."""

    seconds: float | None
    width: int | None
    height: int | None


def can_render() -> bool:
    """Tell whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def measure(path: Path) -> Medium | None:
    """Measure a file; None where it is no medium, or PyAV is not there to do it."""
    if not can_render():
        return None
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            seconds = float(container.duration / av.time_base) if container.duration else None
            video = next(iter(container.streams.video), None)
            return Medium(
                seconds=seconds, width=video.width if video else None, height=video.height if video else None
            )
    except (FFmpegError, ValueError):
        return None


def copy_input(visual: Path, target: Path) -> None:
    """Give the input back where nothing can be rendered."""
    shutil.copyfile(visual, target)


def render(
    visual: Path,
    voices: Sequence[Voice],
    sync_mode: str,
    target: Path,
    *,
    is_image: bool = False,
    has_segments: bool = False,
) -> float:
    """Write the output and give its length in seconds.

    With segments the voices lie over the video's own sound, and the video keeps its length.

    Raises:
        UnreadableMediaError: An input is no medium.
        UnsupportedResolutionError: The video or image is too large.
    """
    track = _mix(voices, _own_sound(visual) if has_segments else b"")
    audio_seconds = Fraction(len(track) // 2, SAMPLE_RATE)
    keeps_all = has_segments or sync_mode in ("remap", "silence")
    frames, fps = _read(visual, 1 if is_image else None if keeps_all else audio_seconds)
    if is_image:
        fps = Fraction(IMAGE_FPS)
    video_seconds = len(frames) / fps
    length = video_seconds if has_segments else _length(video_seconds, audio_seconds, sync_mode, is_image=is_image)
    order = _order(len(frames), max(1, round(length * fps)), sync_mode)
    _write(target, (frames[index] for index in order), fps, track, length)
    return float(length)


def _length(video: Fraction, audio: Fraction, sync_mode: str, *, is_image: bool) -> Fraction:
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


def _read(path: Path, most: Fraction | int | None) -> tuple[FrameStore, Fraction]:
    """Decode a video, but no more of it than is needed: seconds as a fraction, or a number of frames."""
    import av
    from av.error import FFmpegError

    kind = "image" if most == 1 else "video"
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if not _fits(stream.width, stream.height):
                raise UnsupportedResolutionError(f"{stream.width}x{stream.height}")
            fps = _rate(stream)
            count = math.ceil(most * fps) if isinstance(most, Fraction) else most
            width, height = _size(stream.width, stream.height)
            frames = FrameStore(
                frame.reformat(width=width, height=height, format="yuv420p")
                for frame in islice(container.decode(stream), count)
            )
    except (FFmpegError, IndexError, ValueError) as error:
        raise UnreadableMediaError(kind) from error
    if not frames:
        raise UnreadableMediaError(kind)
    return frames, fps


def _fits(width: int, height: int) -> bool:
    return max(width, height) <= LARGEST[0] and min(width, height) <= LARGEST[1]


def _rate(stream: av.video.stream.VideoStream) -> Fraction:
    """Give the frame rate, or that of an image where a file names none or an impossible one."""
    rate = stream.average_rate or stream.guessed_rate
    return Fraction(rate) if rate and 1 <= rate <= MOST_FPS else Fraction(IMAGE_FPS)


def _size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


def _own_sound(visual: Path) -> bytes:
    try:
        return _samples(visual)
    except UnreadableMediaError:  # a silent video
        return b""


def _mix(voices: Sequence[Voice], under: bytes) -> bytes:
    """Lay the voices one behind the other over a sound, as 16-bit mono; where a voice ends early is silence."""
    track = bytearray(under)
    for voice in voices:
        sound = _samples(voice.path)
        if voice.crop is not None:
            sound = sound[_offset(voice.crop[0]) : _offset(voice.crop[1])]
        start = _offset(voice.start)
        end = start + len(sound) if voice.end is None else _offset(voice.end)
        if len(track) < start:
            track.extend(bytes(start - len(track)))
        track[start:end] = sound[: end - start].ljust(end - start, b"\0")
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
        for number, frame in enumerate(chain([first], frames)):
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
