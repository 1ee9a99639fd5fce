"""A proxy that misbehaves, in front of a sandbox: raw sockets, so that nothing keeps its answers well-formed.

It has three origins. `api` and `storage` lead to the sandbox, whose own links are made to lead through here, and
`elsewhere` is another host that answers 404 to all. Each keeps what reached it, byte by byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Literal
from urllib.parse import urlsplit

import attrs
from multidict import CIMultiDict

from sync_async.sandbox import AsyncSandbox

NO_LINGER = struct.pack("ii", 1, 0)
"""Closing a socket with this resets the connection instead of ending it."""
HOST, OTHER_HOST = "127.0.0.1", "localhost"

Face = Literal["api", "storage", "elsewhere"]


@attrs.frozen
class Arrived:
    """A request as it arrived."""

    face: Face
    method: str
    target: str
    headers: CIMultiDict[str]
    raw: bytes
    """All of it, as it came."""
    body: bytes
    is_hit: bool
    at: float
    """The loop's time."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@attrs.define
class Answer:
    """What the sandbox answered."""

    status: int
    reason: str
    headers: CIMultiDict[str]
    body: bytes

    def head(self, length: int | str | None = None) -> bytes:
        """Write the head, with a length of choice."""
        headers = self.headers.copy()
        headers["Content-Length"] = str(len(self.body) if length is None else length)
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def whole(self) -> bytes:
        return self.head() + self.body


class Over(Exception):  # noqa: N818  # no fault of the test's
    """The connection has ended."""


@attrs.define
class Exchange:
    """One request that is to be answered, and all that can be done to it."""

    request: Arrived
    proxy: FaultProxy
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    async def carry_out(self) -> Answer:
        """Let the sandbox do it."""
        return await self.proxy.carry_out(self.request)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def reset(self) -> None:
        """Reset the connection behind what was sent."""
        reset(self._writer)
        raise Over

    async def close(self) -> None:
        """End the connection behind what was sent."""
        self._writer.close()
        raise Over

    async def stall(self) -> None:
        """Say nothing more until the client goes."""
        await self._reader.read(1)
        raise Over


Misbehave = Callable[[Exchange], Awaitable[None]]


def reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()


@attrs.define
class Plan:
    """Which requests of a call are met by what: from one on, so many."""

    misbehave: Misbehave | None = None
    first: int = 0
    times: int | None = 1
    at_accept: bool = False
    """Whether it strikes as soon as there is a connection, before a byte is read."""

    def strikes(self, number: int) -> bool:
        if self.misbehave is None or number < self.first:
            return False
        return self.times is None or number < self.first + self.times


@attrs.define
class FaultProxy:
    """The proxy; `plans` are asked in turn, and the first that strikes a request answers it."""

    sandbox: AsyncSandbox
    plans: list[Plan] = attrs.field(factory=list)
    arrived: list[Arrived] = attrs.field(factory=list)
    unread: int = 0
    """Connections that were reset before a request was read."""
    urls: dict[Face, str] = attrs.field(factory=dict)
    _upstream: dict[Face, tuple[str, int]] = attrs.field(factory=dict)
    _servers: list[asyncio.Server] = attrs.field(factory=list)
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set)

    async def start(self) -> FaultProxy:
        """Listen, and have the sandbox's links lead through here."""
        world = self.sandbox.world
        self._upstream = {"api": _address(self.sandbox.base_url), "storage": _address(world.storage.base_url)}
        for face, name in (("api", HOST), ("storage", OTHER_HOST), ("elsewhere", OTHER_HOST)):
            await self._listen(face, name)
        world.api_url, world.storage.base_url = self.urls["api"], self.urls["storage"]
        return self

    async def _listen(self, face: Face, name: str) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await self._serve(face, reader, writer)
            except asyncio.CancelledError:  # the proxy closes, or its client has gone
                writer.transport.abort()
            finally:
                self._tasks.discard(task)

        server = await asyncio.start_server(serve, HOST, 0)
        self._servers.append(server)
        self.urls[face] = f"http://{name}:{server.sockets[0].getsockname()[1]}"

    @property
    def count(self) -> int:
        """How many requests came since the last `begin`, those that were not read among them."""
        return len(self.arrived) + self.unread

    def begin(self, *plans: Plan) -> None:
        """Count anew, under other plans."""
        self.plans = list(plans)
        self.arrived, self.unread = [], 0

    def _striking(self) -> Plan | None:
        return next((plan for plan in self.plans if plan.strikes(self.count)), None)

    async def _serve(self, face: Face, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plan = self._striking()
        if plan is not None and plan.at_accept:
            self.unread += 1
            reset(writer)
            return
        with contextlib.suppress(Over, ConnectionError, asyncio.IncompleteReadError):
            while True:
                await self._answer_one(face, reader, writer)
        writer.close()

    async def _answer_one(self, face: Face, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ")
        headers = CIMultiDict((name, value.strip()) for name, value in (each.split(":", 1) for each in lines))
        assert "Transfer-Encoding" not in headers, "all that is sent here has a length"
        body = await reader.readexactly(int(headers.get("Content-Length", "0")))
        plan = self._striking()
        request = Arrived(
            face, method, target, headers, head + body, body, plan is not None, asyncio.get_running_loop().time()
        )
        self.arrived.append(request)
        exchange = Exchange(request, self, reader, writer)
        if plan is None or plan.misbehave is None:
            await exchange.send((await self.carry_out(request)).whole())
            return
        await plan.misbehave(exchange)

    async def carry_out(self, request: Arrived) -> Answer:
        """Send a request to the sandbox on a connection of its own, and read what it answers."""
        if request.face == "elsewhere":
            return Answer(404, "Not Found", CIMultiDict({"Content-Type": "text/plain"}), b"nothing here")
        host, port = self._upstream[request.face]
        reader, writer = await asyncio.open_connection(host, port)
        try:
            line, _, rest = request.raw.partition(b"\r\n")
            writer.write(line + b"\r\nConnection: close\r\n" + rest)
            return _answer(await reader.read())
        finally:
            writer.close()

    async def close(self) -> None:
        """Stop; what stalls is let go."""
        for server in self._servers:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _answer(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    _, status, reason = line.split(" ", 2)
    headers = CIMultiDict((name, value.strip()) for name, value in (each.split(":", 1) for each in lines))
    if headers.popall("Transfer-Encoding", None):
        body = _joined(body)
    for name in ("Connection", "Content-Length"):
        headers.popall(name, None)
    return Answer(int(status), reason, headers, body)


def _joined(chunked: bytes) -> bytes:
    body = b""
    while chunked:
        size, _, chunked = chunked.partition(b"\r\n")
        length = int(size, 16)
        body, chunked = body + chunked[:length], chunked[length + 2 :]
    return body


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0
