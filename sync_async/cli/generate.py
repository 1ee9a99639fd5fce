"""From two files or links to a video on disk."""

from __future__ import annotations

from pathlib import Path

import attrs

from sync_async import AsyncSync, Audio, ElevenLabs, Generation, GenerationOptions, Input, Tts, Video
from sync_async._errors import ArgumentError
from sync_async.cli import screen
from sync_async.transfer.download import check_destination, download


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
    if wanted.output is not None:
        check_destination(wanted.output, overwrite=wanted.overwrite)
    async with AsyncSync() as client:
        job = await _start(client, wanted)
        screen.say(f"generation {job.id} started")
        with screen.watching() as watch:
            done = await client.generations.wait(job.id, timeout=wanted.timeout, on_update=watch)
        if wanted.output is not None and done.output_url is not None:
            await download(done.output_url, wanted.output, overwrite=wanted.overwrite)
    return done


async def _start(client: AsyncSync, wanted: Wanted) -> Generation:
    inputs: list[Input] = []
    if _is_url(wanted.video):
        inputs.append(Video(url=wanted.video))
    if wanted.audio is not None and _is_url(wanted.audio):
        inputs.append(Audio(url=wanted.audio))
    if wanted.text is not None:
        if wanted.voice is None:
            raise ArgumentError("--voice", "a voice is needed to speak --text")
        inputs.append(Tts(provider=ElevenLabs(voice_id=wanted.voice, script=wanted.text)))
    options = None if wanted.sync_mode is None else GenerationOptions(sync_mode=wanted.sync_mode)
    video = None if _is_url(wanted.video) else wanted.video
    audio = None if wanted.audio is None or _is_url(wanted.audio) else wanted.audio
    if video is None and audio is None:
        return await client.generations.create(model=wanted.model, input=inputs, options=options)
    return await client.generations.create_with_files(
        model=wanted.model, video=video, audio=audio, input=inputs or None, options=options
    )


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))
