"""What a hop costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from sync_blocking._loop import Portal

CALLS = 100
ROUNDS = 40


async def nothing() -> None:
    pass


def seconds_of(call: Callable[[], None]) -> float:
    before = time.perf_counter()
    for _ in range(CALLS):
        call()
    return time.perf_counter() - before


async def running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


@pytest.mark.timeout(30)
def test_a_hop_costs_no_more_than_a_bare_one(portal: Portal) -> None:
    """In interleaved rounds on the same loop the best is within 1.25 of bare `run_coroutine_threadsafe`."""
    loop = portal.run(running_loop())  # a second thread may sit better or worse on the machine's processors
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(seconds_of(lambda: portal.run(nothing())))
        bare.append(seconds_of(lambda: asyncio.run_coroutine_threadsafe(nothing(), loop).result()))
    assert min(ours) <= 1.25 * min(bare)
