"""A sandbox, and a plain HTTP session: the client is not involved in these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import attrs
import pytest

from sync_async import AsyncSandbox

VIDEO = {"type": "video", "url": "https://assets.sync.so/docs/example-video.mp4"}
AUDIO = {"type": "audio", "url": "https://assets.sync.so/docs/example-audio.wav"}
BODY = {"model": "lipsync-2", "input": [VIDEO, AUDIO]}


@attrs.define
class Answer:
    """An answer, read."""

    status: int
    headers: Any
    body: bytes
    json: Any = None


@attrs.define
class Api:
    """Plain requests to a sandbox."""

    sandbox: AsyncSandbox
    session: aiohttp.ClientSession

    async def __call__(self, method: str, path: str, *, key: str | None = "sk-test", **other: Any) -> Answer:
        headers = {**({"x-api-key": key} if key is not None else {}), **other.pop("headers", {})}
        url = path if path.startswith("http") else self.sandbox.base_url + path
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **other) as response:
            body = await response.read()
            json = await response.json() if response.content_type == "application/json" and body else None
            return Answer(response.status, response.headers, body, json)

    async def create(self, body: Any = BODY, **other: Any) -> Answer:
        return await self("POST", "/v2/generate", json=body, **other)

    async def finished(self, id: str) -> dict[str, Any]:
        """Wait for the end of a generation."""
        await self.sandbox.world.jobs.wait(id, 20)
        generation: dict[str, Any] = (await self("GET", f"/v2/generate/{id}")).json
        return generation


class Opener:
    """Opens sandboxes with settings of a test's own."""

    def __init__(self) -> None:
        self.apis: list[Api] = []

    async def __call__(self, **settings: Any) -> Api:
        defaults = {
            "latency": 0.0,
            "concurrency": None,
            "render": False,
            "posts_per_minute": None,
            "polls_per_minute": None,
        }
        sandbox = await AsyncSandbox(**{**defaults, **settings}).start()
        self.apis.append(Api(sandbox, aiohttp.ClientSession()))
        return self.apis[-1]

    async def close(self) -> None:
        for api in self.apis:
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
