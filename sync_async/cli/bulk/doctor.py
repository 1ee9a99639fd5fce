"""Whether a machine, a folder and a clock are fit for a bulk run."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import attrs

from sync_async import AsyncSync, SyncError, __version__
from sync_async._loading import in_thread
from sync_async.bulk.errors import LedgerError
from sync_async.bulk.file_system import network_kind
from sync_async.bulk.sqlite import ledger_file
from sync_async.bulk.sqlite_reader import LedgerReader
from sync_async.bulk.sqlite_schema import OLDEST_SQLITE
from sync_async.cli.bulk.holding import holding

WAL_RESET_MENDED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""The first versions of their lines without https://sqlite.org/wal.html#the_wal_reset_bug."""
LITTLE_SPACE = 1e9
MUCH_OFF = 60.0
"""Seconds by which a clock may be off: signed addresses and keys of purchases live for hours."""

Grade = Literal["OK", "warning", "problem"]


@attrs.frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name.
        grade: How it is.
        text: The same in words.
    """

    what: str
    grade: Grade
    text: str


async def examine(output: Path | None, ledger: Path | None) -> AsyncIterator[Finding]:
    """Look at all that a run depends on.

    Args:
        output: The run's folder, if it is about one.
        ledger: Its ledger, if that is elsewhere.
    """
    yield Finding("python", "OK", f"{platform.python_version()} on {platform.system()}")
    yield Finding("syncso", "OK", f"{__version__}, aiohttp {version('aiohttp')}")
    yield sqlite_finding(sqlite3.sqlite_version_info)
    folder = Path() if output is None else output
    yield await in_thread(_space, _existing(folder))
    yield await in_thread(_file_system, _existing(ledger_file(folder, ledger)))
    if output is not None:
        yield await _ledger(ledger_file(output, ledger))
        yield _holder(output)
    yield await _clock()


def sqlite_finding(found: tuple[int, ...]) -> Finding:
    """Judge a version of SQLite."""
    name = ".".join(map(str, found))
    if found < OLDEST_SQLITE:
        return Finding("sqlite", "problem", f"{name}; bulk runs need {'.'.join(map(str, OLDEST_SQLITE))} or newer")
    is_mended = found >= WAL_RESET_MENDED[-1] or any(
        found[:2] == mended[:2] and found >= mended for mended in WAL_RESET_MENDED
    )
    if is_mended:
        return Finding("sqlite", "OK", name)
    return Finding(
        "sqlite",
        "warning",
        f"{name} has the WAL-reset bug. A run stays clear of it, as it alone writes its ledger: let no other "
        "program write there",
    )


def clock_finding(seconds: float) -> Finding:
    """Judge by how many seconds a clock is ahead of the server's."""
    if abs(seconds) <= MUCH_OFF:
        return Finding("clock", "OK", f"within {MUCH_OFF:.0f} s of the server's")
    where = "ahead of" if seconds > 0 else "behind"
    return Finding("clock", "warning", f"{abs(seconds):,.0f} s {where} the server's; set it")


def _existing(path: Path) -> Path:
    """Give the path, or the closest folder above it that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    return Finding("disk", "OK" if free >= LITTLE_SPACE else "warning", f"{free / 1e9:,.1f} GB free")


def _file_system(place: Path) -> Finding:
    kind = network_kind(place)
    if kind is None:
        return Finding("file system", "OK", "not known to be shared with other machines")
    return Finding("file system", "problem", f"{kind} is shared with other machines; name another with --ledger")


async def _ledger(path: Path) -> Finding:
    try:
        async with LedgerReader(path) as reader:
            run = await reader.run()
    except LedgerError as error:
        return Finding("ledger", "problem", str(error))
    return Finding("ledger", "OK", f"{path}, run {run.run_id}" if run else f"{path}, which has no run yet")


def _holder(output: Path) -> Finding:
    held = holding(output)
    return Finding("worked on by", "OK", "nobody" if held is None else str(held))


async def _clock() -> Finding:
    if not os.environ.get("SYNC_API_KEY"):
        return Finding("clock", "OK", "not compared with the server's, as SYNC_API_KEY is not set")
    try:
        async with AsyncSync() as client:
            before = time.time()
            told = (await client.models.with_raw_response.list()).headers.get("date")
    except SyncError as error:
        return Finding("server", "problem", str(error))
    if told is None:
        return Finding("clock", "warning", "the server does not tell its time")
    server = parsedate_to_datetime(told).astimezone(UTC)
    middle = datetime.fromtimestamp((before + time.time()) / 2, UTC)
    return clock_finding((middle - server).total_seconds())
