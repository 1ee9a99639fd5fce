"""A bulk run that is open."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Self

import attrs

from sync_async._errors import ArgumentError
from sync_async._items import AsyncItems
from sync_async.bulk.plan import Plan
from sync_async.bulk.results import ItemResult, Report, Retry, RunStatus
from sync_async.bulk.work import Work
from sync_async.resources._resource import Resource


@attrs.frozen
class AsyncBulkRun(Resource):
    """A bulk run that is open: nothing is bought before `stream` or `result` is asked for.

    The run belongs to this process until it is closed, which its client does at the latest. To leave it at any
    moment loses nothing: open it again with its output folder alone, and it goes on.

    Example:
        run = await client.bulk.open("out", "jobs.csv", budget=500)
        async for row in run.stream():
            print(row.item_id, row.state, row.path)
        report = await run.result()
        report.raise_for_failures()
    """

    _work: Work = attrs.field(repr=False)

    async def __aenter__(self) -> Self:
        """Enter the run, which is open already."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the run."""
        await self.close()

    async def plan(self) -> Plan:
        """Tell what its rows came to when they were taken in; see `Plan`."""
        return self._work.plan

    def stream(self) -> AsyncItems[ItemResult]:
        """Begin, or go on, and give each row when it is over: those of earlier sessions first.

        Memory does not grow with the rows. A row that asks for the same as an earlier one comes behind that.
        When the run is halted, rows that were not bought do not come; `result` counts them. The work goes on when
        the loop is left.

        Returns:
            An iterator of `ItemResult`, one for each row of the input.

        Raises:
            LedgerError: The ledger cannot be written; nothing more is bought. Raised by the iterator.
            ClosedError: The run is closed. Raised by the iterator.

        Example:
            async for row in run.stream():
                print(row.item_id, row.state, row.path)
        """
        return AsyncItems(self._work.stream().next_group)

    async def result(self) -> Report:
        """Begin, or go on, wait for the end, and tell what the run has come to.

        Besides the outputs, `results.jsonl` (all rows), `failed.jsonl` (a manifest of those that can be bought
        again) and `summary.json` are written.

        Returns:
            Counts, money and reasons; see `Report`. Its `halt` tells why the run stopped before its end, if so.

        Raises:
            LedgerError: The ledger cannot be written; nothing more is bought.
            ClosedError: The run is closed.

        Example:
            report = await run.result()
            print(report.status.done, report.status.spent)
        """
        return await self._work.result()

    async def status(self) -> RunStatus:
        """Tell how many rows stand where, and what was spent; see `RunStatus`."""
        return await self._work.status()

    async def stop(self, *, drain: bool = True) -> None:
        """Buy nothing more.

        Args:
            drain: Follow what runs to its end, and fetch it; `result` waits for that. Without, all is left as
                it stands, to be taken up when the run is opened again.
        """
        await self._work.stop(drain=drain)

    async def set_max_concurrency(self, max_concurrency: int | None) -> None:
        """Hold at most so many generations at once from now on; those above it run to their end.

        Args:
            max_concurrency: How many, from 1; None leaves it to what the account takes.

        Raises:
            ArgumentError: It is no such number.
        """
        is_whole = isinstance(max_concurrency, int) and not isinstance(max_concurrency, bool)
        if max_concurrency is not None and not (is_whole and max_concurrency >= 1):
            raise ArgumentError("max_concurrency", f"{max_concurrency!r} is not a whole number from 1")
        self._work.limit_concurrency(max_concurrency)

    async def wake(self) -> None:
        """Look at the jobs now: call this when a webhook has told that one has ended.

        A webhook is not believed: what it tells is read from the server before anything is done.
        """
        self._work.wake()

    async def retry(
        self,
        *,
        ids: Collection[str] | None = None,
        codes: Collection[str] | None = None,
        dry_run: bool = False,
    ) -> Retry:
        """Let rows that have failed be bought once more by the next `stream` or `result`: new purchases.

        Args:
            ids: The names of the rows; None for all that have failed.
            codes: Only those with one of these error codes.
            dry_run: Only tell what it would come to.

        Returns:
            How many rows, and their price; see `Retry`.

        Raises:
            ArgumentError: A row of `ids` has not failed, or the run is at work.

        Example:
            retry = await run.retry(codes=["generation_timeout"], dry_run=True)
            print(retry.rows, retry.price)
        """
        return await self._work.retry(ids, codes, dry_run=dry_run)

    async def resolve(
        self, *, adopt: Mapping[str, str] | None = None, drop: Collection[str] | None = None
    ) -> None:
        """Decide about rows of which nobody knows whether they were bought (`unknown`, `conflict`).

        Args:
            adopt: Generations that belong to such rows: ids by the rows' names.
            drop: Names of rows to give up; they count as failed.

        Raises:
            ArgumentError: A row is not one of these, a generation belongs to another row, or the run is at work.
            NotFoundError: There is no such generation.
        """
        await self._work.resolve(adopt or {}, drop or ())

    async def unsettled(self) -> list[ItemResult]:
        """Give the rows of which nobody knows whether they were bought, for `resolve`."""
        return await self._work.unsettled()

    async def close(self) -> None:
        """Leave the run as it stands, and give it free for others; closing twice is fine."""
        await self._work.close()
