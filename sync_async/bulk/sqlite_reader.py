"""Reading the ledger's file, beside the process that writes it or without one."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import attrs

from sync_async._loading import in_thread
from sync_async.bulk.counters import Counters, Failures
from sync_async.bulk.errors import told
from sync_async.bulk.ledger import PAGE_ROWS, Order
from sync_async.bulk.records import Asset, Event, FileStamp, Item, LocalFile, Result, Run
from sync_async.bulk.sqlite_rows import ended, failures, live_page, places, recount, results_at, with_doubles
from sync_async.bulk.sqlite_run import run_of
from sync_async.bulk.sqlite_schema import open_for_reading
from sync_async.bulk.states import State

T = TypeVar("T")

ASSET = "SELECT content_sha, bytes, mime, url, uploaded_us FROM asset WHERE content_sha = ?"
CONTENTS = """
SELECT path, size, mtime_ns, inode, content_sha FROM file WHERE path IN (SELECT value FROM json_each(?))
"""
LOCAL_FILES = """
SELECT asset.url, file.path, file.content_sha FROM asset JOIN file
    ON file.content_sha = substr(asset.content_sha, 1, 64)
WHERE asset.url IN (SELECT value FROM json_each(?))
"""
EVENTS = """
SELECT seq, us, detail, item_seq FROM event WHERE kind = ? AND seq > ? ORDER BY seq LIMIT ?
"""


class LedgerReader:
    """Reads the ledger of a run, and cannot write it; each read is short, so that the log need not grow.

    Use it in an `async with`, or close it.

    Args:
        path: The ledger's file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._read(lambda _: None)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def run(self) -> Run | None:
        """Read the run, None before it has begun."""
        return await self._read(run_of)

    async def counters(self) -> Counters:
        """Count all rows, in one pass over them.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._read(lambda connection: recount(self.path, connection))

    async def live(
        self, states: Collection[State], after: Item | None = None, limit: int = PAGE_ROWS
    ) -> list[Item]:
        """Read rows of some states; see `Ledger.live`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._read(lambda connection: live_page(self.path, connection, states, after, limit))

    async def results(self, order: Order = "completion") -> AsyncIterator[Result]:
        """Read all rows with what became of them; see `Ledger.results`.

        Which rows there are, and their order, is settled at the beginning; each is told as it then stands.

        Raises:
            LedgerError: The file cannot be read.
        """
        numbers = await self._read(lambda connection: places(connection, order))
        for start in range(0, len(numbers), PAGE_ROWS):
            page = numbers[start : start + PAGE_ROWS]
            for result in await self._results_at(page):
                yield result

    async def results_of(self, rows: Sequence[int]) -> list[Result]:
        """Read some rows and their doubles; see `Ledger.results_of`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._read(
            lambda connection: results_at(self.path, connection, with_doubles(connection, rows))
        )

    async def ended(self) -> Sequence[int]:
        """Give the numbers of rows that are over; see `Ledger.ended`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._read(ended)

    async def failures(self) -> list[Failures]:
        """Tell why rows failed; see `Ledger.failures`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._read(failures)

    async def _results_at(self, page: Any) -> list[Result]:
        return await self._read(lambda connection: results_at(self.path, connection, page))

    async def kv(self, key: str) -> Any:
        """Read what is kept under a name, None when there is nothing.

        Raises:
            LedgerError: The file cannot be read.
        """
        row = await self._read(
            lambda connection: connection.execute("SELECT v FROM kv WHERE k = ?", (key,)).fetchone()
        )
        return None if row is None else json.loads(row[0])

    async def asset(self, content_sha: str) -> Asset | None:
        """Read where a file is that was sent; see `Ledger.asset`.

        Raises:
            LedgerError: The file cannot be read.
        """
        row = await self._read(lambda connection: connection.execute(ASSET, (content_sha,)).fetchone())
        return None if row is None else Asset(**dict(zip(attrs.fields_dict(Asset), row, strict=True)))

    async def contents_of(self, files: Sequence[FileStamp]) -> dict[FileStamp, str]:
        """Tell the SHA-256 of those files that were read before; see `Ledger.contents_of`.

        Raises:
            LedgerError: The file cannot be read.
        """
        paths = json.dumps([file.path for file in files])
        rows = await self._read(lambda connection: connection.execute(CONTENTS, (paths,)).fetchall())
        known = {FileStamp(*stamp): sha for *stamp, sha in rows}
        return {file: known[file] for file in files if file in known}

    async def local_files(self, urls: Collection[str]) -> dict[str, LocalFile]:
        """Tell which addresses are those of local files; see `Ledger.local_files`.

        Raises:
            LedgerError: The file cannot be read.
        """
        rows = await self._read(
            lambda connection: connection.execute(LOCAL_FILES, (json.dumps(sorted(urls)),)).fetchall()
        )
        return {url: LocalFile(path, sha) for url, path, sha in rows}

    async def events(self, kind: str) -> AsyncIterator[Event]:
        """Read what came to pass of one kind; see `Ledger.events`.

        Raises:
            LedgerError: The file cannot be read.
        """
        after = 0
        while page := await self._events_after(kind, after):
            for after, us, detail, seq in page:  # noqa: B007  # the last one counts
                yield Event(us=us, kind=kind, detail=json.loads(detail), seq=seq)

    async def _events_after(self, kind: str, after: int) -> list[Any]:
        return await self._read(lambda connection: connection.execute(EVENTS, (kind, after, PAGE_ROWS)).fetchall())

    async def aclose(self) -> None:
        """Close the file."""
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                await in_thread(connection.close)

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        async with self._turn:
            return await in_thread(self._call, read)  # a cancelled one waits until the thread is through

    def _call(self, read: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = open_for_reading(self.path)
        try:
            return read(self._connection)
        except sqlite3.Error as error:
            raise told(self.path, error) from error
