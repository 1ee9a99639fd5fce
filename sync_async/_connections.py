"""Connections: how they are made, and how what comes over them is read.

Imports aiohttp, so it is imported at the first connect.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import aiohttp

from sync_async._deadlines import Deadlines
from sync_async._forks import lookups
from sync_async._threads import in_own_thread

READ_BYTES = 65536
"""How much is read from a socket at once."""


class Inlet(asyncio.BufferedProtocol):
    """Reads into memory that is there already, and hands what came to aiohttp's own protocol.

    asyncio would ask for 256 KiB of new memory at each read. glibc maps so much and gives it back each time: three
    calls of the system and as many faults of pages, a sixth of what a call takes.
    """

    __slots__ = ("_buffer", "_protocol")

    def __init__(self, protocol: Any, buffer: memoryview) -> None:
        self._protocol = protocol
        self._buffer = buffer

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's
        """Give the memory to read into; all connections share it, since `buffer_updated` follows at once."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what came."""
        self._protocol.data_received(self._buffer[:nbytes].tobytes())

    def eof_received(self) -> bool | None:
        """Hand on."""
        return self._protocol.eof_received()  # type: ignore[no-any-return]

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._protocol.resume_writing()


class GuardedConnector(aiohttp.TCPConnector):
    """A connector that leaves its connections alone in a forked child.

    Collecting an inherited connector unregisters its sockets from the epoll object that the child shares
    with the parent; the parent's next request on such a connection would hang.
    """

    def __init__(self, **settings: Any) -> None:
        self._made_in = os.getpid()  # before the parent's __init__, which may fail and then be collected
        self._buffer = memoryview(bytearray(READ_BYTES))
        self.deadlines = Deadlines(asyncio.get_running_loop())
        super().__init__(**settings)

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        with self.deadlines.suspended():  # connecting has a limit of its own
            protocol = await super()._create_connection(req, traces, timeout)
        if protocol.transport is not None:  # it may be lost already
            protocol.transport.set_protocol(Inlet(protocol, self._buffer))
        return protocol

    def __del__(self, *args: Any) -> None:
        if os.getpid() == self._made_in:
            super().__del__(*args)


class Lookup:
    """The part of an event loop that aiohttp asks for the addresses of hosts."""

    async def getaddrinfo(self, host: str, port: int, **settings: Any) -> Any:
        """Do as the loop does, but in a thread that nobody has to wait for."""
        return await self._ask(partial(socket.getaddrinfo, host, port, **settings))

    async def getnameinfo(self, address: Any, flags: int = 0) -> Any:
        """Do as the loop does."""
        return await self._ask(partial(socket.getnameinfo, address, flags))

    async def _ask(self, function: Callable[[], Any]) -> Any:
        def ask() -> Any:
            with lookups.under_way():
                return function()

        return await in_own_thread(ask)


def make_connector() -> GuardedConnector:
    """Make a connector without a limit of its own."""
    resolver = None
    if aiohttp.DefaultResolver is aiohttp.ThreadedResolver:  # the other one has its own way
        resolver = aiohttp.ThreadedResolver(cast("asyncio.AbstractEventLoop", Lookup()))
    return GuardedConnector(limit=0, resolver=resolver)
