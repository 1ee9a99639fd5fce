"""The ledger of a run in a file: SQLite, one writer, and one commit for all that comes at the same time."""

from __future__ import annotations

import asyncio
import functools
import json
import sqlite3
import time
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

import attrs

from sync_async._errors import ArgumentError, ClosedError
from sync_async._threads import in_own_thread
from sync_async.bulk.counters import Counters, Failures
from sync_async.bulk.errors import LedgerIOError, NetworkFileSystemError
from sync_async.bulk.file_system import network_kind
from sync_async.bulk.ledger import INGEST_ROWS, PAGE_ROWS, Order
from sync_async.bulk.lock import RunLock
from sync_async.bulk.records import (
    Asset,
    Change,
    Claim,
    Event,
    FileStamp,
    IngestReport,
    Item,
    LocalFile,
    NewItem,
    Result,
    Run,
    RunSpec,
)
from sync_async.bulk.sqlite_columns import Part, packed
from sync_async.bulk.sqlite_ingest import Intake, take_out
from sync_async.bulk.sqlite_marks import claim, mark
from sync_async.bulk.sqlite_moves import mark_together
from sync_async.bulk.sqlite_reader import LedgerReader
from sync_async.bulk.sqlite_rows import recount
from sync_async.bulk.sqlite_run import no_run, open_run
from sync_async.bulk.sqlite_schema import open_for_writing
from sync_async.bulk.sqlite_writer import MOST_OPERATIONS, GroupWriter, Joint, Transaction
from sync_async.bulk.states import State

FOLDER = ".syncso"
FILE = "ledger.db"
LOCK = "lock"
KEEP_CONTENT = "REPLACE INTO file (path, size, mtime_ns, inode, content_sha) VALUES (?, ?, ?, ?, ?)"
NOTE = "INSERT INTO event (us, item_seq, kind, detail) VALUES (?, ?, ?, ?)"


def ledger_file(output: Path, ledger: Path | None = None) -> Path:
    """Give the file of the ledger of an output directory.

    Args:
        output: The directory.
        ledger: Where the file is instead, if it is elsewhere.
    """
    return output / FOLDER / FILE if ledger is None else ledger


