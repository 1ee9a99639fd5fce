"""A file that appears when it is whole, and until then is a part that can be gone on with.

Beside the destination stand `.<name>.part` and, once the host has told what it sends, `.<name>.part.json`.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import IO, Any, Self

import attrs

from sync_async._errors import ArgumentError

PATH_TYPES = (str, os.PathLike)


@attrs.frozen(kw_only=True)
class Sent:
    """What a host sends, as far as it says: enough to tell whether it is the same another time."""

    of: str
    """What the file is: the id of a generation, or the link without its query."""
    tag: str | None = None
    """The strong ETag."""
    total: int | None = None
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
    """The part of one destination, held against other writers while it is open."""

    def __init__(self, to: Path) -> None:
        self.to = to
        self.path = to.with_name(f".{to.name}.part")
        self._notes = to.with_name(f".{to.name}.part.json")
        self._file: IO[bytes]
        self.is_open = False
        self.sent: Sent | None = None
        self.size = 0

    def open(self, of: str) -> Self:
        """Take up what is there of a file, and hold it.

        Raises:
            ArgumentError: Somebody else is writing it.
            OSError: It cannot be written.
        """
        self._file = self._held()
        self.is_open = True
        self.sent = self._read_notes()
        if self.sent is not None and self.sent.of != of:
            self.sent = None
        self.size = self._file.seek(0, os.SEEK_END) if self.sent is not None else 0
        self._file.truncate(self.size)
        return self

    def _held(self) -> IO[bytes]:
        while True:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            file = os.fdopen(os.open(self.path, flags, 0o666), "r+b")
            try:
                _lock(file, self.to)
                if self.path.exists() and os.path.samestat(self.path.stat(), os.fstat(file.fileno())):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()  # another download has finished it between our two steps

    def _read_notes(self) -> Sent | None:
        try:
            return Sent(**json.loads(self._notes.read_bytes()))
        except (OSError, ValueError, TypeError):  # none, or half of them: the part cannot be trusted
            return None

    def begin(self, sent: Sent) -> None:
        """Begin anew with what the host sends now."""
        self._file.seek(0)
        self._file.truncate()
        self.size, self.sent = 0, sent
        self._notes.unlink(missing_ok=True)
        if sent.tag is not None:
            self._notes.write_text(json.dumps(attrs.asdict(sent)), encoding="utf-8")

    def write(self, chunk: bytes) -> None:
        """Write the next bytes."""
        self._file.write(chunk)
        self.size += len(chunk)

    def finish(self, *, overwrite: bool) -> None:
        """Make the part durable, and give it its name.

        Raises:
            ArgumentError: A file of this name has appeared meanwhile.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        if overwrite:
            self.path.replace(self.to)
        else:
            self._rename_to_new()
        self._notes.unlink(missing_ok=True)
        _sync_folder(self.to.parent)

    def _rename_to_new(self) -> None:
        try:
            os.link(self.path, self.to)  # unlike a rename, it fails where something is
        except FileExistsError as error:
            raise ArgumentError("to", f"{str(self.to)!r} has appeared meanwhile; the part is kept") from error
        except OSError:  # a file system without links
            self.path.replace(self.to)
        else:
            self.path.unlink()

    def forget(self) -> None:
        """Remove what a process has left that was killed when the file just had its name."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the part; it stays where it is, unless nothing is in it. Closing twice is fine."""
        if not self.is_open:
            return
        self.is_open = False
        if not self.size:
            self.forget()
        with contextlib.suppress(OSError):  # a full disk was told of by the write
            self._file.close()


def _lock(file: IO[bytes], to: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows does not let two open a file for writing and rename it
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ArgumentError("to", f"another download is writing {str(to)!r}") from error
    except OSError:  # a file system without locks
        return


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where a system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
