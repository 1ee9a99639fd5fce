"""Reading a create request: JSON, or a form whose files go to the library.

Source: https://sync.so/docs/api-reference/api/generate-api/create-with-files
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from sync_async.sandbox.media_types import MIME_TYPES, asset_type
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.world import World

FILES = ("video", "image", "audio")
NESTED = ("input", "options", "segments", "dubParams", "dialogueEdit")
TEXTS = ("model", "webhookUrl", "outputFileName", "projectId")
CHUNK = 256 * 1024
LARGEST_FIELD = 1024**2


@attrs.define
class ReceivedFile:
    """A file of a form, on disk."""

    name: str
    content_type: str
    path: Path
    url: str
    digest: str


@attrs.define
class Received:
    """A create request, read: its body, its files by kind, and what tells it from another."""

    body: Any
    fingerprint: str
    files: dict[str, ReceivedFile] = attrs.field(factory=dict)

    def keep_files(self, world: World) -> dict[str, str]:
        """Add the files to the library, and give the asset of each kind."""
        return {
            kind: world.new_asset(
                type=asset_type(file.content_type), url=file.url, name=file.name, size=file.path.stat().st_size
            ).id
            for kind, file in self.files.items()
        }


async def receive(request: web.Request, world: World) -> Received:
    """Read a create request.

    Raises:
        Refusal: It is neither JSON nor a form that the API takes.
    """
    if request.content_type == "multipart/form-data":
        return await _receive_form(request, world)
    raw = await request.read()
    body = parse_json(raw)
    same = json.dumps(body, sort_keys=True).encode() if world.settings.compare_parsed else raw
    return Received(body, hashlib.sha256(same).hexdigest())


def parse_json(raw: bytes) -> Any:
    """Read a JSON body.

    Raises:
        Refusal: It is none.
    """
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The body is no JSON: {error}") from error


async def _receive_form(request: web.Request, world: World) -> Received:
    body: dict[str, Any] = {}
    files: dict[str, ReceivedFile] = {}
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, aiohttp.BodyPartReader) or part.name is None:
                raise invalid("A part of the form has no name.")
            if part.name in FILES and part.filename is not None:
                if part.name in files:
                    raise invalid(f"There is more than one {part.name} file.", part.name)
                files[part.name] = await _receive_file(part, world)
            else:
                body[part.name] = _field(part.name, bytes(await part.read(decode=True)))
    except ValueError as error:  # aiohttp's word for a form that is none
        raise invalid(f"The form cannot be read: {error}") from error
    same = [json.dumps(body, sort_keys=True), *sorted(f"{kind} {file.digest}" for kind, file in files.items())]
    return Received(body, hashlib.sha256("\n".join(same).encode()).hexdigest(), files)


def _field(name: str, raw: bytes) -> Any:
    if len(raw) > LARGEST_FIELD:
        raise invalid(f"The field {name} is larger than 1 MiB.", name)
    text = raw.decode("utf-8", "replace")
    if name not in NESTED:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise invalid(f"{name} must be a JSON string.", name) from error


async def _receive_file(part: aiohttp.BodyPartReader, world: World) -> ReceivedFile:
    name, kind = part.filename or part.name or "file", part.headers.get("Content-Type", "")
    if kind not in MIME_TYPES:
        raise invalid(f"{part.name} has the type {kind or 'none'}, which the API does not take.", part.name)
    path, url = world.storage.new_upload(name)
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while chunk := await part.read_chunk(CHUNK):
            size += len(chunk)
            if size > world.settings.multipart_limit:
                raise Refusal("generation_input_validation_failed", status=413, field=part.name)
            digest.update(chunk)
            file.write(chunk)
    return ReceivedFile(name, kind, path, url, digest.hexdigest())
