"""A run keeps every slot busy, buys each row once, and fetches each output, whatever the server does.

The server is the sandbox over real sockets; hours pass in virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs
import pytest

from sync_async import AsyncSandbox, AsyncSync
from sync_async.bulk.keys import Template, frozen_body, idempotency_key, marked_name, payload_sha
from sync_async.bulk.records import NewItem, Result, RunSpec
from sync_async.bulk.runner import Runner
from sync_async.bulk.safety import Halt
from sync_async.bulk.session import RunSettings
from sync_async.bulk.sqlite import SqliteLedger
from sync_async.bulk.states import State
from tests.virtual_time import run_virtually, wall_clock

RUN = "the-run"
URL = "https://media.example/{}"


def row(number: int, **changes: Any) -> NewItem:
    """Make a row as the intake makes it, its output name marked."""
    name = f"row-{number}"
    body: dict[str, Any] = {
        "model": "lipsync-2",
        "input": [
            {"type": "video", "url": URL.format(f"{number}.mp4")},
            {"type": "audio", "url": URL.format("voice.wav")},
        ],
    }
    asked = payload_sha(body)
    body["outputFileName"] = marked_name(name, idempotency_key(RUN, name, 1))
    return attrs.evolve(
        NewItem(item_id=name, body=frozen_body(body), payload_sha=asked, est_micro=1_000), **changes
    )


@attrs.define
class Bench:
    """A sandbox, a client, and a run in a folder."""

    folder: Path
    sandbox: AsyncSandbox
    client: AsyncSync
    events: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)

    @contextlib.asynccontextmanager
    async def ledger(self, *rows: NewItem) -> AsyncIterator[SqliteLedger]:
        async with SqliteLedger(self.folder, clock=wall_clock()) as ledger:
            await ledger.create_run(RunSpec(run_id=RUN))
            await ledger.ingest(rows)
            yield ledger

    def runner(self, ledger: SqliteLedger, *, canary_rows: int = 0, **settings: Any) -> Runner:
        return Runner(
            ledger=ledger,
            caller=self.client.generations._caller,
            folder=self.folder,
            settings=RunSettings(**settings),
            canary_rows=canary_rows,
            listeners=[lambda event, fields: self.events.append((event, fields))],
            wall_us=wall_clock(),
        )

    async def work(
        self, *rows: NewItem, canary_rows: int = 0, **settings: Any
    ) -> tuple[Halt | None, list[Result]]:
        """Work on rows until the run ends by itself."""
        async with self.ledger(*rows) as ledger:
            halt = await self.runner(ledger, canary_rows=canary_rows, **settings).run()
            return halt, await results(ledger)

    def bought(self) -> Counter[str]:
        """Count the generations at the server by output name."""
        return Counter(str(job.body.get("outputFileName")) for job in self.sandbox.generations.values())

    def posts(self) -> int:
        seen = [request for request in self.sandbox.requests if request.path == "/v2/generate"]
        return sum(request.method == "POST" for request in seen)


async def results(ledger: SqliteLedger) -> list[Result]:
    return [result async for result in ledger.results("input")]


def virtually(tmp_path: Path, test: Callable[[Bench], Coroutine[Any, Any, None]], **settings: Any) -> None:
    """Run a test against a sandbox with such settings, in virtual time."""

    async def main() -> None:
        settings.setdefault("latency", 120)
        settings.setdefault("render", False)
        async with (
            AsyncSandbox(**settings) as sandbox,
            AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client,
        ):
            stamp_virtually(sandbox)
            await test(Bench(tmp_path, sandbox, client))

    run_virtually(main())


def stamp_virtually(sandbox: AsyncSandbox) -> None:
    """Let the server's generations be created at the virtual time."""
    wall, new = wall_clock(), sandbox.world.new_generation

    def stamped(*args: Any, **kwargs: Any) -> Any:
        job = new(*args, **kwargs)
        job.created = wall() / 1e6
        return job

    sandbox.world.new_generation = stamped  # type: ignore[method-assign]


