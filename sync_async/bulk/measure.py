"""How long media are: read from the head of a file, where PyAV is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

IMAGE_FPS = 25.0
"""Frames a second of a video that is made from a picture."""
FOLLOWS_VOICE = ("loop", "bounce", "remap")
"""Values of `sync_mode` with which the output is as long as the voice.
Source: https://sync.so/docs/developer-guides/sync-mode"""
KEEPS_VIDEO = ("segments", "dubParams", "dialogueEdit")
"""Fields with which the output is as long as the video."""
DEFAULT_SYNC_MODE = "bounce"


@attrs.frozen
class Medium:
    """What the head of a file tells: its length in seconds, and the frames a second of a video."""

    seconds: float | None = None
    fps: float | None = None


def can_measure() -> bool:
    """Tell whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def measure(path: Path) -> Medium:
    """Read the head of a file; what it does not tell, or nothing can read, is None."""
    if not can_measure():
        return Medium()
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            seconds = container.duration / av.time_base if container.duration else None
            video = next(iter(container.streams.video), None)
            rate = None if video is None else video.average_rate or video.guessed_rate
            return Medium(seconds, float(rate) if rate else None)
    except (FFmpegError, OSError, ValueError):
        return Medium()


def output_of(body: Mapping[str, Any], media: Mapping[str, Medium]) -> Medium:
    """Tell how long the output of a create call will be, as far as its media tell.

    Args:
        body: The body of the call.
        media: What is known of its media, by kind: `video`, `image`, `audio`.
    """
    video, audio = media.get("video", Medium()), media.get("audio", Medium())
    is_image = "image" in media or any(item.get("type") == "image" for item in body.get("input", ()))
    fps = IMAGE_FPS if is_image else video.fps
    if not body.keys().isdisjoint(KEEPS_VIDEO):
        return Medium(video.seconds, fps)
    mode = (body.get("options") or {}).get("sync_mode") or DEFAULT_SYNC_MODE
    if is_image or mode in FOLLOWS_VOICE:
        return Medium(audio.seconds, fps)
    if video.seconds is None or audio.seconds is None:
        return Medium(None, fps)
    choose = min if mode == "cut_off" else max
    return Medium(choose(video.seconds, audio.seconds), fps)
