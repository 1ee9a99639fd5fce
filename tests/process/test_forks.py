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

from tests.process.conftest import Script, several

pytestmark = [pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")]

QUIET = """
import warnings
warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
"""


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


def test_the_parent_keeps_its_connection_however_the_child_ends(run: Script, ports: Ports) -> None:
    """Whether it has called or not, and then over one of its own; the parent goes on over the same as before."""
    lines = run(
        QUIET
        + """
import gc
client = Sync()
def port():
    return client.models.list()[0].name
def exits():
    sys.exit(0)
def drops_the_client():
    global client
    client = None
    gc.collect()
    sys.exit(0)
def closes_the_client():
    client.close()
    sys.exit(0)
def vanishes():
    os._exit(0)
before = port()
for end in (exits, drops_the_client, closes_the_client, vanishes) * 2:
    for calls in (True, False):
        child = os.fork()
        if child == 0:
            if calls and port() == before:
                os._exit(1)
            end()
        say(end.__name__, os.waitpid(child, 0)[1], port() == before)
client.close()
""",
        environment=ports.environment,
    )
    ends = ("exits", "drops_the_client", "closes_the_client", "vanishes")
    assert lines == [f"{end} 0 True" for end in ends * 2 for _ in range(2)]


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


ASYNC_CHILDREN = {
    "a client of its own": "run(port(AsyncSync(), closes=True))",
    "the client that it inherited": "run(port(client, closes=True))",
    "nothing but the closing": "run(client.close())",
    "nothing but the forgetting": "import gc; task = caller = client = None; gc.collect()",
}
ASYNC = (
    QUIET
    + """
from sync_async import AsyncSync

async def port(client, *, closes=False):
    try:
        return (await client.models.list())[0].name
    finally:
        if closes:
            await client.close()

def run(work):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()

"""
)


def test_an_async_client_survives_a_fork_too(run: Script, ports: Ports) -> None:
    """In the middle of a loop's work; the child uses a loop of its own, and the parent's connection stays."""
    children = "\n".join(
        f"""
        pid = os.fork()
        if pid == 0:
            asyncio.events._set_running_loop(None)  # as every child of a running loop must
            say("child", {use if ";" not in use else "None"} != before)
            {use if ";" in use else ""}
            sys.stdout.flush()
            os._exit(0)
        say("ended", (await asyncio.to_thread(os.waitpid, pid, 0))[1])
        say("same", await port(client) == before)
"""
        for use in ASYNC_CHILDREN.values()
    )
    lines = run(
        ASYNC
        + f"""
async def parent():
    async with AsyncSync() as client:
        before = await port(client)
        {children}
asyncio.run(parent())
""",
        environment=ports.environment,
    )
    assert lines == ["child True", "ended 0", "same True"] * len(ASYNC_CHILDREN)


def test_a_child_complains_of_no_async_client_that_its_parent_has_open(run: Script, ports: Ports) -> None:
    """It need not close what is not its own, whether it ends or forgets the client."""
    lines = run(
        ASYNC
        + """
import gc
client = AsyncSync()
loop = asyncio.new_event_loop()
before = loop.run_until_complete(port(client))
for forgets in (False, True):
    pid = os.fork()
    if pid == 0:
        if forgets:
            client = None
            gc.collect()
        sys.exit(0)
    say("ended", os.waitpid(pid, 0)[1])
    say("same", loop.run_until_complete(port(client)) == before)
loop.run_until_complete(client.close())
loop.close()
""",
        "-W",
        "ignore::ResourceWarning",  # of the loop itself, which is the program's
        environment=ports.environment,
        development=False,
    )
    assert lines == ["ended 0", "same True"] * 2


def test_a_program_may_become_a_daemon(run: Script, ports: Ports) -> None:
    """Two forks, whose parents go: clients go on over connections of their own, an async one on its loop."""
    lines = run(
        ASYNC
        + """
client, other, loop = Sync(), AsyncSync(), asyncio.new_event_loop()
before = client.models.list()[0].name, loop.run_until_complete(port(other))
for _ in range(2):
    if os.fork():
        os._exit(0)
say("daemon", before[0] != client.models.list()[0].name)
say("daemon", before[1] != loop.run_until_complete(port(other, closes=True)))
loop.close()
""",
        "-W",
        "ignore::ResourceWarning",  # of the old connection, which the loop still has
        environment=ports.environment,
        development=False,
    )
    assert lines == ["daemon True"] * 2


def test_a_fork_waits_a_second_at_most_for_a_host_that_is_not_found(run: Script) -> None:
    lines = run(
        QUIET
        + """
import socket
asked = threading.Event()
def slow(*args, **kwargs):
    asked.set()
    time.sleep(20)
socket.getaddrinfo = slow
client = Sync(base_url="http://api.invalid")
threading.Thread(target=client.models.list, daemon=True).start()
asked.wait()
then = time.monotonic()
if os.fork() == 0:
    os._exit(0)
os.wait()
say(0.9 < time.monotonic() - then < 2.0)
os._exit(0)
"""
    )
    assert lines == ["True"]


def test_the_way_to_storage_survives_a_child(run: Script) -> None:
    """It has connections of its own."""
    lines = run(
        QUIET
        + """
import gc
client = Sync()
for _ in range(2):
    client.assets.upload(("a.wav", b"RIFF0000WAVE"))
    child = os.fork()
    if child == 0:
        client.assets.upload(("a.wav", b"RIFF0000WAVE"))
        del client
        gc.collect()
        sys.exit(0)
    say(os.waitpid(child, 0)[1], client.assets.upload(("a.wav", b"RIFF0000WAVE")).size)
client.close()
"""
    )
    assert lines == ["0 12"] * 2


@pytest.mark.parametrize(
    "call",
    [
        "client.models.list()",
        "client.assets.upload(('a.wav', b'RIFF0000WAVE'))",
    ],
)
def test_a_fork_at_any_moment_of_a_first_call_does_no_harm(run: Script, call: str) -> None:
    """While the loop starts, while anything is imported: the child's own first call works, and the parent's."""

    def forked(repeat: int) -> list[str]:
        return run(
            QUIET
            + f"""
import signal
client = Sync()
def call():
    {call}
thread = threading.Thread(target=call)
thread.start()
time.sleep({0.002 + repeat * 0.02})
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        call()
        os._exit(0)
    children.append(child)
    time.sleep(0.005)
say([os.waitpid(child, 0)[1] for child in children])
thread.join()
client.close()
""",
            development=False,
        )

    assert several(forked, 8) == [["[0, 0, 0, 0]"]] * 8


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
for _ in range(30):
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
    assert lines == ["0"] * 30


def test_a_subprocess_of_the_program_disturbs_no_call(run: Script) -> None:
    lines = run(
        """
        import subprocess
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        def spawn(_):
            for _ in range(2):
                subprocess.run([sys.executable, "-c", ""], check=True)
        try:
            client.generations.wait(job.id, timeout=0.6, on_update=spawn)
        except TimeoutError as error:
            say(type(error).__name__)
        """
    )
    assert lines == ["WaitTimeoutError"]
