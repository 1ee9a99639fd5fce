"""Many limits, one timer."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest

from sync_async._deadlines import Deadlines
from tests.virtual_time import VirtualLoop


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run something in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


async def sleep_within(deadlines: Deadlines, limit: float, seconds: float) -> float:
    """Sleep under a limit, and tell when that ended."""
    with deadlines.within(limit):
        await asyncio.sleep(seconds)
    return asyncio.get_running_loop().time()


async def sleep_suspended_within(deadlines: Deadlines) -> None:
    """Sleep under a limit of 5 s, 100 s that do not count, and 6 s that do."""
    with deadlines.within(5):
        with deadlines.suspended():
            await asyncio.sleep(100)
        await asyncio.sleep(6)


def deadlines_here() -> Deadlines:
    """Make the deadlines of the running loop."""
    return Deadlines(asyncio.get_running_loop())


def test_what_takes_longer_ends_with_a_timeout_error_at_that_time() -> None:
    async def work() -> None:
        start = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await sleep_within(deadlines_here(), 5, 60)
        assert asyncio.get_running_loop().time() == start + 5
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]

    run(work())


def test_what_is_in_time_is_left_alone() -> None:
    async def work() -> None:
        deadlines = deadlines_here()
        for _ in range(3):
            await sleep_within(deadlines, 5, 4)
        await asyncio.sleep(60)

    run(work())


def test_each_of_many_ends_at_its_own_time() -> None:
    """Also when a shorter one comes after a longer one."""

    async def work() -> None:
        deadlines = deadlines_here()
        limits = [60.0, 3.0, 7.0, 3.0, 0.5]
        ends = {}

        async def one(index: int, limit: float) -> None:
            with pytest.raises(TimeoutError):
                await sleep_within(deadlines, limit, 1000)
            ends[index] = asyncio.get_running_loop().time()

        await asyncio.gather(*(one(index, limit) for index, limit in enumerate(limits)))
        assert ends == dict(enumerate(limits))

    run(work())


def test_a_hundred_calls_after_another_leave_one_timer() -> None:
    async def work() -> None:
        deadlines = deadlines_here()
        made = []
        loop = asyncio.get_running_loop()
        call_at = loop.call_at

        def counted(*args: Any, **kwargs: Any) -> Any:
            made.append(args)
            return call_at(*args, **kwargs)

        loop.call_at = counted  # type: ignore[method-assign]
        for _ in range(100):
            with deadlines.within(60):
                pass
        assert len(made) == 1

    run(work())


def test_what_is_suspended_does_not_count() -> None:
    """The limit starts anew behind it."""

    async def work() -> None:
        deadlines = deadlines_here()
        with deadlines.within(5):
            await asyncio.sleep(4)
            with deadlines.suspended():
                await asyncio.sleep(100)
            await asyncio.sleep(4)
        with pytest.raises(TimeoutError):
            await sleep_suspended_within(deadlines)

    run(work())


def test_whoever_cancels_the_task_is_heard() -> None:
    """Before the limit, and in the same turn of the loop."""

    async def work() -> None:
        for moment in (1, 5):
            task = asyncio.create_task(sleep_within(deadlines_here(), 5, 60))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(moment, task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task

    run(work())


def test_an_error_of_the_work_passes() -> None:
    async def work() -> None:
        deadlines = deadlines_here()
        with pytest.raises(ZeroDivisionError), deadlines.within(5):
            raise ZeroDivisionError
        await asyncio.sleep(60)

    run(work())


class Belonging:
    """Something of a caller's."""


async def test_the_timer_holds_nothing_of_the_call_that_set_it() -> None:
    """It outlives the call, and a context holds all that a caller has put there; a blocking client, too."""
    place: contextvars.ContextVar[Belonging] = contextvars.ContextVar("place")
    deadlines = deadlines_here()

    async def call() -> weakref.ref[Belonging]:
        place.set(belonging := Belonging())
        await sleep_within(deadlines, 60, 0)
        return weakref.ref(belonging)

    left = await asyncio.create_task(call())
    await asyncio.sleep(0)  # the turn in which the task is let go
    gc.collect()
    assert left() is None


async def test_outside_of_a_task_there_is_no_limit_to_keep() -> None:
    deadlines = deadlines_here()
    refused: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def callback() -> None:
        try:
            deadlines.within(5)
        except RuntimeError as error:
            refused.set_result(error)

    asyncio.get_running_loop().call_soon(callback)
    assert "no task" in str(await refused)
