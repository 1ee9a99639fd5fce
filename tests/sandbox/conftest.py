"""A sandbox and a plain HTTP session: the client is not involved in these tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import web

from sync_async.sandbox import AsyncSandbox

VIDEO = {"type": "video", "url": "https://assets.sync.so/docs/example-video.mp4"}
AUDIO = {"type": "audio", "url": "https://assets.sync.so/docs/example-audio.wav"}
SPEECH = {"type": "text", "provider": {"name": "elevenlabs", "voiceId": "v", "script": "Welcome to the show."}}
BODY: dict[str, Any] = {"model": "lipsync-2", "input": [VIDEO, AUDIO]}


@attrs.define
class Answer:
    """An answer, read."""

    status: int
    headers: Any
    body: bytes
    json: Any = None

    @property
    def code(self) -> str | None:
        """The error code."""
        return self.json.get("errorCode") if isinstance(self.json, dict) else None


@attrs.define
class Api:
    """Plain requests to a sandbox."""

    sandbox: AsyncSandbox
    session: aiohttp.ClientSession

    async def __call__(self, method: str, path: str, *, key: str | None = "sk-test", **other: Any) -> Answer:
        """Send a request to the API, or without a key to any URL."""
        is_url = path.startswith("http")
        headers = {**({"x-api-key": key} if key and not is_url else {}), **other.pop("headers", {})}
        url = path if is_url else self.sandbox.base_url + path
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **other) as response:
            body = await response.read()
            json = await response.json() if response.content_type == "application/json" and body else None
            return Answer(response.status, response.headers, body, json)

    async def create(self, body: Any = BODY, **other: Any) -> Answer:
        return await self("POST", "/v2/generate", json=body, **other)

    async def ended(self, id: str) -> dict[str, Any]:
        """Wait for the end of a generation."""
        await self.sandbox.world.jobs.wait(id, 20)
        generation: dict[str, Any] = (await self("GET", f"/v2/generate/{id}")).json
        return generation

    async def made(self, **change: Any) -> dict[str, Any]:
        """Create a generation and wait for its end."""
        return await self.ended((await self.create({**BODY, **change})).json["id"])

    async def presign(self, content: bytes, name: str = "v.mp4", kind: str = "video/mp4") -> dict[str, Any]:
        asked = {"fileName": name, "contentType": kind, "size": len(content)}
        place: dict[str, Any] = (await self("POST", "/v2/assets/upload", json=asked)).json
        return place

    async def upload(self, content: bytes, name: str = "v.mp4", kind: str = "video/mp4") -> str:
        """Send a file to the storage, and give its address."""
        place = await self.presign(content, name, kind)
        put = await self("PUT", place["uploadUrl"], data=content, headers={"Content-Type": kind})
        assert put.status == 200
        url: str = place["url"]
        return url


class Opener:
    """Opens sandboxes with settings of a test's own."""

    def __init__(self) -> None:
        self._apis: list[Api] = []

    async def __call__(self, **settings: Any) -> Api:
        defaults: dict[str, Any] = {
            "latency": 0.0,
            "render": False,
            "concurrency": None,
            "posts_per_minute": None,
            "polls_per_minute": None,
        }
        sandbox = await AsyncSandbox(**{**defaults, **settings}).start()
        self._apis.append(Api(sandbox, aiohttp.ClientSession()))
        return self._apis[-1]

    async def close(self) -> None:
        for api in self._apis:
            await api.session.close()
            await api.sandbox.close()


@pytest.fixture
async def opened() -> AsyncIterator[Opener]:
    """Opens sandboxes, and closes them afterwards."""
    opener = Opener()
    yield opener
    await opener.close()


@pytest.fixture
async def api(opened: Opener) -> Api:
    """A sandbox whose generations end at once."""
    return await opened()


@pytest.fixture
async def held(opened: Opener) -> Api:
    """A sandbox whose generations go on only when they are told to."""
    return await opened(latency=float("inf"))


class Later:
    """The loop's clock, which can be put forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        true_time = loop.time
        self._ahead = 0.0
        monkeypatch.setattr(loop, "time", lambda: true_time() + self._ahead)

    def by(self, seconds: float) -> None:
        self._ahead += seconds


@pytest.fixture
async def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Puts the clock forward."""
    return Later(monkeypatch)


class Receiver:
    """A server of a caller's own, which takes webhooks and has files."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[tuple[str, bytes]] = []
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self._arrived = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        async with self._arrived:
            self.got.append((request.headers["Sync-Signature"], await request.read()))
            self._arrived.notify_all()
        return web.Response()

    async def arrivals(self, count: int) -> list[tuple[str, bytes]]:
        """Wait for so many deliveries."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.got) >= count)
        return self.got

    async def give(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[name]})
        return web.Response(body=self.files[name]) if name in self.files else web.Response(status=404)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a real socket."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    app.router.add_get("/{name}", made.give)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield made
    await runner.cleanup()
