"""Exchanges with storage hosts, with nothing of ours in them: no key, no cookie, no header of the client's.

Imports aiohttp, so it is imported when the first file travels.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from urllib.parse import urljoin, urlsplit

import aiohttp
import attrs
from yarl import URL

from sync_async._aiohttp import FAILURES, client_timeout, finding_of, send_stream, shown_below
from sync_async._bodies import CHUNK_BYTES, Source
from sync_async._errors import ArgumentError
from sync_async._response import NoAnswer
from sync_async._settings import Timeout

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
READ_OF_AN_ERROR = 2048


@attrs.frozen
class StorageAnswer:
    """How a storage host answered; the body of a success is still to be read.

    Attributes:
        status: The HTTP status.
        headers: The response headers.
        host: Who answered, for messages: never the whole link, which is signed.
        reason: The host's own code for its refusal, such as `AccessDenied`; empty for a success.
    """

    status: int
    headers: Mapping[str, str]
    host: str
    reason: str = ""
    _response: aiohttp.ClientResponse | None = attrs.field(default=None, repr=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the body as it comes.

        Raises:
            NoAnswer: It stops before its end.
        """
        if self._response is None:
            return
        try:
            async for chunk in self._response.content.iter_chunked(CHUNK_BYTES):
                yield chunk
        except FAILURES as error:
            raise finding_of(error) from shown_below(error)


@attrs.frozen(kw_only=True)
class Storage:
    """The way to storage hosts."""

    session: aiohttp.ClientSession
    proxy: str | None
    timeout: Timeout

    @contextlib.asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[StorageAnswer]:
        """Get a file, over redirects, but never from a safe to an unsafe connection.

        Raises:
            NoAnswer: No answer came.
        """
        response = await self._get(url, {"Accept-Encoding": "identity", **(headers or {})})
        try:
            yield await self._answer(response)
        finally:
            response.close()  # what is left of the body is not worth reading

    async def _get(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        for _ in range(MOST_REDIRECTS + 1):
            with _findings():
                response = await self.session.get(
                    URL(url, encoded=True),
                    headers=headers,
                    allow_redirects=False,
                    proxy=self.proxy,
                    timeout=client_timeout(self.timeout.connect, self.timeout.read),
                )
            location = response.headers.get("Location")
            if response.status not in REDIRECTS or not location:
                return response
            response.release()
            with _findings():
                before, url = urlsplit(url), urljoin(url, location)
            if before.scheme == "https" and urlsplit(url).scheme != "https":
                raise NoAnswer(f"{before.hostname} redirects to an unsafe connection", reached=True, hopeless=True)
        raise NoAnswer(f"{urlsplit(url).hostname} redirects in a circle", reached=True, hopeless=True)

    async def put(self, url: str, source: Source, content_type: str) -> StorageAnswer:
        """Send a file whole, with its length.

        Raises:
            NoAnswer: No answer came.
            ArgumentError: The file changed meanwhile.
        """

        async def send(chunks: AsyncIterator[bytes]) -> aiohttp.ClientResponse:
            return await self.session.put(
                URL(url, encoded=True),
                data=chunks,
                headers={"Content-Type": content_type, "Content-Length": str(source.size)},
                allow_redirects=False,
                proxy=self.proxy,
                timeout=client_timeout(self.timeout.connect, self.timeout.read),
            )

        with _findings():
            response = await send_stream(source, self.timeout.read, send)
        try:
            return await self._answer(response)
        finally:
            response.close()

    async def _answer(self, response: aiohttp.ClientResponse) -> StorageAnswer:
        host = str(response.url.host)
        if response.status < 300:  # noqa: PLR2004
            return StorageAnswer(response.status, response.headers, host, "", response)
        try:
            text = (await response.content.read(READ_OF_AN_ERROR)).decode("utf-8", "replace")
        except FAILURES:  # the status says enough
            text = ""
        code = re.search(r"<Code>(\w{1,80})</Code>", text)
        return StorageAnswer(response.status, response.headers, host, code[1] if code else "")


@contextlib.contextmanager
def _findings() -> Iterator[None]:
    """Turn what goes wrong on the way to a host into a finding.

    Raises:
        NoAnswer: No answer came, or the link is no address.
    """
    try:
        yield
    except ArgumentError:  # the file changed meanwhile
        raise
    except ValueError:  # its text may hold the link, which is signed
        raise NoAnswer("the link is no address that can be asked", reached=False, hopeless=True) from None
    except FAILURES as error:
        raise finding_of(error) from shown_below(error)
