"""One HTTP exchange through aiohttp: imported at the first connect.

Importing aiohttp takes longer than many a script's whole work, so nothing that is imported before may import this
module at its top.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import aiohttp
import attrs
from multidict import CIMultiDict
from yarl import URL

from sync_async._connections import GuardedConnector, make_connector
from sync_async._deadlines import Deadlines
from sync_async._errors import ClosedError
from sync_async._reads import Reads
from sync_async._response import ApiResponse, NoAnswer
from sync_async._settings import Timeout

if TYPE_CHECKING:
    from sync_async._bodies import Body, MultipartBody

T = TypeVar("T")

REFUSED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
"""Raised before a byte of the request is sent."""
FAILURES = (aiohttp.ClientError, OSError)  # a TimeoutError is an OSError
HOPELESS = (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)
"""Another attempt would meet the same certificate."""


def make_session(*, beside: aiohttp.ClientSession | None = None) -> aiohttp.ClientSession:
    """Make a session without cookies, without hidden repeats and without a limit of its own.

    Args:
        beside: A session whose connections are to be used, but nothing else of it.
    """
    connector = make_connector() if beside is None else beside.connector
    session = aiohttp.ClientSession(
        connector=connector,  # without limit: the transport queues, before any timeout starts to run
        connector_owner=beside is None,
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


class PreparedHeaders(CIMultiDict[str]):
    """The headers that all requests of a client have, in the form that aiohttp takes without making it anew.

    Attributes:
        reads: The short way for requests that have no others, and no body; None where there is none.
    """

    reads: Reads | None = None


_NO_LIMIT = contextlib.nullcontext()


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Exchange:
    """What an attempt needs besides the request: all that is the same for each call of a client."""

    session: aiohttp.ClientSession
    is_own: bool
    proxy: str | None
    _deadlines: Deadlines = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        connector = self.session.connector
        # a connector of the caller's does not tell when it is through, so that connecting counts, too
        deadlines = connector.deadlines if isinstance(connector, GuardedConnector) else None
        object.__setattr__(self, "_deadlines", deadlines or Deadlines(asyncio.get_running_loop()))

    def prepared(self, base_url: str, headers: Mapping[str, str]) -> PreparedHeaders:
        """Make what is the same for all requests with these headers."""
        made = PreparedHeaders(headers)
        if self.is_own and self.proxy is None and Reads.suit(self.session):
            made.reads = Reads(self.session, base_url, made)
        return made

    async def run(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, timeout: Timeout
    ) -> ApiResponse:
        """Send a request and read the whole answer.

        Raises:
            NoAnswer: No whole answer came.
            ClosedError: The session was closed.
        """
        limit = _NO_LIMIT if timeout.read is None else self._deadlines.within(timeout.read)
        try:
            if body is not None and not isinstance(body, bytes):  # a form, which may take long as long as it moves
                response = await self._send_form(method, url, headers, body, timeout)
                with limit:
                    return ApiResponse(response.status, response.headers, await response.read())
            limits = client_timeout(timeout.connect, None)
            with limit:
                reads = _short_way(method, headers, body)
                if reads is not None:
                    return await reads.send(url, limits)
                response = await self._send(method, url, headers, body, limits)
                content = response.content
                # reading to the end gives the connection back, and failing to do so closes it; what came whole
                # with its head has done so already
                read = content.read_nowait() if content.is_eof() else await response.read()
                return ApiResponse(response.status, response.headers, read)
        except FAILURES as error:
            raise finding_of(error) from shown_below(error)
        except RuntimeError as error:
            if self.session.closed:
                msg = "the aiohttp session is closed"
                raise ClosedError(msg) from error
            raise

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, timeout: aiohttp.ClientTimeout
    ) -> Awaitable[aiohttp.ClientResponse]:
        return self.session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=self.proxy,
            timeout=timeout,
            **self._send_once(),
        )

    async def _send_form(
        self, method: str, url: str, headers: Mapping[str, str], body: MultipartBody, timeout: Timeout
    ) -> aiohttp.ClientResponse:
        sent = {**headers, "Content-Type": body.content_type}
        if body.size is not None:
            sent["Content-Length"] = str(body.size)
        limits = client_timeout(timeout.connect, timeout.read)
        return await send_stream(body, timeout.read, lambda chunks: self._send(method, url, sent, chunks, limits))

    def _send_once(self) -> dict[str, Any]:
        if self.is_own:
            return {}
        # keeps whatever middlewares the caller's session has
        return {"middlewares": (*getattr(self.session, "_middlewares", ()), SendOnce())}


def _short_way(method: str, headers: Mapping[str, str], body: Body | None) -> Reads | None:
    if method != "GET" or body is not None or not isinstance(headers, PreparedHeaders):
        return None
    return headers.reads if headers.reads is not None and headers.reads.are_open else None


class Streamed(Protocol):
    """What is sent chunk by chunk."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes from the beginning."""
        ...


