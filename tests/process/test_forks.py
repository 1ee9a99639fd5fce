"""Forks before, between and after calls harm neither parent nor child."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trustme
from aiohttp import web

from tests.process.conftest import Script

pytestmark = [pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")]

QUIET = """
import warnings
warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
"""
CHILD_ENDS = {
    "by the end of its program": "sys.exit(0)",
    "after dropping the client": "import gc\n        del client\n        gc.collect()\n        sys.exit(0)",
    "after closing the client": "client.close()\n        sys.exit(0)",
    "at once": "os._exit(0)",
}


@attrs.define
class Ports:
    """A server that answers with the port that the client calls from."""

    url: str = ""
    authority: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What leads a script there, and has it trust the certificate."""
        return {"SYNC_BASE_URL": self.url, **({"SSL_CERT_FILE": self.authority} if self.authority else {})}


@pytest.fixture(scope="module", params=["http", "https"])
def ports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """On a thread of its own, with and without TLS."""
    state = Ports()
    context: ssl.SSLContext | None = None
    if request.param == "https":
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        path: Path = tmp_path_factory.mktemp("tls") / "ca.pem"
        authority.cert_pem.write_to_path(str(path))
        state.authority = str(path)

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        return web.json_response([{"id": "m", "name": str(request.transport.get_extra_info("peername")[1])}])

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/v2/models", answer)
        runner = web.AppRunner(app, keepalive_timeout=60)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        state.url = f"{request.param}://localhost:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    yield state
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.mark.parametrize("end", CHILD_ENDS)
def test_the_parent_keeps_its_connection_however_the_child_ends(run: Script, ports: Ports, end: str) -> None:
    """The child has one of its own; the parent's next request goes over the same one as before."""
    lines = run(
        QUIET
        + f"""
client = Sync()
def port():
    return client.models.list()[0].name
before = port()
for _ in range(3):
    child = os.fork()
    if child == 0:
        say("child", port() != before)
        {CHILD_ENDS[end]}
    say("ended", os.waitpid(child, 0)[1])
    say("same", port() == before)
client.close()
""",
        environment=ports.environment,
    )
    assert lines == ["child True", "ended 0", "same True"] * 3


def test_a_child_that_never_calls_harms_nobody(run: Script, ports: Ports) -> None:
    lines = run(
        QUIET
        + """
client = Sync()
before = client.models.list()[0].name
child = os.fork()
if child == 0:
    sys.exit(0)
say(os.waitpid(child, 0)[1], client.models.list()[0].name == before)
""",
        environment=ports.environment,
    )
    assert lines == ["0 True"]


def test_a_client_may_be_used_in_the_child_only(run: Script) -> None:
    """As in a prefork server that makes it at import."""
    lines = run(
        """
        client = Sync()
        for _ in range(3):
            child = os.fork()
            if child == 0:
                say("child", len(client.models.list()))
                sys.exit(0)
            say("ended", os.waitpid(child, 0)[1])
        """
    )
    assert lines == ["child 5", "ended 0"] * 3


def test_an_async_client_survives_a_fork_too(run: Script, ports: Ports) -> None:
    """The child runs a loop of its own with a client of its own; the parent's connection stays."""
    lines = run(
        QUIET
        + """
from sync_async import AsyncSync
async def port(client):
    return (await client.models.list())[0].name
async def child():
    async with AsyncSync() as client:
        return await port(client)
async def parent():
    async with AsyncSync() as client:
        before = await port(client)
        pid = os.fork()
        if pid == 0:
            asyncio.events._set_running_loop(None)  # as every child of a running loop must
            other = asyncio.new_event_loop()
            say("child", other.run_until_complete(child()) != before)
            other.close()
            os._exit(0)
        say("ended", (await asyncio.to_thread(os.waitpid, pid, 0))[1])
        say("same", await port(client) == before)
asyncio.run(parent())
""",
        environment=ports.environment,
    )
    assert lines == ["child True", "ended 0", "same True"]


def test_a_fork_in_the_middle_of_calls_does_not_hang_the_child(run: Script) -> None:
    """Whatever locks the other threads hold at that moment."""
    lines = run(
        QUIET
        + """
client = Sync()
stop = threading.Event()
def call():
    while not stop.is_set():
        client.models.list()
threads = [threading.Thread(target=call) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in range(15):
    child = os.fork()
    if child == 0:
        ok = len(client.models.list()) == 5
        os._exit(0 if ok else 1)
    say(os.waitpid(child, 0)[1])
stop.set()
for thread in threads:
    thread.join()
client.close()
"""
    )
    assert lines == ["0"] * 15


def test_a_subprocess_of_the_program_disturbs_no_call(run: Script) -> None:
    lines = run(
        """
        import subprocess
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        def spawn(_):
            for _ in range(5):
                subprocess.run([sys.executable, "-c", ""], check=True)
        try:
            client.generations.wait(job.id, timeout=1, on_update=spawn)
        except TimeoutError as error:
            say(type(error).__name__)
        """
    )
    assert lines == ["WaitTimeoutError"]
