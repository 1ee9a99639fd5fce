"""One process at a time works on a run: a lock of the operating system, which ends with its holder."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sync_async.bulk.errors import LedgerIOError, LedgerLockedError

LOCKED_BYTE = 1 << 30
"""Windows locks bytes, not files; this one is far behind the text, which others may then read."""


class RunLock:
    """The lock of one run, in a file that is never deleted and tells who holds it.

    Args:
        path: The file; its folder has to be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def take(self) -> None:
        """Take the lock, or fail at once.

        Raises:
            LedgerLockedError: Another process has it, or another ledger object in this one.
            LedgerIOError: The file cannot be written, or its file system has no locks.
        """
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise LedgerIOError(self.path, error.strerror or str(error)) from error
        file = os.fdopen(handle, "r+b")
        try:
            _lock(file)
            self._tell(file)
        except (BlockingIOError, PermissionError) as error:
            held = LedgerLockedError(self.path, **holder(self.path))
            file.close()
            raise held from error
        except OSError as error:
            file.close()
            raise LedgerIOError(self.path, error.strerror or str(error)) from error
        self._file = file

    def _tell(self, file: IO[bytes]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps({"pid": os.getpid(), "host": platform.node(), "started": now})
        file.seek(0)
        file.truncate()
        file.write(text.encode())
        file.flush()

    def release(self) -> None:
        """Give the lock free, if it is held."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def holder(path: Path) -> dict[str, Any]:
    """Read who took a lock last: `pid`, `host` and `started`; empty when it is not told."""
    try:
        read = json.loads(path.read_bytes())
        return {"pid": int(read["pid"]), "host": str(read["host"]), "started": str(read["started"])}
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):  # it is about to tell
        return {}


if sys.platform == "win32":

    def _lock(file: IO[bytes]) -> None:
        import msvcrt

        file.seek(LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:

    def _lock(file: IO[bytes]) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
