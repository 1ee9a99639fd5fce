"""The private loop: how calls go in and come out."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import time
import traceback
import warnings
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_async import ClosedError, SyncError
from sync_blocking import _calls, _loop
from sync_blocking._loop import Portal, deliver

pytestmark = pytest.mark.timeout(10)

NAME = "syncso event loop"


class Client:
    """A core client of which only the closing matters."""

    def __init__(self) -> None:
        self.closed_on: list[str] = []

    async def close(self) -> None:
        self.closed_on.append(threading.current_thread().name)


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


@pytest.fixture
def portal() -> Iterator[Portal]:
    """A way to the private loop, closed afterwards."""
    made = Portal(Client())
    yield made
    made.close()


async def value(given: Any = 1) -> Any:
    return given


async def fail(error: BaseException) -> None:
    raise error


def test_the_thread_starts_with_the_first_call_and_ends_with_the_last_close() -> None:
    """Two clients share one thread; a later client starts a new one."""
    first, second = Portal(Client()), Portal(Client())
    assert loop_threads() == []
    assert first.run(value(7)) == 7
    assert second.run(value(8)) == 8
    assert len(loop_threads()) == 1
    first.close()
    assert len(loop_threads()) == 1
    second.close()
    assert loop_threads() == []
    third = Portal(Client())
    assert third.run(value()) == 1
    third.close()


def test_connections_are_closed_on_the_loop_once() -> None:
    """Closing twice is fine."""
    client = Client()
    portal = Portal(client)
    portal.run(value())
    portal.close()
    portal.close()
    assert client.closed_on == [NAME]


def test_a_closed_client_refuses_and_leaves_no_warning_behind() -> None:
    """A coroutine that is refused does not complain of never having been awaited."""
    portal = Portal(Client())
    portal.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ClosedError, match="make a new one"):
            portal.run(value())
        gc.collect()


def test_an_exception_object_that_is_returned_is_returned(portal: Portal) -> None:
    """Outcomes are pairs, so nothing is mistaken for a failure."""
    error = ValueError("x")
    assert portal.run(value(error)) is error


@pytest.mark.parametrize(
    "error", [ValueError("x"), TimeoutError("t"), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()]
)
def test_the_original_error_arrives_and_the_loop_goes_on(portal: Portal, error: BaseException) -> None:
    """Also those that would end a loop."""
    portal.run(value())
    thread = loop_threads()[0]
    with pytest.raises(type(error)) as caught:
        portal.run(fail(error))
    assert caught.value is error
    assert portal.run(value(2)) == 2
    assert loop_threads() == [thread]


def test_a_system_exit_in_a_child_task_or_a_callback_does_not_end_the_loop(portal: Portal) -> None:
    """The first reaches the caller, the second nobody; the next call works in the same thread."""

    async def in_a_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(SystemExit(4)))

    async def in_a_callback() -> None:
        def leave() -> None:
            raise SystemExit(5)

        asyncio.get_running_loop().call_soon(leave)
        await asyncio.sleep(0.01)

    portal.run(value())
    thread = loop_threads()[0]
    with pytest.raises(BaseException) as caught:  # a group may wrap it
        portal.run(in_a_group())
    assert isinstance(caught.value, SystemExit | BaseExceptionGroup)
    assert portal.run(value(1)) == 1
    portal.run(in_a_callback())
    assert portal.run(value(2)) == 2
    assert loop_threads() == [thread]


def test_a_stop_iteration_arrives_as_what_python_makes_of_it(portal: Portal) -> None:
    """It cannot cross a coroutine."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        portal.run(fail(StopIteration()))


def test_a_traceback_shows_the_callers_line_and_the_coroutines_and_little_between(portal: Portal) -> None:
    """At most one frame of ours, none of asyncio's or threading's."""
    with pytest.raises(ValueError, match="deep") as caught:
        portal.run(fail(ValueError("deep")))
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.name for frame in frames] == [
        "test_a_traceback_shows_the_callers_line_and_the_coroutines_and_little_between",
        "run",
        "fail",
    ]


def test_causes_are_those_that_the_core_set(portal: Portal) -> None:
    """The hop adds no context of its own."""

    async def chained() -> None:
        try:
            raise LookupError("inner")
        except LookupError as error:
            raise ValueError("outer") from error

    with pytest.raises(ValueError, match="outer") as caught:
        portal.run(chained())
    assert isinstance(caught.value.__cause__, LookupError)
    with pytest.raises(ValueError, match="plain") as plain:
        portal.run(fail(ValueError("plain")))
    assert plain.value.__context__ is None


def test_an_error_is_freed_without_the_collector(portal: Portal) -> None:
    """The hop keeps no cycle."""

    class Loud(Exception):  # noqa: N818
        pass

    async def shout() -> None:
        raise Loud

    gc.collect()
    gc.disable()
    try:
        try:
            portal.run(shout())
        except Loud as error:
            gone = weakref.ref(error)
        deadline = time.monotonic() + 2
        while gone() is not None and time.monotonic() < deadline:
            portal.run(value())  # the loop's own last reference goes with its next turn
        assert gone() is None
    finally:
        gc.enable()