class SqliteLedger:
    """Keeps a run in `<output>/.syncso/ledger.db`, as `Ledger` describes it.

    It belongs to the event loop in which `create_run` was called. Close it, or use it in an `async with`; a
    program that ends without that loses nothing.

    Args:
        output: The output directory of the run; it is made when it is missing.
        ledger: A file to use instead, on a local disk, when the output directory is on none.
        clock: Gives microseconds since 1970.
    """

    def __init__(
        self,
        output: Path,
        *,
        ledger: Path | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.path = ledger_file(output, ledger)
        locks = [output / FOLDER / LOCK]
        if ledger is not None:  # two directories might name the same file
            locks.append(ledger.with_name(f"{ledger.name}.{LOCK}"))
        self._locks = [RunLock(path) for path in locks]
        self._clock = clock
        self._writer: GroupWriter | None = None
        self._reader = LedgerReader(self.path)
        self._run_id = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def create_run(self, spec: RunSpec | None) -> Run:
        """Open the run, or begin it; see `Ledger.create_run`.

        Raises:
            LedgerLockedError: Another process works on it.
            NetworkFileSystemError: It lies where it cannot be safe.
            ForeignLedgerError, LedgerVersionError, DamagedLedgerError: The file is no ledger, not of this version,
                or not whole; it is left as it is.
            ArgumentError: There is no run and none is to begin, or there is another one.
        """
        if self._writer is not None:
            raise ArgumentError("ledger", "its run is open already")
        may_begin = spec is not None and spec.may_begin
        opening = asyncio.ensure_future(in_own_thread(lambda: self._open(may_begin=may_begin)))
        try:
            connection, counters = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._undo)
            raise
        self._writer = GroupWriter(self.path, connection, counters)
        try:
            run = await self._writer.write(
                lambda transaction: open_run(transaction.connection, self.path, spec, self._clock())
            )
        except BaseException:
            await self.aclose()
            raise
        self._run_id = run.run_id
        return run

    def _open(self, *, may_begin: bool) -> tuple[sqlite3.Connection, Counters]:
        """Take the lock, open the file and count its rows, which is work for a thread."""
        try:
            self._prepare_folders(may_begin=may_begin)
            for lock in self._locks:
                lock.take()
            connection = open_for_writing(self.path)
            try:
                return connection, recount(self.path, connection)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            self._release()
            raise

    def _prepare_folders(self, *, may_begin: bool) -> None:
        if not may_begin and not self.path.is_file():
            raise no_run(self.path)
        try:
            for folder in {lock.path.parent for lock in self._locks}:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerIOError(self.path, error.strerror or str(error)) from error
        if (kind := network_kind(self.path.parent)) is not None:
            raise NetworkFileSystemError(self.path, kind)

    def _undo(self, opening: asyncio.Future[tuple[sqlite3.Connection, Counters]]) -> None:
        """Close what was opened for a caller that is gone."""
        if not opening.cancelled() and opening.exception() is None:
            opening.result()[0].close()
            self._release()

    def _release(self) -> None:
        for lock in self._locks:
            lock.release()

    async def ingest(
        self, rows: Iterable[NewItem] | AsyncIterable[Sequence[NewItem]], *, dedupe: bool = True
    ) -> IngestReport:
        """Take in rows, 10,000 with a commit; see `Ledger.ingest`.

        Raises:
            ManifestChangedError: A row was changed after it was sent.
            ArgumentError: Two rows have one name.
            LedgerError: It cannot be written.
        """
        intake = Intake(self.path, self._clock(), dedupe=dedupe)
        report = IngestReport()
        chunks = _chunks(rows)
        chunk: list[Part] = await anext(chunks, [])
        while chunk:  # while one is written the next is read
            taking = asyncio.ensure_future(self._take(intake, chunk))
            try:
                chunk = await anext(chunks, [])
            finally:  # whatever comes of that, nothing is written any more when this is over
                await asyncio.wait([taking])
            report.add(taking.result())
        return report

    async def _take(self, intake: Intake, chunk: list[Part]) -> IngestReport:
        return await self._open_writer().write(
            lambda transaction: intake.take(transaction, chunk), weight=MOST_OPERATIONS
        )

    async def claim(
        self, n: int, now_us: int, *, left_micro: int | None = None, assumed_micro: int | None = None
    ) -> Claim:
        """Take the next rows to send; see `Ledger.claim`. Once the disk has failed, nothing is claimed any more.

        Raises:
            LedgerError: It cannot be written; nothing was claimed.
        """
        writer = self._open_writer()
        if writer.trouble is not None:
            raise writer.trouble
        return await writer.write(
            lambda transaction: claim(
                transaction,
                self.path,
                run_id=self._run_id,
                n=n,
                now_us=now_us,
                left_micro=left_micro,
                assumed_micro=assumed_micro,
            )
        )

    async def mark(self, changes: Sequence[Change]) -> None:
        """Write changes with one commit: all of them, or none; see `Ledger.mark`.

        Raises:
            StateConflictError: A row is not in the state that it is believed to be in, or there is no such way.
            LedgerError: It cannot be written.
        """
        await self._open_writer().write(Joint(self._mark, changes))

    def _mark(self, transaction: Transaction, parts: Sequence[Sequence[Change]]) -> None:
        mark_all = mark if len(parts) == 1 else mark_together
        mark_all(transaction, self.path, list(chain.from_iterable(parts)), self._clock())

    async def live(
        self, states: Collection[State], after: Item | None = None, limit: int = PAGE_ROWS
    ) -> list[Item]:
        """Read rows of some states; see `Ledger.live`.

        Raises:
            LedgerError: The file cannot be read.
        """
        self._open_writer()
        return await self._reader.live(states, after, limit)

    async def counters(self) -> Counters:
        """Tell how many rows stand where; they are kept in memory, and counted when the run is opened."""
        return self._open_writer().counters

    async def results(self, order: Order = "completion") -> AsyncIterator[Result]:
        """Read all rows with what became of them; see `Ledger.results`.

        Raises:
            LedgerError: The file cannot be read.
        """
        self._open_writer()
        async for result in self._reader.results(order):
            yield result

    async def results_of(self, rows: Sequence[int]) -> list[Result]:
        """Read some rows and their doubles; see `Ledger.results_of`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._reader.results_of(rows)

    async def ended(self) -> Sequence[int]:
        """Give the numbers of rows that are over; see `Ledger.ended`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._reader.ended()

    async def failures(self) -> list[Failures]:
        """Tell why rows failed; see `Ledger.failures`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._reader.failures()

    async def kv(self, key: str, *value: Any) -> Any:
        """Read or keep something under a name; see `Ledger.kv`.

        Raises:
            LedgerError: It cannot be read, or written.
        """
        writer = self._open_writer()
        if not value:
            return await self._reader.kv(key)
        text = json.dumps(value[0], allow_nan=False)
        await writer.write(
            lambda transaction: (
                transaction.connection.execute("REPLACE INTO kv VALUES (?, ?)", (key, text)).rowcount
            )
        )
        return value[0]

    async def asset(self, content_sha: str) -> Asset | None:
        """Read where a file is that was sent; see `Ledger.asset`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._reader.asset(content_sha)

    async def keep_asset(self, asset: Asset) -> None:
        """Keep where a file is; see `Ledger.keep_asset`.

        Raises:
            LedgerError: It cannot be written.
        """
        values = attrs.astuple(asset)
        await self._open_writer().write(
            lambda transaction: (
                transaction.connection.execute("REPLACE INTO asset VALUES (?, ?, ?, ?, ?)", values).rowcount
            )
        )

    async def take_out(self, first: int) -> int:
        """Take out rows that were never sent; see `Ledger.take_out`.

        Raises:
            StateConflictError: One of them was sent.
            LedgerError: It cannot be written.
        """
        return await self._open_writer().write(
            lambda transaction: take_out(transaction, self.path, first), weight=MOST_OPERATIONS
        )

    async def contents_of(self, files: Sequence[FileStamp]) -> dict[FileStamp, str]:
        """Tell the SHA-256 of those files that were read before; see `Ledger.contents_of`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._reader.contents_of(files)

    async def keep_contents(self, files: Mapping[FileStamp, str]) -> None:
        """Keep the SHA-256 of files; see `Ledger.keep_contents`.

        Raises:
            LedgerError: It cannot be written.
        """
        values = [(*attrs.astuple(file), sha) for file, sha in files.items()]
        await self._open_writer().write(
            lambda transaction: transaction.connection.executemany(KEEP_CONTENT, values).rowcount
        )

    async def local_files(self, urls: Collection[str]) -> dict[str, LocalFile]:
        """Tell which addresses are those of local files; see `Ledger.local_files`.

        Raises:
            LedgerError: The file cannot be read.
        """
        return await self._reader.local_files(urls)

    async def note(self, kind: str, detail: Mapping[str, Any], seq: int | None = None) -> None:
        """Write down something that came to pass; see `Ledger.note`.

        Raises:
            LedgerError: It cannot be written.
        """
        values = (self._clock(), seq, kind, json.dumps(detail, allow_nan=False))
        await self._open_writer().write(lambda transaction: transaction.connection.execute(NOTE, values).rowcount)

    async def events(self, kind: str) -> AsyncIterator[Event]:
        """Read what came to pass of one kind; see `Ledger.events`.

        Raises:
            LedgerError: The file cannot be read.
        """
        async for event in self._reader.events(kind):
            yield event

    async def aclose(self) -> None:
        """Write what is under way, close the file, and give the run free."""
        await self._reader.aclose()
        if self._writer is not None:
            await self._writer.aclose()
        self._release()

    def _open_writer(self) -> GroupWriter:
        if self._writer is None:
            raise ClosedError("the ledger was not opened; call create_run first")
        return self._writer


async def _chunks(rows: Iterable[NewItem] | AsyncIterable[Sequence[NewItem]]) -> AsyncIterator[list[Part]]:
    """Read rows chunk by chunk; those of a plain iterable in a thread, as it may read a file."""
    if isinstance(rows, AsyncIterable):
        chunk, count = list[Sequence[NewItem]](), 0
        async for part in rows:
            chunk.append(part)
            count += len(part)
            if count >= INGEST_ROWS:
                yield await in_own_thread(functools.partial(packed, chunk))
                chunk, count = [], 0
        if chunk:
            yield packed(chunk)
        return
    left = iter(rows)
    while some := await in_own_thread(lambda: _next_chunk(left)):
        yield [some]


def _next_chunk(rows: Iterator[NewItem]) -> list[NewItem]:
    return list(islice(rows, INGEST_ROWS))
