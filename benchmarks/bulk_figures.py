"""How well a whole bulk run uses a cap that nobody tells: `python benchmarks/bulk_figures.py`.

It is the real run against the sandbox, whose sockets and files are real and whose hours are virtual: jobs take two
minutes, and a 429 names no limit. What is used and refused is counted at the server. `seeker_simulation.py` has
the control alone, over many more hours, beside other policies. Results are printed and written to
`benchmarks/results/bulk_figures.json`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sync_async import AsyncSandbox, AsyncSync  # noqa: E402
from sync_async.resources.bulk_run import AsyncBulkRun  # noqa: E402
from tests.virtual_time import run_virtually  # noqa: E402

LATENCY = 120.0
HALF_AN_HOUR = 1800.0
POSTS_PER_MINUTE = 60
"""What the server takes, and the run is told."""

Figures = dict[str, float]


@attrs.define
class Server:
    """A sandbox that keeps when jobs began, and what was refused."""

    sandbox: AsyncSandbox
    begun: list[float] = attrs.field(factory=list)
    refused: list[float] = attrs.field(factory=list)

    def watch(self) -> None:
        """Keep what happens from now on."""
        loop, world = asyncio.get_running_loop(), self.sandbox.world
        new = world.new_generation

        def noted(*args: Any, **kwargs: Any) -> Any:
            self.begun.append(loop.time())
            return new(*args, **kwargs)

        world.new_generation = noted  # type: ignore[method-assign]

    def set_cap(self, cap: int) -> None:
        """Let so many generations run at once from now on."""
        self.sandbox.world.settings = attrs.evolve(self.sandbox.world.settings, concurrency=cap)

    def running(self, moment: float) -> int:
        """Count the jobs that ran at a moment."""
        return bisect_right(self.begun, moment) - bisect_right(self.begun, moment - LATENCY)

    def used(self, cap: int, since: float, until: float) -> float:
        """Give the part of the cap that was used, in per cent."""
        spans = ((max(since, begin), min(until, begin + LATENCY)) for begin in self.begun)
        return 100 * sum(max(0.0, end - begin) for begin, end in spans) / (cap * (until - since))

    def reached(self, jobs: float, since: float) -> float:
        """Give the seconds until so many jobs ran."""
        return next(moment - since for moment in self.begun if moment >= since and self.running(moment) >= jobs)


Scenario = Callable[[AsyncBulkRun, Server], Awaitable[Figures]]


def rows(count: int) -> Iterator[dict[str, str]]:
    """Make rows that are told apart by their audio."""
    for number in range(count):
        audio = f"https://media.example/{number}.wav"
        yield {"model": "lipsync-2", "video": "https://media.example/face.mp4", "audio": audio}


def measured(scenario: Scenario, count: int, cap: int, **settings: Any) -> Figures:
    """Work on a run in virtual time, and see that nothing was bought twice."""

    async def main() -> Figures:
        sandbox = AsyncSandbox(
            latency=LATENCY,
            concurrency=cap,
            render=False,
            tell_limits=False,
            posts_per_minute=POSTS_PER_MINUTE,
            polls_per_minute=None,
            **settings,
        )
        with tempfile.TemporaryDirectory() as folder:
            async with sandbox, AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
                run = await client.bulk.open(
                    folder, rows(count), prices=False, canary=0, posts_per_minute=POSTS_PER_MINUTE
                )
                server = Server(sandbox)
                server.watch()
                figures = await scenario(run, server)
                report = await run.result()
                assert report.status.rows == {"done": count}, report.status.rows
                return {**figures, "twice": len(sandbox.generations) - count}

    return run_virtually(main())


def steady(cap: int, skipped: int = 0) -> Scenario:
    """Measure a steady cap, the ramp at the end left out, refusals from some job on."""

    async def scenario(run: AsyncBulkRun, server: Server) -> Figures:
        working = asyncio.create_task(run.result())
        before = {"posts": 0, "refused": 0}
        while skipped and len(server.begun) < skipped:
            await asyncio.sleep(LATENCY / 2)
            before = run._work.runner.traffic()  # type: ignore[union-attr]
        report = await working
        posts, refused = report.posts - before["posts"], report.refused - before["refused"]
        begin = server.begun[skipped]
        return {
            "used %": server.used(cap, begin, server.begun[-1]),
            "refused %": 100 * refused / posts,
            **({} if skipped else {"s to 95 %": server.reached(0.95 * cap, server.begun[0])}),
        }

    return scenario


async def changed(run: AsyncBulkRun, server: Server) -> Figures:
    """Measure a cap of 6 that becomes 15 for three hours, and 6 again."""
    loop, hours = asyncio.get_running_loop(), 3600.0
    working = asyncio.create_task(run.result())
    marks = [loop.time()]
    for cap, seconds in ((15, 3 * hours), (6, 1 * hours)):
        await asyncio.sleep(1 * hours if cap == 15 else 0)  # the first hour has a cap of 6
        server.set_cap(cap)
        marks.append(loop.time())
        await asyncio.sleep(seconds)
    report = await working
    up, down = marks[1], marks[2]
    return {
        "used % at 6": server.used(6, marks[0] + 60, up),
        "s to 95 % of 15": server.reached(0.95 * 15, up),
        "used % at 6 again": server.used(6, down + LATENCY, down + LATENCY + 1800),
        "refused %": 100 * report.refused / report.posts,
    }


async def relieved(run: AsyncBulkRun, server: Server) -> Figures:
    """Measure a cap of 15 after half an hour in which nothing was let in."""
    loop = asyncio.get_running_loop()
    working = asyncio.create_task(run.result())
    await asyncio.sleep(600)
    server.set_cap(0)
    await asyncio.sleep(HALF_AN_HOUR)
    server.set_cap(15)
    relief = loop.time()
    await working
    return {"s to 95 %": server.reached(0.95 * 15, relief)}


CASES: dict[str, tuple[str, Callable[[], Figures]]] = {
    "cap 3": ("used >= 98, refused <= 1", lambda: measured(steady(3), 240, 3)),
    "cap 6": ("used >= 98, refused <= 1", lambda: measured(steady(6), 480, 6)),
    "cap 15": ("used >= 98, refused <= 1, 15 s", lambda: measured(steady(15), 1200, 15)),
    "cap 1 from the 101st job on": ("refused <= 1", lambda: measured(steady(1, 100), 300, 1)),
    "cap 6 to 15 to 6": ("followed", lambda: measured(changed, 1800, 6)),
    "release lag 3 s, cap 15": ("refused <= 1.5", lambda: measured(steady(15), 1200, 15, release_lag=3.0)),
    "no slot for 30 min, cap 15": ("120 s", lambda: measured(relieved, 600, 15)),
}


def main() -> None:
    """Measure all cases."""
    table = {}
    for name, (wanted, measure) in CASES.items():
        began = time.perf_counter()
        table[name] = {"wanted": wanted, **measure()}
        told = "   ".join(f"{what} {value:.4g}" for what, value in table[name].items() if what != "wanted")
        print(f"{name:30} {wanted:32} {told}   ({time.perf_counter() - began:.0f} s)", flush=True)
    (ROOT / "benchmarks" / "results" / "bulk_figures.json").write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
