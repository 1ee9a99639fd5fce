"""The storage origin: presigned uploads and resumable downloads, without the API's key.

Its errors are XML, as those of S3-compatible storage are.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

from aiohttp import web

from sync_async.sandbox.faults import Faults, Handler
from sync_async.sandbox.media_types import served_type
from sync_async.sandbox.requests import RequestLog
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.spoiling import answer_with, wants_whole
from sync_async.sandbox.storage import Leak, Storage, Verdict

CHUNK = 256 * 1024
CREDENTIALS = ("x-api-key", "Authorization")


class StorageRoutes:
    """Handlers over one storage."""

    def __init__(self, settings: SandboxSettings, storage: Storage, faults: Faults, log: RequestLog) -> None:
        self._settings = settings
        self._storage = storage
        self._faults = faults
        self._log = log

    def app(self) -> web.Application:
        """Make the web application."""
        app = web.Application(middlewares=[self._watch])
        app.router.add_put("/uploads/{key}/{name}", self._put)
        app.router.add_get("/uploads/{key}/{name}", self._get_upload)
        app.router.add_get("/{area:outputs|batches}/{name}", self._get_signed)
        return app

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        seen = self._log.note(request)
        self._storage.leaks.extend(
            Leak(request.method, request.path, header) for header in CREDENTIALS if header in request.headers
        )

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except web.HTTPException as error:
                code = "MethodNotAllowed" if isinstance(error, web.HTTPMethodNotAllowed) else "NoSuchKey"
                return _error(error.status, code, error.reason)

        fault = self._faults.meeting(request, "storage")
        if fault is None:
            return await handle(request)
        seen.fault = fault.kind
        return await answer_with(fault, request, handle)

    async def _put(self, request: web.Request) -> web.Response:
        key, name = request.match_info["key"], request.match_info["name"]
        refusal = self._upload_refusal(request, key, name)
        if refusal is not None:
            return refusal
        target = self._storage.upload_path(key, name)
        target.parent.mkdir(exist_ok=True)
        part = target.parent.parent / f"{key}-{secrets.token_hex(4)}.part"
        try:
            with part.open("wb") as file:
                async for chunk in request.content.iter_chunked(CHUNK):
                    file.write(chunk)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)  # of an upload that broke off
        return web.Response(headers={"ETag": f'"{_digest(key)}"'})

    def _upload_refusal(self, request: web.Request, key: str, name: str) -> web.Response | None:
        announced = self._storage.announced.get(key)
        verdict = self._storage.verify(f"PUT /uploads/{key}/{name}", request.query)
        if announced is None or verdict != "valid":
            return _denied("wrong" if announced is None else verdict)
        if request.headers.get("Content-Type") != announced.content_type:
            return _error(403, "SignatureDoesNotMatch", "The Content-Type is not the one that was signed.")
        if request.content_length is None:
            return _error(411, "MissingContentLength", "You must provide the Content-Length.")
        if request.content_length != announced.size:
            return _error(400, "IncompleteBody", "The length is not the announced one.")
        return None

    async def _get_upload(self, request: web.Request) -> web.StreamResponse:
        if self._storage.asset_needs_signature():
            verdict = self._storage.verify(f"GET {request.path}", request.query)
            if verdict != "valid":
                return _denied(verdict)
        path = self._storage.upload_path(request.match_info["key"], request.match_info["name"])
        return await self._send(request, path)

    async def _get_signed(self, request: web.Request) -> web.StreamResponse:
        area, name = request.match_info["area"], request.match_info["name"]
        verdict = self._storage.verify(f"GET /{area}/{name} {request.query.get('n', '')}", request.query)
        if verdict != "valid":
            return _denied(verdict)
        return await self._send(request, self._storage.folder / area / name)

    async def _send(self, request: web.Request, path: Path) -> web.StreamResponse:
        if not path.is_file():
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        status = path.stat()
        size, changed = (
            status.st_size,
            format_datetime(datetime.fromtimestamp(int(status.st_mtime), UTC), usegmt=True),
        )
        tag = self._tag(f"{path.name}-{size}-{status.st_mtime_ns}")
        found = self._wanted(request, size, tag, changed)
        if found is None:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        start, end, is_part = found
        headers = {"Content-Type": served_type(path), "Last-Modified": changed}
        headers |= {"ETag": tag} if tag else {}
        headers |= {"Accept-Ranges": "bytes"} if self._settings.ranges else {}
        headers |= {"Content-Range": f"bytes {start}-{end - 1}/{size}"} if is_part else {}
        if wants_whole.get():
            body = path.read_bytes()[start:end]
            return web.Response(status=206 if is_part else 200, headers=headers, body=body)
        return await self._stream(
            request, path, (start, end), web.StreamResponse(status=206 if is_part else 200, headers=headers)
        )

    async def _stream(
        self, request: web.Request, path: Path, span: tuple[int, int], answer: web.StreamResponse
    ) -> web.StreamResponse:
        start, end = span
        answer.content_length = end - start
        await answer.prepare(request)
        if request.method == "HEAD":
            return answer
        async for chunk in _chunks(path, start, end - (1 if self._settings.short_body else 0)):
            await answer.write(chunk)
        if self._settings.short_body and request.transport is not None:
            request.transport.close()
        return answer

    def _wanted(self, request: web.Request, size: int, tag: str, changed: str) -> tuple[int, int, bool] | None:
        """Give what a request wants of a file, and whether it is a part; None when it is not in it."""
        condition = request.headers.get("If-Range")
        # A weak tag never matches here (RFC 9110, 13.1.5): it does not promise the same bytes.
        fits = condition is None or condition == changed or (condition == tag and not tag.startswith("W/"))
        span = _span(request.headers.get("Range", ""), size) if self._settings.ranges and fits else "all"
        if span == "all":
            return 0, size, False
        return None if span is None else (*span, True)

    def _tag(self, text: str) -> str:
        return {"strong": f'"{_digest(text)}"', "weak": f'W/"{_digest(text)}"', "none": ""}[self._settings.etag]


async def _chunks(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            # From the page cache this takes less than a thread would; large files are read in a thread.
            size = min(CHUNK, end - start)
            chunk = file.read(size) if end - start <= CHUNK else await asyncio.to_thread(file.read, size)
            if not chunk:
                return
            start += len(chunk)
            yield chunk


def _span(text: str, size: int) -> tuple[int, int] | Literal["all"] | None:
    """Read a Range header of one part; "all" when it is to be ignored, None when nothing of the file is in it."""
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", text.strip())
    if match is None or match.groups() == ("", ""):
        return "all"
    first, last = match.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else None
    if last and int(last) < int(first):
        return "all"
    start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _denied(verdict: Verdict) -> web.Response:
    if verdict == "expired":
        return _error(403, "AccessDenied", "Request has expired")
    return _error(403, "SignatureDoesNotMatch", "The signature does not match the one that was calculated.")


def _error(status: int, code: str, message: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")