def assert_all_is_well(bench: Bench, rows: list[Result]) -> None:
    """Each row was bought once, and its file is what the ledger says."""
    assert Counter(result.item.state for result in rows) == {State.DONE: len(rows)}
    assert all(count == 1 for count in bench.bought().values())
    assert len(bench.bought()) == len(rows)
    for result in rows:
        data = (bench.folder / (result.item.out_path or "")).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (result.item.out_bytes, result.item.out_sha)
    assert not list(bench.folder.glob("*.part"))


def test_every_slot_is_kept_busy_without_being_told_how_many_there_are(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with bench.ledger(*map(row, range(120))) as ledger:
            runner = bench.runner(ledger)
            assert await runner.run() is None
            assert_all_is_well(bench, await results(ledger))
        assert loop.time() - began < 120 / 15 * 120 * 1.1
        assert runner.usage.share is not None
        assert runner.usage.share > 0.95
        assert runner.traffic()["refused"] <= 3

    virtually(tmp_path, test, concurrency=15)


@pytest.mark.parametrize("kind", ["lost", "cut", "reset", "html", "uncertain", "uncertain_unnamed", "truncated"])
def test_an_answer_that_gets_lost_buys_nothing_twice(tmp_path: Path, kind: str) -> None:
    async def test(bench: Bench) -> None:
        for skip in range(0, 12, 2):
            bench.sandbox.faults.add(kind, method="POST", path="/v2/generate", skip=skip)  # type: ignore[arg-type]
        halt, rows = await bench.work(*map(row, range(10)))
        assert halt is None
        assert_all_is_well(bench, rows)

    virtually(tmp_path, test, concurrency=4)


def test_a_server_that_forgets_keys_is_asked_for_what_it_has_before_anything_is_sent_again(tmp_path: Path) -> None:
    """After a day a key may buy again, so the list of generations is gone through first."""

    async def test(bench: Bench) -> None:
        async with bench.ledger(row(0)) as ledger:
            claim = await ledger.claim(1, wall_clock()())
            item = claim.items[0]
            body = json.loads(item.body)
            await bench.client.generations.create(
                model=body["model"],
                input=body["input"],
                output_file_name=body["outputFileName"],
                request_options={"idempotency_key": item.idem_key},
            )
        await asyncio.sleep(30 * 3600)
        halt, rows = await bench.work(row(0))
        assert halt is None
        assert_all_is_well(bench, rows)

    virtually(tmp_path, test, concurrency=4, key_lifetime=3600.0)


def test_refusals_for_the_rate_cost_nothing_but_time(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        async with bench.ledger(*map(row, range(90))) as ledger:
            runner = bench.runner(ledger)
            assert await runner.run() is None
            rows = await results(ledger)
        assert_all_is_well(bench, rows)
        assert {result.item.attempt for result in rows} == {0}
        assert runner.traffic()["rate_refused"] <= 10

    virtually(tmp_path, test, latency=10, concurrency=50, posts_per_minute=20)


def test_a_cap_that_changes_is_followed(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        async with bench.ledger(*map(row, range(60))) as ledger:
            runner = bench.runner(ledger, max_concurrency=2)
            working = asyncio.create_task(runner.run())
            await asyncio.sleep(300)
            assert runner.session.slots.held == 2
            runner.limit_concurrency(None)
            await asyncio.sleep(600)
            assert runner.session.slots.held >= 5
            assert await working is None
            assert_all_is_well(bench, await results(ledger))

    virtually(tmp_path, test, concurrency=6)


def test_a_budget_is_never_overspent_and_ends_the_run(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        rows = [row(number, est_micro=200_000) for number in range(20)]  # what they cost in the end
        halt, ended = await bench.work(*rows, budget_micro=1_500_000)
        assert halt == Halt("budget")
        assert Counter(result.item.state for result in ended) == {State.DONE: 7, State.READY: 13}
        assert len(bench.sandbox.generations) == 7

    virtually(tmp_path, test)


def test_a_row_of_unknown_price_is_not_bought_under_a_budget_unless_a_price_is_assumed(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        halt, rows = await bench.work(row(0, est_micro=None), budget_micro=10_000)
        assert halt == Halt("budget")
        assert [result.item.state for result in rows] == [State.READY]
        halt, rows = await bench.work(row(0, est_micro=None), budget_micro=10_000, assumed_micro=4_000)
        assert halt is None
        assert_all_is_well(bench, rows)

    virtually(tmp_path, test)


def test_many_failures_for_one_reason_stop_the_run(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for _ in range(200):
            bench.sandbox.end_next("FAILED", code="generation_input_audio_invalid")
        halt, rows = await bench.work(*map(row, range(100)))
        assert halt is not None
        assert (halt.reason, halt.code) == ("breaker", "generation_input_audio_invalid")
        assert halt.samples
        assert 10 <= len(bench.sandbox.generations) <= 13
        states = Counter(result.item.state for result in rows)
        assert states[State.FAILED] == len(bench.sandbox.generations)
        assert states[State.READY] == 100 - states[State.FAILED]

    virtually(tmp_path, test)


def test_a_few_rows_go_ahead_and_stop_the_run_when_they_fail(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for _ in range(5):
            bench.sandbox.end_next("FAILED", code="generation_input_audio_invalid")
        halt, _ = await bench.work(*map(row, range(100)), canary_rows=5)
        assert halt is not None
        assert halt.reason == "canary"
        assert len(bench.sandbox.generations) <= 5

    virtually(tmp_path, test, concurrency=20)


def test_those_that_go_ahead_are_of_all_models(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        rows = [row(number) for number in range(12)]
        other = json.loads(rows[9].body)
        rows[9] = attrs.evolve(rows[9], body=frozen_body({**other, "model": "sync-3"}))
        halt, done = await bench.work(*rows, canary_rows=2)
        assert halt is None
        first = sorted(done, key=lambda result: result.item.submitted_us or 0)[:2]
        assert {result.item.item_id for result in first} == {"row-0", "row-9"}

    virtually(tmp_path, test)


def test_the_others_follow_when_those_that_went_ahead_are_on_disk(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        halt, rows = await bench.work(*map(row, range(30)), canary_rows=5)
        assert halt is None
        assert_all_is_well(bench, rows)
        sixth = rows[5].item.submitted_us or 0
        assert all((result.item.finished_us or 0) <= sixth for result in rows[:5])

    virtually(tmp_path, test, concurrency=20)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_an_account_that_cannot_buy_stops_the_run_and_loses_no_row(tmp_path: Path, status: int) -> None:
    async def test(bench: Bench) -> None:
        bench.sandbox.faults.add(
            "answer", method="POST", path="/v2/generate", status=status, body={"message": "no"}, skip=2, times=None
        )
        halt, rows = await bench.work(*map(row, range(10)))
        assert halt is not None
        assert halt.reason == "blocked"
        assert Counter(result.item.state for result in rows) == {State.DONE: 2, State.READY: 8}
        bench.sandbox.faults.clear()
        halt, rows = await bench.work(*map(row, range(10)))
        assert halt is None
        assert_all_is_well(bench, rows)

    virtually(tmp_path, test)


def test_a_row_that_the_server_does_not_take_is_set_aside_and_the_others_go_on(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.sandbox.faults.add(
            "answer", method="POST", path="/v2/generate", status=422, body={"message": "odd"}, skip=3
        )
        halt, rows = await bench.work(*map(row, range(10)))
        assert halt is None
        assert Counter(result.item.state for result in rows) == {State.DONE: 9, State.REJECTED: 1}

    virtually(tmp_path, test)


def test_a_failed_job_is_bought_again_only_as_often_as_wanted_and_each_time_with_a_new_key(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for _ in range(3):
            bench.sandbox.end_next("FAILED", code="generation_timeout")
        halt, rows = await bench.work(row(0), attempts=3)
        assert halt is None
        item = rows[0].item
        assert (item.state, item.attempt, item.generation_no) == (State.FAILED, 3, 3)
        assert len(bench.bought()) == 3

    virtually(tmp_path, test)


def test_a_failure_that_would_come_again_is_not_bought_again(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.sandbox.end_next("FAILED", code="generation_input_audio_invalid")
        _, rows = await bench.work(row(0), attempts=3)
        assert rows[0].item.state == State.FAILED
        assert len(bench.sandbox.generations) == 1

    virtually(tmp_path, test)


def test_a_stopped_run_follows_what_runs_and_buys_nothing_more(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        async with bench.ledger(*map(row, range(30))) as ledger:
            runner = bench.runner(ledger)
            working = asyncio.create_task(runner.run())
            await asyncio.sleep(300)
            runner.stop()
            bought = len(bench.sandbox.generations)
            assert await working == Halt("stopped")
            states = Counter(result.item.state for result in await results(ledger))
        assert states == {State.DONE: bought, State.READY: 30 - bought}
        assert len(bench.sandbox.generations) == bought

    virtually(tmp_path, test)


def test_an_outage_is_waited_out(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        async with bench.ledger(*map(row, range(12))) as ledger:
            runner = bench.runner(ledger)
            working = asyncio.create_task(runner.run())
            await asyncio.sleep(200)
            bench.sandbox.faults.add("reset", times=None)
            await asyncio.sleep(1800)
            bench.sandbox.faults.clear()
            assert await working is None
            assert_all_is_well(bench, await results(ledger))

    virtually(tmp_path, test)


def test_outputs_that_do_not_arrive_are_asked_for_again_and_never_bought_again(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.sandbox.faults.add("reset", origin="storage", times=30)
        halt, rows = await bench.work(*map(row, range(6)))
        assert halt is None
        assert_all_is_well(bench, rows)

    virtually(tmp_path, test)


def test_a_file_that_appears_when_its_output_was_about_to_come_is_left_as_it_is(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        file = bench.folder / "row-1.mp4"

        def write(_: str, fields: dict[str, Any]) -> None:
            if fields.get("state") == "downloading" and fields["id"] == "row-1":
                file.write_bytes(b"somebody's own")

        async with bench.ledger(row(1), row(2)) as ledger:
            runner = bench.runner(ledger)
            runner.listeners.append(write)
            assert await runner.run() is None
            rows = await results(ledger)
        assert file.read_bytes() == b"somebody's own"
        assert [result.item.state for result in rows] == [State.REMOTE_DONE, State.DONE]
        assert rows[0].item.error_code == "output_exists"

    virtually(tmp_path, test)


def test_a_part_that_somebody_left_does_not_get_into_an_output(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (bench.folder / ".row-1.mp4.part").write_bytes(b"other bytes")
        (bench.folder / ".row-1.mp4.part.json").write_text('{"of": "another job", "tag": "x", "total": 99}')
        _, rows = await bench.work(row(1), row(2))
        assert_all_is_well(bench, rows)
        one, other = ((bench.folder / f"row-{number}.mp4").read_bytes() for number in (1, 2))
        assert one == other
        assert not list(bench.folder.glob(".row-*"))

    virtually(tmp_path, test)


def test_a_file_in_the_way_is_left_as_it_is(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (tmp_path / "row-1.mp4").write_bytes(b"somebody's own")
        halt, rows = await bench.work(*map(row, range(3)))
        assert halt is None
        assert (tmp_path / "row-1.mp4").read_bytes() == b"somebody's own"
        assert [result.item.state for result in rows] == [State.DONE, State.REMOTE_DONE, State.DONE]
        assert rows[1].item.error_code == "output_exists"
        (tmp_path / "row-1.mp4").unlink()
        _, rows = await bench.work()
        assert_all_is_well(bench, rows)

    virtually(tmp_path, test)


def test_a_file_that_just_had_its_name_when_the_process_ended_is_not_fetched_again(tmp_path: Path) -> None:
    """Its part may still be there, under its own name."""

    async def test(bench: Bench) -> None:
        async with bench.ledger(row(0)) as ledger:
            runner = bench.runner(ledger)
            working = asyncio.create_task(runner.run())
            runner.listeners.append(lambda _, fields: fields.get("state") == "downloading" and working.cancel())
            await asyncio.wait([working])
        for name in ("row-0.mp4", ".row-0.mp4.part", ".row-0.mp4.part.json"):
            (tmp_path / name).write_bytes(b"whole")
        before = len(bench.sandbox.storage_requests)
        _, rows = await bench.work()
        assert rows[0].item.state is State.DONE
        assert rows[0].item.out_sha == hashlib.sha256(b"whole").hexdigest()
        assert len(bench.sandbox.storage_requests) == before
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["row-0.mp4"]

    virtually(tmp_path, test)


def test_outputs_are_left_at_the_server_when_they_are_not_wanted(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        _, rows = await bench.work(*map(row, range(3)), download=False)
        assert {result.item.state for result in rows} == {State.DONE}
        assert not list(tmp_path.glob("*.mp4"))

    virtually(tmp_path, test)


def test_local_files_are_sent_once_each_and_before_their_rows_take_a_slot(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        rows = []
        for number in range(6):
            path = tmp_path / f"face-{number % 2}.mp4"
            path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes([number % 2]) * 64)
            body = {"model": "lipsync-2", "input": [{"type": "audio", "url": URL.format(number)}]}
            rows.append(
                row(
                    number,
                    body=Template(body, {"video": str(path)}).to_bytes(),
                    is_frozen=False,
                    payload_sha=payload_sha({**body, "n": number}),
                )
            )
        halt, done = await bench.work(*rows)
        assert halt is None
        assert {result.item.state for result in done} == {State.DONE}
        puts = [request for request in bench.sandbox.storage_requests if request.method == "PUT"]
        assert len(puts) == 2

    virtually(tmp_path, test)


@pytest.mark.parametrize("seed", range(8))
def test_a_process_that_ends_at_any_moment_loses_and_repeats_nothing(tmp_path: Path, seed: int) -> None:
    """What is cancelled writes nothing more, as one that is killed."""

    async def test(bench: Bench) -> None:
        chance = random.Random(seed)
        for skip in range(0, 60, 7):
            bench.sandbox.faults.add("lost", method="POST", path="/v2/generate", skip=skip)
        rows = [row(number) for number in range(25)]
        for _ in range(12):
            async with bench.ledger(*rows) as ledger:
                working = asyncio.create_task(bench.runner(ledger).run())
                await asyncio.wait([working], timeout=chance.expovariate(1 / 100))
                working.cancel()
                await asyncio.wait([working])
        halt, done = await bench.work(*rows)
        assert halt is None
        assert_all_is_well(bench, done)

    virtually(tmp_path, test, concurrency=5)


def test_what_a_run_has_learned_is_known_to_the_next_one(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.work(*map(row, range(40)))
        async with bench.ledger(*map(row, range(80))) as ledger:
            runner = bench.runner(ledger)
            working = asyncio.create_task(runner.run())
            await asyncio.sleep(20)
            assert runner.session.slots.held == 6
            await working

    virtually(tmp_path, test, concurrency=6)


def test_the_course_of_a_run_is_written_down(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        async with bench.ledger(*map(row, range(12))) as ledger:
            await bench.runner(ledger).run()
            lines = [event.detail async for event in ledger.events("minute")]
        assert sum(line["posts"] for line in lines) == bench.posts()
        assert sum(line["completed"] for line in lines) == 12
        assert max(line["slots"] for line in lines) == 3
        assert [fields for event, fields in bench.events if event == "progress"] == lines

    virtually(tmp_path, test)


def test_a_row_tells_each_state_that_it_comes_to(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.work(row(0))
        told = [fields["state"] for event, fields in bench.events if event == "item"]
        assert told == ["submitted", "downloading", "done"]

    virtually(tmp_path, test)
