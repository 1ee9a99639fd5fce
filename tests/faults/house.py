"""A sandbox behind the proxy, and clients of either style in the same virtual time.

Server, proxy and client share one loop whose clock jumps ahead when nothing is left to do, so that a call that
waits a minute, or for ever, is over at once; what hangs meets the guard, an hour later by that clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import selectors
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import attrs

from sync_async import AsyncSync, Generation, Timeout
from sync_async._items import AsyncItems
from sync_async.sandbox import AsyncSandbox
from sync_async.sandbox.jobs import SAMPLES
from sync_blocking import Sync
from sync_blocking._items import Items
from tests.faults.proxy import FaultProxy
from tests.virtual_time import VirtualLoop

KEY = "sk-campaign-4be1d7"
GUARD = 3600.0
"""Virtual seconds after which a call counts as hung; no timeout and no wait of these tests comes near."""
SETTLING = 0.002
"""Seconds that a loopback socket is given to deliver before the clock jumps."""
INPUT: list[dict[str, Any]] = [
    {"type": "video", "url": "https://media.example/v.mp4"},
    {"type": "audio", "url": "https://media.example/a.wav"},
]
ROWS: list[dict[str, Any]] = [
    {"request_id": f"row-{number}", "payload": {"model": "lipsync-2", "input": INPUT}} for number in range(20)
]
FACE, SPEECH = SAMPLES / "face.mp4", SAMPLES / "speech.wav"


class HungError(AssertionError):
    """A call that had not ended after all that it may wait for."""


class CampaignLoop(VirtualLoop):
    """Virtual time that lets the sockets deliver before it passes."""

    def __init__(self) -> None:
        super().__init__()
        jump = self.virtual.select

        def select(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is None or timeout <= 0:
                return jump(timeout)
            ready = selectors.DefaultSelector.select(self.virtual, min(timeout, SETTLING))
            return ready or jump(timeout)

        self.virtual.select = select


@attrs.define
class House:
    """All that the calls of a campaign need."""

    sandbox: AsyncSandbox
    proxy: FaultProxy
    folder: Path
    done: Generation
    asset_id: str
    batch_id: str
    files: int = 0

    @classmethod
    async def open(cls, folder: Path) -> House:
        """Start sandbox and proxy, with a generation, an asset and a batch that have ended."""
        sandbox = await AsyncSandbox(
            latency=0.0,
            render=False,
            concurrency=None,
            posts_per_minute=None,
            polls_per_minute=None,
            uploads_per_minute=None,
            batches=1_000_000,
        ).start()
        proxy = await FaultProxy(sandbox).start()
        async with AsyncSync(api_key=KEY, base_url=proxy.urls["api"]) as client:
            done = await client.generations.run(model="lipsync-2", input=INPUT)
            asset = await client.assets.upload(FACE)
            batch = await client.batch.create(rows=ROWS)
            await client.batch.wait(batch.id)
        return cls(sandbox, proxy, folder, done, asset.id, batch.id)

    @property
    def settings(self) -> dict[str, Any]:
        """What a client of the house is made with."""
        return {"api_key": KEY, "base_url": self.proxy.urls["api"]}

    def new_path(self) -> Path:
        """Give a file that is not there yet."""
        self.files += 1
        return self.folder / f"out-{self.files}.mp4"

    def output(self) -> bytes:
        """Give the output of the generation that has ended."""
        return (self.sandbox.world.storage.folder / "outputs" / f"{self.done.id}.mp4").read_bytes()

    async def close(self) -> None:
        await self.proxy.close()
        await self.sandbox.close()


Call = Callable[[Any, House], Any]
"""Calls a method of a client of either style."""


@attrs.define
class Outcome:
    """What came of a call."""

    value: Any = None
    error: Exception | None = None
    seconds: float = 0.0
    """By the loop's clock."""


async def guarded(call: Coroutine[Any, Any, Any], outcome: Outcome) -> Any:
    """Run a call, measure it, and fail if it hangs."""
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(GUARD) as guard:
            return await call
    except TimeoutError as error:
        if guard.expired():
            raise HungError(f"still waiting after {GUARD:g} s") from error
        raise
    finally:
        outcome.seconds += asyncio.get_running_loop().time() - began


