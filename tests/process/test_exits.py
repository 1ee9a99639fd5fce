"""How a program ends that has used the blocking client: in silence, and soon."""

from __future__ import annotations

import pytest

from tests.process.conftest import Script

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
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_in_silence(run: Script, ending: str) -> None:
    """With all warnings on, and as errors."""
    assert run(ENDINGS[ending]) == ["5"]


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
                say(type(error).__name__)
        threading.Thread(target=call, daemon=True).start()
        started.wait()
        """
    )
    assert lines in (["ClosedError"], [])  # a daemon thread may be stopped before it can say so


def test_another_thread_may_finish_its_call(run: Script) -> None:
    lines = run(
        """
        client = Sync()
        def call():
            time.sleep(0.2)
            say(len(client.models.list()))
        threading.Thread(target=call).start()
        """
    )
    assert lines == ["5"]


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
    """Open clients and calls cost less than a second."""
    lines = run(
        """
        import atexit
        @atexit.register
        def _first_registered_last_called():
            say(time.monotonic() - then < 1.0)
        clients = [Sync() for _ in range(5)]
        for client in clients:
            client.models.list()
        then = time.monotonic()
        """
    )
    assert lines == ["True"]


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
