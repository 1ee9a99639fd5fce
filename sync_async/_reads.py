"""Reads over aiohttp's connections, past its session.

A client that waits for jobs sends the same read again and again, and only the path differs: the rest is made once.
aiohttp makes the connections and parses the answers, as for any request. Left out are its session, request and
response, which provide for bodies, cookies, redirects and traces. A read has none of these, and they take half of
a call's time. All else that is sent, and so whatever buys, goes through the session.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from sync_async._response import ApiResponse

KNOWN = ("3.12.", "3.13.", "3.14.")
"""The versions of aiohttp with which all tests pass; the reads of any other go through the session, too."""

_REQUEST = aiohttp.ClientSession._request  # noqa: SLF001
_IS_GENUINE = (  # a wrapper may pass for what it wraps, but for its type
    type(_REQUEST) is types.FunctionType
    and _REQUEST.__code__.co_filename == getattr(aiohttp.client, "__file__", None)
)


class Reads:
    """Sends the reads of a client: without a body, and with the headers that all its requests have."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, headers: Mapping[str, str]) -> None:
        self._session = session
        self._pattern = aiohttp.ClientRequest(  # what a connection is found by, and the headers that aiohttp adds
            "GET",
            URL(base_url, encoded=True),
            headers=headers,
            loop=asyncio.get_running_loop(),
            session=session,
        )
        parts = urlsplit(base_url)
        self._origin_length = len(f"{parts.scheme}://{parts.netloc}")
        fields = "".join(f"{name}: {value}\r\n" for name, value in self._pattern.headers.items())
        self._end = f" HTTP/1.1\r\n{fields}\r\n"

    @staticmethod
    def suit(session: aiohttp.ClientSession) -> bool:
        """Tell whether reads may go past a session: aiohttp is known, and nobody has asked to see all requests."""
        return _IS_GENUINE and aiohttp.__version__.startswith(KNOWN) and not session.trace_configs

    @property
    def are_open(self) -> bool:
        """Tell whether nothing stands in for the session at the moment, as tools for tests do."""
        return aiohttp.ClientSession._request is _REQUEST  # noqa: SLF001

    async def send(self, url: str, timeout: aiohttp.ClientTimeout) -> ApiResponse:
        """Send a read, and read the whole answer.

        Raises:
            RuntimeError: The session is closed.
            aiohttp.ClientError: No whole answer came.
        """
        connector = self._session.connector
        if connector is None:
            msg = "the session is closed"
            raise RuntimeError(msg)
        try:
            connection = await connector.connect(self._pattern, [], timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        try:
            answer = await self._ask(connection, url)
        except BaseException:
            connection.close()
            raise
        connection.release()
        return answer

    async def _ask(self, connection: aiohttp.connector.Connection, url: str) -> ApiResponse:
        protocol = connection.protocol
        if protocol is None or protocol.transport is None:
            msg = "the connection ended before anything was sent"
            raise aiohttp.ClientConnectionResetError(msg)
        path = url[self._origin_length :]
        slash = "" if path.startswith("/") else "/"
        protocol.set_response_params(read_until_eof=True)
        protocol.transport.write(f"GET {slash}{path}{self._end}".encode())
        try:
            message, content = await protocol.read()
            while message.code < HTTPStatus.OK and message.code != HTTPStatus.SWITCHING_PROTOCOLS:
                message, content = await protocol.read()
        except HttpProcessingError as error:
            raise aiohttp.ClientResponseError(
                self._pattern.request_info, (), status=error.code, message=error.message
            ) from error
        # what came whole with its head needs no waiting
        read = content.read_nowait() if content.is_eof() else await content.read()
        return ApiResponse(message.code, message.headers, read)
