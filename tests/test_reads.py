"""Reads past aiohttp's session: the same bytes and the same outcomes, and only where nobody looks on."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import aiohttp
import attrs
import pytest
import pytest_asyncio

from sync_async import ApiConnectionError, ApiTimeoutError, AsyncSync, ClosedError, RequestOptions, Timeout
from sync_async._aiohttp import Exchange, PreparedHeaders, make_session
from sync_async._reads import Reads
from tests.conftest import Server

JSON = b'["a"]'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n" + JSON


@attrs.define
class Wire:
    """A server that keeps the bytes of each request, and sends the bytes that the test wants."""

    answers: list[list[bytes]] = attrs.field(factory=lambda: [[WHOLE]])
    """The parts in which each answer comes; after the last one, the server closes. The last answer is for ever."""
    heads: list[str] = attrs.field(factory=list)
    connections: int = 0
    closes: bool = False
    url: str = ""
    served: list[asyncio.Task[None]] = attrs.field(factory=list)

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.served.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                for part in self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.005)
                if self.closes:
                    break


@pytest_asyncio.fixture
async def wire() -> AsyncIterator[Wire]:
    """Such a server on a real socket."""
    state = Wire()
    server = await asyncio.start_server(state.begin, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield state
    await asyncio.gather(*state.served)


def both_ways() -> Iterator[contextlib.AbstractContextManager[object]]:
    """Give in what reads go past the session, and in what they go through it."""
    yield contextlib.nullcontext()
    yield mock.patch.object(aiohttp, "__version__", "99.0.0")


def lines(head: str) -> tuple[str, set[str]]:
    """Give the first line and the fields."""
    first, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
    return first, set(fields)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "text/plain", "USER-AGENT": "mine/1"},
        {"Host": "elsewhere.example"},
        {"X-Name": "Zoë, 名", "X-Empty": ""},
        {"Connection": "close"},
        {"Accept-Encoding": "identity", "Cookie": "a=b"},
    ],
    ids=lambda headers: ",".join(headers) or "none",
)
@pytest.mark.parametrize("base", ["", "/gateway", "/a%20b/c%2Fd"])
async def test_the_bytes_are_those_that_the_session_sends(wire: Wire, headers: dict[str, str], base: str) -> None:
    """Whatever headers the client has, and whatever its address is."""
    for way in both_ways():
        with way:
            async with AsyncSync(api_key="sk-1", headers=headers, base_url=wire.url + base) as client:
                await client.request("GET", "/v2/x", query={"search": "a b&c/ü", "limit": 7})
    past, through = wire.heads
    assert lines(past) == lines(through)
    assert past.startswith(f"GET {base}/v2/x?search=a%20b%26c%2F%C3%BC&limit=7 HTTP/1.1\r\n")


async def test_a_redirect_is_followed_in_the_same_way(wire: Wire) -> None:
    """To the root of the origin, which has no path, too."""
    for location in (f"{wire.url}?page=2", "/?page=2", "?page=2", "/a b"):
        wire.heads.clear()
        moved = f"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode()
        wire.answers = [[moved], [WHOLE], [moved], [WHOLE]]
        for way in both_ways():
            with way:
                async with AsyncSync(api_key="sk-1", base_url=wire.url) as client:
                    await client.request("GET", "/v2/x")
        assert lines(wire.heads[1]) == lines(wire.heads[3])


async def test_a_key_that_changes_changes_at_once(wire: Wire) -> None:
    """And what is made for all reads with a key is made anew."""
    keys = iter(["sk-1", "sk-1", "sk-2", "sk-2", "sk-1"])
    made: list[Any] = []
    async with AsyncSync(api_key=lambda: next(keys), base_url=wire.url) as client:
        for _ in range(5):
            await client.request("GET", "/v2/x")
            made.append(client._transport._prepared)
    sent = [field for head in wire.heads for field in lines(head)[1] if field.startswith("x-api-key")]
    assert sent == [f"x-api-key: sk-{number}" for number in (1, 1, 2, 2, 1)]
    assert [before is after for before, after in itertools.pairwise(made)] == [True, False, True, False]


@pytest.mark.parametrize(
    ("parts", "closes"),
    [
        ([WHOLE[:20], WHOLE[20:90], WHOLE[90:]], False),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n" + WHOLE], False),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b'2\r\n["\r\n3\r\na"]\r\n', b"0\r\n\r\n"],
            False,
        ),
        ([b"HTTP/1.1 200 OK\r\n\r\n", JSON[:2], JSON[2:]], True),
        ([b"HTTP/1.0 200 OK\r\n\r\n" + JSON], True),
    ],
    ids=["piecemeal", "after hints", "in chunks", "until it closes", "of HTTP/1.0"],
)
async def test_an_answer_comes_in_any_form(wire: Wire, parts: list[bytes], *, closes: bool) -> None:
    """As long as it is whole."""
    wire.answers, wire.closes = [parts], closes
    async with AsyncSync(api_key="sk-1", base_url=wire.url) as client:
        for _ in range(3):
            assert (await client.request("GET", "/v2/x")).data == ["a"]
    assert wire.connections == (3 if closes else 1)


async def test_an_answer_is_unpacked(wire: Wire) -> None:
    packed = gzip.compress(JSON)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    wire.answers = [[head.encode() + packed]]
    async with AsyncSync(api_key="sk-1", base_url=wire.url) as client:
        assert (await client.request("GET", "/v2/x")).data == ["a"]


async def test_a_connection_that_is_to_be_closed_is_not_used_again(wire: Wire) -> None:
    wire.answers = [[WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")]]
    async with AsyncSync(api_key="sk-1", base_url=wire.url) as client:
        for _ in range(3):
            await client.request("GET", "/v2/x")
    assert wire.connections == 3


@pytest.mark.parametrize("ending", ["timeout", "cancellation"])
@pytest.mark.parametrize("part", [b"", WHOLE[:-1]], ids=["no answer", "half an answer"])
async def test_a_connection_with_an_answer_to_come_is_not_used_again(wire: Wire, part: bytes, ending: str) -> None:
    """The next call would take it for its own."""
    wire.answers = [[part], [WHOLE]]
    options = RequestOptions(timeout_in_seconds=0.05, max_retries=0)
    async with AsyncSync(api_key="sk-1", base_url=wire.url) as client:
        call = asyncio.create_task(client.request("GET", "/v2/x", request_options=options))
        if ending == "cancellation":
            await asyncio.sleep(0.03)
            call.cancel()
        with pytest.raises(asyncio.CancelledError if ending == "cancellation" else ApiTimeoutError):
            await call
        assert (await client.request("GET", "/v2/x")).data == ["a"]
    assert wire.connections == 2


async def test_what_is_no_http_is_told_in_the_same_words(wire: Wire) -> None:
    said = []
    wire.answers = [[b"SMTP ready\r\n\r\n"]]
    for way in both_ways():
        with way, pytest.raises(ApiConnectionError) as caught:
            async with AsyncSync(api_key="sk-1", base_url=wire.url, max_retries=0) as client:
                await client.request("GET", "/v2/x")
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "the answer is not HTTP" in said[0]


@pytest.mark.parametrize("turns", [0, 2], ids=["as it is taken", "just before"])
async def test_a_read_over_a_connection_that_has_ended_is_sent_over_another(wire: Wire, turns: int) -> None:
    async with AsyncSync(api_key="sk-1", base_url=wire.url) as client:
        await client.request("GET", "/v2/x")
        connector = client._transport.pool.exchange.session.connector  # type: ignore[union-attr]
        connect = connector.connect  # type: ignore[union-attr]

        async def end(*arguments: Any) -> aiohttp.connector.Connection:
            connection = await connect(*arguments)
            connection.transport.abort()  # type: ignore[union-attr]
            for _ in range(turns):
                await asyncio.sleep(0)
            connector.connect = connect  # type: ignore[union-attr, method-assign]
            return connection

        connector.connect = end  # type: ignore[union-attr, method-assign]
        assert (await client.request("GET", "/v2/x")).data == ["a"]
    assert wire.connections == 2
    assert len(wire.heads) == 2


async def reads_of(
    session: aiohttp.ClientSession, *, is_own: bool = True, proxy: str | None = None
) -> Reads | None:
    """Give the way past a session."""
    async with session:
        exchange = Exchange(session=session, is_own=is_own, proxy=proxy)
        return exchange.prepared("http://127.0.0.1:9", {}).reads


async def test_reads_go_past_the_session_of_a_client() -> None:
    reads = await reads_of(make_session())
    assert reads is not None
    assert reads.are_open


async def test_a_session_that_was_closed_is_told() -> None:
    """As it is for what goes through it."""
    session = make_session()
    exchange = Exchange(session=session, is_own=True, proxy=None)
    headers = exchange.prepared("http://127.0.0.1:9", {})
    await session.close()
    for method in ("GET", "DELETE"):
        with pytest.raises(ClosedError, match="the aiohttp session is closed"):
            await exchange.run(method, "http://127.0.0.1:9/v2/x", headers, None, Timeout())


async def test_they_go_through_one_of_the_callers() -> None:
    """Which may have cookies, traces and a proxy."""
    assert await reads_of(aiohttp.ClientSession(), is_own=False) is None


async def test_they_go_through_the_session_when_there_is_a_proxy() -> None:
    assert await reads_of(make_session(), proxy="http://127.0.0.1:9") is None


@pytest.mark.parametrize("version", ["3.11.18", "3.15.0", "3.120.1", "4.0.0"])
async def test_they_go_through_the_session_of_an_aiohttp_that_nobody_has_looked_into(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(aiohttp, "__version__", version)
    assert await reads_of(make_session()) is None


async def test_one_who_traces_all_sessions_sees_them(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As tools for observability do, by adding themselves to each session that is made."""
    seen = []
    trace = aiohttp.TraceConfig()

    async def see(_: aiohttp.ClientSession, __: Any, started: aiohttp.TraceRequestStartParams) -> None:
        seen.append(started.url.path)

    trace.on_request_start.append(see)
    make = functools.partialmethod(aiohttp.ClientSession.__init__, trace_configs=[trace])
    monkeypatch.setattr(aiohttp.ClientSession, "__init__", make)
    server.answer(200, [])
    async with AsyncSync(api_key="sk", base_url=server.url) as client:
        await client.models.list()
    assert seen == ["/v2/models"]


