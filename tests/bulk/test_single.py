"""One row by itself: the same key is the same purchase, whoever asks for it, and how often."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sync_async import ArgumentError, AsyncSandbox, AsyncSync, GenerationFailedError
from sync_async.bulk import ManifestError
from sync_blocking import Sandbox, Sync

ROW = {"model": "lipsync-2", "video": "https://e.com/face.mp4", "audio": "https://e.com/speech.wav"}


@pytest.fixture
async def sandbox() -> AsyncIterator[AsyncSandbox]:
    async with AsyncSandbox(latency=0.02, render=False, posts_per_minute=None, polls_per_minute=None) as made:
        yield made


async def once(
    sandbox: AsyncSandbox, key: str = "order-17", row: dict[str, Any] | None = None, **options: Any
) -> Any:
    """Do it as another process would: with a client of its own."""
    async with AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
        return await client.bulk.run_one(row or ROW, key=key, **options)


async def test_the_same_key_is_the_same_purchase_and_another_one_is_not(sandbox: AsyncSandbox) -> None:
    first, second, other = await once(sandbox), await once(sandbox), await once(sandbox, "order-18")
    assert first.ok
    assert first.generation_id == second.generation_id != other.generation_id
    assert len(sandbox.generations) == 2


async def test_a_file_that_is_there_is_the_result_and_nothing_is_sent(
    sandbox: AsyncSandbox, tmp_path: Path
) -> None:
    first = await once(sandbox, output=tmp_path)
    assert first.path == tmp_path / "order-17.mp4"
    assert first.bytes == first.path.stat().st_size
    requests = len(sandbox.requests)
    again = await once(sandbox, output=tmp_path)
    assert (again.path, again.sha256) == (first.path, first.sha256)
    assert len(sandbox.requests) == requests


async def test_local_files_that_are_sent_again_buy_nothing_again(sandbox: AsyncSandbox, tmp_path: Path) -> None:
    """Their addresses are new, and so the bytes of the request are."""
    (tmp_path / "face.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"x" * 64)
    row = {**ROW, "video": "face.mp4"}
    results = [await once(sandbox, row=row, base=tmp_path) for _ in range(3)]
    assert len({result.generation_id for result in results}) == 1
    assert len(sandbox.generations) == 1


async def test_a_purchase_is_found_when_the_server_has_forgotten_its_key(tmp_path: Path) -> None:
    async with AsyncSandbox(latency=0.02, render=False, key_lifetime=0.0) as sandbox:
        first = await once(sandbox, row={**ROW, "output_name": "mine"})
        begun = datetime.now(UTC) - timedelta(days=2)
        again = await once(sandbox, row={**ROW, "output_name": "mine"}, begun=begun, output=tmp_path / "x.mp4")
        assert again.generation_id == first.generation_id
        assert len(sandbox.generations) == 1


async def test_an_answer_that_gets_lost_buys_nothing_twice(sandbox: AsyncSandbox) -> None:
    sandbox.faults.add("lost", method="POST", path="/v2/generate")
    assert (await once(sandbox)).ok
    assert len(sandbox.generations) == 1


async def test_what_failed_stays_failed_under_its_key(sandbox: AsyncSandbox) -> None:
    sandbox.end_next("FAILED")
    for _ in range(2):
        with pytest.raises(GenerationFailedError):
            await once(sandbox)
    assert len(sandbox.generations) == 1


async def test_what_cannot_be_right_is_told_and_nothing_is_sent(sandbox: AsyncSandbox, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="vidio: there is no such column; did you mean 'video'"):
        await once(sandbox, row={**ROW, "vidio": "x"})
    with pytest.raises(ArgumentError, match="key: '' is not a name"):
        await once(sandbox, key="")
    with pytest.raises(ArgumentError, match="begun: it has no time zone"):
        await once(sandbox, begun=datetime(2026, 1, 1))
    with pytest.raises(ArgumentError, match="there is no folder"):
        await once(sandbox, output=tmp_path / "none" / "x.mp4")
    assert not sandbox.requests


def test_the_blocking_twin_does_the_same(tmp_path: Path) -> None:
    with (
        Sandbox(latency=0.02, render=False) as sandbox,
        Sync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client,
    ):
        assert client.bulk.run_one(ROW, key="order-17", output=tmp_path).path == tmp_path / "order-17.mp4"
