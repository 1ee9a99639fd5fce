"""Closing by hand, by being forgotten, by the end of the program."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sync_async import ClosedError
from sync_blocking import _loop
from sync_blocking._loop import Portal

RunScript = Callable[..., list[str]]

pytestmark = pytest.mark.timeout(20)


async def give(value: Any) -> Any:
    return value


def test_closing_twice_closes_once(portal: Portal, recorder: Any) -> None:
    """The second close finds nothing to do."""
    portal.run(give(1))
    portal.close()
    portal.close()
    assert recorder.closed == 1


def test_an_unused_client_closes_without_a_thread(portal: Portal, recorder: Any) -> None:
    """What was never opened need not be closed on a loop."""
    portal.close()
    assert recorder.closed == 0
    assert all(thread.name != "syncso event loop" for thread in threading.enumerate())


def test_closing_ends_calls_of_this_client_only(portal: Portal, recorder: Any) -> None:
    """A call under way in another thread gets a ClosedError after its cleanup; other clients' calls go on."""
    other, steps, started = Portal(recorder), [], threading.Semaphore(0)

    async def work(name: str) -> str:
        try:
            started.release()
            await asyncio.sleep(0.3)
        finally:
            steps.append(f"{name} cleaned up")
        return f"{name} finished"

    def call(through: Portal, name: str) -> None:
        try:
            steps.append(through.run(work(name)))
        except ClosedError:
            steps.append(f"{name} closed")

    threads = [threading.Thread(target=call, args=pair) for pair in ((portal, "mine"), (other, "other"))]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert started.acquire(timeout=5)
    portal.close()
    for thread in threads:
        thread.join()
    other.close()
    assert steps == ["mine cleaned up", "mine closed", "other cleaned up", "other finished"]


def test_async_generators_are_finished_on_the_loop(portal: Portal) -> None:
    """A half-read generator's finally block has run when close returns."""
    steps = []

    async def generate() -> Any:
        try:
            yield 1
            yield 2
        finally:
            steps.append("finally")

    generator = generate()

    async def step() -> Any:
        return await generator.__anext__()

    assert portal.run(step()) == 1
    portal.close()
    assert steps == ["finally"]


