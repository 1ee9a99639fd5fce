"""How a program ends that has used the blocking client: in silence, and soon."""

from __future__ import annotations

import sys

import pytest

from tests.process.conftest import Script

needs_threads = pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 2),
    reason="no thread can be started when the main one has ended (cpython#113964)",
)

ENDINGS = {
    "a client that was closed": """
        with Sync() as client:
            say(len(client.models.list()))
        """,
    "a client that was closed twice": """
        client = Sync()
        say(len(client.models.list()))
        client.close()
        client.close()
        """,
    "an open client": """
        client = Sync()
        say(len(client.models.list()))
        """,
    "many open clients": """
        clients = [Sync() for _ in range(10)]
        say({len(client.models.list()) for client in clients}.pop())
        """,
    "a client that was dropped": """
        client = Sync()
        say(len(client.models.list()))
        del client
        """,
    "a client of a moment": """
        say(len(Sync().models.list()))
        """,
    "an exit by sys.exit": """
        client = Sync()
        say(len(client.models.list()))
        sys.exit(0)
        """,
    "an iterator that is half read": """
        client = Sync()
        job = [client.generations.create(model="lipsync-2", input=INPUT).id for _ in range(2)]
        items = client.generations.iter()
        say(5 if next(items).id in job else 0)
        """,
    "an iterator of a client of a moment": """
        say(5)
        for _ in Sync().generations.iter():
            break
        """,
    "a download that was used": """
        client = Sync()
        say(len(client.models.list()))
        try:
            client.generations.download("no-such-id", "/tmp/no-such.mp4")
        except Exception as error:
            assert type(error).__name__ == "NotFoundError", error
        """,
    "a client that was never used": """
        client = Sync()
        say(5)
        """,
    "a client in a cycle": """
        client = Sync()
        say(len(client.models.list()))
        cycle = [client]
        cycle.append(cycle)
        del client, cycle
        """,
    "a copy of a client": """
        copy = Sync().with_options(timeout=5)
        say(len(copy.models.list()))
        """,
    "resources whose client was dropped": """
        models = Sync().models
        say(len(models.list()))
        """,
    "a daemon thread that waits": """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        started = threading.Event()
        def call():
            try:
                client.generations.wait(job.id, on_update=lambda _: started.set())
            except Exception:
                pass
        threading.Thread(target=call, daemon=True).start()
        started.wait()
        say(5)
        """,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_in_silence(run: Script, ending: str) -> None:
    """With all warnings on, and as errors; and soon."""
    assert run(ENDINGS[ending], ends_within=1.0) == ["5"]


def test_a_program_that_fails_ends_with_its_own_error(run: Script) -> None:
    """And nothing beside it."""
    lines = run(
        """
        sys.excepthook = lambda kind, error, traceback: say(kind.__name__)
        with Sync() as client:
            client.generations.get("no-such-id")
        """,
        code_after=1,
        ends_within=1.0,
    )
    assert lines == ["NotFoundError"]


def test_an_optimised_program_does_the_same(run: Script) -> None:
    """No check of ours is an assertion, nothing is read from docstrings."""
    lines = run(
        """
        client = Sync()
        say(len(client.models.list()))
        try:
            client.generations.create(modl="lipsync-2", input=INPUT)
        except TypeError as error:
            say("model" in str(error))
        """,
        "-OO",
    )
    assert lines == ["5", "True"]


def test_a_daemon_thread_in_a_call_hears_that_the_client_closed(run: Script) -> None:
    """It does not hold up the end."""
    lines = run(
        """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        started = threading.Event()
        def call():
            try:
                client.generations.wait(job.id, on_update=lambda _: started.set())
            except Exception as error:
                # not with print: Python aborts when a daemon thread holds the lock of its output at the end
                os.write(1, type(error).__name__.encode())
        threading.Thread(target=call, daemon=True).start()
        started.wait()
        """
    )
    assert lines in (["ClosedError"], [])  # a daemon thread may be stopped before it can say so


def test_another_thread_may_finish_its_call(run: Script) -> None:
    """The end of the main thread is not the end of the program."""
    lines = run(
        """
        client = Sync()
        say(len(client.models.list()))
        def call():
            threading.main_thread().join()
            say(len(client.models.list()))
        threading.Thread(target=call).start()
        """
    )
    assert lines == ["5", "5"]


@needs_threads
def test_another_thread_may_make_a_connection(run: Script) -> None:
    lines = run(
        """
        client = Sync()
        say(len(client.models.list()))
        def call():
            threading.main_thread().join()
            say(len(Sync(timeout=5).models.list()))
        threading.Thread(target=call).start()
        """
    )
    assert lines == ["5", "5"]


@needs_threads
def test_another_thread_may_make_the_first_call(run: Script) -> None:
    """And upload, which takes still more threads."""
    lines = run(
        """
        def call():
            threading.main_thread().join()
            client = Sync()
            say(len(client.models.list()))
            say(client.assets.upload(("a.wav", b"RIFF0000WAVE")).size)
        threading.Thread(target=call).start()
        """
    )
    assert lines == ["5", "12"]


def test_a_call_in_an_exit_hook_is_refused_in_words(run: Script) -> None:
    """It could hang or fail in odd ways by then."""
    lines = run(
        """
        import atexit
        client = Sync()
        client.models.list()
        @atexit.register
        def late():
            try:
                client.models.list()
            except Exception as error:
                say(type(error).__name__, "ending" in str(error))
        """
    )
    assert lines == ["ClosedError True"]


def test_the_end_comes_soon(run: Script) -> None:
    """Open clients and calls under way cost less than a second."""
    lines = run(
        """
        clients = [Sync() for _ in range(5)]
        job = clients[0].generations.create(model="lipsync-2", input=INPUT)
        started = threading.Semaphore(0)
        def call(client):
            try:
                client.generations.wait(job.id, on_update=lambda _: started.release())
            except Exception:
                pass
        for client in clients * 2:
            threading.Thread(target=call, args=[client], daemon=True).start()
            started.acquire()
        say("end")
        """,
        ends_within=1.0,
    )
    assert lines == ["end"]


def test_clients_that_come_and_go_leave_nothing_open(run: Script) -> None:
    """No thread, no file, no connection."""
    lines = run(
        """
        def opened():
            return len(os.listdir("/dev/fd"))
        Sync().models.list()
        while threading.active_count() > 1:
            time.sleep(0.01)
        before = opened()
        for _ in range(20):
            Sync().models.list()
            with Sync() as client:
                client.models.list()
        while threading.active_count() > 1:
            time.sleep(0.01)
        say(opened() - before)
        """
    )
    assert lines == ["0"]


def test_importing_starts_nothing_and_loads_nothing_heavy(run: Script) -> None:
    """And a client that was made but not used may be forked in silence."""
    lines = run(
        """
        import sync_async, sync
        heavy = ("aiohttp", "rich", "av", "typer", "asyncio.subprocess")
        say(threading.active_count(), [name for name in heavy[:-1] if name in sys.modules])
        client = Sync()
        say(threading.active_count(), "aiohttp" in sys.modules)
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        """
    )
    assert lines == ["1 []", "1 False"]
