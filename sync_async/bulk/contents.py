"""What is in local files: each is read once, also by later sessions, as long as nothing about it has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

import attrs

from sync_async._threads import in_own_thread
from sync_async.bulk.ledger import Ledger
from sync_async.bulk.records import FileStamp

READ_BYTES = 1024**2


def sha_of(path: Path) -> str:
    """Give the SHA-256 of a file in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    return size_and_sha(path)[1]


def size_and_sha(path: Path, *, makes_durable: bool = False) -> tuple[int, str]:
    """Give the length of a file, and its SHA-256 in hexadecimal.

    Args:
        path: The file.
        makes_durable: Whether it is made sure that the file outlives a loss of power.

    Raises:
        OSError: It cannot be read.
    """
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            sha.update(chunk)
            size += len(chunk)
        if makes_durable:
            os.fsync(file.fileno())
    return size, sha.hexdigest()


@attrs.frozen
class Contents:
    """Reads files, and keeps in the ledger what was in them.

    Args:
        ledger: Where that is kept.
    """

    ledger: Ledger

    async def of(self, paths: Collection[Path]) -> dict[Path, str]:
        """Give the SHA-256 of files in hexadecimal.

        Raises:
            OSError: One cannot be read.
            LedgerError: The ledger cannot be read or written.
        """
        stamps = await in_own_thread(lambda: {path: _stamp(path) for path in paths})
        known = await self.ledger.contents_of(list(stamps.values()))
        new = {path: stamp for path, stamp in stamps.items() if stamp not in known}
        found = await in_own_thread(lambda: {stamp: sha_of(path) for path, stamp in new.items()})
        if found:
            await self.ledger.keep_contents(found)
        return {path: known.get(stamp) or found[stamp] for path, stamp in stamps.items()}


def _stamp(path: Path) -> FileStamp:
    status = path.stat()
    return FileStamp(str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ino)
