"""A real API with storage on another origin, and a client that does not really wait between tries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from sync_async import AsyncSync
from sync_async.sandbox import AsyncSandbox
from sync_async.sandbox.jobs import SAMPLES

FACE, SPEECH = SAMPLES / "face.mp4", SAMPLES / "speech.wav"
INPUT: list[dict[str, Any]] = [
    {"type": "video", "url": "https://media.example/v.mp4"},
    {"type": "audio", "url": "https://media.example/a.wav"},
]


@attrs.define
class House:
    """A sandbox and a client of it."""

    sandbox: AsyncSandbox
    client: AsyncSync
    naps: list[float] = attrs.field(factory=list)

    async def nap(self, seconds: float) -> None:
        self.naps.append(seconds)

    async def made(self, **more: Any) -> Any:
        """Make a generation, and wait for its end."""
        return await self.client.generations.run(model="lipsync-2", input=INPUT, timeout=20, **more)

    def asked(self, method: str, path: str) -> int:
        """Count the requests to the API whose path begins so."""
        return sum(seen.method == method and seen.path.startswith(path) for seen in self.sandbox.requests)

    def stored(self, method: str) -> list[Any]:
        """Give the requests to storage."""
        return [seen for seen in self.sandbox.storage_requests if seen.method == method]


class Opener:
    """Opens houses with settings of a test's own."""

    def __init__(self) -> None:
        self._houses: list[House] = []

    async def __call__(self, **settings: Any) -> House:
        defaults: dict[str, Any] = {
            "latency": 0.0,
            "render": False,
            "concurrency": None,
            "posts_per_minute": None,
            "polls_per_minute": None,
        }
        sandbox = await AsyncSandbox(**{**defaults, **settings}).start()
        house = House(sandbox, AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key))
        house.client._transport.sleep = house.nap
        house.client._transport.chance = lambda: 1.0
        self._houses.append(house)
        return house

    async def close(self) -> None:
        for house in self._houses:
            await house.client.close()
            assert house.sandbox.leaks == []  # in every test: the key reaches the API and nobody else
            await house.sandbox.close()


@pytest.fixture
async def opened() -> AsyncIterator[Opener]:
    """Opens houses, and closes them afterwards."""
    opener = Opener()
    yield opener
    await opener.close()


@pytest.fixture
async def house(opened: Opener) -> House:
    """A sandbox whose generations end at once, and a client of it."""
    return await opened()


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file of 3 MB that looks like a video, each place of it different."""
    path = tmp_path / "big.mp4"
    path.write_bytes(FACE.read_bytes() + b"".join(number.to_bytes(4, "big") for number in range(750_000)))
    return path
