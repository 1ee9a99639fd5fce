"""Ctrl-C cancels the work, waits for its cleanup, and then reaches the user."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

RunScript = Callable[..., list[str]]

pytestmark = [
    pytest.mark.timeout(20),
    pytest.mark.skipif(os.name != "posix", reason="SIGINT comes from a console control event there"),
]

INTERRUPT = """
def interrupt(after):
    def shoot():
        time.sleep(after)
        os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=shoot)
    thread.start()
    return thread

cleaning, cleaned = threading.Event(), threading.Event()

async def work(cleanup, started=None):
    try:
        if started:
            started.set()
        await asyncio.sleep(10)
    finally:
        cleaning.set()
        await asyncio.sleep(cleanup)
        say("cleanup")
        cleaned.set()

portal = Portal(Client())
"""


def test_cleanup_then_interrupt_then_business_as_usual(run_script: RunScript) -> None:
    """Ten times out of ten: the work cleans up, KeyboardInterrupt is raised, the next call works."""
    script = """
    for _ in range(10):
        started = threading.Event()
        thread = threading.Thread(target=lambda: (started.wait(), os.kill(os.getpid(), signal.SIGINT)))
        thread.start()
        try:
            portal.run(work(0.02, started))
        except KeyboardInterrupt:
            say("interrupt")
        thread.join()
        say(portal.run(give("next")))
    """
    assert run_script(INTERRUPT + _dedented(script), "-X", "dev") == ["cleanup", "interrupt", "next"] * 10


def test_interrupt_of_the_very_first_call(run_script: RunScript) -> None:
    """The loop is just starting when the interrupt comes, and serves the next call all the same."""
    script = """
    def shoot():
        while not starting():
            pass
        os.kill(os.getpid(), signal.SIGINT)

    def starting():
        return any(thread.name == "syncso event loop" for thread in threading.enumerate())

    for _ in range(10):
        while starting():  # what the last interrupt left
            time.sleep(0.001)
        portal = Portal(Client())
        thread = threading.Thread(target=shoot)
        thread.start()
        try:
            portal.run(asyncio.sleep(10))
        except KeyboardInterrupt:
            say("interrupt")
        thread.join()
        say(portal.run(give("next")))
        portal.close()
    """
    assert run_script(INTERRUPT + _dedented(script), "-X", "dev") == ["interrupt", "next"] * 10


def test_cleanup_is_waited_for_within_bounds(run_script: RunScript) -> None:
    """Cleanup that takes too long does not hold up the interrupt for ever."""
    script = """
    from sync_blocking import _calls
    _calls.CLEANUP_BOUND = 0.1
    thread = interrupt(0.05)
    try:
        portal.run(work(0.5))
    except KeyboardInterrupt:
        say("interrupt")
    say(portal.run(give("next")))
    thread.join()
    cleaned.wait(10)
    """
    assert run_script(INTERRUPT + _dedented(script), "-X", "dev") == ["interrupt", "next", "cleanup"]


def test_a_second_interrupt_ends_the_waiting(run_script: RunScript) -> None:
    """Who presses Ctrl-C twice does not wait for the cleanup."""
    script = """
    def again():
        cleaning.wait()
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)
    thread = interrupt(0.05)
    threading.Thread(target=again).start()
    try:
        portal.run(work(2.0))
    except KeyboardInterrupt:
        say("interrupt", cleaned.is_set())
    say(portal.run(give("next")))
    cleaned.wait(10)
    """
    assert run_script(INTERRUPT + _dedented(script), "-X", "dev") == ["interrupt False", "next", "cleanup"]


def test_interrupt_in_a_callback(run_script: RunScript) -> None:
    """A callback that is interrupted ends the call like the call itself."""
    script = """
    thread = interrupt(0.05)

    async def watch(tell):
        try:
            await tell()
        finally:
            say("cleanup")

    try:
        portal.run(watch(deliver(lambda: time.sleep(10))))
    except KeyboardInterrupt:
        say("interrupt")
    say(portal.run(give("next")))
    """
    assert run_script(INTERRUPT + _dedented(script), "-X", "dev") == ["cleanup", "interrupt", "next"]


def _dedented(script: str) -> str:
    import textwrap

    return textwrap.dedent(script)
