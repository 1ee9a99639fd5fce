"""A bulk run as a caller sees it: opened, followed row by row, stopped, taken up again, mended."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sync_async import ArgumentError, AsyncSandbox, AsyncSync, ClosedError, NotFoundError
from sync_async.bulk.errors import LedgerLockedError, ManifestError
from sync_async.bulk.results import BulkIncompleteError
from sync_async.bulk.states import State
from sync_async.webhooks import parse
from sync_blocking import Sandbox, Sync
from tests.virtual_time import run_virtually

BAD_AUDIO = "generation_input_audio_invalid"


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "item_id": f"row-{number}",
        "model": "lipsync-2",
        "video": "https://e.com/face.mp4",
        "audio": f"https://e.com/{number}.wav",
        **changes,
    }


def rows(count: int) -> list[dict[str, Any]]:
    return [row(number) for number in range(count)]


def virtually(test: Callable[[AsyncSandbox, AsyncSync], Coroutine[Any, Any, None]], **settings: Any) -> None:
    """Run a test against a sandbox whose jobs take two minutes, in virtual time."""

    async def main() -> None:
        settings.setdefault("latency", 120)
        async with (
            AsyncSandbox(render=False, **settings) as sandbox,
            AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client,
        ):
            await test(sandbox, client)

    run_virtually(main())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_gives_each_row_as_it_ends_and_a_report(tmp_path: Path) -> None:
    async def test(sandbox: AsyncSandbox, client: AsyncSync) -> None:
        run = await client.bulk.open(tmp_path, [*rows(7), row(0, item_id="double")])
        assert (await run.plan()).rows == 7
        assert not sandbox.generations  # nothing is bought by opening
        found = [result async for result in run.stream()]
        assert {result.item_id for result in found} == {f"row-{number}" for number in range(7)} | {"double"}
        assert len(found) == 8
        assert all(result.ok and result.path and result.path.is_file() for result in found)
        double = next(result for result in found if result.item_id == "double")
        assert (double.double_of, double.cost, double.path) == (1, Decimal(), tmp_path / "row-0.mp4")
        report = await run.result()
        report.raise_for_failures()
        assert (report.status.done, report.status.total, report.halt) == (7, 8, None)
        assert [line["item_id"] for line in lines(tmp_path / "results.jsonl")][-1] == "double"
        assert json.loads((tmp_path / "summary.json").read_text())["rows"] == {"done": 7, "skipped": 1}
        assert not (tmp_path / "failed.jsonl").exists()

    virtually(test)


def test_leaving_at_any_time_loses_nothing_and_the_folder_alone_goes_on(tmp_path: Path) -> None:
    async def test(sandbox: AsyncSandbox, client: AsyncSync) -> None:
        run = await client.bulk.open(tmp_path, rows(9), max_concurrency=2)
        async for _ in run.stream():
            break
        await run.close()
        run = await client.bulk.open(tmp_path)
        found = [result.item_id async for result in run.stream()]
        assert sorted(found) == sorted(f"row-{number}" for number in range(9))
        assert len(sandbox.generations) == 9
        assert (await run.plan()).rows == 9

    virtually(test)


def test_a_client_that_is_closed_leaves_its_runs(tmp_path: Path) -> None:
    async def test(sandbox: AsyncSandbox, _: AsyncSync) -> None:
        async with AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
            run = await client.bulk.open(tmp_path, rows(3))
            stream = run.stream()
            await anext(stream)
        with pytest.raises(ClosedError, match="open it again"):
            await run.result()
        async with AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
            report = await (await client.bulk.open(tmp_path)).result()
        assert report.status.is_complete
        assert len(sandbox.generations) == 3

    virtually(test)


def test_two_programs_do_not_work_on_one_run(tmp_path: Path) -> None:
    async def test(_: AsyncSandbox, client: AsyncSync) -> None:
        run = await client.bulk.open(tmp_path, rows(1))
        with pytest.raises(LedgerLockedError):
            await client.bulk.open(tmp_path)
        await run.close()
        await run.close()
        await (await client.bulk.open(tmp_path)).close()

    virtually(test)


def test_stopping_follows_what_runs_or_leaves_it(tmp_path: Path) -> None:
    async def test(sandbox: AsyncSandbox, client: AsyncSync) -> None:
        run = await client.bulk.open(tmp_path, rows(20))
        working = asyncio.create_task(run.result())
        await asyncio.sleep(200)
        await run.stop(drain=True)
        report = await working
        assert report.halt is not None
        assert report.halt.reason == "stopped"
        assert report.status.done == len(sandbox.generations) < 20
        with pytest.raises(BulkIncompleteError, match="not bought"):
            report.raise_for_failures()
        await run.close()
        run = await client.bulk.open(tmp_path)
        working = asyncio.create_task(run.result())
        await asyncio.sleep(60)
        await run.stop(drain=False)
        report = await working
        assert report.halt is not None
        assert report.status.count(State.SUBMITTED, State.SUBMITTING) > 0

    virtually(test)


def test_settings_are_those_of_the_last_time_unless_told_otherwise(tmp_path: Path) -> None:
    async def test(_: AsyncSandbox, client: AsyncSync) -> None:
        run = await client.bulk.open(tmp_path, rows(2), budget=5, attempts=3, max_concurrency=1)
        await run.close()
        run = await client.bulk.open(tmp_path, max_concurrency=2)
        settings = run._work.settings
        assert (settings.attempts, settings.max_concurrency, settings.budget_micro) == (3, 2, 5_000_000)
        assert (await run.status()).budget == 5

    virtually(test)


def test_rows_that_failed_are_told_listed_and_bought_again_when_wanted(tmp_path: Path) -> None:
    async def test(sandbox: AsyncSandbox, client: AsyncSync) -> None:
        (tmp_path / "face.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"x" * 64)
        for _ in range(2):
            sandbox.end_next("FAILED", code=BAD_AUDIO)
        out = tmp_path / "out"
        run = await client.bulk.open(out, [row(0, video="face.mp4", priority=2), *rows(4)[1:]], base=tmp_path)
        report = await run.result()
        assert [(failures.code, failures.rows, failures.samples) for failures in report.failures] == [
            (BAD_AUDIO, 2, ("row-0", "row-1"))
        ]
        failed = lines(out / "failed.jsonl")
        assert [line["item_id"] for line in failed] == ["row-0", "row-1"]
        assert (failed[0]["video"], failed[0]["priority"]) == (str(tmp_path / "face.mp4"), 2)
        assert "outputFileName" not in failed[1]
        with pytest.raises(ArgumentError, match="no row that failed is called 'row-3'"):
            await run.retry(ids=["row-3"])
        assert (await run.retry(codes=["other"], dry_run=True)).rows == 0
        retry = await run.retry(dry_run=True)
        assert (retry.rows, retry.rows_of_unknown_price) == (2, 2)
        assert (await run.status()).failed == 2
        await run.retry()
        report = await run.result()
        report.raise_for_failures()
        assert len(sandbox.generations) == 6
        assert not (out / "failed.jsonl").exists()
        names = Counter(job.body.get("outputFileName") for job in sandbox.generations.values())
        assert max(names.values()) == 1  # each purchase can be told from the others
        another = await client.bulk.open(tmp_path / "another", failed)  # it is a manifest
        assert (await another.plan()).rows == 2

    virtually(test)


def test_a_row_that_nobody_knows_of_can_be_adopted_or_given_up(tmp_path: Path) -> None:
    async def test(sandbox: AsyncSandbox, client: AsyncSync) -> None:
        sandbox.faults.add(
            "answer", method="POST", path="/v2/generate", status=409, code="idempotency_key_conflict", times=2
        )
        run = await client.bulk.open(tmp_path, rows(3))
        report = await run.result()
        assert report.status.count(State.CONFLICT) == 2, report
        job = await client.generations.create(
            model="lipsync-2",
            input=[
                {"type": "video", "url": "https://e.com/a.mp4"},
                {"type": "audio", "url": "https://e.com/a.wav"},
            ],
        )
        names = sorted(
            line["item_id"] for line in lines(tmp_path / "results.jsonl") if line["state"] == "conflict"
        )
        with pytest.raises(ArgumentError, match="no unknown or conflicting row is called 'row-9'"):
            await run.resolve(drop=["row-9"])
        with pytest.raises(NotFoundError):
            await run.resolve(adopt={names[0]: "6533643b-aceb-4c40-967e-d9ba9baac39e"})
        await run.resolve(adopt={names[0]: job.id}, drop=[names[1]])
        report = await run.result()
        assert (report.status.done, report.status.failed) == (2, 1)
        assert report.failures[0].code == "given_up"

    virtually(test)


def test_a_budget_that_is_raised_lets_the_run_go_on(tmp_path: Path) -> None:
    async def test(_: AsyncSandbox, client: AsyncSync) -> None:
        run = await client.bulk.open(tmp_path, rows(5), budget="0.2", assume_price="0.1")
        report = await run.result()
        assert report.halt is not None
        assert report.halt.reason == "budget"
        assert (report.status.done, report.status.waiting) == (2, 3)
        await run.close()
        run = await client.bulk.open(tmp_path, budget=1)
        assert (await run.result()).status.is_complete

    virtually(test)


async def test_what_cannot_be_right_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    async with AsyncSync(api_key="k", base_url="http://127.0.0.1:9") as client:
        for wrong in (
            {"max_concurrency": 0},
            {"attempts": 0},
            {"canary": -1},
            {"downloads": 0},
            {"posts_per_minute": 0},
            {"budget": "much"},
            {"budget": -1},
            {"assume_price": float("nan")},
            {"run_id": "a b"},
        ):
            with pytest.raises(ArgumentError, match=next(iter(wrong))):
                await client.bulk.open(tmp_path / "out", rows(1), prices=False, **wrong)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="there is no run"):
            await client.bulk.open(tmp_path / "other")
        assert not (tmp_path / "other").exists()
        with pytest.raises(ManifestError, match="row 1, vidio"):
            await client.bulk.open(tmp_path / "out", [row(1, vidio="x")], prices=False)


def test_the_blocking_twin_does_the_same(tmp_path: Path) -> None:
    with (
        Sandbox(latency=0.05, render=False, posts_per_minute=None, polls_per_minute=None) as sandbox,
        Sync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client,
    ):
        run = client.bulk.open(tmp_path, rows(4), posts_per_minute=6_000)
        assert type(run).__name__ == "BulkRun"
        assert sorted(result.item_id for result in run.stream()) == [f"row-{number}" for number in range(4)]
        report = run.result()
        report.raise_for_failures()
        assert run.status().done == 4
        run.close()
        with client.bulk.open(tmp_path) as again:
            assert again.result().status.done == 4
        with pytest.raises(ClosedError):
            again.result()


def test_a_run_that_is_left_is_closed(tmp_path: Path) -> None:
    async def test(_: AsyncSandbox, client: AsyncSync) -> None:
        async with await client.bulk.open(tmp_path, rows(1)) as run:
            assert (await run.result()).status.done == 1
        with pytest.raises(ClosedError):
            await run.result()
        async with await client.bulk.open(tmp_path) as again:  # nobody holds it any more
            assert (await again.status()).done == 1

    virtually(test)


def test_a_webhook_has_the_jobs_looked_at_and_is_not_believed(tmp_path: Path) -> None:
    async def test(sandbox: AsyncSandbox, client: AsyncSync) -> None:
        told: list[str] = []

        async def receive(request: web.Request) -> web.Response:
            body, signature = await request.read(), request.headers.get("Sync-Signature")
            notice = parse(body, signature, sandbox.webhook_secret)
            told.append(str(getattr(notice, "status", None)))
            await run.wake()
            return web.Response()

        app = web.Application()
        app.router.add_post("/", receive)
        async with serving(app) as url:
            run = await client.bulk.open(tmp_path, [row(0)], defaults={"webhook_url": url})
            result = asyncio.create_task(run.result())
            await asyncio.sleep(30)
            looks = reads(sandbox)
            for _ in range(3):  # deliveries that nobody sent: the job goes on
                await run.wake()
                await asyncio.sleep(0.1)
            assert reads(sandbox) >= looks + 3
            assert (await run.status()).rows == {"submitted": 1}
            assert (await result).status.done == 1
        assert told == ["COMPLETED"]

    virtually(test, latency=1000)


def reads(sandbox: AsyncSandbox) -> int:
    return sum(seen.method == "GET" and seen.path.startswith("/v2/generat") for seen in sandbox.requests)


@contextlib.asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()
