"""One call: where it runs, what it returns, what it raises."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from sync_async import ClosedError, SyncError
from sync_blocking._loop import Portal

pytestmark = pytest.mark.timeout(10)


async def give(value: Any) -> Any:
    return value


async def fail(error: BaseException) -> None:
    raise error


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "syncso event loop"]


def test_a_thread_is_there_from_the_first_call_to_the_last_close(run_script: Callable[..., list[str]]) -> None:
    """Importing and constructing start no thread; after the last close a fork warns of none."""
    script = """
    def forked():
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)

    portals = [Portal(Client()), Portal(Client())]
    say(threading.active_count()); forked()
    say([portal.run(give(1)) for portal in portals], threading.active_count())
    portals[0].close()
    say(threading.active_count())
    portals[1].close()
    say(threading.active_count()); forked()
    again = Portal(Client())
    say(again.run(give(2)), threading.active_count())
    again.close(); forked()
    """
    assert run_script(script, "-W", "error") == ["1", "[1, 1] 2", "2", "1", "2 2"]


def test_importing_starts_nothing_and_loads_no_server(run_script: Callable[..., list[str]]) -> None:
    """The loop's module brings neither aiohttp nor a thread."""
    assert run_script("say('aiohttp' in sys.modules, threading.active_count())") == ["False 1"]


def test_the_users_policy_is_used_and_left_alone(portal: Portal) -> None:
    """The loop comes from the user's policy, and nothing is set on it."""
    made: list[asyncio.AbstractEventLoop] = []

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            made.append(super().new_event_loop())
            return made[-1]

        def set_event_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
            raise AssertionError

    before, policy = asyncio.get_event_loop_policy(), Policy()
    asyncio.set_event_loop_policy(policy)  # noqa: TID251  # the user's program does this
    try:
        assert portal.run(give(asyncio.get_event_loop_policy())) is policy
        assert portal.run(_running()) is made[0]
    finally:
        asyncio.set_event_loop_policy(before)  # noqa: TID251


async def _running() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_a_client_may_be_made_in_one_thread_and_used_in_others(portal: Portal) -> None:
    """Whatever thread calls, the work runs on one and the same loop."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        loops = set(pool.map(lambda _: portal.run(_running()), range(8)))
    assert len(loops) == 1


def test_a_closed_client_refuses_without_a_trace(portal: Portal) -> None:
    """After close a call raises ClosedError, and its coroutine is closed and complains of nothing."""
    portal.close()
    coroutine = give(1)
    with pytest.raises(ClosedError):
        portal.run(coroutine)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
        coroutine.send(None)


async def _exit_in_child() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(fail(SystemExit(3)))
        await asyncio.sleep(5)


async def _exit_in_callback() -> str:
    asyncio.get_running_loop().call_soon(_exit)
    await asyncio.sleep(0.01)
    return "survived"


def _exit() -> None:
    raise SystemExit(4)


@pytest.mark.timeout(5)
def test_system_exit_reaches_the_caller_and_not_the_loop(portal: Portal) -> None:
    """SystemExit in the work or in its child task is raised in the caller, and the same thread goes on."""
    portal.run(give(1))
    thread = loop_threads()
    for work in (fail(SystemExit(3)), _exit_in_child(), fail(KeyboardInterrupt())):
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            portal.run(work)
        assert portal.run(give(2)) == 2
    assert portal.run(_exit_in_callback()) == "survived"
    assert loop_threads() == thread


class BoomError(Exception):
    """An error of the work."""


async def _boom() -> None:
    raise BoomError


async def _boom_with_context() -> None:
    try:
        raise KeyError("context")
    except KeyError:
        raise BoomError from ValueError("cause")


def test_an_error_arrives_as_it_was_raised(portal: Portal) -> None:
    """The traceback holds two frames of ours at most and none of asyncio's; cause and context are the work's."""
    with pytest.raises(BoomError) as caught:
        _call_while_handling(portal)
    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert sum("sync_blocking" in name for name in files) <= 2
    assert not [name for name in files if "asyncio" in name or "concurrent" in name or "threading" in name]
    assert isinstance(caught.value.__cause__, ValueError)
    assert isinstance(caught.value.__context__, KeyError)


def _call_while_handling(portal: Portal) -> None:
    try:
        raise RuntimeError("the caller's own")
    except RuntimeError:
        portal.run(_boom_with_context())


def _dies(reference: weakref.ref[Any]) -> bool:
    """Wait for the loop's thread, which may be a moment late in letting go."""
    deadline = time.monotonic() + 2
    while reference() is not None and time.monotonic() < deadline:
        time.sleep(0.001)
    return reference() is None


def test_an_error_is_freed_without_the_collector(portal: Portal) -> None:
    """No cycle of ours keeps an error alive after its except block."""
    gc.disable()
    try:
        try:
            portal.run(_boom())
        except BoomError as error:
            reference = weakref.ref(error)
        assert _dies(reference)
    finally:
        gc.enable()


def test_an_error_object_can_be_a_value(portal: Portal) -> None:
    """A coroutine that returns an error returns it."""
    error = BoomError()
    assert portal.run(give(error)) is error


async def _stop_iteration() -> None:
    raise StopIteration


