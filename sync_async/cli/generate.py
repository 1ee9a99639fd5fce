"""From two files or links to a video on disk."""

from __future__ import annotations

from pathlib import Path

import attrs

from sync_async import AsyncSync, Generation, GenerationOptions
from sync_async.cli import screen


@attrs.frozen(kw_only=True)
class Wanted:
    """What the command line asks for."""

    video: str
    audio: str | None = None
    text: str | None = None
    voice: str | None = None
    model: str
    sync_mode: str | None = None
    output: Path | None = None
    overwrite: bool = False
    timeout: float | None = None


async def generate(wanted: Wanted) -> Generation:
    """Start a generation, wait for its end, and fetch its video.

    Raises:
        ArgumentError: Something cannot be right; nothing was sent, nothing paid.
        SyncError: It came to nothing.
    """
    options = None if wanted.sync_mode is None else GenerationOptions(sync_mode=wanted.sync_mode)
    async with AsyncSync() as client:
        with screen.watching() as watch:
            return await client.lipsync(
                wanted.video,
                wanted.audio,
                text=wanted.text,
                voice_id=wanted.voice,
                model=wanted.model,
                options=options,
                output=wanted.output,
                overwrite=wanted.overwrite,
                timeout=wanted.timeout,
                on_update=watch.note,
                on_upload=watch.bytes_of("uploading"),
                on_download=watch.bytes_of("downloading"),
            )
