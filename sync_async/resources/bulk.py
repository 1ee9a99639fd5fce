"""Runs of thousands of generations from one manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from sync_async._forks import imports
from sync_async.resources._resource import Resource

if TYPE_CHECKING:
    import os
    from datetime import datetime
    from decimal import Decimal

    from sync_async._listeners import OnUpdate
    from sync_async.bulk.manifest import Manifest
    from sync_async.bulk.plan import Plan
    from sync_async.bulk.results import ItemResult
    from sync_async.resources.bulk_run import AsyncBulkRun
    from sync_async.types.generations import Generation


@attrs.frozen
class AsyncBulk(Resource):
    """Runs of thousands of generations from one manifest."""

    async def plan(
        self,
        items: Manifest,
        *,
        defaults: Mapping[str, Any] | None = None,
        base: str | os.PathLike[str] | None = None,
        prices: bool = True,
    ) -> Plan:
        """Check every row of a manifest, and tell what it will come to; nothing is bought.

        Args:
            items: A `.csv`, `.jsonl` (both also `.gz`) or `.parquet` file, rows as mappings, or Arrow data.
            defaults: Columns for rows that leave them out, such as `{"model": "lipsync-2"}`.
            base: The folder against which paths of media are taken; by default that of the manifest, else the
                current one.
            prices: Ask the server for prices; without, all are unknown.

        Returns:
            Rows, doubles, problems, seconds, price and time; see `Plan`.

        Raises:
            ArgumentError: The manifest cannot be read at all. What is wrong with rows stands in the plan.
            ApiError, ApiConnectionError: Prices cannot be asked for.

        Example:
            plan = await client.bulk.plan("jobs.csv")
            print(plan.rows, plan.price, plan.problems)
        """
        with imports.under_way():
            from sync_async.bulk.manifest import read_pieces
            from sync_async.bulk.opening import base_of
            from sync_async.bulk.plan import Planner
            from sync_async.bulk.prices import Prices
            from sync_async.bulk.rows import RowReader

        reader = RowReader(base_of(items, base), defaults)
        return await Planner(reader, Prices(self._caller) if prices else None).plan(read_pieces(items))

    async def open(
        self,
        output: str | os.PathLike[str],
        items: Manifest | None = None,
        *,
        defaults: Mapping[str, Any] | None = None,
        base: str | os.PathLike[str] | None = None,
        budget: Decimal | float | str | None = None,
        assume_price: Decimal | float | str | None = None,
        max_concurrency: int | None = None,
        posts_per_minute: float | None = None,
        attempts: int | None = None,
        canary: int | None = None,
        breaker: bool | None = None,
        download: bool | None = None,
        downloads: int | None = None,
        uploads: int | None = None,
        dedupe: bool = True,
        skip_bad: bool = False,
        prices: bool = True,
        run_id: str | None = None,
        ledger: str | os.PathLike[str] | None = None,
    ) -> AsyncBulkRun:
        """Open a bulk run: check its rows and write them down, or take up the run that is in a folder.

        Nothing is bought before the run's `stream` or `result` is asked for. With the same rows the same run goes
        on, and buys nothing again; rows that are new are added. What is None is as it was when the run was last
        opened.

        Args:
            output: The folder for outputs and for the run's ledger, `.syncso/ledger.db`; made when missing.
            items: A `.csv`, `.jsonl` (both also `.gz`) or `.parquet` file, rows as mappings, or Arrow data.
                Without them the run that is there is opened.
            defaults: Columns for rows that leave them out, such as `{"model": "lipsync-2"}`.
            base: The folder against which paths of media are taken; by default that of the manifest, else the
                current one.
            budget: US dollars that may be spent. What runs is reserved, and what would not fit is not bought.
            assume_price: US dollars to reserve for a row whose price nobody knows; with a budget, such rows are
                not bought without it.
            max_concurrency: Most generations at once, from 1; by default what the account takes is found out.
            posts_per_minute: Creates a minute that the account takes, where you know; by default 60, and less
                when the server says so.
            attempts: Generations that a row may fail before it counts as failed, by default 1; each is a purchase.
            canary: Rows that go ahead, down to their files, before the others are bought: by default 5 of a run
                of 100 rows or more that costs above $50, or nobody knows what; 0 for none.
            breaker: Whether the run stops when many rows fail for one reason, by default yes.
            download: Whether outputs are fetched, by default yes.
            downloads: Outputs that are fetched at once, by default 4.
            uploads: Local files that are sent at once, by default 4.
            dedupe: Buy rows that ask for the same once.
            skip_bad: Set rows with problems aside, and go on with the others.
            prices: Ask the server for prices; without, all are unknown.
            run_id: The run's name, from which the keys of its purchases come. With the name of a run whose ledger
                is lost, the server knows purchases of the last day again.
            ledger: A file for the ledger on a local disk, when the output folder is on none.

        Returns:
            The run. It is this process's own until it is closed.

        Raises:
            ManifestError: Rows have problems; all of them stand in `problems.jsonl` in the output folder.
            ManifestChangedError: A row asks for something else than when it was bought.
            LedgerLockedError: Another process works on the run.
            LedgerError: The ledger cannot be used; the other subclasses tell why.
            ArgumentError: An argument cannot be right, or there is no run in the folder and there are no rows.
            ApiError, ApiConnectionError: Prices cannot be asked for.

        Example:
            run = await client.bulk.open("out", "jobs.csv", budget=500)
            report = await run.result()
            print(report.status.done, report.status.failed, report.status.spent)
        """
        with imports.under_way():
            from sync_async.bulk.budget import micro
            from sync_async.bulk.opening import Rows, open_work
            from sync_async.resources.bulk_run import AsyncBulkRun

        wishes = {
            "assumed_micro": None if assume_price is None else micro(assume_price, "assume_price"),
            "max_concurrency": max_concurrency,
            "posts_per_minute": posts_per_minute,
            "attempts": attempts,
            "canary": canary,
            "breaker": breaker,
            "download": download,
            "downloads": downloads,
            "uploads": uploads,
        }
        rows = Rows(items=items, defaults=defaults, base=base, prices=prices, dedupe=dedupe, skip_bad=skip_bad)
        work = await open_work(
            self._caller,
            Path(output),
            rows=None if items is None else rows,
            ledger=None if ledger is None else Path(ledger),
            run_id=run_id,
            budget=budget,
            wishes={name: wish for name, wish in wishes.items() if wish is not None},
        )
        return AsyncBulkRun(self._caller, work)

    async def run_one(
        self,
        item: Mapping[str, Any],
        *,
        key: str,
        output: str | os.PathLike[str] | None = None,
        base: str | os.PathLike[str] | None = None,
        begun: datetime | None = None,
        timeout: float | None = None,
        on_update: OnUpdate[Generation] | None = None,
    ) -> ItemResult:
        """Buy one row, wait for it and fetch it; with the same key again it goes on, and buys nothing again.

        This is for engines that have rows, retries and places of their own, such as Celery, Airflow, Ray or
        Temporal: nothing is kept on this machine. What failed stays failed: another attempt needs another key.

        Args:
            item: A row of a manifest: `model`, `video`, `audio` and so on, as a mapping.
            key: What the purchase is called, such as the id of the engine's task: not that of its attempt.
            output: The file to write, or a folder that is there; without, nothing is fetched. A file that is there
                is taken for the result of an earlier call, and nothing is done.
            base: The folder against which paths of media are taken; by default the current one.
            begun: When the task was begun, with a time zone. Servers forget keys; when it is long ago, the list of
                generations is looked through before anything is bought.
            timeout: Seconds to wait for the generation's end, None for no limit.
            on_update: Called with the generation when it is first seen and whenever it has changed.

        Returns:
            What the row has come to; see `ItemResult`. Its `generation_id` is None when the file was there.

        Raises:
            ManifestError: The row has problems; nothing was sent.
            ArgumentError: An argument cannot be right; nothing was sent.
            GenerationFailedError: The generation failed or was rejected; the error has it.
            WaitTimeoutError, DownloadError, ApiError, ApiConnectionError: Call it again with the same key.

        Example:
            row = {"model": "lipsync-2", "video": "https://e.com/face.mp4", "audio": "https://e.com/speech.wav"}
            result = await client.bulk.run_one(row, key="order-17", output="order-17.mp4")
        """
        with imports.under_way():
            from sync_async.bulk.single import Single

        row = Single.of(self._caller, item, key, base=Path(base or "."), begun=begun)
        return await row.run(None if output is None else Path(output), timeout, on_update)
