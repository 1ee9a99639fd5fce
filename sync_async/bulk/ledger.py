"""What every store of a run's rows has to do."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from sync_async.bulk.counters import Counters, Failures
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
from sync_async.bulk.states import State

INGEST_ROWS = 10_000
"""Rows that are taken in with one commit."""
CLAIM_ROWS = 32
"""Rows that one commit claims at most."""
PAGE_ROWS = 1_000

Order = Literal["input", "completion"]


class Ledger(Protocol):
    """Where a run keeps what must not be lost. What a call returns, or writes, is durable when it returns."""

    async def create_run(self, spec: RunSpec | None) -> Run:
        """Open the run, or begin it; from then on it belongs to this process alone.

        Args:
            spec: What it is to be; None opens the run that is there.

        Raises:
            LedgerError: It cannot be opened; the subclasses tell why.
            ArgumentError: There is none, or another one.
        """
        ...

    async def ingest(
        self, rows: Iterable[NewItem] | AsyncIterable[Sequence[NewItem]], *, dedupe: bool = True
    ) -> IngestReport:
        """Take in rows; those that are there already are left alone, so that it can be done again.

        Rows are read in a thread and taken in chunk by chunk; what was taken in stays when a later one fails.

        Args:
            rows: The rows, in the order of the input.
            dedupe: Whether rows that ask for the same are bought once.

        Raises:
            ManifestChangedError: A row was changed after it was sent.
            ArgumentError: Two rows have one name.
        """
        ...

    async def claim(
        self, n: int, now_us: int, *, left_micro: int | None = None, assumed_micro: int | None = None
    ) -> Claim:
        """Take the next rows to send: `ready` becomes `submitting`, with key and bytes.

        Args:
            n: How many at most; never more than 32.
            now_us: Rows that are due later are left.
            left_micro: What may yet be reserved; None for no limit.
            assumed_micro: What to reserve for a row whose price is not known; None claims no such row where
                there is a limit.

        Raises:
            LedgerError: It cannot be written; nothing was claimed.
        """
        ...

    async def mark(self, changes: Sequence[Change]) -> None:
        """Write changes with one commit: all of them, or none.

        Raises:
            StateConflictError: A row is not in the state that it is believed to be in, or there is no such way.
            LedgerError: It cannot be written.
        """
        ...

    async def live(
        self, states: Collection[State], after: Item | None = None, limit: int = PAGE_ROWS
    ) -> list[Item]:
        """Read rows of some states, state by state; those with a higher priority and due earlier come first.

        Args:
            states: Which.
            after: The last row of the page before.
            limit: Rows of a page.
        """
        ...

    async def counters(self) -> Counters:
        """Tell how many rows stand where; costs nothing."""
        ...

    def results(self, order: Order = "completion") -> AsyncIterator[Result]:
        """Read all rows with what became of them.

        Args:
            order: `input`, or `completion`: those that ended first come first, the others last.
        """
        ...

    async def results_of(self, rows: Sequence[int]) -> list[Result]:
        """Read some rows, and the doubles of these, with what became of them.

        Args:
            rows: Their numbers.
        """
        ...

    async def ended(self) -> Sequence[int]:
        """Give the numbers of all rows that are over, but for doubles, those that ended first first."""
        ...

    async def failures(self) -> list[Failures]:
        """Tell why rows failed, the most frequent reason first; reads all of them."""
        ...

    async def kv(self, key: str, *value: Any) -> Any:
        """Read what is kept under a name, None when there is nothing; with a value, keep that instead.

        Args:
            key: The name.
            value: Anything that has a JSON form.
        """
        ...

    async def asset(self, content_sha: str) -> Asset | None:
        """Read where a file is that was sent; see `Asset`."""
        ...

    async def keep_asset(self, asset: Asset) -> None:
        """Keep where a file is, instead of an earlier address.

        Raises:
            LedgerError: It cannot be written.
        """
        ...

    async def take_out(self, first: int) -> int:
        """Take out rows that were never sent, from a number on, and tell how many they were.

        Raises:
            StateConflictError: One of them was sent; none was taken out.
            LedgerError: It cannot be written.
        """
        ...

    async def contents_of(self, files: Sequence[FileStamp]) -> dict[FileStamp, str]:
        """Tell the SHA-256 of those files that were read before, in hexadecimal."""
        ...

    async def keep_contents(self, files: Mapping[FileStamp, str]) -> None:
        """Keep the SHA-256 of files.

        Raises:
            LedgerError: It cannot be written.
        """
        ...

    async def local_files(self, urls: Collection[str]) -> dict[str, LocalFile]:
        """Tell which addresses are those of local files that were sent."""
        ...

    async def note(self, kind: str, detail: Mapping[str, Any], seq: int | None = None) -> None:
        """Write down something that came to pass and has no column; see `Event`.

        Raises:
            LedgerError: It cannot be written.
        """
        ...

    def events(self, kind: str) -> AsyncIterator[Event]:
        """Read what came to pass of one kind, in its order."""
        ...

    async def aclose(self) -> None:
        """Write what is under way, and give the run free."""
        ...
