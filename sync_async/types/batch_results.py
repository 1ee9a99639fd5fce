"""What became of the rows of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from sync_async.types.batches import BatchResponse
from sync_async.types.generations import Generation, GenerationStatus


@attrs.frozen(kw_only=True)
class BatchRow:
    """One row of a batch's results.

    Attributes:
        request_id: The row's own id, as it was sent.
        status: How it ended, such as `COMPLETED`, `FAILED` or `REJECTED`.
        generation: The generation, or None where the row was refused before there was one.
        output_url: A signed link to the video, or None.
        error: Why it failed, in the server's words, or None.
        error_code: The same as a code, or None.
        raw: The line as it came.
    """

    request_id: str
    status: GenerationStatus
    generation: Generation | None = None
    output_url: str | None = None
    error: str | None = None
    error_code: str | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def succeeded(self) -> bool:
        """Whether there is a video."""
        return self.status == "COMPLETED"


@attrs.frozen(kw_only=True)
class UnreadableLine:
    """A line of the results that is no row.

    Attributes:
        number: Its number in the file, from 1.
        text: The beginning of the line.
        problem: What is wrong with it.
    """

    number: int
    text: str
    problem: str


@attrs.frozen(kw_only=True)
class BatchResults(Mapping[str, BatchRow]):
    """The rows of a batch by their `request_id`, failed ones among them.

    Attributes:
        batch: The batch, with its metrics.
        rows: The rows by `request_id`; the object itself is read like this mapping.
        unreadable: Lines that are no rows.

    Example:
        results = await client.batch.results("batch_abc123")
        for row in results.failed:
            print(row.request_id, row.error_code, row.error)
    """

    batch: BatchResponse
    rows: Mapping[str, BatchRow] = attrs.field(repr=False)
    unreadable: tuple[UnreadableLine, ...] = ()

    def __getitem__(self, request_id: str) -> BatchRow:
        return self.rows[request_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def succeeded(self) -> list[BatchRow]:
        """The rows with a video."""
        return [row for row in self.rows.values() if row.succeeded]

    @property
    def failed(self) -> list[BatchRow]:
        """The rows without one."""
        return [row for row in self.rows.values() if not row.succeeded]

    @property
    def missing(self) -> int:
        """How many rows the batch has that are not here; they may have been paid for."""
        total = self.batch.metrics.total_generations
        return max(0, (total or 0) - len(self.rows))
