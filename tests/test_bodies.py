"""Bodies that can be sent again byte for byte."""

from __future__ import annotations

import asyncio
import io
import threading
from pathlib import Path
from typing import Any

import attrs
import pytest

from sync_async import ArgumentError
from sync_async._bodies import MultipartBody, Part, field_part, form_fields, open_file


async def read(body: MultipartBody) -> bytes:
    return b"".join([chunk async for chunk in body.chunks()])


async def form_of(file: Any) -> MultipartBody:
    taken = await open_file("video", file)
    return MultipartBody(
        [
            field_part("model", "lipsync-2"),
            Part(name="video", source=taken.source, file_name="v.mp4", content_type="video/mp4"),
        ],
        boundary="B",
    )


async def test_a_form_is_written_as_the_standard_says_with_its_length_known() -> None:
    """RFC 7578, and a Content-Length that fits."""
    form = await form_of(b"data")
    assert await read(form) == (
        b'--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nlipsync-2\r\n'
        b'--B\r\nContent-Disposition: form-data; name="video"; filename="v.mp4"\r\n'
        b"Content-Type: video/mp4\r\n\r\ndata\r\n"
        b"--B--\r\n"
    )
    assert form.size == len(await read(form))
    assert form.content_type == "multipart/form-data; boundary=B"


async def test_every_source_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    """A path, bytes, an open file, memory: all can be sent again."""
    path = tmp_path / "v.mp4"
    content = bytes(range(256)) * 3000
    path.write_bytes(content)
    with path.open("rb") as file:
        for given in (
            path,
            str(path),
            content,
            bytearray(content),
            io.BytesIO(content),
            file,
            ("n.mp4", content),
            ("n.mp4", path),
        ):
            form = await form_of(given)
            assert form.replayable
            first = await read(form)
            assert content in first
            assert await read(form) == first
            assert len(first) == form.size


async def test_a_file_is_sent_from_where_it_stood_and_stays_open() -> None:
    """The caller's position counts, on every attempt."""
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    form = await form_of(file)
    for _ in range(2):
        assert b"\r\n456789\r\n" in await read(form)
    assert not file.closed


async def test_a_stream_that_cannot_be_rewound_is_sent_once() -> None:
    """Its length is unknown, and it says so."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.left = [b"one", b"two"]

        def readable(self) -> bool:
            return True

        def read(self, _: int = -1) -> bytes:
            return self.left.pop(0) if self.left else b""

    form = await form_of(Pipe())
    assert form.size is None
    assert not form.replayable
    assert b"onetwo" in await read(form)


async def test_a_call_that_is_cancelled_while_a_file_is_opened_closes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the connection breaks just then: the thread has opened it by the time nobody wants it."""
    path = tmp_path / "v.mp4"
    path.write_bytes(b"data")
    opening, go_on = threading.Event(), threading.Event()
    opened: list[Any] = []
    open_path = Path.open

    def slow(self: Path, *args: Any) -> Any:
        opening.set()
        go_on.wait(10)
        opened.append(open_path(self, *args))
        return opened[0]

    form = await form_of(path)
    monkeypatch.setattr(Path, "open", slow)
    reading = asyncio.create_task(read(form))
    await asyncio.to_thread(opening.wait, 10)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    go_on.set()
    while not opened or not opened[0].closed:  # in the thread, which nobody awaits
        await asyncio.sleep(0)


async def test_a_file_that_changes_while_it_is_sent_is_noticed(tmp_path: Path) -> None:
    """Neither a shorter nor a longer file is sent as if it were the announced one."""
    path = tmp_path / "v.mp4"
    path.write_bytes(b"x" * 100)
    form = await form_of(path)
    path.write_bytes(b"x" * 50)
    with pytest.raises(ArgumentError, match="video: the file became shorter"):
        await read(form)
    path.write_bytes(b"x" * 101)
    with pytest.raises(ArgumentError, match="video: the file became longer"):
        await read(form)


async def test_files_that_cannot_be_sent_are_refused_by_name(tmp_path: Path) -> None:
    """Missing, a directory, empty, text, closed, at its end, a URL, or no file at all."""
    (tmp_path / "empty.mp4").touch()
    at_end = io.BytesIO(b"abc")
    at_end.read()
    closed = io.BytesIO(b"abc")
    closed.close()
    for given, problem in [
        (tmp_path / "none.mp4", "there is no file"),
        (tmp_path, "is a directory"),
        (tmp_path / "empty.mp4", "is empty"),
        (io.StringIO("abc"), "open it with 'rb'"),
        (closed, "is closed"),
        (at_end, "rewind"),
        (b"", "no bytes"),
        ("https://x/v.mp4", "is a URL"),
        (42, "int is not a file"),
        (("v.mp4",), "a tuple is"),
        (("v.mp4", None), "a tuple is"),
        ("v\0.mp4", "cannot be read"),
    ]:
        with pytest.raises(ArgumentError, match=f"^video: .*{problem}"):
            await open_file("video", given)


async def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    """The system's own reason is the cause."""
    path = tmp_path / "v.mp4"
    path.symlink_to(path)
    with pytest.raises(ArgumentError, match="cannot be read") as caught:
        await open_file("video", path)
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_name_cannot_break_the_form() -> None:
    """Quotes and line breaks in a file name are escaped as browsers do, and so is what readers disagree about."""
    part = Part(name="video", source=(await open_file("video", b"x")).source, file_name='a"b\r\nX: y.mp4')
    assert part.head() == b'Content-Disposition: form-data; name="video"; filename="a%22b%0D%0AX: y.mp4"\r\n\r\n'
    part = attrs.evolve(part, file_name="a\\\t\udcff\\")
    assert part.head() == b'Content-Disposition: form-data; name="video"; filename="a%5C%09?%5C"\r\n\r\n'


@pytest.mark.parametrize(
    "more", [("a/b\r\nX: y",), ("",), ("\ud800",), ("a/b", {"X": "a\nb"}), ("a/b", {"X\r": "a"}), ("a/b", ["X"])]
)
async def test_a_header_of_a_part_cannot_break_the_form(more: tuple[Any, ...]) -> None:
    """A content type or a header that would end its line is refused before anything is sent."""
    with pytest.raises(ArgumentError, match="^video: "):
        await open_file("video", ("v.mp4", b"x", *more))


async def test_text_that_has_no_bytes_is_refused() -> None:
    """As a field or as a file."""
    with pytest.raises(ArgumentError, match="^note: "):
        field_part("note", "\ud800")
    with pytest.raises(ArgumentError, match="^input: "):
        await open_file("input", "{\ud800}", is_text=lambda _: True)
    with pytest.raises(ArgumentError, match="^input: "):
        await open_file("input", ("a.jsonl", "\ud800"))


def test_form_fields_are_text_or_json() -> None:
    """Nested fields are JSON strings, booleans are words, unset ones are left out."""
    assert form_fields({"a": "x", "b": [{"c": "é"}], "d": True, "e": None, "f": 2}) == {
        "a": "x",
        "b": '[{"c":"é"}]',
        "d": "true",
        "f": "2",
    }
