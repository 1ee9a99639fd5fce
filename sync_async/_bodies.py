"""Request bodies that can be sent again byte for byte.

JSON is bytes. A multipart body is a list of parts whose boundary, order, names and types are fixed once;
a file among them is opened or rewound to where it stood for each attempt. A stream that cannot be rewound
is sent once. Files are read in a worker thread, a chunk at a time, and the caller's file stays open.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import attrs

from sync_async._errors import ArgumentError
from sync_async._json import json_bytes
from sync_async._loading import in_thread

CHUNK_BYTES = 256 * 1024
HEAD_BYTES = 16
UNSAFE_IN_NAMES = re.compile(r'["\\\x00-\x1f\x7f]')


class Source(Protocol):
    """Bytes that a part of a body is made of."""

    @property
    def size(self) -> int | None:
        """How many bytes there are; None when only sending tells."""
        ...

    @property
    def replayable(self) -> bool:
        """Whether the bytes can be read a second time."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Read the bytes from where they begin."""
        ...


@attrs.frozen
class BytesSource:
    """Bytes in memory."""

    content: bytes
    replayable: bool = attrs.field(default=True, init=False)

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.content)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give them, in pieces that leave room for others on the loop."""
        view = memoryview(self.content)
        for start in range(0, len(view), CHUNK_BYTES):
            yield bytes(view[start : start + CHUNK_BYTES])


@attrs.define
class _Opening:
    """A file that a thread opens, and that is closed although nobody waits for the thread any more."""

    path: Path
    _files: list[IO[bytes]] = attrs.field(init=False, factory=list)
    _is_over: bool = attrs.field(init=False, default=False)

    def run(self) -> IO[bytes]:
        file = self.path.open("rb")
        self._files.append(file)
        if self._is_over:  # looked at behind the line before, as `close` looks at them in the other order
            file.close()
        return file

    def close(self) -> None:
        self._is_over = True
        for file in self._files:
            file.close()


@attrs.frozen
class PathSource:
    """A file that is opened anew for each attempt."""

    argument: str
    path: Path
    size: int
    replayable: bool = attrs.field(default=True, init=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Read the file; what it holds must still be what was announced."""
        opening = _Opening(self.path)
        try:
            async for chunk in _read(await in_thread(opening.run), self.size, self.argument):
                yield chunk
        finally:
            opening.close()


