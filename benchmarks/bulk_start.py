"""How long a bulk run takes to begin: `python benchmarks/bulk_start.py [--quick]`.

From a manifest on the disk to a ledger from which the first row is claimed, each figure in a process of its own,
on the disk of the folder for temporary files. The manifest is written before. Results are printed and written to
`benchmarks/results/bulk_start.json`.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sync_async.bulk.intake import kept_plan, take_in  # noqa: E402
from sync_async.bulk.manifest import read_pieces  # noqa: E402
from sync_async.bulk.plan import Planner  # noqa: E402
from sync_async.bulk.records import RunSpec  # noqa: E402
from sync_async.bulk.rows import RowReader  # noqa: E402
from sync_async.bulk.sqlite import SqliteLedger  # noqa: E402

RUN = "measured"
MIB = 1024**2
COLUMNS = ("item_id", "model", "video", "audio", "options.sync_mode", "options.temperature", "priority")


def cells(number: int) -> tuple[str, ...]:
    """Make a row as a usual manifest has it: two models, a face and a voice of its own."""
    return (
        f"take-{number:07d}",
        "lipsync-2-pro" if number % 10 == 0 else "lipsync-2",
        f"https://media.example/clips/{number:08d}.mp4",
        f"https://media.example/voices/{number:08d}.wav",
        "loop",
        "0.5",
        "5" if number % 100 == 0 else "",
    )


def spoken(number: int) -> tuple[str, ...]:
    """Make a row that is told apart by what is said."""
    return (
        f"take-{number:07d}",
        "lipsync-2",
        "https://media.example/face.mp4",
        f"Hello, dear number {number}.",
        "v1",
    )


def write_csv(path: Path, count: int) -> None:
    """Write a manifest of addresses."""
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")
        file.writelines(",".join(cells(number)) + "\n" for number in range(count))


def write_json_lines(path: Path, count: int) -> None:
    """Write the same as JSON, without names."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            values = dict(zip(COLUMNS[1:4], cells(number)[1:4], strict=True))
            file.write(json.dumps(values) + "\n")


def write_spoken(path: Path, count: int) -> None:
    """Write a manifest of texts."""
    with path.open("w", encoding="utf-8") as file:
        file.write("item_id,model,video,text,voice\n")
        file.writelines('{},{},{},"{}",{}\n'.format(*spoken(number)) for number in range(count))


def peak_mib() -> float:
    """Give the most memory that this process has held."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MIB if sys.platform == "darwin" else 1024)


async def check(manifest: Path) -> dict[str, float]:
    """Check and count rows, without a ledger."""
    plan = await Planner(RowReader(manifest.parent), None).plan(read_pieces(manifest))
    return {"rows": plan.rows}


async def start(manifest: Path, output: Path) -> dict[str, float]:
    """Take rows into a new ledger, and claim the first."""
    async with SqliteLedger(output) as ledger:
        run = await ledger.create_run(RunSpec(run_id=RUN))
        plan = await take_in(ledger, manifest, reader=RowReader(manifest.parent), prices=None, run_id=run.run_id)
        assert len((await ledger.claim(1, 1)).items) == 1
    return {"rows": plan.rows}


async def again(manifest: Path, output: Path) -> dict[str, float]:
    """Take the same rows into the same ledger."""
    async with SqliteLedger(output) as ledger:
        await ledger.create_run(None)
        plan = await take_in(ledger, manifest, reader=RowReader(manifest.parent), prices=None, run_id=RUN)
        assert plan.not_in_manifest == 0
    return {"rows": plan.rows}


async def resume(_: Path, output: Path) -> dict[str, float]:
    """Open the run that is there, and claim a row."""
    async with SqliteLedger(output) as ledger:
        await ledger.create_run(None)
        plan = await kept_plan(ledger)
        assert plan is not None
        assert len((await ledger.claim(1, 1)).items) == 1
    return {"rows": plan.rows}


FIGURES: dict[str, Any] = {
    "check": lambda manifest, _: check(manifest),
    "start": start,
    "again": again,
    "resume": resume,
}


def in_process(figure: str, manifest: Path, output: Path) -> dict[str, float]:
    """Measure a figure in a process of its own."""
    command = [sys.executable, __file__, "--figure", figure, str(manifest), str(output)]
    measured: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return measured


def measure(figure: str, manifest: Path, output: Path) -> dict[str, float]:
    """Measure a figure in this process."""
    before, busy = time.perf_counter(), time.process_time()
    told = asyncio.run(FIGURES[figure](manifest, output))
    seconds = time.perf_counter() - before
    return {
        **told,
        "seconds": seconds,
        "CPU s": time.process_time() - busy,
        "rows/s": told["rows"] / seconds,
        "RSS MiB": peak_mib(),
    }


def all_figures(folder: Path, count: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure one after the other."""
    addresses, unnamed, texts = folder / "jobs.csv", folder / "jobs.jsonl", folder / "texts.csv"
    write_csv(addresses, count)
    yield "CSV, check only", in_process("check", addresses, folder)
    yield "CSV, start", in_process("start", addresses, folder / "a")
    yield "resume, ledger only", in_process("resume", addresses, folder / "a")
    yield "CSV, again", in_process("again", addresses, folder / "a")
    write_json_lines(unnamed, count)
    yield "JSON Lines without names, start", in_process("start", unnamed, folder / "b")
    write_spoken(texts, count)
    yield "CSV with a text each, start", in_process("start", texts, folder / "c")


def main() -> None:
    """Measure all figures, or the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 rows in place of a million")
    parser.add_argument("--figure", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.figure:
        figure, manifest, output = asked.figure
        print(json.dumps(measure(figure, Path(manifest), Path(output))))
        return
    count = 100_000 if asked.quick else 1_000_000
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, measured in all_figures(Path(folder), count):
            figures[name] = measured
            print(f"{name:32}", "   ".join(f"{what} {value:,.4g}" for what, value in measured.items()), flush=True)
    machine = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
    }
    if not asked.quick:
        results = ROOT / "benchmarks" / "results" / "bulk_start.json"
        results.write_text(json.dumps({"rows": count, "machine": machine, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
