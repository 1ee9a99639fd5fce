"""What a hop costs."""

from __future__ import annotations

import asyncio
import threading
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


@pytest.mark.timeout(30)
def test_a_hop_costs_no_more_than_a_bare_one(portal: Portal) -> None:
    """In interleaved rounds the best is within 1.25 of bare `run_coroutine_threadsafe(…).result()`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(seconds_of(lambda: portal.run(nothing())))
        bare.append(seconds_of(lambda: asyncio.run_coroutine_threadsafe(nothing(), loop).result()))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert min(ours) <= 1.25 * min(bare)
