"""Requests go out, answers come in; what fails is repeated where the rules allow it."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

import attrs

from sync_async import _retry
from sync_async._errors import (
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    ClosedError,
    SyncError,
)
from sync_async._forks import imports
from sync_async._loading import load_http
from sync_async._request import Answer, ApiRequest, Repeat
from sync_async._response import ApiResponse, NoAnswer, error_of, value_of
from sync_async._retry import Failure
from sync_async._settings import Secret, Timeout
from sync_async._slots import Slots
from sync_async._version import __version__

if TYPE_CHECKING:
    import aiohttp

    from sync_async._aiohttp import Exchange
    from sync_async._storage import Storage

T = TypeVar("T")

log = logging.getLogger("syncso")
log.addHandler(logging.NullHandler())

KEY = "x-api-key"
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
KEEPS_METHOD = (307, 308)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ClientSettings:
    """All that the calls of a client have in common."""

    base_url: str
    key: Secret
    timeout: Timeout
    max_retries: int
    follow_redirects: bool
    headers: Mapping[str, str]

    def base_headers(self) -> dict[str, str]:
        """Give the headers of every request but the key."""
        own = {"Accept": "application/json", "User-Agent": f"syncso/{__version__}"}
        return merge_headers(own, self.headers)


def merge_headers(headers: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Put headers over others of the same name, in whatever case."""
    replaced = {name.lower() for name in more}
    return {**{name: value for name, value in headers.items() if name.lower() not in replaced}, **more}


class Pool:
    """The connections that a client and its copies share."""

    def __init__(self, *, session: aiohttp.ClientSession | None, proxy: str | None, max_connections: int) -> None:
        self._given = session
        self._proxy = proxy
        self._max_connections = max_connections
        self._closed = False
        self._pid = os.getpid()
        self._storage: Storage | None = None
        self.exchange: Exchange | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self.slots: Slots
        self.before_close: set[Callable[[], Awaitable[None]]] = set()
        """What works with these connections in the background, and ends before they do."""

    def is_open_here(self) -> bool:
        """Tell whether the session is there and belongs to the running loop, without a call of the system."""
        loop = self.loop
        return (
            self.exchange is not None
            and loop is not None
            and loop.is_running()
            and self._thread == threading.get_ident()
        )

    async def open(self) -> None:
        """Make the session on the running loop, or say why that cannot be.

        Raises:
            ClosedError: The client was closed.
            SyncError: The client is in use on another loop.
        """
        http = await load_http()
        loop = asyncio.get_running_loop()
        if self._closed:
            msg = "this client is closed; make a new one"
            raise ClosedError(msg)
        if self.exchange is not None and self._pid != os.getpid():
            self.forget()
        if self.exchange is not None and self.loop is not loop:
            raise SyncError(
                f"this client is in use on another event loop ({self.loop!r}, now {loop!r}); make one client "
                "per loop, or use the blocking client, which has a loop of its own"
            )
        if self.exchange is None:
            session = self._given if self._given is not None else http.make_session()
            self._start(http.Exchange(session=session, is_own=self._given is None, proxy=self._proxy), loop)

    def _start(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self.exchange = exchange
        _pools.add(self)
        self.slots = Slots(self._max_connections, loop)
        self.loop, self._thread, self._pid = loop, threading.get_ident(), os.getpid()

    def storage(self, timeout: Timeout) -> Storage:
        """Give the way to storage hosts, over a session of its own that has nothing to tell them.

        Raises:
            ClosedError: The client was closed.
        """
        with imports.under_way():
            from sync_async._aiohttp import make_session
            from sync_async._storage import Storage

        if self.exchange is None:
            msg = "this client is closed; make a new one"
            raise ClosedError(msg)
        if self._storage is None:
            session = make_session(beside=self._given)
            self._storage = Storage(session=session, proxy=self._proxy, timeout=timeout)
        return attrs.evolve(self._storage, timeout=timeout)

    def forget(self) -> None:
        """Let go of connections that were inherited through a fork, without touching their sockets."""
        for session in self._own_sessions():
            if not session.closed:
                session.detach()
        self.exchange = self._storage = None

    def _own_sessions(self) -> list[aiohttp.ClientSession]:
        own = [self.exchange] if self.exchange is not None and self.exchange.is_own else []
        return [part.session for part in (*own, self._storage) if part is not None]

    async def close(self) -> None:
        """Close the sessions that are ours; closing twice is fine."""
        if self._pid == os.getpid():
            for end in tuple(self.before_close):
                await end()
        else:
            self.forget()
        self._closed = True
        sessions = self._own_sessions()
        self.exchange = self._storage = None
        for session in sessions:
            await session.close()
            await asyncio.sleep(0)  # the turn of the loop in which plain connections end


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _leave_connections() -> None:
    """Leave all connections to the parent; collecting them in the child would complain that nobody closed them."""
    for pool in tuple(_pools):
        pool.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_connections)