async def send_stream(
    body: Streamed, longest_silence: float | None, send: Callable[[AsyncIterator[bytes]], Awaitable[T]]
) -> T:
    """Send a body chunk by chunk.

    Args:
        body: What is sent.
        longest_silence: Seconds for which the connection may take nothing.
        send: Sends the chunks and gives the answer.

    Raises:
        TimeoutError: The connection stalls.
        ArgumentError: The file changed meanwhile.
    """
    async with asyncio.timeout(None) as stall:
        sending = _Sending(body, stall, longest_silence)
        try:
            return await send(sending.chunks())
        except aiohttp.ClientError:
            if sending.failure is not None:  # reading the file failed, not the connection
                raise sending.failure from None
            raise


@attrs.define(eq=False, repr=False)
class _Sending:
    """A body on its way: a stall of the connection is noticed, a failure of the file is kept."""

    body: Streamed
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


def client_timeout(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    made = _TIMEOUTS.get((connect, read))
    if made is None:
        made = aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read)
        if len(_TIMEOUTS) < 100:  # noqa: PLR2004  # more would be a caller who varies them; they need no cache
            _TIMEOUTS[connect, read] = made
    return made


def finding_of(error: Exception) -> NoAnswer:
    """Say what a failure of the network tells: whether the request may have arrived, and whether time ran out."""
    if isinstance(error, HOPELESS) or _wants_other_credentials(error):
        return NoAnswer(_describe(error), reached=False, hopeless=True)
    timed_out = isinstance(error, TimeoutError)
    if isinstance(error, REFUSED):
        return NoAnswer(_describe(error), reached=False, timed_out=timed_out)
    return NoAnswer("no answer in time" if timed_out else _describe(error), reached=True, timed_out=timed_out)


def shown_below(error: Exception) -> Exception | None:
    """Give what a traceback shows below an error: not what quotes the address of the proxy, and its password."""
    return None if isinstance(error, aiohttp.ClientHttpProxyError) else error


def _wants_other_credentials(error: Exception) -> bool:
    if not isinstance(error, aiohttp.ClientHttpProxyError):
        return False
    return error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED


def _describe(error: Exception) -> str:
    """Say what happened, without the URL and its query that aiohttp puts into its messages."""
    if isinstance(error, aiohttp.ClientConnectorError):
        # aiohttp 3.12 keeps what is wrong with a certificate in a place of its own
        cause = getattr(error, "certificate_error", None) or error.os_error
        reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        return f"no connection to {error.host}:{error.port}: {reason}"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    if isinstance(error, aiohttp.ClientResponseError):
        return _complaint(error)
    # an address that is none is all that its error says, and a link is signed
    said = "" if isinstance(error, aiohttp.InvalidURL) else f": {error}"
    return f"the connection failed ({type(error).__name__}{said})"


def _complaint(error: aiohttp.ClientResponseError) -> str:
    # the words of it, and not what it quotes: an answer may hold a signed link
    words = re.match(r"[\w ]*", error.message)
    said = words[0].strip() if words else ""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refused to connect ({error.status} {said})"
    return f"the answer is not HTTP ({type(error).__name__}: {said})"
