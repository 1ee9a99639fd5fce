"""One HTTP exchange through aiohttp: the only module that touches it, imported at the first connect.

Importing aiohttp takes longer than many a script's whole work, so nothing else may import this module
at its top.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import attrs
from yarl import URL

from sync_async._bodies import CHUNK_BYTES, Body, MultipartBody
from sync_async._errors import ApiConnectionError, ClosedError
from sync_async._response import ApiResponse, NoAnswer
from sync_async._settings import Timeout

REFUSED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
"""Raised before a byte of the request is sent."""
HOPELESS = (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)
"""Another attempt would meet the same certificate."""


class GuardedConnector(aiohttp.TCPConnector):
    """A connector that leaves its connections alone in a forked child.

    Collecting an inherited connector unregisters its sockets from the epoll object that the child shares
    with the parent; the parent's next request on such a connection would hang.
    """

    def __init__(self, **settings: Any) -> None:
        self._made_in = os.getpid()  # before the parent's __init__, which may fail and then be collected
        super().__init__(**settings)

    def __del__(self, *args: Any) -> None:
        if os.getpid() == self._made_in:
            super().__del__(*args)


def make_session() -> aiohttp.ClientSession:
    """Make a session without cookies, without hidden repeats and without a limit of its own."""
    session = aiohttp.ClientSession(
        connector=GuardedConnector(limit=0),  # the transport queues, before any timeout starts to run
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )
    # aiohttp would send an idempotent request once more on a connection that the server has closed; with
    # its switch off, every repeat is ours and counted
    session._retry_connection = False  # noqa: SLF001
    return session


class SendOnce:
    """Middleware for a caller's own session, which undoes aiohttp's hidden repeat: the second send fails."""

    def __init__(self) -> None:
        self._sent = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the first time, refuse afterwards."""
        if self._sent:
            msg = "the connection was closed before an answer came"
            raise aiohttp.ClientPayloadError(msg)
        self._sent = True
        return await handler(request)


@attrs.frozen(kw_only=True)
class Exchange:
    """What an attempt needs besides the request: all that is the same for each call of a client."""

    session: aiohttp.ClientSession
    is_own: bool
    proxy: str | None

    async def run(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, timeout: Timeout
    ) -> ApiResponse:
        """Send a request and read the whole answer.

        Raises:
            NoAnswer: No whole answer came.
            ClosedError: The session was closed.
        """
        try:
            if isinstance(body, MultipartBody):
                return await self._run_form(method, url, headers, body, timeout)
            return await self._run(method, url, headers, body, timeout)
        except HOPELESS as error:
            raise NoAnswer(_describe(error), reached=False, hopeless=True) from error
        except REFUSED as error:
            timed_out = isinstance(error, TimeoutError)
            raise NoAnswer(_describe(error), reached=False, timed_out=timed_out) from error
        except TimeoutError as error:
            raise NoAnswer("no answer in time", reached=True, timed_out=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(_describe(error), reached=True) from error
        except RuntimeError as error:
            if self.session.closed:
                msg = "the aiohttp session is closed"
                raise ClosedError(msg) from error
            raise

    async def _run(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, timeout: Timeout
    ) -> ApiResponse:
        response = await self.session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=self.proxy,
            timeout=_client_timeout(timeout.connect, timeout.read),
            **self._send_once(),
        )
        try:
            content = response.content
            if content.is_eof() or timeout.read is None:
                return ApiResponse(response.status, response.headers, await response.read())
            async with asyncio.timeout(timeout.read):  # each byte restarts aiohttp's own clock; this one runs on
                return ApiResponse(response.status, response.headers, await response.read())
        finally:
            response.release()

    async def _run_form(
        self, method: str, url: str, headers: Mapping[str, str], body: MultipartBody, timeout: Timeout
    ) -> ApiResponse:
        sent = {**headers, "Content-Type": body.content_type}
        if body.size is not None:
            sent["Content-Length"] = str(body.size)
        async with asyncio.timeout(None) as stall:
            sending = _Sending(body, stall, timeout.read)
            try:
                return await self._run(method, url, sent, sending.chunks(), timeout)
            except aiohttp.ClientError:
                if sending.failure is not None:  # reading the file failed, not the connection
                    raise sending.failure from None
                raise

    def _send_once(self) -> dict[str, Any]:
        if self.is_own:
            return {}
        # keeps whatever middlewares the caller's session has
        return {"middlewares": (*getattr(self.session, "_middlewares", ()), SendOnce())}


@attrs.define
class _Sending:
    """A form on its way: a stall of the connection is noticed, a failure of the file is kept."""

    body: MultipartBody
    stall: asyncio.Timeout
    longest_silence: float | None
    failure: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.body.chunks():
                self._restart_clock()
                yield chunk
            self.stall.reschedule(None)  # from here on, the answer's own clock runs
        except Exception as error:
            self.failure = error
            raise

    def _restart_clock(self) -> None:
        if self.longest_silence is not None:
            self.stall.reschedule(asyncio.get_running_loop().time() + self.longest_silence)


_TIMEOUTS: dict[tuple[float | None, float | None], aiohttp.ClientTimeout] = {}


def _client_timeout(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    made = _TIMEOUTS.get((connect, read))
    if made is None:
        made = aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read)
        if len(_TIMEOUTS) < 100:  # noqa: PLR2004  # more would be a caller who varies them; they need no cache
            _TIMEOUTS[connect, read] = made
    return made


def _describe(error: Exception) -> str:
    """Say what happened, without the URL and its query that aiohttp puts into its messages."""
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or str(error.os_error) or type(error.os_error).__name__
        return f"no connection to {error.host}:{error.port}: {reason}"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the answer is not HTTP ({type(error).__name__}: {error.message})"
    return f"the connection failed ({type(error).__name__}: {error})"


@attrs.frozen
class BareAnswer:
    """A file on its way: how large it is, and its bytes."""

    response: aiohttp.ClientResponse

    @property
    def size(self) -> int | None:
        """Bytes in all, if the server says."""
        return self.response.content_length

    @property
    def host(self) -> str:
        """Who sends it, for messages: never the whole link, which is signed."""
        return str(self.response.url.host)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes as they come.

        Raises:
            ApiConnectionError: They stop before the end.
        """
        try:
            async for chunk in self.response.content.iter_chunked(CHUNK_BYTES):
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise ApiConnectionError(f"{self.host}: {_describe(error)}") from error


@contextlib.asynccontextmanager
async def bare_get(url: str) -> AsyncIterator[BareAnswer]:
    """Get a URL with nothing of ours in the request.

    Raises:
        ApiConnectionError: The host cannot be reached, or refuses.
    """
    session = make_session()
    try:
        try:
            response = await session.get(URL(url, encoded=True), timeout=_client_timeout(10.0, 60.0))
        except (aiohttp.ClientError, OSError) as error:
            raise ApiConnectionError(f"the file cannot be fetched: {_describe(error)}") from error
        async with response:
            if response.status != 200:  # noqa: PLR2004
                raise ApiConnectionError(
                    f"{response.url.host} refuses the file with {response.status}; its link may have ended"
                )
            yield BareAnswer(response)
    finally:
        await close(session)


async def close(session: aiohttp.ClientSession) -> None:
    """Close a session, and let the loop take the turn in which its plain connections end."""
    await session.close()
    await asyncio.sleep(0)


def forget(session: aiohttp.ClientSession) -> None:
    """Let go of a session inherited through a fork without touching its sockets."""
    if not session.closed:
        session.detach()
