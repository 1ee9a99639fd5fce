"""What many tests need: a server that answers as it is told, a client for it, and a clock that need not run."""

from __future__ import annotations

import asyncio
import os
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web
from multidict import CIMultiDict

import sync
import sync_async
import sync_blocking
from sync_async import AsyncSync
from tests.wheel import GIVEN


def pytest_sessionstart() -> None:
    """Where a wheel is to be tested, stop when anything else is."""
    installed = Path(sysconfig.get_path("purelib"))
    for package in (sync_async, sync_blocking, sync) if GIVEN in os.environ else ():
        if not Path(package.__file__).is_relative_to(installed):
            raise pytest.UsageError(f"the wheel is to be tested, but {package.__file__} is imported")


GENERATION = {
    "id": "6533643b-aceb-4c40-967e-d9ba9baac39e",
    "createdAt": "2026-11-22T10:00:00.000Z",
    "status": "PENDING",
    "model": "lipsync-2",
    "input": [
        {"type": "video", "url": "https://media.example/v.mp4"},
        {"type": "audio", "url": "https://media.example/a.wav"},
    ],
    "options": None,
    "webhookUrl": None,
    "outputFileName": None,
}


@attrs.define
class Seen:
    """A request that reached the server."""

    method: str
    raw_path: str
    headers: CIMultiDict[str]
    body: bytes

    @property
    def path(self) -> str:
        return self.raw_path.partition("?")[0]

    @property
    def query(self) -> str:
        return self.raw_path.partition("?")[2]


Answer = web.StreamResponse | Exception | Callable[[web.Request], Awaitable[web.StreamResponse]]


@attrs.define
class Server:
    """Answers each request with the next prepared answer, or with the last one for ever."""

    url: str = ""
    answers: list[Any] = attrs.field(factory=list)
    seen: list[Seen] = attrs.field(factory=list)

    def answer(
        self, status: int = 200, json: Any = None, *, body: bytes | None = None, times: int = 1, **headers: str
    ) -> None:
        """Prepare an answer, header names written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def respond(_: web.Request) -> web.StreamResponse:
            if body is not None:
                return web.Response(status=status, body=body, headers=named)
            return web.json_response(json, status=status, headers=named)

        self.answers += [respond] * times

    def refuse(
        self,
        status: int,
        code: str | None = None,
        *,
        times: int = 1,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> None:
        """Prepare an error in the API's form."""
        error = {"statusCode": status, "message": f"refused with {status}", **fields}
        if code is not None:
            error["errorCode"] = code

        async def respond(_: web.Request) -> web.StreamResponse:
            return web.json_response(error, status=status, headers=headers)

        self.answers += [respond] * times

    def drop(self, times: int = 1) -> None:
        """Prepare to close the connection after the request was read, without an answer."""

        async def respond(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.close()
            return web.Response()

        self.answers += [respond] * times

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(Seen(request.method, request.raw_path, request.headers.copy(), await request.read()))
        respond = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer: web.StreamResponse = await respond(request)
        return answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server on a real socket, told by the test what to answer."""
    state = Server()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{anything:.*}", state.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    state.url = f"http://{host}:{port}"
    yield state
    await runner.cleanup()


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The running loop's clock, in the test's hands."""
    made = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", made.time)
    return made


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncSync]:
    """A client of the test's server that does not really wait between attempts."""
    async with AsyncSync(api_key="sk-test", base_url=server.url) as made:
        made.naps = []

        async def nap(seconds: float) -> None:
            made.naps.append(seconds)

        made._transport.sleep = nap
        made._transport.chance = lambda: 1.0
        yield made
