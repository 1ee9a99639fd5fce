"""The blocking client where another event loop runs: asyncio, uvloop, a web framework, a notebook, gevent."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sync_blocking import Sandbox
from tests.process.conftest import PROLOGUE, Script


def needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed")


def test_under_a_running_loop_it_works_and_warns_once_a_line(run: Script) -> None:
    """With the spelling that would not hold up the loop."""
    lines = run(
        """
        import warnings
        client = Sync()
        client.models.list()  # aiohttp is loaded
        async def main():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("default")
                for _ in range(3):
                    say(len(client.models.list()))
            say(len(caught), caught[0].category.__name__, caught[0].filename)
            say("await AsyncModels.list" in str(caught[0].message))
        asyncio.run(main())
        """
    )
    assert lines == ["5", "5", "5", "1 RuntimeWarning <string>", "True"]


def test_through_a_thread_it_does_not_hold_up_the_loop_and_does_not_warn(run: Script) -> None:
    lines = run(
        """
        client = Sync()
        async def main():
            say(len(await asyncio.to_thread(client.models.list)))
        asyncio.run(main())
        """
    )
    assert lines == ["5"]


def test_on_the_clients_own_loop_it_is_refused_at_once(run: Script) -> None:
    """It would wait for itself."""
    lines = run(
        """
        client = Sync()
        async def call():
            client.models.list()
        try:
            client._portal.run(call())
        except Exception as error:
            say(type(error).__name__, "await it" in str(error))
        say(len(client.models.list()))
        """
    )
    assert lines == ["SyncError True", "5"]


@needs("uvloop")
def test_with_the_programs_own_policy(run: Script) -> None:
    """It is used, and left as it was; subprocesses meanwhile disturb nothing."""
    lines = run(
        """
        import subprocess, uvloop, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        policy = uvloop.EventLoopPolicy()
        asyncio.set_event_loop_policy(policy)
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        def spawn(_):
            subprocess.run([sys.executable, "-c", ""], check=True)
        try:
            client.generations.wait(job.id, timeout=0.5, on_update=spawn)
        except TimeoutError:
            say("TimeoutError")
        say(asyncio.get_event_loop_policy() is policy)
        client.close()
        """
    )
    assert lines == ["TimeoutError", "True"]


@needs("fastapi")
def test_in_a_handler_of_a_web_framework(run: Script) -> None:
    """A plain handler runs in a thread; an async one works too, and is warned."""
    lines = run(
        """
        import socket, urllib.request, warnings
        import uvicorn
        from fastapi import FastAPI
        client = Sync()
        app = FastAPI()
        @app.get("/plain")
        def plain():
            return len(client.models.list())
        @app.get("/async")
        async def asynchronous():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                return [len(client.models.list()), len(caught)]
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        url = "http://127.0.0.1:%d" % listener.getsockname()[1]
        while not server.started:
            time.sleep(0.01)
        for path in ("/plain", "/async"):
            with urllib.request.urlopen(url + path) as answer:
                say(answer.read().decode())
        server.should_exit = True
        thread.join()
        listener.close()
        client.close()
        """
    )
    assert lines == ["5", "[5,1]"]


@pytest.fixture
def cell(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """Run cells in a kernel as a notebook does."""
    from jupyter_client.manager import KernelManager

    monkeypatch.setenv("SYNC_API_KEY", "sk-test")
    monkeypatch.setenv("SYNC_BASE_URL", sandbox.base_url)
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)

    def run_cell(code: str, *, interrupt: bool = False) -> list[str]:
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                said.extend(content["text"].splitlines())
                if interrupt and "interrupt me" in content["text"]:
                    manager.interrupt_kernel()
            elif message["msg_type"] == "error":
                said.append(content["ename"])

        client.execute_interactive(code, output_hook=hear, timeout=60)
        return said

    yield run_cell
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


@needs("ipykernel")
@pytest.mark.filterwarnings("ignore")
def test_in_a_notebook(cell: Callable[..., list[str]]) -> None:
    """Calls work without a warning, the stop button stops one, and the next works."""
    assert cell(PROLOGUE + "client = Sync()\nsay(len(client.models.list()))") == ["5"]
    started = """
job = client.generations.create(model="lipsync-2", input=INPUT)
client.generations.wait(job.id, on_update=lambda _: say("interrupt me"))
"""
    assert cell(started, interrupt=True)[-1] == "KeyboardInterrupt"
    assert cell("say(client.generations.get(job.id).id == job.id)") == ["True"]
    awaited = (
        "from sync_async import AsyncSync\nasync with AsyncSync() as other: say(len(await other.models.list()))"
    )
    assert cell(awaited) == ["5"]


@needs("gevent")
def test_under_gevent_greenlets_share_the_client_and_none_holds_up_another(run: Script) -> None:
    """Patched threads are greenlets, and so is the loop's."""
    lines = run(
        """
        import gevent
        client = Sync()
        say(len(client.models.list()))
        jobs = [gevent.spawn(client.models.list) for _ in range(20)]
        gevent.joinall(jobs)
        say({len(job.value) for job in jobs})
        beats = []
        def beat():
            while True:
                gevent.sleep(0.01)
                beats.append(1)
        beating = gevent.spawn(beat)
        job = client.generations.create(model="lipsync-2", input=INPUT)
        try:
            client.generations.wait(job.id, timeout=0.5)
        except TimeoutError:
            say(len(beats) > 20)
        beating.kill()
        client.close()
        """,
        prologue="from gevent import monkey\nmonkey.patch_all()\n",
    )
    assert lines == ["5", "{5}", "True"]
