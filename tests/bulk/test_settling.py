"""Costs: what jobs have really cost takes the place of their estimates, with reads that nothing else needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sync_async.bulk.records import Result
from sync_async.bulk.settling import COSTS, PATIENCE
from tests.bulk.test_runner import Bench, results, row, virtually

PATH = COSTS.path.replace("{id}", ".*")


def costs(rows: Iterable[Result]) -> list[int | None]:
    return [result.item.cost_micro for result in rows]


def asked(bench: Bench) -> int:
    return sum(request.path.endswith("/costs") for request in bench.sandbox.requests)


def answers(bench: Bench, *bodies: dict[str, Any], status: int = 200) -> None:
    for body in bodies:
        bench.sandbox.faults.add("answer", path=PATH, times=1, status=status, body=body)


def told(total: str | None, availability: str = "complete") -> dict[str, Any]:
    return {"availability": availability, "totalCostUsd": total, "knownSubtotalUsd": "0"}


def test_what_a_job_has_cost_takes_the_place_of_its_estimate(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        answers(bench, told("0.4520"), told("0.0001"))
        async with bench.ledger(row(0), row(1)) as ledger:
            await bench.runner(ledger).run()
            assert sorted(filter(None, costs(await results(ledger)))) == [100, 452_000]
            assert (await ledger.counters()).money.spent == 452_100

    virtually(tmp_path, test)


def test_a_failed_job_costs_what_the_server_says(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.sandbox.end_next("FAILED", "generation_input_audio_invalid")
        _, rows = await bench.work(row(0))
        assert costs(rows) == [0]

    virtually(tmp_path, test)


def test_a_cost_that_is_not_complete_is_asked_for_again(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        answers(bench, told(None, "pending"), told("0.1", "partial"), told("0.3"))
        _, rows = await bench.work(row(0))
        assert costs(rows) == [300_000]

    virtually(tmp_path, test)


@pytest.mark.parametrize("answer", [told(None, "unavailable"), told("much"), told(None), {"availability": 1}])
def test_where_no_cost_is_told_the_estimate_stays(tmp_path: Path, answer: dict[str, Any]) -> None:
    async def test(bench: Bench) -> None:
        bench.sandbox.faults.add("answer", path=PATH, times=None, status=200, body=answer)
        async with bench.ledger(row(0)) as ledger:
            await bench.runner(ledger).run()
            assert costs(await results(ledger)) == [None]
            assert (await ledger.counters()).money.spent == row(0).est_micro

    virtually(tmp_path, test)


def test_a_server_that_does_not_tell_costs_is_not_asked_for_each_job(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.sandbox.faults.add("answer", path=PATH, times=None, status=404, body={"message": "Cannot GET"})
        _, rows = await bench.work(*map(row, range(12)))
        assert costs(rows) == [None] * 12
        assert asked(bench) == 3

    virtually(tmp_path, test)


def test_the_end_of_a_run_waits_a_few_seconds_at_most(tmp_path: Path) -> None:
    """And costs nothing when the server is slow to tell."""

    async def test(bench: Bench) -> None:
        bench.sandbox.faults.add("stall", path=PATH, times=None, seconds=1000)
        began = asyncio.get_running_loop().time()
        _, rows = await bench.work(row(0))
        assert costs(rows) == [None]
        assert asyncio.get_running_loop().time() - began < 120 + 20 + PATIENCE

    virtually(tmp_path, test)


def test_jobs_that_end_together_are_not_asked_for_all_at_once(tmp_path: Path) -> None:
    """The end of the run leaves some of them with their estimates."""

    async def test(bench: Bench) -> None:
        _, rows = await bench.work(*map(row, range(90)), posts_per_minute=600)
        known = [cost for cost in costs(rows) if cost is not None]
        assert 10 < len(known) == asked(bench) < 90

    virtually(tmp_path, test, concurrency=None)


def test_rows_that_cost_more_than_expected_leave_less_of_the_budget(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.sandbox.faults.add("answer", path=PATH, times=None, status=200, body=told("0.5"))
        rows = [row(number, est_micro=200_000) for number in range(20)]
        await bench.work(*rows, budget_micro=2_000_000, max_concurrency=1)
        assert len(bench.sandbox.generations) <= 5  # and not the ten that the estimates alone allow

    virtually(tmp_path, test)
