"""How many jobs a second a bulk run brings from its manifest to files: `python benchmarks/bulk_pipeline.py`.

The server runs in a process of its own, its jobs are over at once, and it limits nothing; outputs are tiny. Every
row is checked, written in the ledger, bought, followed, fetched, and durable at the end. Beside it a program with
bare aiohttp sends as many creates to such a server, lists the jobs, writes the outputs, and keeps no ledger.
Results are printed and written to `benchmarks/results/bulk_pipeline.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

POSTS_PER_MINUTE = 60_000
"""What the run is told that the server takes: more than it can send."""
DOWNLOADS = 32
WORKERS = 64
"""Creates and downloads at once of the program without a ledger."""
LISTED = 100
OUTPUT = b"video" * 200
"""What is uploaded as the video of every row; such a server sends it back."""

Figures = dict[str, float]


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Start a server that limits nothing, and give its address."""
    free = [f"--{name}=0" for name in ("port", "latency", "concurrency", "posts-per-minute", "polls-per-minute")]
    command = [sys.executable, "-m", "sync_async.cli.app", "sandbox", *free, "--no-render", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["base_url"]
        finally:
            server.terminate()


def upload(url: str, folder: Path) -> str:
    """Send the video to a server, and give its address there."""
    from sync_blocking import Sync

    video = folder / "face.mp4"
    video.write_bytes(OUTPUT)
    with Sync(api_key="k", base_url=url) as client:
        return client.assets.upload(video).url


def media(video: str, number: int) -> dict[str, str]:
    """Give the inputs of a row, which is told apart by its audio."""
    return {"video": video, "audio": f"https://media.example/{number}.wav"}


async def with_ledger(url: str, video: str, count: int, folder: Path) -> Figures:
    """Work on a bulk run, and see that nothing is missing."""
    from sync_async import AsyncSync

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield {"item_id": f"row-{number}", "model": "lipsync-2", **media(video, number)}

    async with AsyncSync(api_key="k", base_url=url) as client:
        began = time.perf_counter()
        run = await client.bulk.open(
            folder, rows(), prices=False, posts_per_minute=POSTS_PER_MINUTE, downloads=DOWNLOADS
        )
        opened = time.perf_counter()
        report = await run.result()
        ended = time.perf_counter()
    files = sum(name.endswith(".mp4") for name in os.listdir(folder))  # noqa: PTH208  # nothing else runs now
    if report.status.rows != {"done": count} or files != count or report.posts != count:
        raise SystemExit(f"{report.status.rows}, {files} files, {report.posts} creates")
    return {"open_s": opened - began, "work_s": ended - opened}


async def without(url: str, video: str, count: int, folder: Path) -> Figures:
    """Send the same requests with bare aiohttp, and keep no ledger."""
    numbers, made = iter(range(count)), asyncio.Queue[str]()
    headers = {"x-api-key": "k"}

    async with aiohttp.ClientSession(url, headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def create() -> None:
            for number in numbers:
                inputs = [{"type": kind, "url": url} for kind, url in media(video, number).items()]
                async with session.post("/v2/generate", json={"model": "lipsync-2", "input": inputs}) as answer:
                    await made.put((await answer.json())["id"])

        async def fetch(job: dict[str, Any]) -> None:
            async with session.get(job["outputUrl"], headers={}) as answer:
                content = await answer.read()
            await asyncio.to_thread(keep, folder / f"{job['id']}.mp4", content)

        async def follow() -> None:
            left, gate = count, asyncio.Semaphore(WORKERS)

            async def fetch_one(job: dict[str, Any]) -> None:
                async with gate:
                    await fetch(job)

            async with asyncio.TaskGroup() as fetching:
                while left:
                    ids = [await made.get()]
                    while len(ids) < min(LISTED, left) and not made.empty():
                        ids.append(made.get_nowait())
                    async with session.get("/v2/generations", params={"ids": ",".join(ids)}) as answer:
                        for job in await answer.json():
                            fetching.create_task(fetch_one(job))
                    left -= len(ids)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(create())
            group.create_task(follow())
        ended = time.perf_counter()
    return {"work_s": ended - began}


def keep(path: Path, content: bytes) -> None:
    """Write a file durably."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def measure(what: str, url: str, video: str, count: int, folder: Path) -> Figures:
    """Measure one way, in this process."""
    import resource

    way = {"bulk run": with_ledger, "bare aiohttp": without}[what]
    figures = asyncio.run(way(url, video, count, folder))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    mib = 1024**2 if sys.platform == "darwin" else 1024
    return {
        **figures,
        "jobs_a_second": count / figures["work_s"],
        "cpu_ms_a_job": (usage.ru_utime + usage.ru_stime) / count * 1000,
        "peak_mib": usage.ru_maxrss / mib,
    }


def in_process(what: str, url: str, count: int, folder: Path) -> Figures:
    """Measure one way in a process of its own."""
    way = [what, url, upload(url, folder), str(folder / "out")]
    (folder / "out").mkdir()
    command = [sys.executable, __file__, "--rows", str(count), "--way", *way]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def main() -> None:
    """Measure both ways in turn, or the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        what, url, video, folder = asked.way
        print(json.dumps(measure(what, url, video, asked.rows, Path(folder))))
        return
    rounds: dict[str, list[Figures]] = {"bulk run": [], "bare aiohttp": []}
    with tempfile.TemporaryDirectory() as folder:  # a file system is slower when many files were just removed
        for number, what in itertools.product(range(asked.rounds), rounds):
            mine = Path(folder, f"{number}-{what}")
            mine.mkdir()
            with serving() as url:  # a new one, as it keeps what it was asked
                figures = in_process(what, url, asked.rows, mine)
            rounds[what].append(figures)
            print(f"{what:14}", "   ".join(f"{name} {value:,.4g}" for name, value in figures.items()), flush=True)
    medians = {
        what: {name: statistics.median(one[name] for one in measured) for name in measured[0]}
        for what, measured in rounds.items()
    }
    ratio = medians["bulk run"]["jobs_a_second"] / medians["bare aiohttp"]["jobs_a_second"]
    print(f"a bulk run is {ratio:.2f} times as fast as the same requests without a ledger")
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    written = {"rows": asked.rows, "rounds": asked.rounds, "machine": machine, "medians": medians, "times": ratio}
    results = ROOT / "benchmarks" / "results" / "bulk_pipeline.json"
    results.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