class Style:
    """One way of calling."""

    name = ""

    def __init__(self, house: House) -> None:
        self.house = house

    def call(self, call: Call, **settings: Any) -> Outcome:
        """Call with a new client, and give what comes of it."""
        (outcome,) = self.together([call], **settings)
        return outcome

    def together(self, calls: Sequence[Call], **settings: Any) -> list[Outcome]:
        """Make calls at once with one new client, and give what comes of each."""
        raise NotImplementedError


class Awaited(Style):
    """Calls of `AsyncSync`."""

    name = "awaited"

    def __init__(self, house: House, runner: asyncio.Runner) -> None:
        super().__init__(house)
        self._runner = runner

    def together(self, calls: Sequence[Call], **settings: Any) -> list[Outcome]:
        return self._runner.run(self._together(calls, **settings))

    async def _together(self, calls: Sequence[Call], **settings: Any) -> list[Outcome]:
        async with AsyncSync(**{**self.house.settings, **settings}) as client:
            return await asyncio.gather(*(self._call(call, client) for call in calls))

    async def _call(self, call: Call, client: AsyncSync) -> Outcome:
        outcome = Outcome()
        try:
            outcome.value = await guarded(_drained(call(client, self.house)), outcome)
        except Exception as error:  # noqa: BLE001  # it is looked at
            outcome.error = error
        return outcome


class InASession(Awaited):
    """Calls of `AsyncSync` over a session of the caller's, which carries reads, too."""

    name = "in a session"

    async def _together(self, calls: Sequence[Call], **settings: Any) -> list[Outcome]:
        async with aiohttp.ClientSession() as session:
            return await super()._together(calls, session=session, **settings)


async def _drained(value: Any) -> Any:
    return [item async for item in value] if isinstance(value, AsyncItems) else await value


class Blocking(Style):
    """Calls of `Sync`, whose private loop has sandbox and proxy as well; those at once each in a thread."""

    name = "blocking"

    def together(self, calls: Sequence[Call], **settings: Any) -> list[Outcome]:
        with Sync(**{**self.house.settings, **settings}) as client:
            if len(calls) == 1:
                return [self._call(calls[0], client)]
            with ThreadPoolExecutor(len(calls)) as pool:
                # each with a copy, which is measured by itself and has the same connections
                made = [pool.submit(self._call, call, client.with_options()) for call in calls]
                return [each.result() for each in made]

    def _call(self, call: Call, client: Sync) -> Outcome:
        outcome = Outcome()
        _guard(client, outcome)
        try:
            value = call(client, self.house)
            outcome.value = list(value) if isinstance(value, Items) else value
        except Exception as error:  # noqa: BLE001  # it is looked at
            outcome.error = error
        return outcome


@attrs.frozen
class _GuardedPortal:
    """A way to the loop by which all is measured and guarded."""

    _portal: Any
    _outcome: Outcome

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self._portal.run(guarded(call, self._outcome))

    def close(self) -> None:
        self._portal.close()


def _guard(client: Any, outcome: Outcome) -> None:
    portal = _GuardedPortal(client._portal, outcome)
    for part in (client, client.assets, client.batch, client.bulk, client.generations, client.models):
        part._portal = portal


@contextlib.contextmanager
def awaited(style: type[Awaited] = Awaited) -> Iterator[Style]:
    """Give the style of asyncio programs, with a house."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=CampaignLoop) as runner:
        house = runner.run(House.open(Path(folder)))
        try:
            yield style(house, runner)
        finally:
            runner.run(house.close())


@contextlib.contextmanager
def blocking() -> Iterator[Style]:
    """Give the style of plain programs, with a house."""
    with tempfile.TemporaryDirectory() as folder, Sync(api_key=KEY, base_url="http://127.0.0.1:9") as keeper:
        with mock.patch("asyncio.new_event_loop", CampaignLoop):
            house = keeper._portal.run(House.open(Path(folder)))
        try:
            yield Blocking(house)
        finally:
            keeper._portal.run(house.close())


STYLES: dict[str, Callable[[], contextlib.AbstractContextManager[Style]]] = {
    "awaited": awaited,
    "blocking": blocking,
    "in a session": functools.partial(awaited, InASession),
}
PATIENT, HURRIED = Timeout(), Timeout(connect=10, read=15, total=20)