async def test_one_who_stands_in_for_all_sessions_sees_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As tools that record or mock requests do, and from that moment on."""
    seen = []
    request = aiohttp.ClientSession._request

    async def see(session: aiohttp.ClientSession, method: str, url: Any, **more: Any) -> aiohttp.ClientResponse:
        seen.append(str(url))
        return await request(session, method, url, **more)

    server.answer(200, [])
    async with AsyncSync(api_key="sk", base_url=server.url) as client:
        await client.models.list()
        monkeypatch.setattr(aiohttp.ClientSession, "_request", see)
        await client.models.list()
        monkeypatch.undo()
        await client.models.list()
    assert seen == [server.url + "/v2/models"]
    assert len(server.seen) == 3


BEFORE_THE_IMPORT = """
import aiohttp

class Wrapper:  # passes for what it wraps, as those of instrumentation do
    __class__ = property(lambda self: type(self.wrapped))
    def __init__(self, wrapped):
        self.wrapped = wrapped
    def __getattr__(self, name):
        return getattr(self.wrapped, name)
    def __get__(self, instance, owner):
        return Wrapper(self.wrapped.__get__(instance, owner)) if instance else self
    def __call__(self, *args, **more):
        return self.wrapped(*args, **more)

aiohttp.ClientSession._request = Wrapper(aiohttp.ClientSession._request)
import inspect
assert inspect.isfunction(aiohttp.ClientSession._request)
from sync_async import _reads
print(_reads._IS_GENUINE)
"""


def test_one_who_did_so_before_is_noticed_too() -> None:
    command = [sys.executable, "-W", "error", "-c", BEFORE_THE_IMPORT]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


async def test_headers_that_are_not_the_clients_alone_go_through_the_session(wire: Wire) -> None:
    """They are merged anew for each call, and so are no prepared ones."""
    kinds = []
    run = Exchange.run

    async def note(self: Exchange, method: str, url: str, headers: Any, *more: Any) -> Any:
        kinds.append(type(headers) is PreparedHeaders)
        return await run(self, method, url, headers, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Exchange, "run", note)
        async with AsyncSync(api_key="sk-1", base_url=wire.url) as client:
            await client.request("GET", "/v2/x")
            await client.request("GET", "/v2/x", request_options=RequestOptions(additional_headers={"X-A": "b"}))
    assert kinds == [True, False]
    assert "X-A: b" in wire.heads[1]
