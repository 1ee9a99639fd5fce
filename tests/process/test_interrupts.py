"""Ctrl-C in a blocking call: the work is cancelled, cleans up, and only then the caller hears of it."""

from __future__ import annotations

import os
import signal

import pytest

from sync_blocking import Sandbox
from tests.process.conftest import Script, several

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a console control event there")]

REPEATS = 10

UNDER_WAY = """
def under_way(client):
    return len(client._portal._lease.runner.calls)

"""


def test_a_wait_that_is_interrupted_ends_and_the_client_goes_on(run: Script) -> None:
    """Time after time, and soon; no call is left behind, and the generation is neither lost nor bought again."""
    lines = run(
        f"""
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        def seen(_):
            global then
            then = time.monotonic()
            say("interrupt me")
        for _ in range({REPEATS}):
            try:
                client.generations.wait(job.id, on_update=seen)
            except KeyboardInterrupt:
                say("KeyboardInterrupt", under_way(client), time.monotonic() - then < 0.5)
            say(client.generations.get(job.id).id == job.id)
        client.close()
        """,
        prologue=UNDER_WAY,
        interrupt=True,
        after=0.02,  # the next look is under way
    )
    assert lines == ["KeyboardInterrupt 0 True", "True"] * REPEATS


def test_the_very_first_call_can_be_interrupted(run: Script, sandbox: Sandbox) -> None:
    """While the loop starts, while aiohttp loads, while a connection is made, while the server thinks."""
    sandbox.faults.add("stall", path="/v2/models", seconds=2.0, times=None)

    def interrupted(repeat: int) -> list[str]:
        return run(
            """
            client = Sync(max_retries=0)
            client.models, client.assets  # Python's own import, when interrupted, leaves its file to the collector
            try:
                say("interrupt me")
                client.models.list()
            except KeyboardInterrupt:
                say("KeyboardInterrupt")
            say(len(client.assets.list().items))
            """,
            interrupt=True,
            # not at once: Python drops a coroutine that is interrupted while it is handed over, and says so
            after=0.005 + 0.03 * repeat,
        )

    try:
        lines = several(interrupted, REPEATS + 2)
    finally:
        sandbox.faults.clear()
    assert lines == [["KeyboardInterrupt", "0"]] * (REPEATS + 2)


def test_a_file_on_its_way_can_be_interrupted(run: Script) -> None:
    """The caller's file stays open, no request is left half sent, and the connections serve the next call."""
    lines = run(
        f"""
        import io

        class Slow(io.BytesIO):
            name = "face.mp4"
            told = False
            def read(self, size=-1):
                if self.tell() > 500_000:
                    if not self.told:
                        self.told = True
                        say("interrupt me")
                    time.sleep(0.02)
                return super().read(size)

        client = Sync()
        for _ in range({REPEATS}):
            file = Slow(bytes(10_000_000))
            try:
                client.generations.create_with_files(model="lipsync-2", video=file, audio=("a.wav", b"RIFF"))
            except KeyboardInterrupt:
                say("KeyboardInterrupt", file.closed)
            say(len(client.models.list()))
        """,
        interrupt=True,
    )
    assert lines == ["KeyboardInterrupt False", "5"] * REPEATS


def test_an_iterator_can_be_interrupted_and_gone_on_with(run: Script) -> None:
    lines = run(
        """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        items = client.generations.wait_many([job.id], on_update=lambda _: say("interrupt me"))
        try:
            next(items)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        items.close()
        say(list(items))
        """,
        interrupt=True,
    )
    assert lines == ["KeyboardInterrupt", "[]"]


def test_interrupts_at_any_moment_leave_a_client_that_works(run: Script) -> None:
    """A hundred of them, in the middle of calls, between calls, in the middle of cleaning up."""
    lines = run(
        """
        import random, signal
        client = Sync()
        client.models.list()
        armed, is_over = threading.Event(), False
        def shoot():
            while armed.wait() and not is_over:
                armed.clear()
                time.sleep(random.uniform(0.0, 0.015))
                os.kill(os.getpid(), signal.SIGINT)
        shooter = threading.Thread(target=shoot)
        shooter.start()
        for _ in range(100):
            try:
                armed.set()
                while True:
                    assert len(client.models.list()) == 5
            except KeyboardInterrupt:
                pass
        is_over = True
        armed.set()
        shooter.join()
        say(under_way(client), len(client.models.list()))
        client.close()
        """,
        prologue=UNDER_WAY,
    )
    assert lines == ["0 5"]


def test_an_interrupt_that_nobody_catches_ends_the_program(run: Script) -> None:
    """With the one traceback that Python prints, and soon."""
    lines = run(
        """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        sys.excepthook = lambda kind, error, traceback: say(kind.__name__, error.__context__)
        client.generations.wait(job.id, on_update=lambda _: say("interrupt me"))
        """,
        interrupt=True,
        code_after=-signal.SIGINT,
        ends_within=1.0,
    )
    assert lines == ["KeyboardInterrupt None"]


def test_whatever_a_signal_handler_does_happens_at_once(run: Script) -> None:
    """It may call the client, raise an error of its own, or close the client, as one that ends a server does."""
    lines = run(
        """
        import signal
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        def call(*_):
            say(len(client.models.list()))
        def fail(*_):
            raise LookupError("mine")
        def close(*_):
            client.close()
        for handler in (call, fail, close):
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            then = time.monotonic()
            try:
                client.generations.wait(job.id, timeout=0.4)
            except Exception as error:
                say(handler.__name__, type(error).__name__, time.monotonic() - then < 0.3)
        """
    )
    assert lines == ["5", "call WaitTimeoutError False", "fail LookupError True", "close ClosedError True"]


def test_a_name_that_is_not_found_for_long_holds_up_nothing(run: Script) -> None:
    """Neither Ctrl-C nor closing nor the end of the program waits until the system gives it up."""
    lines = run(
        """
        import signal, socket
        asked = threading.Semaphore(0)
        def slow(*args, **kwargs):
            asked.release()
            time.sleep(20)
        socket.getaddrinfo = slow

        def press_ctrl_c():
            asked.acquire()
            os.kill(os.getpid(), signal.SIGINT)

        client = Sync(base_url="http://api.invalid")
        threading.Thread(target=press_ctrl_c).start()
        try:
            client.models.list()
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        then = time.monotonic()
        client.close()
        say(time.monotonic() - then < 0.5)

        def call():
            try:
                Sync(base_url="http://api.invalid").models.list()
            except Exception:
                pass
        threading.Thread(target=call, daemon=True).start()
        asked.acquire()
        say("end")
        """,
        ends_within=1.0,
    )
    assert lines == ["KeyboardInterrupt", "True", "end"]


def test_exit_in_a_listener_ends_the_program_and_not_the_loop(run: Script) -> None:
    """`sys.exit` in a callback is an exit, whoever calls it."""
    lines = run(
        """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        try:
            client.generations.wait(job.id, on_update=lambda _: sys.exit(3))
        except SystemExit as exit:
            say("exit", exit.code)
        say(len(client.models.list()))
        client.generations.wait(job.id, on_update=lambda _: sys.exit(4))
        """,
        code_after=4,
        ends_within=1.0,
    )
    assert lines == ["exit 3", "5"]


def test_an_error_in_a_listener_reaches_the_caller(run: Script) -> None:
    lines = run(
        """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        mine = LookupError("mine")
        def fail(_):
            raise mine
        try:
            client.generations.wait(job.id, on_update=fail)
        except LookupError as error:
            say(error is mine, error.__context__)
        say(len(client.models.list()))
        """
    )
    assert lines == ["True None", "5"]