def test_context_variables_go_in_and_do_not_come_back(portal: Portal) -> None:
    """A call sees its caller's context, and changes a copy."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("test", default="unset")
    variable.set("callers")

    async def look() -> str:
        seen = variable.get()
        variable.set("coroutines")
        return seen

    assert portal.run(look()) == "callers"
    assert variable.get() == "callers"


def test_many_threads_share_one_loop(portal: Portal) -> None:
    """Each gets its own answers; the thread is started once."""
    results: list[list[int]] = [[] for _ in range(32)]
    together = threading.Barrier(32)

    def work(number: int) -> None:
        together.wait()
        results[number] = [portal.run(value(number * 1000 + n)) for n in range(100)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[number * 1000 + n for n in range(100)] for number in range(32)]
    assert len(loop_threads()) == 1


def test_a_callback_runs_in_the_callers_thread_and_may_call_again(portal: Portal) -> None:
    """A slow one stalls nobody else, and what it returns arrives."""
    seen: list[str] = []

    def watch(given: int) -> int:
        seen.append(threading.current_thread().name)
        return int(portal.run(value(given + 1)))

    async def call(on_update: Callable[[int], Awaitable[int]]) -> int:
        return await on_update(41)

    assert portal.run(call(deliver(watch))) == 42  # type: ignore[arg-type]
    assert seen == [threading.current_thread().name]
    assert deliver(None) is None


@pytest.mark.parametrize("error", [LookupError("mine"), SystemExit(2), KeyboardInterrupt()])
def test_a_callback_that_raises_ends_the_call(portal: Portal, error: BaseException) -> None:
    """Its error reaches the caller, after the coroutine has cleaned up."""
    cleaned: list[bool] = []

    def watch() -> None:
        raise error

    async def call(on_update: Callable[[], Awaitable[object]]) -> None:
        try:
            await on_update()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(type(error)) as caught:
        portal.run(call(deliver(watch)))  # type: ignore[arg-type]
    assert caught.value is error
    assert cleaned == [True]
    assert portal.run(value()) == 1


def test_a_coroutine_function_as_a_callback_is_refused_by_name(portal: Portal) -> None:
    """The blocking client takes plain functions."""

    async def watch() -> None:
        pass

    async def call(on_update: Callable[[], Awaitable[object]]) -> None:
        await on_update()

    with pytest.raises(TypeError, match="watch is a coroutine function"):
        portal.run(call(deliver(watch)))  # type: ignore[arg-type]


def test_an_interrupt_waits_for_the_cleanup(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The coroutine is cancelled and cleans up before the caller sees the interrupt."""
    order: list[str] = []
    started = threading.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            order.append("cleanup")

    def interrupted(_: Any) -> Any:
        started.wait()
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(_calls.Call, "_next_message", interrupted)
    with pytest.raises(KeyboardInterrupt):
        portal.run(work())
    order.append("interrupt")
    assert order == ["cleanup", "interrupt"]
    assert portal.run(value(3)) == 3


def test_closing_ends_the_calls_of_other_threads(portal: Portal) -> None:
    """They get the closed-client error, not a hang and not a cancellation."""
    other = Portal(Client())
    started = threading.Event()
    caught: list[BaseException] = []

    async def work() -> None:
        started.set()
        await asyncio.sleep(60)

    def call() -> None:
        try:
            other.run(work())
        except BaseException as error:  # noqa: BLE001
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    started.wait()
    other.close()
    thread.join()
    assert [type(error) for error in caught] == [ClosedError]
    assert portal.run(value()) == 1


def test_a_call_on_the_loops_own_thread_is_refused_at_once(portal: Portal) -> None:
    """It would wait for itself."""

    async def call_again() -> Any:
        return portal.run(value())

    with pytest.raises(SyncError, match="would wait for itself"):
        portal.run(call_again())


async def test_inside_a_running_loop_it_works_and_warns(portal: Portal) -> None:
    """The warning tells the awaited spelling; the error of a coroutine keeps its own context."""

    def method() -> Any:  # the client's own methods stand between the caller and the hop
        return portal.run(value(5))

    with pytest.warns(RuntimeWarning, match="async with AsyncSync") as caught:
        assert method() == 5
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(RuntimeWarning), pytest.raises(RuntimeError, match="mine") as error:
        portal.run(fail(RuntimeError("mine")))
    assert error.value.__context__ is None


def test_a_dead_loop_is_an_error_never_a_hang() -> None:
    """Waiting calls and later ones get an error with the cause."""
    portal = Portal(Client())
    portal.run(value())
    runner = _loop._current
    assert runner is not None
    started = threading.Event()
    caught: list[BaseException] = []

    async def work() -> None:
        started.set()
        await asyncio.sleep(60)

    def call() -> None:
        try:
            portal.run(work())
        except BaseException as error:  # noqa: BLE001
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    started.wait()

    def die() -> None:
        raise MemoryError("no more")

    runner._run_loop = die  # type: ignore[method-assign]
    runner.loop.call_soon_threadsafe(runner.loop.stop)
    thread.join()
    assert [type(error) for error in caught] == [SyncError]
    with pytest.raises(SyncError, match="died") as later:
        portal.run(value())
    assert isinstance(later.value.__cause__, MemoryError)
    portal.close()
    fresh = Portal(Client())
    assert fresh.run(value()) == 1
    fresh.close()


def test_a_forgotten_client_is_closed_by_the_collector() -> None:
    """Its connections go, and with the last of them the thread."""
    client = Client()
    portal = Portal(client)
    portal.run(value())
    del portal
    gc.collect()
    deadline = time.monotonic() + 5
    while loop_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert client.closed_on == [NAME]
    assert loop_threads() == []


def test_no_loop_and_no_policy_of_the_callers_is_touched(portal: Portal) -> None:
    """The main thread has no loop before and none after."""
    portal.run(value())
    assert asyncio._get_running_loop() is None
    source = Path(_loop.__file__).read_text(encoding="utf-8")
    assert "get_event_loop(" not in source
    assert "set_event_loop" not in source
    assert "signal" not in sys.modules[_loop.__name__].__dict__
