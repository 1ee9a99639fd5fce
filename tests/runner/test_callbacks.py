"""Functions of the caller's run in the caller's own thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sync_async import ClosedError
from sync_blocking._calls import deliver
from sync_blocking._loop import Portal

pytestmark = pytest.mark.timeout(10)


async def call(function: Callable[..., Awaitable[object]] | None, *arguments: Any) -> object:
    assert function is not None
    return await function(*arguments)


def test_no_function_stays_none() -> None:
    """Without a function there is nothing to deliver."""
    assert deliver(None) is None


def test_a_function_runs_in_the_callers_thread(portal: Portal) -> None:
    """It runs in the thread that waits, and its value goes back to the work."""
    assert portal.run(call(deliver(lambda x: (x, threading.get_ident())), 1)) == (1, threading.get_ident())


def test_a_function_sees_the_callers_own_loop_state(portal: Portal) -> None:
    """No event loop runs where the function is called, so that it may block."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        portal.run(call(deliver(asyncio.get_running_loop)))


def test_a_slow_function_delays_nobody_else(portal: Portal) -> None:
    """Another thread's calls go on while a function sleeps."""
    started, release = threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        assert release.wait(5)

    thread = threading.Thread(target=lambda: portal.run(call(deliver(slow))))
    thread.start()
    assert started.wait(5)
    assert portal.run(asyncio.sleep(0, "through")) == "through"
    release.set()
    thread.join()


def test_an_error_in_a_function_goes_through_the_work_to_the_caller(portal: Portal) -> None:
    """The work sees the error where it called, cleans up, and the caller gets the same object."""
    error, steps = LookupError("mine"), []

    def broken() -> None:
        raise error

    async def work() -> None:
        try:
            await call(deliver(broken))
        finally:
            steps.append("cleaned up")

    with pytest.raises(LookupError) as caught:
        portal.run(work())
    assert caught.value is error
    assert steps == ["cleaned up"]


def test_system_exit_in_a_function_ends_the_call_only(portal: Portal) -> None:
    """The work is cancelled, SystemExit reaches the caller, and the loop lives."""
    steps = []

    def leave() -> None:
        raise SystemExit(5)

    async def work() -> None:
        try:
            await call(deliver(leave))
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise

    with pytest.raises(SystemExit):
        portal.run(work())
    assert steps == ["cancelled"]
    assert portal.run(asyncio.sleep(0, 1)) == 1


def test_a_function_may_call_the_client(portal: Portal) -> None:
    """The waiting thread is free for further calls, nested ones with functions included."""

    def again() -> object:
        return portal.run(call(deliver(lambda: portal.run(asyncio.sleep(0, "inner")))))

    assert portal.run(call(deliver(again))) == "inner"


def test_a_function_may_close_the_client(portal: Portal) -> None:
    """The call that is under way ends with a ClosedError."""
    with pytest.raises(ClosedError):
        portal.run(call(deliver(portal.close)))


def test_a_coroutine_function_is_refused(portal: Portal) -> None:
    """Nobody would await what it returns, so it is an error that names it."""

    async def progress() -> None:
        pass

    with pytest.raises(TypeError, match="progress is a coroutine function"):
        portal.run(call(deliver(progress)))


def test_functions_come_from_child_tasks_too(portal: Portal) -> None:
    """Tasks of the work reach the same caller, one function at a time."""
    seen: list[tuple[int, int]] = []
    note = deliver(lambda number: seen.append((number, threading.get_ident())))

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(call(note, number))

    portal.run(work())
    assert sorted(seen) == [(number, threading.get_ident()) for number in range(20)]


def test_a_task_that_outlives_its_call_cannot_reach_the_caller(portal: Portal) -> None:
    """A late task gets a cancellation instead of waiting for ever."""
    ended = threading.Event()

    async def late() -> None:
        await asyncio.sleep(0.01)
        try:
            await call(deliver(lambda: None))
        finally:
            ended.set()

    async def work() -> asyncio.Task[None]:
        return asyncio.create_task(late())

    task = portal.run(work())
    assert ended.wait(5)
    deadline = time.monotonic() + 5
    while not task.done() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert task.cancelled()
