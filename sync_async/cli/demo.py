"""A real video and a real voice become a playable video, once awaited and once blocking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import attrs

from sync_async import AsyncSync, Generation, GenerationOptions, SyncError
from sync_async.cli import screen
from sync_async.sandbox import Sandbox
from sync_async.sandbox.jobs import SAMPLES

VIDEO, AUDIO = SAMPLES / "face.mp4", SAMPLES / "speech.wav"
OPTIONS = GenerationOptions(sync_mode="loop")
EXPECTED_SECONDS = 4.0
"""The length of the voice: `sync_mode="loop"` repeats the shorter video."""


@attrs.frozen
class Shown:
    """What came out of one style."""

    style: str
    path: Path
    seconds: float
    streams: tuple[str, ...]


def demo(folder: Path) -> list[Shown]:
    """Run the demonstration.

    Raises:
        SyncError: A video is not what it should be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    screen.say(f"video  {VIDEO}\nvoice  {AUDIO}")
    with Sandbox(latency=1.0) as sandbox:
        screen.say(f"a sandbox of the sync.so API listens on {sandbox.base_url}; it renders, but moves no lips\n")
        shown = [
            _run("awaited", folder, lambda to: asyncio.run(awaited(sandbox, to))),
            _run("blocking", folder, lambda to: blocking(sandbox, to)),
        ]
        if sandbox.leaks:
            raise SyncError("the API key reached a host that is not the API's")
    return shown


async def awaited(sandbox: Sandbox, to: Path) -> Generation:
    """Make the video in the asynchronous style."""
    async with AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
        return await client.lipsync(VIDEO, AUDIO, options=OPTIONS, output=to, overwrite=True, timeout=60)


def blocking(sandbox: Sandbox, to: Path) -> Generation:
    """Make the video in the blocking style."""
    from sync_blocking import Sync

    with Sync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
        return client.lipsync(VIDEO, AUDIO, options=OPTIONS, output=to, overwrite=True, timeout=60)


def _run(style: str, folder: Path, make: Callable[[Path], Generation]) -> Shown:
    path = folder / f"{style}.mp4"
    make(path)
    shown = _measured(style, path)
    if shown.streams != ("video", "audio") or abs(shown.seconds - EXPECTED_SECONDS) > 0.2:  # noqa: PLR2004
        raise SyncError(f"{path} is not the expected video: {shown.seconds:.2f} s, {', '.join(shown.streams)}")
    screen.say(f"{style:9} {path}  {shown.seconds:.2f} s, {' and '.join(shown.streams)}")
    return shown


def _measured(style: str, path: Path) -> Shown:
    import av

    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
        seconds = float((container.duration or 0) / av.time_base)
        streams = tuple(stream.type for stream in container.streams)
    if not frames:
        raise SyncError(f"{path} holds no picture")
    return Shown(style, path, seconds, streams)


def as_json(shown: list[Shown]) -> str:
    """Write what came out as JSON."""
    return json.dumps([{**attrs.asdict(item), "path": str(item.path)} for item in shown], indent=2)
