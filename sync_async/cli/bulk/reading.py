"""Looking at a run beside the process that works on it: how it stands, and what became of its rows."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Literal

import attrs

from sync_async._errors import ArgumentError, SyncError
from sync_async.bulk.ledger import PAGE_ROWS, Order
from sync_async.bulk.listing import part_of
from sync_async.bulk.records import Item, Result
from sync_async.bulk.results import ItemResult, RunStatus
from sync_async.bulk.sqlite import ledger_file
from sync_async.bulk.sqlite_reader import LedgerReader
from sync_async.bulk.work import UNSETTLED

Form = Literal["csv", "jsonl", "parquet"]
COLUMNS = tuple(attrs.fields_dict(ItemResult))


async def read_status(output: Path, ledger: Path | None) -> RunStatus:
    """Tell how the run of a folder stands.

    Raises:
        LedgerError: It has none, or it cannot be read.
    """
    async with LedgerReader(ledger_file(output, ledger)) as reader:
        run = await reader.run()
        if run is None:
            raise ArgumentError("OUTPUT", f"the run in {str(output)!r} has not begun yet")
        return RunStatus.of(run.run_id, await reader.counters(), run.budget_micro)


async def read_unsettled(output: Path, ledger: Path | None) -> list[ItemResult]:
    """Give the rows of which nobody knows whether they were bought.

    Raises:
        LedgerError: The folder has no run, or it cannot be read.
    """
    found: list[Item] = []
    async with LedgerReader(ledger_file(output, ledger)) as reader:
        while page := await reader.live(UNSETTLED, found[-1] if found else None):
            found += page
    return [ItemResult.of(Result(item=item, leader=item), output) for item in found]


async def read_manifest_path(output: Path, ledger: Path | None) -> str | None:
    """Tell from which manifest the run of a folder has its rows, None when it has not begun.

    Raises:
        LedgerError: The folder has no run, or it cannot be read.
    """
    async with LedgerReader(ledger_file(output, ledger)) as reader:
        run = await reader.run()
        return None if run is None else run.manifest


async def write_results(output: Path, ledger: Path | None, form: Form, order: Order, to: Path | None) -> None:
    """Write all rows of a run with what became of them; a file is written whole or not at all.

    Raises:
        LedgerError: The folder has no run, or it cannot be read.
        SyncError: pyarrow is needed and not installed.
    """
    if form == "parquet" and to is None:
        raise ArgumentError("--to", "Parquet is not for a screen; name a file")
    async with LedgerReader(ledger_file(output, ledger)) as reader:
        pages = _pages(reader, output, order)
        if to is None:
            await _write_text(pages, form, sys.stdout)
            return
        with _place(to) as place:
            if form == "parquet":
                await _write_parquet(pages, place)
            else:
                with place.open("w", encoding="utf-8", newline="") as file:
                    await _write_text(pages, form, file)


def _place(to: Path) -> contextlib.AbstractContextManager[Path]:
    """Give the file to write: one that takes its name at the end, unless it is a device or a pipe."""
    if to.exists() and not to.is_file():
        return contextlib.nullcontext(to)
    return part_of(to.resolve())


async def _pages(reader: LedgerReader, output: Path, order: Order) -> AsyncIterator[list[dict[str, Any]]]:
    page: list[dict[str, Any]] = []
    async for result in reader.results(order):
        page.append(ItemResult.of(result, output).to_wire())
        if len(page) == PAGE_ROWS:
            yield page
            page = []
    yield page


async def _write_text(pages: AsyncIterator[list[dict[str, Any]]], form: Form, file: IO[str]) -> None:
    table = csv.DictWriter(file, COLUMNS) if form == "csv" else None
    if table is not None:
        table.writeheader()
    async for page in pages:
        if table is not None:
            table.writerows(page)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in page)


async def _write_parquet(pages: AsyncIterator[list[dict[str, Any]]], to: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise SyncError("Parquet needs pyarrow: pip install 'syncso[arrow]'") from error
    whole = {"number", "bytes", "attempts", "double_of"}
    numbers = {"duration", "cost", "estimate"}
    types = {name: pa.int64() if name in whole else pa.float64() for name in whole | numbers}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    with pq.ParquetWriter(to, schema) as writer:
        async for page in pages:
            writer.write_table(pa.Table.from_pylist(page, schema=schema))
