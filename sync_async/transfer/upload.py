"""A file on its way to a storage host: an address is asked for, and the file is sent there.

Source: https://sync.so/docs/developer-guides/asset-uploads
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from typing import IO, TYPE_CHECKING

import attrs

from sync_async import _retry
from sync_async._bodies import BytesSource, FileSource, PathSource, Source, StreamSource
from sync_async._errors import ArgumentError, UploadError
from sync_async._listeners import OnProgress, tell
from sync_async._loading import in_thread
from sync_async._media import MediaFile
from sync_async._request import Endpoint, Repeat, make_request
from sync_async._response import NoAnswer
from sync_async._settings import RequestOptions
from sync_async._transport import Transport, failure_of
from sync_async.transfer.hosts import host_of
from sync_async.transfer.patience import Patience
from sync_async.types.assets import PresignedUpload

if TYPE_CHECKING:
    from sync_async._storage import StorageAnswer

PRESIGN = Endpoint[PresignedUpload]("POST", "/v2/assets/upload", Repeat.SAFE, PresignedUpload)

LARGEST_UPLOAD = 5 * 1024**3
"""Bytes of one file, whatever the plan. Source: https://sync.so/docs/developer-guides/asset-uploads"""
MOST_ADDRESSES = 3
"""Upload addresses asked for before a host that refuses each of them is believed."""
ENDED = (401, 403, 404, 410)
"""Statuses with which a storage host answers to an address that has ended."""
ADDRESS_LIFETIME = 20 * 3600.0
"""Seconds for which the address of a file that was sent is used again; idempotency keys may live for a day."""
MARGIN = 5.0
"""Seconds before the end of an address at which a new one is asked for."""


@attrs.frozen
class _Reported:
    """A source whose reader tells how far it is."""

    source: Source
    on_progress: OnProgress | None

    @property
    def size(self) -> int | None:
        return self.source.size

    @property
    def replayable(self) -> bool:
        return self.source.replayable

    async def chunks(self) -> AsyncIterator[bytes]:
        done = 0
        async for chunk in self.source.chunks():
            yield chunk
            done += len(chunk)  # the chunk before is taken by the connection
            await tell(self.on_progress, done, self.source.size)


async def upload(
    transport: Transport, file: MediaFile, options: RequestOptions, on_progress: OnProgress | None = None
) -> str:
    """Send a file to storage, and give its later address.

    A try that breaks off is repeated from the start of the file; an address that has ended is asked for anew.

    Args:
        transport: The way to the API.
        file: What to send.
        options: What the caller wants otherwise for the requests to the API.
        on_progress: Told of the bytes that are sent; begins anew with each try.

    Raises:
        ArgumentError: The file is larger than storage takes, or changes meanwhile.
        UploadError: The storage host does not take it.
        ApiError, ApiConnectionError: No address was given.
    """
    if isinstance(file.source, StreamSource):
        with tempfile.TemporaryFile() as copy:
            source = await _kept(file.source, copy)
            return await upload(transport, attrs.evolve(file, source=source), options, on_progress)
    size = file.source.size or 0
    if size > LARGEST_UPLOAD:
        raise ArgumentError(file.argument, f"it has {size:,} bytes; at most {LARGEST_UPLOAD:,} are taken")
    return await _Upload(transport, file, options, on_progress).run()


async def _kept(stream: StreamSource, copy: IO[bytes]) -> FileSource:
    """Write what cannot be read twice, and has no known length, to a temporary file."""

    def keep() -> int:
        shutil.copyfileobj(stream.file, copy)
        return copy.tell()

    size = await in_thread(keep)
    if not size:
        raise ArgumentError(stream.argument, "there is nothing to read in it")
    return FileSource(stream.argument, copy, 0, size)


async def address_of(transport: Transport, file: MediaFile, on_progress: OnProgress | None = None) -> str:
    """Give the address of a file in storage; it is sent there, unless this client did so before.

    A create call that is repeated with its idempotency key must say the same, so the same file must have the same
    address; and nobody wants to send a gigabyte twice.

    Raises:
        ArgumentError, UploadError, ApiError, ApiConnectionError: As for `upload`.
    """
    identity, now = await in_thread(_identity, file), asyncio.get_running_loop().time()
    url, until = transport.addresses.get(identity, ("", 0.0))
    if identity is not None and now < until:
        return url
    url = await upload(transport, file, RequestOptions(), on_progress)
    if identity is not None:
        transport.addresses[identity] = url, now + ADDRESS_LIFETIME
    return url


def _identity(file: MediaFile) -> object:
    """Give what makes a file the same as another; None for open files, which may say anything next time."""
    what = (file.name, file.content_type)
    if isinstance(file.source, BytesSource):
        return *what, hashlib.sha256(file.source.content).digest()
    if isinstance(file.source, PathSource):
        status = file.source.path.stat()
        return *what, str(file.source.path.absolute()), status.st_ino, status.st_size, status.st_mtime_ns
    return None


@attrs.define
class _Upload:
    transport: Transport
    file: MediaFile
    options: RequestOptions
    on_progress: OnProgress | None
    patience: Patience = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: Patience(self.transport, f"upload of {self.file.name}"), takes_self=True
        ),
    )

    async def run(self) -> str:
        asked = 0
        while True:
            place = await self._presign()
            asked += 1
            answer = await self._put(place)
            if answer is not None and answer.status < 300:  # noqa: PLR2004
                return place.url
            ended = answer is None or answer.status in ENDED or answer.reason == "ExpiredToken"
            if not ended or asked == MOST_ADDRESSES:
                refusal = "its address ended too soon" if answer is None else _refusal(answer)
                raise self._error(host_of(place.upload_url), f"{refusal} (addresses asked for: {asked})")

    async def _presign(self) -> PresignedUpload:
        body = {
            "fileName": self.file.name,
            "contentType": self.file.content_type,
            "size": self.file.source.size,
        }
        return await self.transport.fetch(make_request(PRESIGN, self.options, json_body=body))

    async def _put(self, place: PresignedUpload) -> StorageAnswer | None:
        """Send the file until the host has answered for good; None when the address ended before."""
        now = asyncio.get_running_loop().time
        end = now() + (place.expires_in or float("inf")) - MARGIN
        while True:
            if now() >= end:
                return None
            storage = await self.transport.storage()
            source = _Reported(self.file.source, self.on_progress)
            try:
                answer = await storage.put(place.upload_url, source, self.file.content_type)
            except NoAnswer as finding:
                if not await self.patience.wait(failure_of(finding), finding.problem):
                    raise self._error(host_of(place.upload_url), finding.problem) from finding
                continue
            hint = _retry.hint_of(answer.headers)
            failure = _retry.failure_of_answer(answer.status, None, None, hint)
            if answer.status < 300 or not await self.patience.wait(failure, _refusal(answer), hint):  # noqa: PLR2004
                return answer

    def _error(self, host: str, problem: str) -> UploadError:
        return UploadError(
            f"upload of {self.file.name!r}, step 2 of 3: {host} did not take the file: {problem}",
            host=host,
            step="put",
        )


def _refusal(answer: StorageAnswer) -> str:
    return f"{answer.status} {answer.reason}".rstrip()
