"""Reading bodies: JSON, or a form whose files go to the library.

Source: https://sync.so/docs/api-reference/api/generate-api/create-with-files
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Collection
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

import aiohttp
import attrs
from aiohttp import web
from aiohttp.http import HttpProcessingError

from sync_async.sandbox.media_types import MIME_TYPES, asset_type
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.requests import SeenRequest
from sync_async.sandbox.world import World

FILES = ("video", "image", "audio")
NESTED = ("input", "options", "segments", "dubParams", "dialogueEdit")
CHUNK = 256 * 1024
LARGEST_FIELD = 1024**2
MOST_FIELDS = 32


@attrs.define
class ReceivedFile:
    """A file of a form, on disk."""

    name: str
    content_type: str
    path: Path
    url: str
    digest: str
    size: int


@attrs.define
class Received:
    """A create request, read: its body, its files by kind, and what tells it from another."""

    body: Any
    fingerprint: str
    files: dict[str, ReceivedFile] = attrs.field(factory=dict)

    def keep_files(self, world: World) -> dict[str, str]:
        """Add the files to the library, and give the asset of each kind."""
        kept = {
            kind: world.new_asset(
                type=asset_type(file.content_type),
                url=file.url,
                name=file.name,
                size=file.size,
                format=file.path.suffix.lstrip(".") or None,
            ).id
            for kind, file in self.files.items()
        }
        self.files = {}
        return kept

    def drop_files(self) -> None:
        """Delete the files that nobody kept: those of a refused or repeated request."""
        _drop(self.files)


class BodyMeter:
    """The body of a form as its reader sees it, noted in the log on the way.

    The reader puts bytes back when it has read too far; they are noted once.
    """

    def __init__(self, content: aiohttp.StreamReader, seen: SeenRequest) -> None:
        self._content = content
        self._seen = seen
        self._place = 0

    @property
    def digest(self) -> str:
        """The digest of what was read."""
        return self._seen.body_sha256

    def _note(self, data: bytes) -> bytes:
        self._seen.add(data[max(0, self._seen.body_bytes - self._place) :])
        self._place += len(data)
        return data

    async def read(self, n: int = -1) -> bytes:
        """Read some bytes."""
        return self._note(await self._content.read(n))

    async def readline(self, **limits: Any) -> bytes:
        """Read a line."""
        return self._note(await self._content.readline(**limits))

    def unread_data(self, data: bytes) -> None:
        """Take bytes back."""
        self._place -= len(data)
        self._content.unread_data(data)

    def at_eof(self) -> bool:
        """Tell whether all is read."""
        return self._content.at_eof()

    async def finish(self) -> None:
        """Read what the reader of the form left."""
        while data := await self._content.read(CHUNK):
            self._note(data)


present_meter: ContextVar[BodyMeter] = ContextVar("present_meter")
"""The meter of the present request, if it has a form."""


class FormReader:
    """Goes through the parts of a form."""

    def __init__(self, request: web.Request) -> None:
        self.meter = present_meter.get()
        self._headers = request.headers
        self._reader: aiohttp.MultipartReader | None = None
        self._fields = 0

    async def next(self) -> aiohttp.BodyPartReader | None:
        """Give the next part, None behind the last.

        Raises:
            Refusal: The form cannot be read.
        """
        try:
            if self._reader is None:
                content = cast("aiohttp.StreamReader", self.meter)  # all of it that the reader uses
                self._reader = aiohttp.MultipartReader(self._headers, content)
            part = await self._reader.next()
        except (ValueError, AssertionError, HttpProcessingError) as error:  # its words for a form that is none
            raise invalid(f"The form cannot be read: {error}") from error
        if part is None:
            return None
        if not isinstance(part, aiohttp.BodyPartReader) or part.name is None:
            raise invalid("A part of the form has no name.")
        return part

    async def field(self, part: aiohttp.BodyPartReader, most: int = LARGEST_FIELD) -> bytes:
        """Read a part that is no file.

        Raises:
            Refusal: It is larger than `most` bytes, or one field too many.
        """
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise _too_large(part, f"A form may have {MOST_FIELDS} fields.")
        return b"".join([chunk async for chunk in _limited(part, most)])


async def _limited(part: aiohttp.BodyPartReader, most: int) -> AsyncIterator[bytes]:
    """Read a part, but no more of it than is allowed."""
    size = 0
    try:
        while chunk := await part.read_chunk(CHUNK):
            size += len(chunk)
            if size > most:
                raise _too_large(part, f"{part.name} may have {most} bytes.")
            yield chunk
    except (ValueError, AssertionError) as error:  # the reader's words for a part without an end
        raise invalid(f"The form cannot be read: {error}") from error


def _too_large(part: aiohttp.BodyPartReader, message: str) -> Refusal:
    return Refusal("generation_input_validation_failed", status=413, message=message, field=part.name)


async def read_json(request: web.Request) -> Any:
    """Read a JSON body.

    Raises:
        Refusal: It is none.
    """
    kind = request.content_type
    if kind != "application/json" and not kind.endswith("+json"):
        raise invalid("The Content-Type must be application/json.")
    return parse_json(await request.read())


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read a JSON body that is an object.

    Raises:
        Refusal: It is none.
    """
    body = await read_json(request)
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    return body


