"""Items that come in groups: asked for when they are needed, with nothing open in between."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from sync_async import AsyncItems, AsyncSync
from sync_async.sandbox import AsyncSandbox
from sync_async.sandbox.records import Asset
from sync_blocking import Items, Sandbox, Sync
from tests.conftest import GENERATION, Server

INPUT: list[dict[str, Any]] = [
    {"type": "video", "url": "https://media.example/v.mp4"},
    {"type": "audio", "url": "https://media.example/a.wav"},
]


def fill(sandbox: Any, count: int) -> None:
    """Put assets into the library, the last one newest."""
    for number in range(count):
        asset = Asset(id=f"a-{number}", type="VIDEO", url=f"https://x/{number}.mp4", name=f"{number:04}.mp4")
        sandbox.assets[asset.id] = asset


def pages(sandbox: Any) -> int:
    return sum(seen.path in ("/v2/assets", "/v2/generations") for seen in sandbox.requests)


async def test_pages_are_asked_for_as_they_are_needed() -> None:
    """A thousand items cost ten requests, and the first cost one."""
    async with AsyncSandbox(polls_per_minute=None) as sandbox:
        fill(sandbox.world, 1000)
        async with AsyncSync(base_url=sandbox.base_url, api_key="k") as client:
            items = client.assets.iter(sort_by="nameAsc")
            assert pages(sandbox) == 0
            first = await anext(items)
            assert (first.name, pages(sandbox)) == ("0000.mp4", 1)
            rest = [asset.name async for asset in items]
            assert rest == [f"{number:04}.mp4" for number in range(1, 1000)]
            assert pages(sandbox) == 10


async def test_filters_go_with_every_page() -> None:
    async with AsyncSandbox() as sandbox:
        fill(sandbox.world, 250)
        async with AsyncSync(base_url=sandbox.base_url, api_key="k") as client:
            assert [asset async for asset in client.assets.iter(types=["AUDIO"])] == []
            expected = sum("01" in f"{number:04}" for number in range(250))
            assert len([asset async for asset in client.assets.iter(search_query="01")]) == expected > 100


async def test_generations_come_newest_first_and_each_once(server: Server) -> None:
    """The list shifts while it is read: new ones push known ones onto the next page."""
    numbers = list(range(250, 0, -1))
    known = [{**GENERATION, "id": f"g-{number}"} for number in numbers]
    server.answer(200, known[:100])
    server.answer(200, known[90:190])
    server.answer(200, known[190:])
    async with AsyncSync(api_key="k", base_url=server.url) as client:
        seen = [one.id async for one in client.generations.iter(status=["PENDING"], project_id="p")]
    assert seen == [f"g-{number}" for number in numbers]
    first, second, third = server.seen
    assert first.query == "status=PENDING&projectId=p&limit=100"
    assert second.query == "status=PENDING&projectId=p&cursor=g-151&limit=100"
    assert third.query.startswith("status=PENDING&projectId=p&cursor=g-61")


async def test_a_server_that_gives_the_same_page_for_ever_is_left(server: Server) -> None:
    server.answer(200, [{**GENERATION, "id": f"g-{number}"} for number in range(100)], times=3)
    async with AsyncSync(api_key="k", base_url=server.url) as client:
        assert len([one async for one in client.generations.iter()]) == 100
    assert len(server.seen) == 2


async def test_after_an_error_the_same_page_is_asked_for_again(server: Server) -> None:
    """Nothing is skipped."""
    server.answer(200, [{**GENERATION, "id": f"g-{number}"} for number in range(100)])
    server.refuse(500)
    server.answer(200, [{**GENERATION, "id": "g-100"}])
    async with AsyncSync(api_key="k", base_url=server.url, max_retries=0) as client:
        items = client.generations.iter()
        for _ in range(100):
            await anext(items)
        with pytest.raises(Exception, match="500"):
            await anext(items)
        assert [one.id async for one in items] == ["g-100"]
    assert server.seen[1].query == server.seen[2].query


async def test_a_group_can_be_taken_at_once() -> None:
    """Those of a page that are left, then the next page, then nothing."""
    groups: list[list[int]] = [[1, 2, 3], [4], []]

    async def fetch() -> list[int]:
        return groups.pop(0)

    items = AsyncItems(fetch)
    assert await anext(items) == 1
    assert await items.next_group() == [2, 3]
    assert await items.next_group() == [4]
    assert await items.next_group() == []
    assert await items.next_group() == []


class TestBlocking:
    """The same for plain loops."""

    @pytest.fixture
    def sandbox(self) -> Iterator[Sandbox]:
        with Sandbox(latency=0.0, render=False, polls_per_minute=None, concurrency=None) as made:
            yield made

    @pytest.fixture
    def client(self, sandbox: Sandbox) -> Iterator[Sync]:
        with Sync(base_url=sandbox.base_url, api_key="k") as made:
            yield made

    def test_a_thousand_items_cost_ten_hops(
        self, sandbox: Sandbox, client: Sync, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(sandbox._sandbox.world, 1000)
        hops = []
        portal = type(client._portal)
        run = portal.run
        monkeypatch.setattr(portal, "run", lambda self, coroutine: hops.append(1) or run(self, coroutine))
        assert len(list(client.assets.iter())) == 1000
        assert len(hops) in (10, 11)
        assert pages(sandbox) == 10

    def test_leaving_early_leaves_nothing_open(self, sandbox: Sandbox, client: Sync) -> None:
        """By break, by an error in the body, by `with`, by forgetting it."""
        fill(sandbox._sandbox.world, 300)
        for _ in client.assets.iter():
            break
        with pytest.raises(LookupError):  # noqa: PT012  # the loop is what is tested
            for _ in client.assets.iter():
                raise LookupError
        with client.assets.iter() as items:
            next(items)
        assert list(items) == []
        items.close()
        forgotten = client.assets.iter()
        next(forgotten)
        gone = weakref.ref(forgotten)
        del forgotten
        gc.collect()
        assert gone() is None
        assert pages(sandbox) == 4

    def test_many_are_waited_for(self, sandbox: Sandbox, client: Sync) -> None:
        """With a listener that runs in the caller's own thread."""
        ids = [client.generations.create(model="lipsync-2", input=INPUT).id for _ in range(5)]
        told: list[str] = []
        done = [one.id for one in client.generations.wait_many(ids, on_update=lambda one: told.append(one.id))]
        assert sorted(done) == sorted(ids)
        assert set(told) == set(ids)

    def test_an_iterator_is_an_iterator(self, client: Sync) -> None:
        items = client.generations.iter()
        assert isinstance(items, Items)
        assert iter(items) is items
        assert list(items) == []

    def test_a_closed_client_says_so(self, sandbox: Sandbox) -> None:
        client = Sync(base_url=sandbox.base_url, api_key="k")
        items = client.assets.iter()
        client.close()
        with pytest.raises(Exception, match="this client is closed"):
            next(items)