def test_work_that_ignores_cancellation_does_not_hold_up_closing(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing waits within bounds, then closes the connections under the work."""
    monkeypatch.setattr(_loop, "CLOSE_BOUND", 0.1)
    released = threading.Event()

    async def stubborn() -> str:
        while not released.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue
        return "done"

    keeper = Portal(portal._lease.client)  # keeps the thread
    keeper.run(give(1))
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(portal.run(stubborn())))
    thread.start()
    time.sleep(0.05)
    before = time.monotonic()
    portal.close()
    assert time.monotonic() - before < 2
    released.set()
    thread.join()
    assert results == ["done"]
    keeper.close()


def test_connections_that_do_not_close_are_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A close that hangs is given up after its bound, with a warning in the log."""
    monkeypatch.setattr(_loop, "CLOSE_BOUND", 0.1)

    class Hanging:
        async def close(self) -> None:
            await asyncio.sleep(60)

    portal = Portal(Hanging())
    portal.run(give(1))
    portal.close()
    assert "did not close within 0.1 s" in caplog.text


def test_an_error_of_closing_reaches_the_caller() -> None:
    """What the client's close raises is raised, and the thread ends all the same."""

    class Broken:
        async def close(self) -> None:
            raise OSError("connection lost")

    portal = Portal(Broken())
    portal.run(give(1))
    with pytest.raises(OSError, match="connection lost"):
        portal.close()
    assert all(thread.name != "syncso event loop" for thread in threading.enumerate())


def _ends(thread_name: str = "syncso event loop") -> bool:
    deadline = time.monotonic() + 5
    while any(thread.name == thread_name for thread in threading.enumerate()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def test_a_forgotten_client_is_closed(recorder: Any) -> None:
    """Dropping the last reference closes the connections on the loop and ends the thread."""
    portal = Portal(recorder)
    portal.run(give(1))
    del portal
    assert _ends()
    assert recorder.closed == 1


def test_a_temporary_client_lives_through_its_call(recorder: Any) -> None:
    """A call on a client that nobody else holds is not cut off."""
    assert Portal(recorder).run(asyncio.sleep(0.05, "whole")) == "whole"
    assert _ends()


def test_a_client_may_be_collected_while_the_lock_is_held(recorder: Any) -> None:
    """The finalizer takes no lock, so a collection inside a locked section does not deadlock."""
    portal = Portal(recorder)
    portal.run(give(1))
    with _loop._lock:
        del portal
        gc.collect()
    assert _ends()
    assert recorder.closed == 1


def test_a_client_may_be_collected_on_the_loop(recorder: Any) -> None:
    """A collection that happens in the loop's thread only posts the closing."""
    doomed, keeper = [Portal(recorder)], Portal(recorder)
    doomed[0].run(give(1))

    async def collect() -> str:
        doomed.clear()
        gc.collect()
        return "collected"

    assert keeper.run(collect()) == "collected"
    keeper.close()
    assert recorder.closed == 2


def test_closing_on_the_loop_only_posts(portal: Portal, recorder: Any) -> None:
    """A close in the loop's own thread does not wait for itself."""

    async def work() -> None:
        portal.close()
        await asyncio.sleep(5)

    with pytest.raises(ClosedError):
        portal.run(work())
    assert _ends()
    assert recorder.closed == 1


EXITS = {
    "used and forgotten open": """
        portal = Portal(Client())
        say(portal.run(give("end")))
        """,
    "forgotten just before the end": """
        say(Portal(Client()).run(give("end")))
        """,
    "a daemon thread is in a call": """
        from sync_async import ClosedError
        portal = Portal(Client())
        started = threading.Event()
        async def work():
            started.set()
            await asyncio.sleep(30)
        def call():
            try:
                portal.run(work())
            except ClosedError:
                os.write(1, b"end")  # a print may be frozen with the lock that Python flushes stdout with
        threading.Thread(target=call, daemon=True).start()
        started.wait()
        """,
    "another thread still works": """
        portal = Portal(Client())
        started = threading.Event()
        async def work():
            started.set()
            await asyncio.sleep(0.3)
            return "end"
        threading.Thread(target=lambda: say(portal.run(work()))).start()
        started.wait()
        """,
    "half-read generator": """
        portal = Portal(Client())
        async def generate():
            try:
                yield 1
                yield 2
            finally:
                say("end")
        generator = generate()
        async def step():
            return await generator.__anext__()
        portal.run(step())
        """,
    "a thread pool was used": """
        portal = Portal(Client())
        async def work():
            return await asyncio.to_thread(lambda: "end")
        say(portal.run(work()))
        """,
    "closing fails": """
        class Broken:
            async def close(self):
                raise OSError
        portal = Portal(Broken())
        say(portal.run(give("end")))
        """,
    "a call in the user's exit hook, registered early": """
        import atexit
        from sync_async import ClosedError
        def late():
            try:
                portal.run(give(1))
            except ClosedError as error:
                say("end" if "program is ending" in str(error) or "closed" in str(error) else error)
        atexit.register(late)
        portal = Portal(Client())
        portal.run(give(1))
        """,
    "a call in the user's exit hook, registered late": """
        import atexit
        from sync_async import ClosedError
        portal = Portal(Client())
        portal.run(give(1))
        @atexit.register
        def late():
            try:
                portal.run(give(1))
            except ClosedError as error:
                say("end" if "program is ending" in str(error) else error)
        """,
    "the first call ever in the user's exit hook": """
        import atexit
        from sync_async import ClosedError
        portal = Portal(Client())
        @atexit.register
        def late():
            try:
                portal.run(give(1))
            except ClosedError as error:
                say("end" if "program is ending" in str(error) else error)
        """,
}


def test_work_that_is_posted_while_the_loop_ends_is_refused_in_silence(run_script: RunScript) -> None:
    """The end of the program may do so at the very moment at which the last client has closed."""
    code = """
        import gc
        from sync_blocking import _loop
        portal = Portal(Client())
        async def prepare():
            runner = portal._lease.runner
            last = runner.loop.shutdown_asyncgens
            async def shutdown():
                await last()
                runner.post_work(runner.shut_all)
                await asyncio.sleep(0)
            runner.loop.shutdown_asyncgens = shutdown
            _loop._is_exiting = True
        portal.run(prepare())
        portal.close()
        gc.collect()
        say("end")
        """
    assert run_script(code, "-X", "dev", seconds=5) == ["end"]


@pytest.mark.parametrize("case", EXITS)
def test_a_program_that_never_closes_ends_in_silence(case: str, run_script: RunScript) -> None:
    """Exit code 0, nothing on stderr in development mode, and soon."""
    assert run_script(EXITS[case], "-X", "dev", seconds=5) == ["end"]


def test_a_signal_handler_may_close_the_client_while_the_loop_starts(run_script: RunScript) -> None:
    """As one does that ends a server: the call is refused, and nothing goes on."""
    code = """
        from sync_async import ClosedError
        portal = Portal(Client())
        signal.signal(signal.SIGTERM, lambda *_: portal.close())
        start = threading.Thread.start
        def interrupted(thread):
            start(thread)
            os.kill(os.getpid(), signal.SIGTERM)
        threading.Thread.start = interrupted
        try:
            portal.run(give(1))
        except ClosedError:
            say("closed")
        while threading.active_count() > 1:
            time.sleep(0.001)
        say("end")
        """
    assert run_script(code, "-X", "dev", "-W", "error", seconds=5) == ["closed", "end"]


def test_a_signal_handler_may_call_while_the_loop_starts(run_script: RunScript) -> None:
    """Over another client, which is the start of a loop inside of one; each client closes its own."""
    code = """
        portals = [Portal(Client()) for _ in range(3)]
        signal.signal(signal.SIGTERM, lambda *_: say(portals[1].run(give("inner"))))
        start = threading.Thread.start
        def interrupted(thread):
            threading.Thread.start = start
            start(thread)
            os.kill(os.getpid(), signal.SIGTERM)
        threading.Thread.start = interrupted
        say(portals[0].run(give("outer")))
        say(portals[2].run(give("later")), portals[1].run(give("again")))
        for portal in portals:
            portal.close()
        say(threading.active_count())
        """
    assert run_script(code, "-X", "dev", "-W", "error", seconds=5) == ["inner", "outer", "later again", "1"]


def test_an_object_that_closes_its_client_may_be_collected_anywhere(portal: Portal, recorder: Any) -> None:
    """In the middle of the runner's own work too, where its lock is held."""
    portal.run(give(1))

    class Owner:
        def __del__(self) -> None:
            portal.close()

    with _loop._lock:
        Owner()
    assert _ends()
    assert recorder.closed == 1