def parse_json(raw: bytes | str) -> Any:
    """Parse JSON.

    Raises:
        Refusal: It is none; NaN and Infinity are none, although Python takes them.
    """
    try:
        return json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The body is no JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


async def receive(request: web.Request, world: World) -> Received:
    """Read a create request.

    Raises:
        Refusal: It is neither JSON nor a form that the API takes.
    """
    if request.content_type == "multipart/form-data":
        return await _receive_form(request, world)
    body = await read_json(request)
    same = json.dumps(body, sort_keys=True).encode() if world.settings.compare_parsed else await request.read()
    return Received(body, hashlib.sha256(same).hexdigest())


async def _receive_form(request: web.Request, world: World) -> Received:
    form = FormReader(request)
    body: dict[str, Any] = {}
    files: dict[str, ReceivedFile] = {}
    try:
        while (part := await form.next()) is not None:
            name = part.name or ""
            _check_part(part, files)
            if name in FILES:
                files[name] = await _receive_file(part, world)
            else:
                body[name] = _value(name, await form.field(part))
        if world.settings.compare_form == "raw":
            await form.meter.finish()
            return Received(body, form.meter.digest, files)
    except BaseException:
        _drop(files)
        raise
    same = [json.dumps(body, sort_keys=True), *sorted(f"{kind} {file.digest}" for kind, file in files.items())]
    return Received(body, hashlib.sha256("\n".join(same).encode()).hexdigest(), files)


def _check_part(part: aiohttp.BodyPartReader, files: Collection[str]) -> None:
    is_file = part.filename is not None
    if is_file != (part.name in FILES):
        raise invalid(f"{part.name} must {'not ' if is_file else ''}be a file.", part.name)
    if part.name in files:
        raise invalid(f"There is more than one {part.name} file.", part.name)


def _drop(files: dict[str, ReceivedFile]) -> None:
    for file in files.values():
        shutil.rmtree(file.path.parent, ignore_errors=True)
    files.clear()


def _value(name: str, raw: bytes) -> Any:
    text = raw.decode("utf-8", "replace")
    if name not in NESTED:
        return text
    try:
        return parse_json(text)
    except Refusal as error:
        raise invalid(f"{name} must be a JSON string.", name) from error


async def _receive_file(part: aiohttp.BodyPartReader, world: World) -> ReceivedFile:
    name, kind = part.filename or "file", part.headers.get("Content-Type", "")
    if kind.partition(";")[0].strip() not in MIME_TYPES:
        raise invalid(f"{part.name} has the type {kind or 'none'}, which the API does not take.", part.name)
    path, url = world.storage.new_upload(name)
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("wb") as file:
            async for chunk in _limited(part, world.settings.multipart_limit):
                size += len(chunk)
                digest.update(chunk)
                file.write(chunk)
        world.check_size(size, part.name)
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    return ReceivedFile(name, kind, path, url, digest.hexdigest(), size)
