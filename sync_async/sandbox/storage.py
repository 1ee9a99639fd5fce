"""Uploads and outputs: files on disk, served from an origin of their own by signed links.

The real service keeps media on other hosts than the API, so a client that sends its API key there is noted.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import re
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import attrs
from aiohttp import web

from sync_async.sandbox.faults import Faults, Handler
from sync_async.sandbox.settings import SandboxSettings

CHUNK = 256 * 1024


@attrs.frozen
class Leak:
    """A request to the storage origin that carried credentials."""

    method: str
    path: str
    header: str


@attrs.frozen
class Announced:
    """An upload that was presigned."""

    content_type: str
    size: int
    expires: float


class Storage:
    """The storage origin."""

    def __init__(self, settings: SandboxSettings, folder: Path, faults: Faults) -> None:
        self._settings = settings
        self._secret = secrets.token_bytes(32)
        self._serial = itertools.count()
        self._announced: dict[str, Announced] = {}
        self._faults = faults
        self.folder = folder
        self.base_url = ""
        self.leaks: list[Leak] = []
        for name in ("uploads", "outputs", "batches"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def app(self) -> web.Application:
        """Make the web application."""
        app = web.Application(client_max_size=self._settings.multipart_limit, middlewares=[self._watch])
        app.router.add_put("/uploads/{key}/{name}", self._put)
        app.router.add_get("/uploads/{key}/{name}", self._get_upload)
        app.router.add_get("/{area:outputs|batches}/{name}", self._get_signed)
        return app

    def presign(self, name: str, content_type: str, size: int) -> tuple[str, str]:
        """Announce an upload; give the URL to send it to, and its later address."""
        key = secrets.token_hex(8)
        expires = time.time() + self._settings.presign_lifetime
        self._announced[key] = Announced(content_type, size, expires)
        url = f"{self.base_url}/uploads/{key}/{quote(name, safe='')}"
        return f"{url}?expires={int(expires)}&sig={self._sign(key, int(expires))}", url

    def new_upload(self, name: str) -> tuple[Path, str]:
        """Make room for a file that comes with a form; give its path and its address."""
        key = secrets.token_hex(8)
        (self.folder / "uploads" / key).mkdir()
        return self.folder / "uploads" / key / _safe(name), f"{self.base_url}/uploads/{key}/{quote(name, safe='')}"

    def path_of(self, url: str) -> Path | None:
        """Give the file behind an address of this storage, if it is there."""
        match = re.fullmatch(r"/uploads/([0-9a-f]+)/([^/]+)", urlsplit(url).path)
        if match is None or not url.startswith(self.base_url + "/"):
            return None
        found = list((self.folder / "uploads" / match[1]).glob("*"))
        return found[0] if found else None

    def link(self, area: str, name: str) -> str:
        """Give a signed link, another one each time."""
        expires = int(time.time() + self._settings.output_lifetime)
        serial = next(self._serial)
        signature = self._sign(f"{area}/{name}/{serial}", expires)
        return f"{self.base_url}/{area}/{quote(name)}?expires={expires}&n={serial}&sig={signature}"

    def _sign(self, what: str, expires: int) -> str:
        return hmac.new(self._secret, f"{what}:{expires}".encode(), hashlib.sha256).hexdigest()[:32]

    def _is_signed(self, request: web.Request, what: str) -> bool:
        expires = request.query.get("expires", "")
        if not expires.isdigit() or int(expires) < time.time():
            return False
        return hmac.compare_digest(request.query.get("sig", ""), self._sign(what, int(expires)))

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        for header in ("x-api-key", "Authorization"):
            if header in request.headers:
                self.leaks.append(Leak(request.method, request.path, header))
        return await self._faults.apply(request, handler)

    async def _put(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        announced = self._announced.get(key)
        if announced is None or not self._is_signed(request, key) or announced.expires < time.time():
            return _storage_error(403, "AccessDenied", "Request has expired or its signature does not match")
        if request.headers.get("Content-Type") != announced.content_type:
            return _storage_error(403, "SignatureDoesNotMatch", "The Content-Type is not the one that was signed")
        if request.content_length != announced.size:
            return _storage_error(400, "IncompleteBody", "The length is not the announced one")
        folder = self.folder / "uploads" / key
        folder.mkdir(exist_ok=True)
        part = folder.with_suffix(".part")
        with part.open("wb") as file:
            async for chunk in request.content.iter_chunked(CHUNK):
                file.write(chunk)
        part.replace(folder / _safe(request.match_info["name"]))
        return web.Response()

    async def _get_upload(self, request: web.Request) -> web.StreamResponse:
        path = self.path_of(f"{self.base_url}{request.path}")
        if path is None:
            return _storage_error(404, "NoSuchKey", "There is no such file")
        return await self._send(request, path)

    async def _get_signed(self, request: web.Request) -> web.StreamResponse:
        area, name = request.match_info["area"], request.match_info["name"]
        if not self._is_signed(request, f"{area}/{name}/{request.query.get('n', '')}"):
            return _storage_error(403, "AccessDenied", "Request has expired or its signature does not match")
        path = self.folder / area / _safe(name)
        if not path.is_file():
            return _storage_error(404, "NoSuchKey", "There is no such file")
        return await self._send(request, path)

    async def _send(self, request: web.Request, path: Path) -> web.StreamResponse:
        status = path.stat()
        size, tag = status.st_size, self._tag(f"{path.name}-{status.st_size}-{status.st_mtime_ns}")
        wanted = request.headers.get("Range")
        partial = bool(wanted) and self._settings.ranges and request.headers.get("If-Range", tag) == tag
        found = _range(wanted, size) if wanted and partial else (0, size)
        if found is None:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        start, end = found
        answer = web.StreamResponse(status=206 if partial else 200)
        answer.content_type = "video/mp4" if path.suffix == ".mp4" else "application/octet-stream"
        answer.content_length = end - start
        if self._settings.ranges:
            answer.headers["Accept-Ranges"] = "bytes"
        if partial:
            answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if tag:
            answer.headers["ETag"] = tag
        await answer.prepare(request)
        async for chunk in _chunks(path, start, end - (1 if self._settings.short_body else 0)):
            await answer.write(chunk)
        if self._settings.short_body and request.transport is not None:
            request.transport.close()
        return answer

    def _tag(self, text: str) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return {"strong": f'"{digest}"', "weak": f'W/"{digest}"', "none": ""}[self._settings.etag]


async def _chunks(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            chunk = await asyncio.to_thread(file.read, min(CHUNK, end - start))
            start += len(chunk)
            yield chunk


def _range(text: str, size: int) -> tuple[int, int] | None:
    """Read a Range header of one part; None when nothing of the file is in it."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
    if match is None:
        return 0, size
    first, last = match.groups()
    if not first:
        return (max(0, size - int(last)), size) if last and int(last) else None
    start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else None


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "file"


def _storage_error(status: int, code: str, message: str) -> web.Response:
    text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")
