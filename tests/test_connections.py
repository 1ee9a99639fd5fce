"""What a client's connections are, and what becomes of those that cannot be made."""

from __future__ import annotations

import asyncio
import importlib
import os
import ssl
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
import trustme
from aiohttp import web

import sync_async
from sync_async import ApiConnectionError, AsyncSync, Audio, Video
from tests.conftest import Server

INPUT = [Video(url="https://x.example/v.mp4"), Audio(url="https://x.example/a.wav")]


async def test_many_clients_build_no_context_for_tls_of_their_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One takes longer than many a call, so aiohttp's own is shared."""
    server.answer(200, [])
    async with AsyncSync(api_key="k", base_url=server.url) as first:
        await first.models.list()
    built: list[Any] = []
    make = ssl.SSLContext.__new__
    monkeypatch.setattr(ssl.SSLContext, "__new__", lambda *args, **more: built.append(args) or make(*args, **more))
    for _ in range(100):
        async with AsyncSync(api_key="k", base_url=server.url) as client:
            await client.models.list()
    assert built == []


async def test_neither_proxies_nor_passwords_of_the_environment_are_used(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A key is sent where the program says, and nothing is added to it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answer(200, [])
    async with AsyncSync(api_key="k", base_url=server.url) as client:
        await client.models.list()
    assert "Authorization" not in server.seen[0].headers


async def test_a_host_that_has_no_address_is_named() -> None:
    """With what was asked for, and how often."""
    async with AsyncSync(api_key="sk-secret", base_url="http://no-such-host.invalid", max_retries=0) as client:
        with pytest.raises(
            ApiConnectionError, match=r"^GET /v2/assets: no connection to no-such-host\.invalid"
        ) as caught:
            await client.assets.list(search_query="private")
    assert "private" not in str(caught.value)
    assert "sk-secret" not in str(caught.value)
    assert (caught.value.attempts, caught.value.outcome_unknown) == (1, False)


async def test_a_certificate_that_cannot_be_trusted_ends_the_call_at_once(tmp_path: Path) -> None:
    """Another attempt would meet the same one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    async with AsyncSync(api_key="k", base_url=f"https://127.0.0.1:{runner.addresses[0][1]}") as client:
        with pytest.raises(
            ApiConnectionError, match="certificate verify failed|CERTIFICATE_VERIFY_FAILED"
        ) as caught:
            await client.models.list()
    assert caught.value.attempts == 1
    await runner.cleanup()


class Texts(NamedTuple):
    """A server that answers with texts of any length."""

    url: str
    env: dict[str, str]
    """In which a program trusts it."""


@pytest_asyncio.fixture(params=["http", "https"])
async def texts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Texts]:
    """One that speaks HTTP, and one that speaks HTTPS."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer(request: web.Request) -> web.Response:
        size = int(request.query["size"])
        return web.json_response(("0123456789" * size)[:size])

    app = web.Application()
    app.router.add_get("/text", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    ssl_context = context if request.param == "https" else None
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context).start()
    url = f"{request.param}://127.0.0.1:{runner.addresses[0][1]}"
    yield Texts(url, {**os.environ, "SSL_CERT_FILE": str(tmp_path / "ca.pem")})
    await runner.cleanup()


READ_TEXTS = """
import asyncio, sys, tracemalloc
from sync_async import AsyncSync

async def main(url, proxy=None):
    async with AsyncSync(api_key="sk-secret", base_url=url, proxy=proxy, max_retries=0) as client:

        async def check(size):
            answer = await client.request("GET", "/text", query={"size": size})
            assert answer.data == ("0123456789" * size)[:size]

        await check(10)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await check(10)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most - before < 100_000, most - before
        await asyncio.gather(*(check(size) for size in (1, 65_534, 65_536, 1_000_000, 3_000_000)))

asyncio.run(main(*sys.argv[1:]))
"""


async def read_texts(texts: Texts, *proxy: str) -> int:
    """Read some in a program of its own, whose memory is measured, and tell how it ended."""
    words = ["-W", "error", "-c", READ_TEXTS, texts.url, *proxy]
    ran = await asyncio.create_subprocess_exec(sys.executable, *words, env=texts.env)
    return await ran.wait()


async def test_answers_are_read_into_memory_that_is_there(texts: Texts) -> None:
    """A small one asks for little, where asyncio would ask for 256 KiB; a large one comes whole."""
    assert await read_texts(texts) == 0


async def test_a_proxy_passes_all_on_and_learns_the_key_of_plain_requests_only(texts: Texts) -> None:
    """Over HTTPS it is asked for a tunnel, which it cannot look into."""
    heads: list[bytes] = []
    target = int(texts.url.rpartition(":")[2])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        there, back = await asyncio.open_connection("127.0.0.1", target)
        if head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            back.write(head)
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        assert await read_texts(texts, f"http://127.0.0.1:{port}") == 0
    tunnels = texts.url.startswith("https")
    assert {head.split(b" ")[0] for head in heads} == {b"CONNECT" if tunnels else b"GET"}
    assert any(b"sk-secret" in head for head in heads) is not tunnels


async def test_a_proxy_that_refuses_its_tunnel_has_started_nothing() -> None:
    """Another attempt would be refused, too; the error says why, and that nothing can have been bought."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        proxy = f"http://user:pass-secret@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with AsyncSync(api_key="k", base_url="https://127.0.0.1:9", proxy=proxy) as client:
            with pytest.raises(
                ApiConnectionError, match=r"the proxy refused to connect \(407 Proxy Authentication Required\)"
            ) as caught:
                await client.generations.create(model="lipsync-2", input=INPUT)
    assert (caught.value.attempts, caught.value.outcome_unknown) == (1, False)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_every_public_name_can_be_loaded_first() -> None:
    """Whichever a program asks for."""
    names = [name for name in sync_async.__all__ if name != "__version__"]
    code = "import sys, sync_async\nfor name in sys.argv[1:]:\n    getattr(sync_async, name)"
    command = [sys.executable, "-W", "error", "-c", code, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "module",
    ["sync_async._client", "sync_async.webhooks", "sync_async.transfer.upload", "sync_async._batch_results"],
)
def test_a_module_can_be_the_first_that_is_imported(module: str) -> None:
    """No module counts on another's having been loaded before."""
    assert importlib.import_module(module)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {module}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_burst_uses_connections_again_while_others_are_still_to_be_made(server: Server) -> None:
    """Making one takes longer than an answer of a quick server."""
    peers = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.json_response([])

    server.answers += [answer] * 400
    async with AsyncSync(api_key="k", base_url=server.url, max_connections=400) as client:
        await asyncio.gather(*(client.models.list() for _ in range(400)))
    assert len(peers) < 400


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows counts no sockets as files, nor has it a limit to set"
)
async def test_a_burst_leaves_half_of_the_files_that_the_process_may_open(server: Server) -> None:
    """macOS gives a program 256 in all; a call that finds none would fail."""

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.json_response([])

    server.answers += [slow] * 200
    program = """
import asyncio, resource, sys
from sync_async import AsyncSync

async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    async with AsyncSync(api_key="k", base_url=sys.argv[1], max_retries=0) as client:
        found = await asyncio.gather(*(client.models.list() for _ in range(200)))
    assert found == [[]] * 200

asyncio.run(main())
"""
    ran = await asyncio.create_subprocess_exec(sys.executable, "-c", program, server.url)
    assert await ran.wait() == 0
