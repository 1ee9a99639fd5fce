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
                say(len(client.assets.list().items))
                try:
                    client.generations.get("no-such-id")
                except Exception as error:
                    say(type(error).__name__, error.__context__)
            for warning, method in zip(caught, ("AsyncModels.list", "AsyncAssets.list", "AsyncGenerations.get")):
                say(warning.category.__name__, warning.filename, f"await {method}(" in str(warning.message))
            say(len(caught), len({warning.lineno for warning in caught}))
        asyncio.run(main())
        """
    )
    assert lines == ["5"] * 3 + ["0", "NotFoundError None"] + ["RuntimeWarning <string> True"] * 3 + ["3 3"]


def test_where_warnings_are_errors_the_call_is_refused_before_it_is_sent(run: Script) -> None:
    """And leaves nothing that was never awaited."""
    lines = run(
        """
        client = Sync()
        async def main():
            try:
                client.generations.create(model="lipsync-2", input=INPUT)
            except RuntimeWarning as warning:
                say("await AsyncGenerations.create" in str(warning))
            async with AsyncSync() as other:
                say(len(await other.generations.list()))
        from sync_async import AsyncSync
        before = len(client.generations.list())
        asyncio.run(main())
        say(before)
        """
    )
    assert lines[0] == "True"
    assert lines[1] == lines[2]


def test_under_a_running_loop_the_second_ctrl_c_ends_a_call(run: Script) -> None:
    """As it ends any blocking call there: the first only cancels the task that the loop runs."""
    lines = run(
        """
        import signal, warnings
        warnings.simplefilter("ignore", RuntimeWarning)
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        def press_twice(_):
            for seconds in (0.1, 0.2):
                threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        async def main():
            client.generations.wait(job.id, on_update=press_twice)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        say(len(client.models.list()))
        """
    )
    assert lines == ["KeyboardInterrupt", "5"]


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


UVLOOP = """
import warnings
import uvloop
warnings.simplefilter("ignore", DeprecationWarning)
policy = uvloop.EventLoopPolicy()
__import__("asyncio").set_event_loop_policy(policy)
"""


@needs("uvloop")
def test_with_the_programs_own_policy(run: Script) -> None:
    """Its loops are used, and it is left as it was; all is as with asyncio's own loop."""
    lines = run(
        """
        import gc, signal, subprocess
        from concurrent.futures import ThreadPoolExecutor
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)

        def leave(_):
            sys.exit(3)
        def interrupt(_):
            os.kill(os.getpid(), signal.SIGINT)
        def spawn(_):
            subprocess.run([sys.executable, "-c", ""], check=True)
        for listener in (leave, interrupt, spawn):
            try:
                client.generations.wait(job.id, timeout=0.3, on_update=listener)
            except BaseException as error:
                say(type(error).__name__, len(client.models.list()))
        say(type(client._portal._lease.runner.loop).__module__)

        with ThreadPoolExecutor(8) as pool:
            say(set(pool.map(lambda _: len(client.models.list()), range(80))))
        for end in (lambda: None, gc.collect, client.close):
            child = os.fork()
            if child == 0:
                ok = len(client.models.list()) == 5
                end()
                sys.exit(0 if ok else 1)
            say("ended", os.waitpid(child, 0)[1], len(client.models.list()))
        say(asyncio.get_event_loop_policy() is policy)
        """,
        prologue=UVLOOP,
        ends_within=1.0,
    )
    assert lines == [
        "SystemExit 5",
        "KeyboardInterrupt 5",
        "WaitTimeoutError 5",
        "uvloop",
        "{5}",
        *["ended 0 5"] * 3,
        "True",
    ]


@needs("uvloop")
def test_what_the_programs_own_loop_spawns_disturbs_no_call(run: Script) -> None:
    """Some loops run the hooks of a fork for each; connections stay, of either client, and no call is lost."""
    lines = run(
        """
        import warnings
        from sync_async import AsyncSync
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        def wait():
            try:
                client.generations.wait(job.id, timeout=1.0)
            except TimeoutError:
                say("TimeoutError")
        async def spawn():
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
            return await process.wait()
        async def main():
            async with AsyncSync() as other:
                await other.models.list()
                exchange = other._transport.pool.exchange
                waiting = asyncio.create_task(asyncio.to_thread(wait))
                say(await asyncio.gather(*(spawn() for _ in range(4))))
                say(len(await other.models.list()), other._transport.pool.exchange is exchange)
                await waiting
        asyncio.run(main())
        say(len(client.models.list()))
        """,
        prologue=UVLOOP,
    )
    assert lines == ["[0, 0, 0, 0]", "5 True", "TimeoutError", "5"]


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
                said.append(content["text"])  # which may be half a line
                if interrupt and "interrupt me" in content["text"]:
                    manager.interrupt_kernel()
            elif message["msg_type"] == "error":
                said.append(content["ename"])

        client.execute_interactive(code, output_hook=hear, timeout=60)
        return "".join(said).splitlines()

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


GEVENT = "from gevent import monkey\nmonkey.patch_all()\n"


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

        with gevent.Timeout(0.1, False):
            client.generations.wait(job.id)
        waiting = gevent.spawn(client.generations.wait, job.id)
        gevent.sleep(0.1)
        waiting.kill()
        say(len(client._portal._lease.runner.calls))
        """,
        prologue=GEVENT,
        ends_within=1.0,
    )
    assert lines == ["5", "{5}", "True", "0"]


@needs("gevent")
def test_under_gevent_a_child_takes_nothing_of_its_parents(run: Script) -> None:
    """Though the parent's greenlets live on in it, that of the loop among them."""
    lines = run(
        """
        import gevent
        client = Sync()
        say(len(client.models.list()))
        for _ in range(2):
            child = os.fork()
            if child == 0:
                for _ in range(5):
                    assert len(client.models.list()) == 5
                    gevent.sleep(0.02)
                sys.exit(0)
            for _ in range(5):
                assert len(client.models.list()) == 5
                gevent.sleep(0.02)
            say("ended", os.waitpid(child, 0)[1], len(client.models.list()))
        """,
        prologue=GEVENT,
    )
    assert lines == ["5", "ended 0 5", "ended 0 5"]
