"""The files that a run leaves beside its outputs: all rows, those that failed as a manifest, and a summary."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

from sync_async._loading import in_thread
from sync_async.bulk.again import FAILED, manifest_row, templates
from sync_async.bulk.ledger import PAGE_ROWS, Ledger
from sync_async.bulk.records import Result
from sync_async.bulk.results import ItemResult, Report

RESULTS = "results.jsonl"
FAILED_ROWS = "failed.jsonl"
SUMMARY = "summary.json"
PROBLEMS = "problems.jsonl"


async def write_listing(ledger: Ledger, folder: Path, report: Report) -> None:
    """Write `results.jsonl`, `failed.jsonl` and `summary.json`, each whole or not at all.

    `failed.jsonl` is a manifest: it has the rows that can be bought once more. Without any it is not there.

    Args:
        ledger: The run.
        folder: Where its outputs are.
        report: What it has come to.

    Raises:
        LedgerError: The ledger cannot be read.
        OSError: A file cannot be written.
    """
    has_failed = any(report.status.count(state) for state in FAILED)
    with contextlib.ExitStack() as files:
        results = files.enter_context(_whole(folder / RESULTS))
        failed = files.enter_context(_whole(folder / FAILED_ROWS)) if has_failed else None
        async for page in _pages(ledger):
            lines = [_line(ItemResult.of(result, folder).to_wire()) for result in page]
            await in_thread(results.writelines, lines)
            if failed is not None:
                await in_thread(failed.writelines, await _manifest_lines(ledger, page))
        files.enter_context(_whole(folder / SUMMARY)).write(json.dumps(report.to_wire(), indent=2) + "\n")
    if not has_failed:
        (folder / FAILED_ROWS).unlink(missing_ok=True)


@contextlib.contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Give a file to write that takes a name only when the block ends well, and is gone otherwise."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


async def _pages(ledger: Ledger) -> AsyncIterator[list[Result]]:
    page: list[Result] = []
    async for result in ledger.results("input"):
        page.append(result)
        if len(page) == PAGE_ROWS:
            yield page
            page = []
    if page:
        yield page


async def _manifest_lines(ledger: Ledger, page: list[Result]) -> list[str]:
    """Write those rows of a page that can be bought once more; one that could not be read has no body."""
    items = [result.item for result in page if result.item.state in FAILED and result.item.body]
    rows = zip(items, await templates(ledger, items), strict=True)
    return [_line(manifest_row(item, template)) for item, template in rows]


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """Open a file that takes its name only when all is written."""
    with part_of(path) as part, part.open("w", encoding="utf-8") as file:
        yield file


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
