"""Wall clocks that jump by hours: nothing here waits by them, and what reads them says what it finds."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from sync_async import ApiTimeoutError, AsyncSync, StaleSignatureError, WaitTimeoutError
from sync_async._retry import hint_of
from sync_async.bulk.outcome import UNKNOWN_WAIT
from sync_async.bulk.report.writing import write_report
from sync_async.bulk.states import State
from sync_async.sandbox import AsyncSandbox
from sync_async.sandbox.webhooks import sign
from sync_async.webhooks import parse, verify
from tests.bulk.test_runner import Bench, assert_all_is_well, results, row, virtually
from tests.faults.house import INPUT
from tests.virtual_time import run_virtually, wall_clock

HOURS = 6 * 3600.0
LOSSES = 8
"""Requests that are reset until a row is set aside, and a few more."""
BOTH_WAYS = pytest.mark.parametrize("jump", [HOURS, -HOURS], ids=["ahead", "back"])


class Wall:
    """The wall clock of this process, which can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        seconds, nanoseconds = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: seconds() + self.ahead)
        monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + int(self.ahead * 1e9))


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """Sets the wall clock."""
    return Wall(monkeypatch)


@BOTH_WAYS
def test_a_wait_and_a_timeout_last_as_long_as_they_should(wall: Wall, jump: float) -> None:
    """By a clock that nobody sets."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with (
            AsyncSandbox(latency=float("inf"), render=False) as sandbox,
            AsyncSync(api_key="k", base_url=sandbox.base_url) as client,
        ):
            job = await client.generations.create(model="lipsync-2", input=INPUT)
            for call, seconds, error in (
                (client.generations.wait(job.id, timeout=100), 100, WaitTimeoutError),
                (client.models.list(request_options={"timeout_in_seconds": 50}), 50, ApiTimeoutError),
            ):
                if error is ApiTimeoutError:
                    sandbox.faults.add("stall", path="/v2/models", seconds=500, times=None)
                began = loop.time()
                for moment in (seconds * 0.3, seconds * 0.6):
                    loop.call_later(moment, lambda: setattr(wall, "ahead", wall.ahead + jump))
                with pytest.raises(error):
                    await call
                assert loop.time() - began == pytest.approx(seconds, abs=0.5)

    run_virtually(main())


@BOTH_WAYS
def test_a_date_to_wait_for_is_read_by_the_servers_own_clock(jump: float) -> None:
    """When it tells the time: a machine whose clock is wrong waits as long as others."""
    here = datetime(2026, 11, 22, 10, tzinfo=UTC)
    there = here + timedelta(seconds=jump)
    headers = {"retry-after": format_datetime(there + timedelta(seconds=30), usegmt=True)}
    told = {**headers, "date": format_datetime(there, usegmt=True)}
    assert hint_of(told, now=here) == 30.0
    assert hint_of({**headers, "date": "soon"}, now=here) == max(0.0, jump + 30.0)
    assert hint_of(headers, now=here) == max(0.0, jump + 30.0)


NOTICE = b'{"id": "g-1", "status": "COMPLETED", "outputUrl": "https://media.example/o.mp4"}'


@BOTH_WAYS
def test_a_delivery_is_stale_to_a_clock_that_has_jumped(wall: Wall, jump: float) -> None:
    """The error tells by how much, and which way: a receiver sees that it is the clock."""
    signature = sign(NOTICE, "whsec", int(time.time()))
    verify(NOTICE, signature, "whsec")
    wall.ahead = jump
    with pytest.raises(StaleSignatureError) as caught:
        verify(NOTICE, signature, "whsec")
    assert caught.value.age == pytest.approx(jump, abs=5)
    verify(NOTICE, signature, "whsec", tolerance=HOURS + 5)
    wall.ahead = 0.0
    verify(NOTICE, signature, "whsec")


def test_a_delivery_that_comes_twice_is_the_same_twice_and_a_late_one_is_stale() -> None:
    """What was delivered is told apart by id and status, which is the receiver's to do."""
    signature = sign(NOTICE, "whsec", 1_800_000_000)
    first, second = (parse(NOTICE, signature, "whsec", now=1_800_000_000 + after) for after in (0, 300))
    assert first == second
    with pytest.raises(StaleSignatureError) as caught:
        parse(NOTICE, signature, "whsec", now=1_800_000_301)
    assert (caught.value.age, caught.value.tolerance) == (301, 300)


def stepping(step: Callable[[], float]) -> Callable[[], int]:
    """Give the virtual wall clock, off by what `step` says."""
    wall = wall_clock()
    return lambda: wall() + int(step() * 1e6)


def test_a_run_under_a_clock_that_jumps_to_and_fro_buys_each_row_once(tmp_path: Path) -> None:
    """Each reading is hours from the one before; the page of the run can be written all the same."""

    async def test(bench: Bench) -> None:
        readings = itertools.cycle([0.0, HOURS, -HOURS, 3 * HOURS])
        bench.sandbox.faults.add("lost", method="POST", path="/v2/generate", times=3)
        bench.sandbox.faults.add("cut", origin="storage", method="GET", times=3)
        async with bench.ledger(*(row(number) for number in range(20))) as ledger:
            runner = bench.runner(ledger)
            runner.wall_us = ledger._clock = stepping(lambda: next(readings))
            assert await runner.run() is None
            assert_all_is_well(bench, await results(ledger))
            page = await write_report(ledger.path, bench.folder)
        assert "row-19" in page.read_text(encoding="utf-8")

    virtually(tmp_path, test)


@BOTH_WAYS
def test_a_row_that_is_set_aside_is_looked_for_in_time_whatever_the_clock_does(
    tmp_path: Path, jump: float
) -> None:
    """The clock is set while the row waits; when it is set back, the row does not wait for it to come round."""

    async def test(bench: Bench) -> None:
        loop, is_set_aside = asyncio.get_running_loop(), asyncio.Event()
        bench.sandbox.faults.add("reset", method="POST", path="/v2/generate", times=LOSSES)
        async with bench.ledger(row(1)) as ledger:
            runner = bench.runner(ledger)
            runner.wall_us = stepping(lambda: jump if is_set_aside.is_set() else 0.0)
            running = asyncio.ensure_future(runner.run())
            while not (await ledger.counters()).states[State.UNKNOWN]:
                await asyncio.sleep(5.0)
            began = loop.time()
            is_set_aside.set()
            assert await running is None
            assert loop.time() - began < 3 * UNKNOWN_WAIT
            assert_all_is_well(bench, await results(ledger))

    virtually(tmp_path, test)


def test_a_row_that_was_sent_by_a_clock_ahead_is_found_although_its_key_is_forgotten(tmp_path: Path) -> None:
    """The clock is set right while nobody knows of the row; its generation seems to be from before it was sent."""

    async def test(bench: Bench) -> None:
        is_right = asyncio.Event()
        bench.sandbox.faults.add("lost", method="POST", path="/v2/generate", times=None)
        async with bench.ledger(row(1)) as ledger:
            runner = bench.runner(ledger)
            runner.wall_us = stepping(lambda: 0.0 if is_right.is_set() else HOURS)
            ledger._clock = runner.wall_us
            running = asyncio.ensure_future(runner.run())
            while not (await ledger.counters()).states[State.UNKNOWN]:
                await asyncio.sleep(5.0)
            is_right.set()
            bench.sandbox.faults.clear()
            bench.sandbox.world.keys.clear()
            assert await running is None
            assert_all_is_well(bench, await results(ledger))

    virtually(tmp_path, test)
