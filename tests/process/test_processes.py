"""The blocking client in real processes: Ctrl-C, exit, fork."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_blocking import Sandbox

pytestmark = [pytest.mark.timeout(60)]

ROOT = Path(__file__).parents[2]
REPEATS = 5


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A server in this process, for scripts in others."""
    with Sandbox(latency=0.1) as made:
        yield made


def run(
    script: str, *, interrupt: bool = False, base_url: str = "http://127.0.0.1:9"
) -> tuple[list[str], str, int]:
    """Run a script with all warnings on; send SIGINT when it says so."""
    environment = {**os.environ, "SYNC_API_KEY": "sk-test", "SYNC_BASE_URL": base_url, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.strip())
            if interrupt and line.strip() == "interrupt me":
                process.send_signal(signal.SIGINT)
        return lines, process.stderr.read(), process.wait(30)


WORKING = """
    import asyncio, threading
    from sync_blocking._loop import Portal

    class Client:
        async def close(self): pass

    portal = Portal(Client())

    async def value(): return "next call works"

    async def work():
        print("interrupt me")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.1)
            print("cleanup")
"""


@pytest.mark.parametrize("repeat", range(REPEATS))
def test_ctrl_c_cancels_cleans_up_and_then_reaches_the_caller(repeat: int) -> None:
    """In this order, with nothing on stderr, and the client still works."""
    lines, errors, code = run(
        WORKING
        + """
    try:
        portal.run(work())
    except KeyboardInterrupt:
        print("KeyboardInterrupt")
    print(portal.run(value()))
    """,
        interrupt=True,
    )
    assert lines == ["interrupt me", "cleanup", "KeyboardInterrupt", "next call works"]
    assert errors == ""
    assert code == 0


@pytest.mark.parametrize(
    "ending",
    ["", "client.close()", "del client", "import sys; sys.exit(0)", "client.close(); client.close()"],
    ids=["open", "closed", "dropped", "exit", "twice"],
)
def test_a_script_ends_in_silence(sandbox: Sandbox, ending: str) -> None:
    """Whether it closed its client or not."""
    script = "from sync_blocking import Sync\nclient = Sync()\nprint(len(client.models.list()))\n" + ending
    assert run(script, base_url=sandbox.base_url) == (["5"], "", 0)


def test_a_thread_that_still_calls_ends_with_the_closed_error() -> None:
    """A daemon thread blocked in a call does not hold up the end."""
    lines, errors, code = run(
        WORKING.replace('print("interrupt me")', "started.set()").replace('print("cleanup")', "pass")
        + """
    started = threading.Event()
    def call():
        try:
            portal.run(work())
        except Exception as error:
            print(type(error).__name__)
    threading.Thread(target=call, daemon=True).start()
    started.wait()
    """
    )
    assert errors == ""
    assert code == 0
    assert lines in (["ClosedError"], [])


def test_importing_starts_no_thread_and_loads_no_aiohttp() -> None:
    """Both packages are cheap until they are used, and may be forked."""
    lines, errors, code = run(
        """
        import sys, threading, os
        import sync_async, sync_blocking, sync
        print(threading.active_count(), "aiohttp" in sys.modules, "rich" in sys.modules, "av" in sys.modules)
        client = sync_blocking.Sync()
        print(threading.active_count(), "aiohttp" in sys.modules)
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        """
    )
    assert lines == ["1 False False False", "1 False"]
    assert errors == ""
    assert code == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.parametrize("repeat", range(REPEATS))
def test_parent_and_forked_child_both_go_on(sandbox: Sandbox, repeat: int) -> None:
    """The child gets its own loop and connections, exits normally, and the parent's stay whole."""
    lines, errors, code = run(
        """
        import os, sys, warnings
        warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
        from sync_blocking import Sync
        client = Sync()
        print("before", len(client.models.list()))
        child = os.fork()
        if child == 0:
            print("child", len(client.models.list()))
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        print("child ended", status)
        print("after", len(client.models.list()))
        client.close()
        """,
        base_url=sandbox.base_url,
    )
    assert lines == ["before 5", "child 5", "child ended 0", "after 5"]
    assert errors == ""
    assert code == 0
