"""A form of any names, types and contents is read as what it is, also when it is sent a second time."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import attrs
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from sync_async import ArgumentError, AsyncSync
from sync_async._bodies import (
    BytesSource,
    FileSource,
    MultipartBody,
    Part,
    PathSource,
    Source,
    StreamSource,
    field_part,
    form_fields,
    open_file,
)
from sync_async._request import Answer, Endpoint, Repeat, make_request
from sync_async._settings import as_request_options
from sync_async.sandbox.form import BodyMeter, FormReader, present_meter
from sync_async.sandbox.requests import SeenRequest
from tests.properties.effort import examples
from tests.properties.shapes import JSON, TEXT

UPLOAD = Endpoint[Any]("POST", "/v2/form", Repeat.NEVER, answer=Answer.ANY)

TRICKS = st.sampled_from([
    'a"b', '"', '";', '"; name="model', "\\", "a\\", 'a\\"', "\r\nX: y", "\n\n", "\r", "\0", "\t", "\x7f", "\x85",
    "\u2028", "%22", "%", "=?utf-8?q?a?=", "a; b", ";;", "a=b", "é.mp4", "e\u0301", "\U0001f3ac", "\ud800",
    "a\udcff.mp4", "..", "../a", " a ", "'", "*", "--", "--B--", "x" * 300,
])  # fmt: skip
NAMES = (TRICKS | TEXT | st.lists(TRICKS | TEXT, max_size=3).map("".join)).filter(bool)
FOR_AIOHTTP = NAMES.map(lambda name: name.replace(";", ",").replace("/", "_"))
"""Names that aiohttp reads: it takes semicolons in quotes for the end of the quotes, and slashes away."""
TYPES = st.sampled_from(["video/mp4", "application/octet-stream", 'text/plain; charset="utf-8"', "a/b; é=ü", "\t"])
WITHIN = b'--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--B--\r\n'
"""A whole form, which may be the content of a part."""
CONTENTS = st.lists(
    st.binary(max_size=40)
    | st.sampled_from([b"\r\n", b"\n", b"--", b"\r\n--B", b"\r\n--B--\r\n", WITHIN, b"x" * 70_000]),
    max_size=4,
).map(b"".join)


def written(name: str) -> str:
    """Say how a name is told to a server: as browsers do it, and no character ends or bends it."""
    told = ("?" if "\ud800" <= one <= "\udfff" else one for one in name)
    return "".join(f"%{ord(one):02X}" if one in '"\\\x7f' or one < " " else one for one in told)


@attrs.frozen
class Wanted:
    """What a part is, and what it is made of."""

    part: Part
    content: bytes


@st.composite
def parts(
    draw: st.DrawFn, folder: Path, *, names: st.SearchStrategy[str] = FOR_AIOHTTP, replayable: bool = True
) -> Wanted:
    """Make a part with any names and contents, whose bytes come in any way in which they may."""
    content = draw(CONTENTS)
    part = Part(
        name=draw(names),
        source=draw(sources(content, folder, replayable=replayable)),
        file_name=draw(st.none() | names),
        content_type=draw(st.none() | TYPES),
        more_headers=tuple(draw(st.lists(st.tuples(st.sampled_from(["X-One", "X-Two"]), TYPES), max_size=2))),
    )
    return Wanted(part, content)


@st.composite
def sources(draw: st.DrawFn, content: bytes, folder: Path, *, replayable: bool) -> Source:
    before = draw(st.binary(max_size=5))
    opened = io.BytesIO(before + content)
    kinds = ["bytes", "path", "file"] if replayable else ["bytes", "stream"]
    match draw(st.sampled_from(kinds)):
        case "path":
            path = folder / f"{os.urandom(8).hex()}.bin"
            path.write_bytes(content)
            return PathSource("video", path, len(content))
        case "file":
            return FileSource("video", opened, len(before), len(content))
        case "stream":
            return StreamSource("video", io.BytesIO(content))
    return BytesSource(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forms")


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


async def bytes_of(form: MultipartBody) -> bytes:
    return b"".join([chunk async for chunk in form.chunks()])


Read = list[tuple[str | None, str | None, str | None, bytes]]
"""Of each part its name, file name, type and content."""


async def read_by_aiohttp(form: MultipartBody, body: bytes) -> Read:
    """Read a form as aiohttp does."""
    stream = aiohttp.StreamReader(mock.Mock(), 2**16, loop=asyncio.get_running_loop())
    stream.feed_data(body)
    stream.feed_eof()
    reader = aiohttp.MultipartReader(CIMultiDict({"Content-Type": form.content_type}), stream)
    read: Read = []
    while (part := await reader.next()) is not None:
        assert isinstance(part, aiohttp.BodyPartReader)
        read.append((part.name, part.filename, part.headers.get("Content-Type"), await part.read()))
    assert stream.at_eof()
    return read


def read_by_hand(form: MultipartBody, body: bytes) -> Read:
    """Read a form by the words of RFC 7578 and nothing else."""
    start, *pieces, end = (b"\r\n" + body).split(b"\r\n--" + form.boundary.encode())
    assert (start, end) == (b"", b"--\r\n")
    read: Read = []
    for piece in pieces:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        names = re.fullmatch(
            r'Content-Disposition: form-data; name="([^"]*)"(?:; filename="([^"]*)")?', lines[0], re.DOTALL
        )
        assert names is not None
        fields = [line.split(": ", 1) for line in lines[1:]]
        assert all(name in ("Content-Type", "X-One", "X-Two") for name, _ in fields)
        kinds = [value for name, value in fields if name == "Content-Type"]
        read.append((names[1], names[2], kinds[0] if kinds else None, content))
    return read


def stripped(read: Read) -> Read:
    """Leave out the space around a type, as a reader of headers does."""
    return [(name, file, kind and kind.strip(), content) for name, file, kind, content in read]


def told(wanted: list[Wanted]) -> Read:
    return [
        (
            written(one.part.name),
            None if one.part.file_name is None else written(one.part.file_name),
            one.part.content_type,
            one.content,
        )
        for one in wanted
    ]


@examples(60)
@given(data=st.data())
def test_any_form_is_read_as_what_it_is(runner: asyncio.Runner, folder: Path, data: st.DataObject) -> None:
    """Its length is told before, and a second time it has the same bytes."""
    wanted = data.draw(st.lists(parts(folder, names=NAMES), min_size=1, max_size=4))
    form = MultipartBody([one.part for one in wanted])
    body = runner.run(bytes_of(form))
    assert form.replayable
    assert form.size == len(body)
    assert read_by_hand(form, body) == told(wanted)
    assert runner.run(bytes_of(form)) == body


@examples(50)
@given(data=st.data())
def test_aiohttp_reads_the_same(runner: asyncio.Runner, folder: Path, data: st.DataObject) -> None:
    """It is a reader that others wrote, and the one of the sandbox."""
    wanted = data.draw(st.lists(parts(folder), min_size=1, max_size=4))
    form = MultipartBody([one.part for one in wanted])
    read = runner.run(read_by_aiohttp(form, runner.run(bytes_of(form))))
    assert read == stripped(told(wanted))


@examples(20)
@given(data=st.data())
def test_a_form_may_hold_a_form(runner: asyncio.Runner, folder: Path, data: st.DataObject) -> None:
    """Even one that was made in the same way: no two have the same boundary."""
    inner = MultipartBody([one.part for one in data.draw(st.lists(parts(folder), min_size=1, max_size=2))])
    content = runner.run(bytes_of(inner))
    outer = MultipartBody([Part(name="video", source=BytesSource(content), file_name="v.mp4")])
    body = runner.run(bytes_of(outer))
    assert read_by_hand(outer, body) == [("video", "v.mp4", None, content)]
    assert runner.run(read_by_aiohttp(outer, body)) == [("video", "v.mp4", None, content)]


@examples(60)
@given(values=st.dictionaries(NAMES, JSON, max_size=4))
def test_fields_arrive_as_text_or_json(runner: asyncio.Runner, values: dict[str, Any]) -> None:
    """Text as it is, all else as JSON; what has no bytes is refused."""
    try:
        form = MultipartBody([field_part(name, value) for name, value in form_fields(values).items()])
    except ArgumentError as error:
        assert has_surrogates(values)
        assert error.argument == "body" or error.argument in values
        return
    assert not has_surrogates(list(values.values()))
    read = read_by_hand(form, runner.run(bytes_of(form))) if form.parts else []
    given = {written(name): value for name, value in values.items() if value is not None}
    assert [name for name, *_ in read] == [written(name) for name, value in values.items() if value is not None]
    if len(given) == len(read):  # no two names are written in the same way
        for name, file_name, kind, content in read:
            value = given[name or ""]
            assert (file_name, kind) == (None, None)
            assert content.decode() == value if isinstance(value, str) else json.loads(content) == value


def has_surrogates(value: Any) -> bool:
    if isinstance(value, dict):
        return any(has_surrogates(part) for one in value.items() for part in one)
    if isinstance(value, list):
        return any(map(has_surrogates, value))
    return isinstance(value, str) and any("\ud800" <= one <= "\udfff" for one in value)


HEADER_VALUES = TEXT | TYPES | TRICKS | st.integers() | st.none()


@examples(200)
@given(
    name=st.none() | NAMES,
    content=CONTENTS | TEXT,
    kind=st.none() | HEADER_VALUES,
    headers=st.none() | st.dictionaries(TEXT | TRICKS, HEADER_VALUES, max_size=2) | st.lists(TEXT, max_size=2),
)
def test_what_a_caller_gives_is_a_part_or_is_refused(
    runner: asyncio.Runner, name: Any, content: Any, kind: Any, headers: Any
) -> None:
    """No name, type or header of a file can end its line, let alone the head of its part."""
    try:
        file = runner.run(open_file("video", (name, content, kind, headers)))
    except ArgumentError as error:
        assert error.argument == "video"
        return
    part = Part(
        name="video",
        source=file.source,
        file_name=file.name,
        content_type=file.content_type,
        more_headers=file.headers,
    )
    head = part.head()
    assert head.endswith(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    assert len(lines) == 1 + (kind is not None) + len(headers or ())
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)


@attrs.define
class Receiver:
    """The sandbox's reader of forms behind a real socket, and a client of it on the same loop."""

    runner: asyncio.Runner
    client: AsyncSync
    seen: list[tuple[CIMultiDict[str], int, Read]]

    def take(self, form: MultipartBody) -> tuple[CIMultiDict[str], int, Read]:
        """Send a form, and say what arrived: the headers, how many bytes, and what was read of them."""
        self.seen.clear()
        request = make_request(UPLOAD, as_request_options(None), body=form)
        self.runner.run(self.client.generations._caller.fetch(request))
        (received,) = self.seen
        return received


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    seen: list[tuple[CIMultiDict[str], int, Read]] = []

    async def receive(request: web.Request) -> web.Response:
        log = SeenRequest("POST", request.path, "", {})
        present_meter.set(BodyMeter(request.content, log))
        form = FormReader(request)
        read: Read = []
        while (part := await form.next()) is not None:
            kind = part.headers.get("Content-Type")
            read.append((part.name, part.filename, kind, await form.field(part)))
        await form.meter.finish()
        seen.append((request.headers.copy(), log.body_bytes, read))
        return web.Response()

    async def start() -> tuple[web.AppRunner, AsyncSync]:
        app = web.Application()
        app.router.add_post("/v2/form", receive)
        server = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", 0).start()
        host, port = server.addresses[0][:2]
        return server, AsyncSync(api_key="sk-test", base_url=f"http://{host}:{port}", max_retries=0)

    with asyncio.Runner() as runner:
        server, client = runner.run(start())
        yield Receiver(runner, client, seen)
        runner.run(client.close())
        runner.run(server.cleanup())


@examples(40)
@given(data=st.data(), replayable=st.booleans())
def test_a_real_server_reads_the_form_that_was_sent(
    receiver: Receiver, folder: Path, data: st.DataObject, replayable: bool
) -> None:
    """Its Content-Length is the number of bytes that came; there is none where a stream does not tell it."""
    wanted = data.draw(st.lists(parts(folder, replayable=replayable), min_size=1, max_size=3))
    form = MultipartBody([one.part for one in wanted])
    headers, received, read = receiver.take(form)
    assert read == stripped(told(wanted))
    if form.size is None:
        assert headers["Transfer-Encoding"] == "chunked"
        assert "Content-Length" not in headers
    else:
        assert headers["Content-Length"] == str(received) == str(form.size)
    assert headers["Content-Type"] == form.content_type
