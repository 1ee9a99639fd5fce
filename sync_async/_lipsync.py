"""What `client.lipsync` takes: a video and a voice in any form, sorted into inputs and files."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

import attrs

from sync_async._bodies import open_file
from sync_async._errors import ArgumentError
from sync_async._files import File
from sync_async._generation_body import INPUT_OF
from sync_async._media import MIME_TYPES, MediaFile, kind_of, media_file
from sync_async.types.assets import Asset
from sync_async.types.inputs import ElevenLabs, InputItem, Tts

Medium = File | Asset | InputItem
"""A path, a URL, bytes, an open file, an asset of the library, or an input such as `Video(url=…)`."""

SEEN, HEARD = ("video", "image"), ("audio",)


@attrs.define
class Ingredients:
    """A video and a voice, sorted.

    Attributes:
        inputs: Those that the server can fetch, or makes itself.
        files: Those that are here, by kind.
    """

    inputs: list[InputItem] = attrs.field(factory=list)
    files: dict[str, MediaFile] = attrs.field(factory=dict)


async def sort(video: Any, audio: Any, text: str | None, voice_id: str | None) -> Ingredients:
    """Sort what a caller gave.

    Raises:
        ArgumentError: There is no voice, or more than one, or a medium cannot be what it is given as.
    """
    sorted_out = Ingredients()
    await _add(sorted_out, "video", video, SEEN)
    if audio is not None and text is not None:
        raise ArgumentError("text", "there is audio already; give either a recorded voice or a text")
    if text is not None:
        if not voice_id:
            raise ArgumentError("voice_id", "a text needs a voice that says it")
        sorted_out.inputs.append(Tts(provider=ElevenLabs(voice_id=voice_id, script=text)))
        return sorted_out
    if voice_id is not None:
        raise ArgumentError("voice_id", "it is the voice of a text, and there is no text")
    if audio is None:
        raise ArgumentError("audio", "a voice is needed: audio, or text together with voice_id")
    await _add(sorted_out, "audio", audio, HEARD)
    return sorted_out


async def _add(found: Ingredients, argument: str, medium: Any, kinds: tuple[str, ...]) -> None:
    if isinstance(medium, InputItem):
        found.inputs.append(medium)
        return
    if isinstance(medium, Asset):
        kind = _checked_kind(argument, medium.type.lower(), kinds)
        found.inputs.append(INPUT_OF[kind](asset_id=medium.id))
        return
    if isinstance(medium, str) and medium.startswith(("http://", "https://")):
        told = _kind_of_url(medium)
        found.inputs.append(INPUT_OF[told if told in kinds else kinds[0]](url=medium))
        return
    file = media_file(await open_file(argument, medium), argument)
    found.files[_checked_kind(argument, kind_of(file.content_type), kinds)] = file


def _kind_of_url(url: str) -> str | None:
    """Tell what a URL leads to by its extension, if that says it."""
    try:
        path = urlsplit(url).path
    except ValueError:  # it is no address, as the server will say
        return None
    return kind_of(MIME_TYPES.get(PurePath(path).suffix.lower(), ""))


def _checked_kind(argument: str, kind: str | None, kinds: tuple[str, ...]) -> str:
    if kind not in kinds:
        raise ArgumentError(argument, f"it is of type {kind}, where {' or '.join(kinds)} is needed")
    return kind