async def _cancelled_by_another() -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_soon(task.cancel)
    await asyncio.sleep(5)


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda: fail(concurrent.futures.CancelledError()), concurrent.futures.CancelledError),
        (lambda: fail(concurrent.futures.TimeoutError()), TimeoutError),
        (lambda: fail(asyncio.CancelledError()), asyncio.CancelledError),
        (_stop_iteration, RuntimeError),
        (_cancelled_by_another, asyncio.CancelledError),
    ],
)
def test_the_odd_errors_keep_their_types(
    portal: Portal, work: Callable[[], Any], expected: type[BaseException]
) -> None:
    """Errors with a meaning of their own for futures pass like any other."""
    with pytest.raises(BaseException) as caught:  # CancelledError is no Exception
        portal.run(work())
    assert type(caught.value) is expected


def test_a_call_under_a_running_loop_works_and_warns_once(run_script: Callable[..., list[str]]) -> None:
    """The result is right, and each line that calls is warned of once, with the spelling for async code."""
    script = """
    import io, warnings
    warnings.showwarning = lambda message, category, filename, line, *_: say(category.__name__, line, message)
    portal = Portal(Client())

    async def main():
        for _ in range(3):
            say(portal.run(give(1)))

    asyncio.run(main())
    """
    lines = run_script(script)
    assert [line for line in lines if line == "1"] == ["1"] * 3
    (warning,) = [line for line in lines if "RuntimeWarning" in line]
    assert "await give(…)" in warning


def test_notebooks_are_not_warned(run_script: Callable[..., list[str]]) -> None:
    """In IPython nobody else uses the running loop."""
    script = """
    import builtins
    builtins.__IPYTHON__ = True
    portal = Portal(Client())

    async def main():
        say(portal.run(give(1)))

    asyncio.run(main())
    """
    assert run_script(script, "-W", "error") == ["1"]


@pytest.mark.filterwarnings("ignore:a blocking call")
async def test_an_error_under_a_running_loop_gets_no_false_context(portal: Portal) -> None:
    """The look for a running loop leaves no mark on the work's error."""
    with pytest.raises(RuntimeError) as caught:
        portal.run(fail(RuntimeError("mine")))
    assert caught.value.__context__ is None


@pytest.mark.timeout(5)
def test_the_loops_own_thread_is_refused(portal: Portal) -> None:
    """A blocking call on the loop would wait for itself, and is an error at once."""

    async def work() -> None:
        portal.run(give(1))

    with pytest.raises(SyncError, match="wait for itself"):
        portal.run(work())


def test_many_threads_share_one_loop(portal: Portal) -> None:
    """32 threads with 100 calls each get their own results from one thread."""

    def calls(number: int) -> list[Any]:
        return [portal.run(_slowly((number, turn))) for turn in range(100)]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        results = list(pool.map(calls, range(32)))
    assert results == [[(number, turn) for turn in range(100)] for number in range(32)]
    assert len(loop_threads()) == 1


async def _slowly(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def test_ten_threads_at_once_start_one_loop() -> None:
    """Ten first calls through a barrier share one thread, and the last close ends it."""
    portals = [Portal(_Idle()) for _ in range(10)]
    barrier = threading.Barrier(10)

    def first_call(portal: Portal) -> asyncio.AbstractEventLoop:
        barrier.wait()
        return portal.run(_running())

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        loops = set(pool.map(first_call, portals))
    assert len(loops) == 1
    for portal in portals:
        portal.close()
    assert loop_threads() == []


class _Idle:
    async def close(self) -> None:
        """Nothing is open."""


VARIABLE: contextvars.ContextVar[Any] = contextvars.ContextVar("variable")


def test_context_variables_go_in_and_do_not_come_back(portal: Portal) -> None:
    """The work sees the caller's values; what it sets stays inside."""

    async def work() -> Any:
        seen = VARIABLE.get()
        VARIABLE.set("inner")
        return seen

    VARIABLE.set("outer")
    assert portal.run(work()) == "outer"
    assert VARIABLE.get() == "outer"


class _Span:
    """Something that can be referred to weakly."""


def test_the_thread_keeps_nothing_of_the_first_caller(portal: Portal) -> None:
    """What only the first caller's context holds is freed with that context."""
    span = _Span()
    reference = weakref.ref(span)
    contextvars.copy_context().run(_call_with_span, portal, span)
    del span
    assert _dies(reference)
    assert portal.run(give(1)) == 1


def _call_with_span(portal: Portal, span: _Span) -> None:
    VARIABLE.set(span)
    portal.run(give(1))


@pytest.mark.timeout(5)
def test_a_dead_thread_is_an_error_and_never_a_hang(recorder: Any) -> None:
    """When the loop's thread dies, the waiting call and the next one raise with the cause; a new client works."""
    portal = Portal(recorder)

    async def break_the_loop() -> None:
        loop = asyncio.get_running_loop()
        loop._run_once = lambda: 1 / 0  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    for work in (break_the_loop, lambda: give(1)):
        with pytest.raises(SyncError, match="died") as caught:
            portal.run(work())
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    portal.close()
    fresh = Portal(recorder)
    assert fresh.run(give(1)) == 1
    fresh.close()
    gc.collect()