class Transport:
    """Sends requests with a client's settings over a pool that copies of the client share."""

    def __init__(
        self,
        settings: ClientSettings,
        pool: Pool,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.pool = pool
        self.sleep = sleep
        self.chance = chance
        self.addresses: dict[object, tuple[str, float]] = {}
        """Where files are that were sent, and until when that is relied upon; see `transfer.upload`."""
        self._base_headers = settings.base_headers()
        self._prepared: tuple[Exchange, str, Mapping[str, str]] | None = None

    def headers_of(self, request: ApiRequest[Any], exchange: Exchange) -> Mapping[str, str]:
        """Give the headers of a request; what is the same for all is made once."""
        key, prepared = self.settings.key.reveal(), self._prepared
        # keys may change, and a forked child has connections of its own
        if prepared is None or prepared[:2] != (exchange, key):
            made = exchange.prepared(self.settings.base_url, {**self._base_headers, KEY: key})
            prepared = self._prepared = exchange, key, made
        headers: Mapping[str, str] = prepared[2]
        if isinstance(request.body, bytes):
            headers = {**headers, "Content-Type": "application/json"}
        return merge_headers(headers, request.headers) if request.headers else headers

    def with_settings(self, settings: ClientSettings) -> Transport:
        """Give a transport with other settings over the same connections."""
        copy = Transport(settings, self.pool, sleep=self.sleep, chance=self.chance)
        if settings.key == self.settings.key:  # else the files may belong to another organisation
            copy.addresses = self.addresses
        return copy

    def send(self, request: ApiRequest[Any]) -> Coroutine[Any, Any, ApiResponse]:
        """Send a request, repeat it where allowed, and return the answer of a success.

        Raises:
            ApiError: The server answered with an error.
            ApiConnectionError: No answer came, after all repeats that were allowed.
            ClosedError: The client is closed.
        """
        return _Call(self, request).run(_as_it_came)

    def fetch(self, request: ApiRequest[T]) -> Coroutine[Any, Any, T]:
        """Do as `send` does, and decode the answer.

        Raises:
            DecodeError: It is not what the endpoint promises.
        """
        # not a coroutine around that of `send`: thousands may be waiting for their turn
        return _Call(self, request).run(value_of)

    def target_of(self, url: str) -> str | None:
        """Give path and query of a URL of the API, relative to the base URL; None for one of another host."""
        return _target_below(self.settings.base_url, url)

    async def storage(self) -> Storage:
        """Give the way to storage hosts; it knows nothing of the client but its timeouts for one exchange."""
        await self.pool.open()
        return self.pool.storage(self.settings.timeout)


def _as_it_came(_: ApiRequest[Any], response: ApiResponse) -> ApiResponse:
    return response


class _Call:
    """One request with all its attempts."""

    __slots__ = ("deadline", "redirects", "repeats", "request", "timeout", "transport", "tries")

    def __init__(self, transport: Transport, request: ApiRequest[Any]) -> None:
        self.transport = transport
        self.request = request
        self.timeout = request.timeout or transport.settings.timeout
        self.deadline: float | None = None
        self.tries = self.repeats = self.redirects = 0

    async def run(self, read: Callable[[ApiRequest[Any], ApiResponse], T]) -> T:
        pool, timeout = self.transport.pool, self.timeout
        if not pool.is_open_here():
            await pool.open()
        slots = pool.slots
        while True:
            try:
                place = slots.take()
                try:
                    if place is not None:
                        await place  # a queue of our own is no fault of the network's: no clock runs yet
                        place = None
                    response = await (self._attempt() if timeout.total is None else self._in_time(timeout.total))
                finally:
                    slots.release(place)
            except NoAnswer as finding:
                await self._repeat_after(self._error_of(finding), failure_of(finding), None)
                continue
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s answered %d (attempt %d)", self.request.name, response.status, self.tries)
            if response.status < 300 or self._is_link(response):  # noqa: PLR2004
                return read(self.request, response)
            if not self._redirected(response):
                error = error_of(self.request, response)
                await self._repeat_after(error, _failure_of_answer(response.status, error), error.retry_after)

    def _is_link(self, response: ApiResponse) -> bool:
        return self.request.endpoint.answer is Answer.LINK and response.status in REDIRECTS

    def _attempt(self) -> Coroutine[Any, Any, ApiResponse]:
        """Send the request once."""
        transport, request = self.transport, self.request
        exchange = transport.pool.exchange
        if exchange is None:
            msg = "the client was closed while this request was under way"
            raise ClosedError(msg)
        self.tries += 1
        url = transport.settings.base_url + request.target
        headers = transport.headers_of(request, exchange)
        return exchange.run(request.endpoint.method, url, headers, request.body, self.timeout)

    async def _in_time(self, total: float) -> ApiResponse:
        if self.deadline is None:
            self.deadline = asyncio.get_running_loop().time() + total
        try:
            async with asyncio.timeout_at(self.deadline):
                return await self._attempt()
        except TimeoutError as error:
            raise NoAnswer("no answer within the call's timeout", reached=True, timed_out=True) from error

    async def _repeat_after(self, error: SyncError, failure: Failure, hint: float | None) -> None:
        """Wait until the request may be sent again, or raise its error."""
        left = None if self.deadline is None else self.deadline - asyncio.get_running_loop().time()
        attempt = _retry.Attempt(failure=failure, repeats=self.repeats, hint=hint, left=left)
        transport, request = self.transport, self.request
        wait = _retry.wait_before_repeat(
            attempt,
            repeat=request.repeat,
            keyed=request.idempotency_key is not None,
            replayable=request.body is None or isinstance(request.body, bytes) or request.body.replayable,
            max_retries=transport.settings.max_retries if request.max_retries is None else request.max_retries,
            chance=transport.chance(),
        )
        if wait is None:
            raise error
        log.info("%s: %s; attempt %d follows in %.2f s", request.name, error, self.tries + 1, wait)
        await transport.sleep(wait)
        self.repeats += not _retry.is_free(attempt)

    def _error_of(self, finding: NoAnswer) -> ApiConnectionError:
        request = self.request
        unknown = finding.reached and request.repeat is not Repeat.SAFE
        error = (ApiTimeoutError if finding.timed_out else ApiConnectionError)(
            finding.problem + (_what_now(request) if unknown else ""),
            request=request.name,
            attempts=self.tries,
            idempotency_key=request.idempotency_key,
            outcome_unknown=unknown,
        )
        error.__cause__ = finding.__cause__
        return error

    def _redirected(self, response: ApiResponse) -> bool:
        """Turn to the new target of a redirect that stays on the API's origin; others are never followed."""
        settings = self.transport.settings
        location = response.headers.get("Location")
        keeps_method = response.status in KEEPS_METHOD or self.request.endpoint.method in ("GET", "HEAD")
        if response.status not in REDIRECTS or not location or not keeps_method or not settings.follow_redirects:
            return False
        target = _target_below(settings.base_url, location, settings.base_url + self.request.target)
        if target is None or self.redirects == MAX_REDIRECTS:
            return False
        self.redirects += 1
        self.request = attrs.evolve(self.request, target=target)
        return True


def _target_below(base_url: str, url: str, page: str = "") -> str | None:
    """Give path and query of a URL on the API's origin, relative to the base URL.

    Args:
        base_url: The base URL.
        url: Any text that is said to be a URL.
        page: Where it stands, if it may be relative to that.
    """
    try:
        base, parts = urlsplit(base_url), urlsplit(urljoin(page, url))
    except ValueError:  # it is none
        return None
    if (base.scheme, base.netloc) != (parts.scheme, parts.netloc) or not parts.path.startswith(base.path):
        return None
    return parts.path[len(base.path) :] + (f"?{parts.query}" if parts.query else "")


def failure_of(finding: NoAnswer) -> Failure:
    """Classify an exchange that brought no whole answer."""
    if finding.hopeless:
        return Failure.FINAL
    return Failure.UNCLEAR if finding.reached else Failure.REFUSED


def _failure_of_answer(status: int, error: ApiError) -> Failure:
    if error.generation_id is not None and _retry.names_its_generation(status, error.error_code):
        return Failure.FINAL  # the outcome is known: that generation
    return _retry.failure_of_answer(status, error.error_code, error.body, error.retry_after)


def _what_now(request: ApiRequest[Any]) -> str:
    if request.idempotency_key is not None:
        return (
            "; the request may have been carried out. To learn the outcome without paying twice, send the same "
            "arguments again with request_options=RequestOptions(idempotency_key=error.idempotency_key)"
        )
    return "; the request may have been carried out. It has no idempotency key: look before you send it again"
