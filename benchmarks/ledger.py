"""What the ledger of a bulk run costs: `python benchmarks/ledger.py [--quick]`.

Each figure is measured in a process of its own, on the disk of the folder for temporary files. Results are printed
and written to `benchmarks/results/ledger.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sync_async.bulk.keys import frozen_body, payload_sha  # noqa: E402
from sync_async.bulk.records import Change, Item, NewItem, RunSpec, Value  # noqa: E402
from sync_async.bulk.sqlite import SqliteLedger  # noqa: E402
from sync_async.bulk.sqlite_reader import LedgerReader  # noqa: E402
from sync_async.bulk.states import State  # noqa: E402

LIFE = (State.SUBMITTING, State.SUBMITTED, State.REMOTE_DONE, State.DOWNLOADING, State.DONE)
MIB = 1024**2


def rows(count: int, names: str) -> Iterator[NewItem]:
    """Make rows as a usual manifest has them."""
    for number in range(count):
        body = {
            "model": "lipsync-2",
            "input": [
                {"type": "video", "url": f"https://media.example/clips/{number:08d}.mp4"},
                {"type": "audio", "url": f"https://media.example/voices/{number:08d}.wav"},
            ],
        }
        payload = payload_sha(body)
        item_id = f"row-{number:07d}" if names == "counted" else f"p-{payload.hex()[:16]}"
        yield NewItem(item_id=item_id, body=frozen_body(body), payload_sha=payload, est_micro=500_000)


def peak_mib() -> float:
    """Give the most memory that this process has held."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MIB if sys.platform == "darwin" else 1024)


async def ingest(output: Path, count: int, names: str) -> dict[str, float]:
    """Take in rows, and again; making them is not counted, though it takes its share of memory."""
    before = time.perf_counter()
    for _ in rows(count, names):
        pass
    making = time.perf_counter() - before
    async with SqliteLedger(output) as ledger:
        await ledger.create_run(RunSpec())
        before = time.perf_counter()
        await ledger.ingest(rows(count, names))
        first = time.perf_counter() - before - making
        before = time.perf_counter()
        report = await ledger.ingest(rows(count, names))
        again = time.perf_counter() - before - making
        assert report.known == count
    return {
        "seconds": first,
        "seconds again": again,
        "making the rows": making,
        "RSS MiB": peak_mib(),
        "file MiB": (output / ".syncso/ledger.db").stat().st_size / MIB,
    }


async def opening(output: Path, count: int) -> dict[str, float]:
    """Open a large run, claim, page through what is live, and read it from outside."""
    before = time.perf_counter()
    async with SqliteLedger(output) as ledger:
        await ledger.create_run(None)
        opened = time.perf_counter()
        claimed = await ledger.claim(1, 1)
        first = time.perf_counter()
        assert len(claimed.items) == 1
        await ledger.claim(32, 1)
        after, pages = None, time.perf_counter()
        while page := await ledger.live([State.READY], after):
            after = page[-1]
        paged = time.perf_counter() - pages
        async with LedgerReader(ledger.path) as reader:
            counting = time.perf_counter()
            counters = await reader.counters()
            counted = time.perf_counter() - counting
            assert counters == await ledger.counters()
            assert counters.total == count
            reading = time.perf_counter()
            async for _ in reader.results():
                pass
            read = time.perf_counter() - reading
    return {
        "open and recount s": opened - before,
        "first claim ms": (first - opened) * 1000,
        "count by state s": counted,
        "page through all s": paged,
        "all results s": read,
        "RSS MiB": peak_mib(),
    }


def values_for(target: State, item: Item) -> dict[str, Value]:
    """Give what goes with each step of a usual life."""
    return {
        State.SUBMITTED: {"job_id": f"6533643b-aceb-4c40-967e-{item.seq:012x}", "submitted_us": 2},
        State.REMOTE_DONE: {"finished_us": 3, "cost_micro": 480_000},
        State.DOWNLOADING: {"out_bytes": 1_000_000, "out_etag": '"0123456789abcdef"'},
        State.DONE: {"out_path": f"{item.item_id}.mp4", "out_bytes": 1_000_000, "out_sha": "0" * 64},
    }[target]


async def live_together(ledger: SqliteLedger, group: int) -> int:
    """Take up to `group` rows through their life, each step with one commit."""
    claimed = (await ledger.claim(group, 1)).items
    for source, target in pairwise(LIFE):
        await ledger.mark(
            [
                Change(seq=item.seq, source=source, target=target, values=values_for(target, item))
                for item in claimed
            ]
        )
    return len(claimed)


async def life(output: Path, count: int, group: int, at_once: int) -> dict[str, float]:
    """Take rows through their whole life, five commits each."""
    async with SqliteLedger(output) as ledger:
        await ledger.create_run(RunSpec())
        await ledger.ingest(rows(count, "counted"))

        async def worker() -> None:
            while await live_together(ledger, group):
                pass

        before = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(worker())
        seconds = time.perf_counter() - before
        assert (await ledger.counters()).states[State.DONE] == count
    return {"jobs/s": count / seconds, "ms/job": seconds / count * 1000}


async def writes(output: Path, count: int, at_once: int) -> dict[str, float]:
    """Do the smallest durable write there is, one after the other or many at once."""
    async with SqliteLedger(output) as ledger:
        await ledger.create_run(RunSpec())

        async def worker(number: int) -> None:
            for turn in range(count // at_once):
                await ledger.kv(f"k{number}", turn)

        before = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(at_once):
                tasks.create_task(worker(number))
        return {"writes/s": count / (time.perf_counter() - before)}


def in_process(figure: str, output: Path, *arguments: str) -> dict[str, float]:
    """Measure a figure in a process of its own."""
    command = [sys.executable, __file__, "--figure", figure, str(output), *arguments]
    measured: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return measured


def measure(figure: str, output: Path, arguments: list[str]) -> dict[str, float]:
    """Measure a figure in this process."""
    works: dict[str, Any] = {
        "ingest": lambda: ingest(output, int(arguments[0]), arguments[1]),
        "opening": lambda: opening(output, int(arguments[0])),
        "life": lambda: life(output, *map(int, arguments)),
        "writes": lambda: writes(output, *map(int, arguments)),
    }
    measured: dict[str, float] = asyncio.run(works[figure]())
    return measured


def main() -> None:
    """Measure all figures, or the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 rows in place of a million")
    parser.add_argument("--figure", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.figure:
        print(json.dumps(measure(asked.figure[0], Path(asked.figure[1]), asked.figure[2:])))
        return
    count = 100_000 if asked.quick else 1_000_000
    few = count // 100
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        figures = {
            "ingest, counted names": in_process("ingest", place / "a", str(count), "counted"),
            "opening": in_process("opening", place / "a", str(count)),
            "ingest, names by hash": in_process("ingest", place / "b", str(count), "hashed"),
            "life, one by one": in_process("life", place / "c", str(few // 2), "1", "1"),
            "life, tens": in_process("life", place / "d", str(few * 5), "10", "1"),
            "life, 100 at once": in_process("life", place / "e", str(few * 5), "1", "100"),
            "writes, one by one": in_process("writes", place / "f", str(few), "1"),
            "writes, 500 at once": in_process("writes", place / "g", str(few * 10), "500"),
        }
    for name, measured in figures.items():
        print(f"{name:24}", "   ".join(f"{what} {value:,.4g}" for what, value in measured.items()), flush=True)
    machine = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
    }
    results = ROOT / "benchmarks" / "results" / "ledger.json"
    results.write_text(json.dumps({"rows": count, "machine": machine, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
