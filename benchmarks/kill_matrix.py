"""A run is killed with SIGKILL at every commit and at every HTTP boundary, and taken up again.

For each seed a run of a few rows (local files, links, doubles, answers that get lost) is first counted: how many
boundaries there are. Then, for each of them, a run is begun anew, killed there, and taken up again until it ends.
After that the server must hold exactly one generation for each row, every output must be there with the right
bytes, and nothing may be left over. `python benchmarks/kill_matrix.py` does all of it and writes
`benchmarks/results/kills.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from sync_async import AsyncSync
from sync_async._aiohttp import Exchange
from sync_async.bulk.results import Report
from sync_async.bulk.sqlite_writer import GroupWriter
from sync_async.transfer.partial_file import PartialFile
from sync_blocking import Sandbox

RESULTS = Path(__file__).parent / "results" / "kills.json"
ROWS, SEEDS = 5, 5
PRELOADED = [
    "sync_async._public",
    "sync_async.resources.bulk_run",
    "sync_async.bulk.opening",
    "sync_async._aiohttp",
]
POINTS: tuple[tuple[type, str], ...] = (
    (GroupWriter, "_commit"),  # before it begins, and when it is durable and nobody knows yet
    (Exchange, "run"),  # before a request, and when its answer is read and nothing was done with it
    (PartialFile, "open"),
    (PartialFile, "finish"),  # before the bytes are durable, and when the file has its name
)


@attrs.frozen
class Task:
    """What a child process does: work on a run, and die at a boundary.

    Attributes:
        folder: Where manifest and outputs are.
        base_url: Where the sandbox is.
        kill_at: The number of the boundary at which it dies; 0 lives.
    """

    folder: Path
    base_url: str
    kill_at: int = 0


def child(task: Task, counted: Any) -> None:
    """Work on the run of a folder, counting boundaries, and die at one of them."""

    def pass_boundary() -> None:
        counted.value += 1
        if counted.value == task.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in POINTS:
        setattr(owner, name, _with_boundaries(getattr(owner, name), pass_boundary))
    asyncio.run(work(task))


def _with_boundaries(method: Callable[..., Any], pass_boundary: Callable[[], None]) -> Callable[..., Any]:
    if asyncio.iscoroutinefunction(method):

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            pass_boundary()
            answer = await method(*args, **kwargs)
            pass_boundary()
            return answer

        return awaited

    def called(*args: Any, **kwargs: Any) -> Any:
        pass_boundary()
        answer = method(*args, **kwargs)
        pass_boundary()
        return answer

    return called


async def work(task: Task) -> Report:
    """Work on the run of a folder to its end."""
    async with AsyncSync(base_url=task.base_url, api_key="k") as client:
        manifest = task.folder / "jobs.jsonl"
        run = await client.bulk.open(task.folder / "out", manifest, prices=False, posts_per_minute=60_000)
        return await run.result()


def rows(seed: int) -> Iterator[dict[str, Any]]:
    """Give rows with a file, with links, and with a double."""
    for number in range(ROWS):
        medium = "face.mp4" if number % 3 == 0 else "https://e.com/face.mp4"
        row = {"item_id": f"s{seed}-{number}", "model": "lipsync-2", "video": medium}
        yield {**row, "audio": f"https://e.com/{number}.wav"}
    yield {**row, "audio": f"https://e.com/{number}.wav", "item_id": f"s{seed}-double"}


def prepare(folder: Path, seed: int) -> None:
    """Write the manifest and its file."""
    folder.mkdir()
    (folder / "face.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes([seed]) * 64)
    lines = [json.dumps(row) for row in rows(seed)]
    (folder / "jobs.jsonl").write_text("\n".join(lines) + "\n")


def lose_answers(sandbox: Sandbox, seed: int) -> None:
    """Let some answers get lost, others with each seed."""
    chance = random.Random(seed)
    sandbox.faults.clear()
    for _ in range(seed % 3):
        sandbox.faults.add("lost", method="POST", path="/v2/generate", skip=chance.randrange(ROWS))


def run_child(task: Task) -> tuple[int, int]:
    """Run a child to its end; give its exit code and the boundaries that it passed."""
    context = multiprocessing.get_context("forkserver")
    counted = context.Value("i", 0)
    process = context.Process(target=child, args=(task, counted))
    process.start()
    process.join(120)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"the run in {task.folder} hangs at boundary {counted.value}")
    return process.exitcode, counted.value


def problems(sandbox: Sandbox, folder: Path) -> list[str]:
    """Tell what a run has lost, repeated, or left over."""
    found: list[str] = []
    bought = Counter(str(job.body.get("outputFileName")) for job in sandbox.generations.values())
    if len(bought) != ROWS or set(bought.values()) != {1}:
        found.append(f"the server holds {dict(bought)}")
    results = [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text().splitlines()]
    if len(results) != ROWS + 1 or any(result["state"] != "done" for result in results):
        found.append(f"rows ended as {Counter(result['state'] for result in results)}")
    for result in results:
        data = (folder / "out" / result["path"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != result["sha256"] or len(data) != result["bytes"]:
            found.append(f"{result['path']} has other bytes than its row says")
    left = [path.name for path in (folder / "out").iterdir() if path.name.startswith(".") and path.is_file()]
    return found + [f"{name} is left over" for name in left]


def campaign(seed: int, boundaries: Callable[[int], range]) -> tuple[int, list[str]]:
    """Kill a run at boundaries; give how many kills there were, and what went wrong.

    Args:
        seed: Which rows, and which answers get lost.
        boundaries: Chooses among so many.
    """
    kills, wrong = 0, list[str]()
    with (
        Sandbox(
            latency=0.02, concurrency=3, render=False, posts_per_minute=None, polls_per_minute=None
        ) as sandbox,
        tempfile.TemporaryDirectory() as base,
    ):
        prepare(Path(base, "counted"), seed)
        lose_answers(sandbox, seed)
        code, count = run_child(Task(Path(base, "counted"), sandbox.base_url))
        wrong += [f"seed {seed}, not killed: exit code {code}"] * (code != 0)
        for place in boundaries(count):
            sandbox.reset()
            lose_answers(sandbox, seed)
            folder = Path(base, str(place))
            prepare(folder, seed)
            code, _ = run_child(Task(folder, sandbox.base_url, kill_at=place))
            kills += code == -signal.SIGKILL
            code, _ = run_child(Task(folder, sandbox.base_url))
            told = [f"the resumed run ended with {code}"] if code else problems(sandbox, folder)
            wrong += [f"seed {seed}, killed at boundary {place} of {count}: {problem}" for problem in told]
    return kills, wrong


def main() -> None:
    """Do all of it, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    seeds = parser.parse_args().seeds
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    began, kills, wrong = time.perf_counter(), 0, list[str]()
    for seed in range(1, seeds + 1):
        more, problems_of_seed = campaign(seed, lambda count: range(1, count + 1))
        kills += more
        wrong += problems_of_seed
        print(*problems_of_seed, f"seed {seed}: {more} kills", sep="\n", flush=True)
    seconds = round(time.perf_counter() - began)
    RESULTS.write_text(
        json.dumps({"seeds": seeds, "kills": kills, "problems": wrong, "seconds": seconds}, indent=1)
    )
    print(f"{kills} kills, {len(wrong)} problems, {seconds} s")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
