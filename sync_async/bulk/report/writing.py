"""Writing the report of a run: one pass over its rows, and a file that appears when it is whole."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import IO
from urllib.parse import quote

from sync_async._errors import ArgumentError
from sync_async._loading import in_thread
from sync_async.bulk.intake import PLAN
from sync_async.bulk.learned import KEY as LEARNED
from sync_async.bulk.ledger import PAGE_ROWS
from sync_async.bulk.listing import FAILED_ROWS, part_of
from sync_async.bulk.plan import Plan
from sync_async.bulk.records import Result, Run
from sync_async.bulk.report.advice import Adviser, suggestions
from sync_async.bulk.report.page import Facts, foot, head
from sync_async.bulk.report.table import Table
from sync_async.bulk.report.tally import Tally, model_of
from sync_async.bulk.report.timeline import KIND, sessions
from sync_async.bulk.sqlite import ledger_file as ledger_file_of
from sync_async.bulk.sqlite_reader import LedgerReader
from sync_async.bulk.sqlite_run import no_run
from sync_async.transfer.partial_file import destination

REPORT = "report.html"
SUFFIXES = (".html", ".htm")


async def write_report(ledger_file: Path, output: Path, to: Path | None = None) -> Path:
    """Write what a run has come to as one page that needs nothing else, beside a run that goes on or after it.

    Args:
        ledger_file: The ledger of the run.
        output: The folder with its outputs, which the page plays.
        to: The file to write, or its folder; None for `report.html` beside the outputs.

    Returns:
        The file.

    Raises:
        LedgerError: There is no ledger, or it cannot be read.
        ArgumentError: There is no run in it, no such folder, or the file does not end with `.html`.
        OSError: The file cannot be written.
    """
    async with LedgerReader(ledger_file) as reader:
        run = await reader.run()
        if run is None:
            raise no_run(ledger_file)
        path = _destination(output, to)
        with tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent) as rows:
            tally, table = Tally(), Table()
            await _write_rows(reader, rows, tally, table)
            facts = await _facts(reader, run, output, tally)
            tail = foot(table, _base(output, path.parent), facts.zone)
            await in_thread(_write_page, path, head(facts), rows, tail)
    return path


async def _write_rows(reader: LedgerReader, file: IO[str], tally: Tally, table: Table) -> None:
    """Write all rows, and count them; no more of them than a page is in memory."""

    def write(page: Sequence[Result]) -> None:
        models = [model_of(result.item) for result in page]
        for result, model in zip(page, models, strict=True):
            tally.count(result, model)
        file.write(table.piece(zip(page, models, strict=True)))

    page: list[Result] = []
    async for result in reader.results("input"):
        page.append(result)
        if len(page) == PAGE_ROWS:
            await in_thread(write, page)
            page = []
    if page:
        await in_thread(write, page)


async def _facts(reader: LedgerReader, run: Run, output: Path, tally: Tally) -> Facts:
    plan = await reader.kv(PLAN)
    elsewhere = [] if reader.path == ledger_file_of(output) else ["--ledger", str(reader.path)]
    return Facts(
        run=run,
        tally=tally,
        sessions=sessions([event async for event in reader.events(KIND)]),
        plan=None if plan is None else Plan.from_json(plan),
        learned=await reader.kv(LEARNED) or {},
        adviser=Adviser(
            folder=shlex.join([str(output), *elsewhere]),
            has_failed_rows=(output / FAILED_ROWS).exists(),
            suggestions=await in_thread(suggestions) if tally.reasons else {},
        ),
        zone=_zone(),
        now_us=time.time_ns() // 1000,
    )


def _destination(output: Path, to: Path | None) -> Path:
    """Decide on the file; whatever else somebody has paid for is not written over."""
    if to is None:
        return destination(output / REPORT, REPORT, overwrite=True, argument="output")
    path = destination(to, REPORT, overwrite=True)
    if path.suffix.lower() not in SUFFIXES:
        raise ArgumentError("to", f"{str(path)!r} does not end with .html, as a page does")
    return path


def _write_page(path: Path, head: str, rows: IO[str], foot: str) -> None:
    with part_of(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(head)
        rows.seek(0)
        shutil.copyfileobj(rows, file)
        file.write(foot)


def _base(output: Path, folder: Path) -> str:
    """Give the address of the outputs, as seen from the folder of the page."""
    try:
        way = os.path.relpath(output, folder)
    except ValueError:  # on another drive
        return f"{output.absolute().as_uri()}/"
    return f"{quote(Path(way).as_posix())}/"


def _zone() -> tzinfo:
    """Give the time zone of here and now."""
    ahead = datetime.now().astimezone().utcoffset() or timedelta()
    return timezone(ahead)
