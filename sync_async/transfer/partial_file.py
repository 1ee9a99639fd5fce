"""A file that appears when it is whole, and until then is a part that can be gone on with.

Beside the destination stand `.<name>.part` and, once the host has told what it sends, `.<name>.part.json`.
"""

# ruff: noqa: PTH105, PTH108, PTH116, PTH118
# The paths of pathlib take longer to make than the calls that they are made for.

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Self

import attrs
from attrs.validators import instance_of, matches_re, optional

from sync_async._errors import ArgumentError

PATH_TYPES = (str, os.PathLike)
HEADER_TAG = re.compile(r"[\x21-\x7e]+")
"""A tag that can be sent back in a header."""
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)


@attrs.frozen(kw_only=True)
class Sent:
    """What a host sends, as far as it says: enough to tell whether it is the same another time."""

    of: str = attrs.field(validator=instance_of(str))
    """What the file is: the id of a generation, or the link without its query."""
    tag: str | None = attrs.field(default=None, validator=optional(matches_re(HEADER_TAG)))
    """The strong ETag."""
    total: int | None = attrs.field(default=None, validator=optional(instance_of(int)))
    """Bytes in all."""


def destination(to: Any, default_name: str | None, *, overwrite: bool, argument: str = "to") -> Path:
    """Decide on the file to write, before anything is paid for.

    Args:
        to: A file, or a folder that is there.
        default_name: The name in a folder; None while it is not known, and the folder alone is checked.
        overwrite: Whether a file that is there may be replaced.
        argument: What the caller's argument is called.

    Raises:
        ArgumentError: The folder is missing, or the file is there already.
    """
    if not isinstance(to, PATH_TYPES) or not os.fspath(to):
        raise ArgumentError(argument, f"{to!r} is not a path of a file or a folder")
    path = Path(to)
    if path.is_dir():
        if default_name is None:
            return path
        path /= default_name
    elif str(to).endswith(("/", os.sep)) or not path.parent.is_dir():
        missing = path if str(to).endswith(("/", os.sep)) else path.parent
        raise ArgumentError(argument, f"there is no folder {str(missing)!r}; make it first")
    if path.is_dir():
        raise ArgumentError(argument, f"{str(path)!r} is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise ArgumentError(argument, f"{str(path)!r} is there already; take another name, or overwrite=True")
    return path


class PartialFile:
    """The part of one destination, held against other writers while it is open.

    It works with the system's own files: each of their calls lets another thread run, and Python's files make four
    times as many.

    Args:
        to: The destination.
        is_new: Whether nothing of it is believed to be there: then it is made without a look.
        hashes: Whether `sha` is wanted.
    """

    def __init__(self, to: Path, *, is_new: bool = False, hashes: bool = False) -> None:
        self.to = to
        self._is_new = is_new
        folder, name = os.path.split(to)
        self._path = os.path.join(folder, f".{name}.part")
        self._notes = f"{self._path}.json"
        self._handle: int | None = None
        self._hash = hashlib.sha256() if hashes else None
        self._is_hashed = True
        """Whether all that is in the part went through the hash."""
        self._may_have_notes = True
        self.sent: Sent | None = None
        self.size = 0
        self.sha: str | None = None
        """SHA-256 of the whole file in hexadecimal, once it is whole."""

    @property
    def path(self) -> Path:
        """Where the part is."""
        return Path(self._path)

    @property
    def is_open(self) -> bool:
        """Whether it is held."""
        return self._handle is not None

    def open(self, of: str) -> Self:
        """Take up what is there of a file, and hold it.

        Raises:
            ArgumentError: Somebody else is writing it.
            OSError: It cannot be written.
        """
        self._handle, found = self._held()
        self.sent = self._read_notes() if found else None
        if self.sent is not None and self.sent.of != of:
            self.sent = None
        self.size = found if self.sent is not None else 0
        self._is_hashed = not self.size
        if self.size:
            os.lseek(self._handle, self.size, os.SEEK_SET)
        elif found:
            os.ftruncate(self._handle, 0)
        return self

    def _held(self) -> tuple[int, int]:
        """Give the handle, and how many bytes are there."""
        if self._is_new and (handle := self._made()) is not None:
            self._may_have_notes = False
            return handle, 0
        self._is_new = False
        while True:
            handle = os.open(self._path, FLAGS, 0o666)
            try:
                _lock(handle, self.to)
                status = os.fstat(handle)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.stat(self._path), status):
                        return handle, status.st_size
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # another download has finished it between our two steps

    def _made(self) -> int | None:
        """Make the part, and give its handle; None when it is there."""
        try:
            handle = os.open(self._path, FLAGS | os.O_EXCL, 0o666)
        except FileExistsError:
            return None
        try:
            _lock(handle, self.to)
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _read_notes(self) -> Sent | None:
        try:
            return Sent(**json.loads(Path(self._notes).read_bytes()))
        except (
            OSError,
            ValueError,
            TypeError,
            RecursionError,
        ):  # none, or half of them: the part cannot be trusted
            return None

    def begin(self, sent: Sent) -> None:
        """Begin anew with what the host sends now."""
        if self.size:
            os.lseek(self._open_handle, 0, os.SEEK_SET)
            os.ftruncate(self._open_handle, 0)
        self.size, self.sent = 0, sent
        self._is_hashed = True
        if self._hash is not None:
            self._hash = hashlib.sha256()
        self._remove_notes()
        if sent.tag is not None:
            self._may_have_notes = True
            Path(self._notes).write_text(json.dumps(attrs.asdict(sent)), encoding="utf-8")

    def write(self, chunk: bytes) -> None:
        """Write the next bytes."""
        left = memoryview(chunk)
        while left:  # a disk that is nearly full takes some of them, and refuses the others
            written = os.write(self._open_handle, left)
            if self._hash is not None:
                self._hash.update(left[:written])
            self.size += written
            left = left[written:]

    def finish(self, *, overwrite: bool) -> None:
        """Make the part durable, and give it its name, which is durable when its folder is.

        Raises:
            ArgumentError: A file of this name has appeared meanwhile.
        """
        if self._hash is not None:
            self.sha = self._hash.hexdigest() if self._is_hashed else self._sha_of_all()
        os.fsync(self._open_handle)
        if overwrite:
            os.replace(self._path, self.to)
        else:
            self._rename_to_new()
        self._remove_notes()

    def _remove_notes(self) -> None:
        if self._may_have_notes:
            _remove(self._notes)
            self._may_have_notes = False

    def _sha_of_all(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _rename_to_new(self) -> None:
        try:
            os.link(self._path, self.to)  # unlike a rename, it fails where something is
        except FileExistsError as error:
            raise ArgumentError("to", f"{str(self.to)!r} has appeared meanwhile; the part is kept") from error
        except OSError:  # a file system without links
            os.replace(self._path, self.to)
        else:
            os.unlink(self._path)

    def forget(self) -> None:
        """Remove what a process has left that was killed when the file just had its name."""
        _remove(self._path)
        _remove(self._notes)

    def close(self) -> None:
        """Close the part; it stays where it is, unless nothing is in it. Closing twice is fine."""
        if self._handle is None:
            return
        if not self.size:
            self.forget()
        handle, self._handle = self._handle, None
        with contextlib.suppress(OSError):  # a full disk was told of by the write
            os.close(handle)

    @property
    def _open_handle(self) -> int:
        if self._handle is None:
            raise ValueError(f"{str(self.path)!r} is not open")
        return self._handle


def _lock(handle: int, to: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows does not let two open a file for writing and rename it
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ArgumentError("to", f"another download is writing {str(to)!r}") from error
    except OSError:  # a file system without locks
        return


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