@attrs.frozen
class FileSource:
    """An open file that can be rewound to where it stood."""

    argument: str
    file: IO[bytes]
    start: int
    size: int
    replayable: bool = attrs.field(default=True, init=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Rewind and read."""
        await in_thread(self.file.seek, self.start)
        async for chunk in _read(self.file, self.size, self.argument):
            yield chunk


@attrs.frozen
class StreamSource:
    """An open file that cannot be rewound; it is sent once."""

    argument: str
    file: IO[bytes]
    size: int | None = attrs.field(default=None, init=False)
    replayable: bool = attrs.field(default=False, init=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Read to the end."""
        while chunk := await in_thread(self.file.read, CHUNK_BYTES):
            yield chunk


async def _read(file: IO[bytes], size: int, argument: str) -> AsyncIterator[bytes]:
    """Read exactly `size` bytes; fewer or more mean that the file changed under us."""
    left = size
    while left:
        chunk = await in_thread(file.read, min(CHUNK_BYTES, left))
        if not chunk:
            raise ArgumentError(argument, f"the file became shorter while it was sent: {left} bytes are missing")
        left -= len(chunk)
        # looked at before the last chunk leaves, after which the server may take the file for complete
        if not left and await in_thread(lambda: bool(file.read(1))):
            raise ArgumentError(argument, "the file became longer while it was sent; wait until it is complete")
        yield chunk


@attrs.frozen(kw_only=True)
class Part:
    """One part of a multipart body: a field, or a file with name and type."""

    name: str
    source: Source
    file_name: str | None = None
    content_type: str | None = None
    more_headers: tuple[tuple[str, str], ...] = ()

    def head(self) -> bytes:
        """Write the part's headers."""
        disposition = f'form-data; name="{_quoted(self.name)}"'
        if self.file_name is not None:
            disposition += f'; filename="{_quoted(self.file_name)}"'
        lines = [f"Content-Disposition: {disposition}"]
        if self.content_type is not None:
            lines.append(f"Content-Type: {self.content_type}")
        lines += [f"{name}: {value}" for name, value in self.more_headers]
        return "\r\n".join([*lines, "", ""]).encode()


@attrs.frozen
class MultipartBody:
    """A form with files, the same bytes at each attempt."""

    parts: Sequence[Part]
    boundary: str = attrs.field(factory=lambda: os.urandom(16).hex())

    @property
    def content_type(self) -> str:
        """The Content-Type that goes with the body."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def size(self) -> int | None:
        """How many bytes the body has; None when a stream does not tell."""
        total = len(self._end())
        for part in self.parts:
            if part.source.size is None:
                return None
            total += len(self._beginning(part)) + part.source.size + len(b"\r\n")
        return total

    @property
    def replayable(self) -> bool:
        """Whether the body can be sent a second time."""
        return all(part.source.replayable for part in self.parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the body from its beginning."""
        for part in self.parts:
            yield self._beginning(part)
            async for chunk in part.source.chunks():
                yield chunk
            yield b"\r\n"
        yield self._end()

    def _beginning(self, part: Part) -> bytes:
        return b"--" + self.boundary.encode() + b"\r\n" + part.head()

    def _end(self) -> bytes:
        return b"--" + self.boundary.encode() + b"--\r\n"


Body = bytes | MultipartBody


def field_part(name: str, value: str) -> Part:
    """Make a text field of a form.

    Raises:
        ArgumentError: The text has no bytes.
    """
    return Part(name=name, source=BytesSource(_utf8(name, value)))


def form_fields(values: Mapping[str, Any]) -> dict[str, str]:
    """Write form fields: text as it is, all else as JSON; unset ones are left out.

    The server reads nested fields of a form as JSON strings.
    Source: https://sync.so/docs/api-reference/api/generate-api/create-with-files
    """
    return {
        name: value if isinstance(value, str) else json_bytes(value).decode()
        for name, value in values.items()
        if value is not None
    }


@attrs.frozen(kw_only=True)
class NamedFile:
    """A file that a caller gave, taken apart: what it holds, how it begins, and what it is called."""

    argument: str
    source: Source
    head: bytes = b""
    name: str | None = None
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


async def open_file(argument: str, file: Any, *, is_text: Callable[[str], bool] = lambda _: False) -> NamedFile:
    """Take a file in any form a caller may give it, without reading it whole.

    Args:
        argument: How the caller's argument is called, for messages.
        file: See `File`.
        is_text: Tells whether a plain string is the content itself; by default it is a path.

    Raises:
        ArgumentError: There is no such file, it is a directory, empty or unreadable, or is no file at all.
    """
    return await in_thread(_take_with_head, argument, file, is_text)


def _take_with_head(argument: str, file: Any, is_text: Callable[[str], bool]) -> NamedFile:
    taken = _take(argument, file, is_text)
    return attrs.evolve(taken, head=_head_of(taken.source))


def _head_of(source: Source) -> bytes:
    """Look at how a file begins, where that leaves no trace."""
    if isinstance(source, BytesSource):
        return source.content[:HEAD_BYTES]
    if isinstance(source, PathSource):
        with source.path.open("rb") as file:
            return file.read(HEAD_BYTES)
    if isinstance(source, FileSource):
        head = source.file.read(HEAD_BYTES)
        source.file.seek(source.start)
        return head
    return b""


def _take(argument: str, file: Any, is_text: Callable[[str], bool]) -> NamedFile:
    if isinstance(file, tuple):
        return _take_tuple(argument, file)
    if isinstance(file, str):
        if is_text(file):
            return NamedFile(argument=argument, source=_bytes(argument, _utf8(argument, file)))
        if file.startswith(("http://", "https://")):
            raise ArgumentError(
                argument, "this is a URL, not a file; pass it in input=[Video(url=…), Audio(url=…)]"
            )
        return _take_path(argument, file)
    if isinstance(file, os.PathLike):
        return _take_path(argument, file)
    return NamedFile(argument=argument, source=_content(argument, file), name=_name_of(file))


def _take_tuple(argument: str, file: tuple[Any, ...]) -> NamedFile:
    name, content, content_type, headers = (*file, None, None, None)[:4] if len(file) >= 2 else (None,) * 4  # noqa: PLR2004
    if content is None or len(file) > 4:  # noqa: PLR2004  # httpx's longest form
        raise ArgumentError(argument, "a tuple is (name, content), and content type and headers may follow")
    if isinstance(content, os.PathLike):
        taken = _take_path(argument, content)
        source, name = taken.source, name or taken.name
    else:
        source = _content(argument, content)
    return NamedFile(
        argument=argument,
        source=source,
        name=name or _name_of(content),
        content_type=None if content_type is None else _header_text(argument, content_type),
        headers=_part_headers(argument, headers or {}),
    )


def _part_headers(argument: str, headers: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(headers, Mapping):
        raise ArgumentError(argument, f"{type(headers).__name__} is not a dict of header names and values")
    return tuple((_header_text(argument, name), _header_text(argument, value)) for name, value in headers.items())


def _header_text(argument: str, value: Any) -> str:
    """Take a content type, or a part of another header, that ends neither its line nor the head of its part."""
    text = str(value)
    _utf8(argument, text)
    if not text.strip() or any(character in text for character in "\r\n\0"):
        raise ArgumentError(argument, f"its content type or a header of it is {text!r}, which no header can be")
    return text


def _take_path(argument: str, given: str | os.PathLike[str]) -> NamedFile:
    path = Path(given)
    try:
        if path.is_dir():
            raise ArgumentError(argument, f"{str(path)!r} is a directory, not a file")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise ArgumentError(argument, f"there is no file {str(path)!r} in {str(Path.cwd())!r}") from error
    except (OSError, ValueError) as error:
        raise ArgumentError(argument, f"{str(path)!r} cannot be read: {error}") from error
    if not size:
        raise ArgumentError(argument, f"{str(path)!r} is empty")
    return NamedFile(argument=argument, source=PathSource(argument, path, size), name=path.name)


def _content(argument: str, content: Any) -> Source:
    if isinstance(content, str):
        content = _utf8(argument, content)
    if isinstance(content, bytes | bytearray | memoryview):
        return _bytes(argument, bytes(content))
    if not callable(getattr(content, "read", None)):
        raise ArgumentError(
            argument,
            f"{type(content).__name__} is not a file: pass a path, bytes, or a file opened with 'rb'",
        )
    if isinstance(content, io.TextIOBase):
        raise ArgumentError(argument, "the file is open as text; open it with 'rb'")
    return _open_source(argument, content)


def _open_source(argument: str, file: IO[bytes]) -> Source:
    if getattr(file, "closed", False):
        raise ArgumentError(argument, "the file is closed")
    try:
        seekable = file.seekable()
    except AttributeError:
        seekable = False
    if not seekable:
        return StreamSource(argument, file)
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    if size <= 0:
        raise ArgumentError(argument, "nothing is left to read in the file; rewind it with file.seek(0)")
    return FileSource(argument, file, start, size)


def _bytes(argument: str, content: bytes) -> BytesSource:
    if not content:
        raise ArgumentError(argument, "there are no bytes in it")
    return BytesSource(content)


def _utf8(argument: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(argument, f"it is no text that has bytes: {error}") from error


def _name_of(file: Any) -> str | None:
    name = getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) and name else None


def _quoted(name: str) -> str:
    """Escape a name for a Content-Disposition header, as browsers do.

    So are backslashes, which some readers take for the beginning of an escape and others for themselves, and
    control characters. A file name that is no text is told with question marks.
    """
    escaped = UNSAFE_IN_NAMES.sub(lambda found: f"%{ord(found[0]):02X}", name)
    return escaped.encode("utf-8", "replace").decode()
