"""`make bench`: the figures, as ratios of medians of interleaved runs, beside real opponents.

Results are printed and written to `benchmarks/results/latest.json`, and drawn as SVG beside it. A name as the only
argument (`python benchmarks/run.py threads`) measures the figures anew whose workload or scheme is called so, and
keeps the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest import mock

import opponents
import plots
import trustme

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results"
LATEST = RESULTS / "latest.json"
ROUNDS = 9
GIB = 1024**3
OURS = "syncso"

Run = dict[str, float]


class Figure(NamedTuple):
    """What is compared: a workload of `workloads.py`, for us and for each opponent."""

    title: str
    workload: str
    counts: dict[str, int]
    """How many calls each opponent makes in one run: slow ones fewer, so that no run takes minutes."""
    in_flight: int = 1
    delay: float | None = None
    """Seconds after which the server answers; None where none is asked."""
    at_least: Mapping[str, float] = MappingProxyType({})
    """How many times as fast as an opponent we want to be; with `of`, in what instead."""
    of: str = "wall"
    modules: Mapping[str, str] = MappingProxyType({})
    """What is imported, where the workload is that."""
    unit: int = 1
    """What one count holds: a list of 1000 generations."""
    scheme: str = "http"
    """What the server speaks."""


FIGURES = [
    Figure(
        "async reads, 100 in flight, instant server",
        "throughput",
        {OURS: 20_000, "aiohttp": 20_000, "httpx": 1000, "syncsdk": 1000},
        in_flight=100,
        delay=0,
        at_least={"syncsdk": 10, "aiohttp": 0.85},
    ),
    Figure(
        "async reads, 1000 in flight, instant server",
        "throughput",
        {OURS: 20_000, "aiohttp": 20_000, "syncsdk": 1000},
        in_flight=1000,
        delay=0,
        at_least={"syncsdk": 12},
    ),
    Figure(
        "1000 async reads at once, server takes 50 ms",
        "burst",
        {OURS: 1000, "aiohttp": 1000, "syncsdk": 1000},
        in_flight=1000,
        delay=0.05,
        at_least={"syncsdk": 12},
    ),
    Figure(
        "1000 async reads at once over HTTPS, server takes 50 ms",
        "burst",
        {OURS: 1000, "aiohttp": 1000, "syncsdk": 1000},
        in_flight=1000,
        delay=0.05,
        scheme="https",
    ),
    Figure(
        "memory of 1000 reads in flight",
        "burst",
        {OURS: 1, "aiohttp": 1, "syncsdk": 1},
        in_flight=1000,
        delay=0.5,
        at_least={"syncsdk": 2},
        of="memory",
    ),
    Figure(
        "blocking reads, one after the other",
        "sequential",
        {OURS: 2000, "httpx": 1000, "syncsdk": 1000},
        delay=0,
        at_least={"syncsdk": 1.8},
    ),
    Figure(
        "blocking reads from 32 threads",
        "threads",
        {OURS: 6400, "httpx": 3200, "syncsdk": 1600},
        in_flight=32,
        delay=0,
        at_least={"syncsdk": 3},
    ),
    Figure(
        "decoding a list of 1000 generations",
        "decoding",
        {OURS: 10, "syncsdk": 1},
        at_least={"syncsdk": 20},
        unit=1000,
    ),
    Figure(
        "import of the blocking client and first request",
        "first",
        {OURS: 1, "httpx": 1, "syncsdk": 1},
        delay=0,
        at_least={"syncsdk": 1.5},
    ),
    Figure(
        "import sync_blocking",
        "importing",
        {OURS: 1, "httpx": 1, "syncsdk": 1},
        at_least={"syncsdk": 5},
        modules={OURS: "sync_blocking", "httpx": "httpx", "syncsdk": "sync"},
    ),
    Figure(
        "from sync_blocking import Sync",
        "importing",
        {OURS: 1, "syncsdk": 1},
        modules={OURS: "sync_blocking:Sync", "syncsdk": "sync:Sync"},
    ),
    Figure(
        "from sync_async import AsyncSync",
        "importing",
        {OURS: 1, "aiohttp": 1, "syncsdk": 1},
        modules={OURS: "sync_async:AsyncSync", "aiohttp": "aiohttp", "syncsdk": "sync:AsyncSync"},
    ),
    Figure("the hop of a blocking call", "hop", {OURS: 5000, "run_coroutine_threadsafe": 5000}),
]


def run(figure: Figure, opponent: str, url: str) -> Run:
    """Run a workload in a process of its own, and give what one call took."""
    count = figure.counts[opponent]
    subject = figure.modules.get(opponent, opponent)
    measured = _in_process([figure.workload, subject, url, str(count), str(figure.in_flight)], opponent)
    calls = figure.in_flight if figure.workload == "burst" else count * figure.unit
    return {kind: value if kind == "memory" else value / calls * 1e6 for kind, value in measured.items()}


def _in_process(words: list[str], opponent: str) -> Run:
    done = subprocess.run(
        [sys.executable, "-P", str(HERE / "workloads.py"), *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": opponents.import_path(opponent)},
    )
    measured: Run = json.loads(done.stdout)
    return measured


@contextlib.contextmanager
def serving(script: str, *words: str) -> Iterator[str]:
    """Start a server, and give its port or address."""
    command = [sys.executable, str(HERE / script), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@contextlib.contextmanager
def answering(figure: Figure) -> Iterator[str]:
    """Start the server that a figure asks for, and give its address; what is run meanwhile trusts it."""
    if figure.delay is None:
        yield "-"
        return
    words = [str(figure.delay)]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        if figure.scheme == "https":
            trusted, own = Path(folder, "authority.pem"), Path(folder, "server.pem")
            authority = trustme.CA()
            authority.cert_pem.write_to_path(trusted)
            authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(own)
            stack.enter_context(mock.patch.dict(os.environ, SSL_CERT_FILE=str(trusted)))
            words.append(str(own))
        port = stack.enter_context(serving("server.py", *words))
        yield f"{figure.scheme}://127.0.0.1:{port}"


def compared(figure: Figure) -> dict[str, Any]:
    """Run all opponents in turn, round after round, and give medians and ratios."""
    with answering(figure) as url:
        for opponent in figure.counts:  # what is compiled at a first import is no part of any figure
            run(figure._replace(counts=dict.fromkeys(figure.counts, figure.in_flight)), opponent, url)
        runs: dict[str, list[Run]] = {opponent: [] for opponent in figure.counts}
        for _ in range(ROUNDS):
            for opponent, found in runs.items():
                found.append(run(figure, opponent, url))
    medians = {
        opponent: {kind: statistics.median(one[kind] for one in found) for kind in found[0]}
        for opponent, found in runs.items()
    }
    ours = medians[OURS][figure.of]
    ratios = {opponent: median[figure.of] / ours for opponent, median in medians.items() if opponent != OURS}
    return {
        "figure": figure.title,
        "of": figure.of,
        "times_as_good": ratios,
        "at_least": dict(figure.at_least),
        "microseconds_a_call": {who: {k: m[k] for k in ("wall", "cpu")} for who, m in medians.items()},
        **({"bytes": {who: m["memory"] for who, m in medians.items()}} if figure.of == "memory" else {}),
    }


def _told(result: dict[str, Any]) -> dict[str, Any]:
    """Print a figure, and whether it is what was wanted."""
    print(result["figure"])
    for opponent, ratio in result["times_as_good"].items():
        wanted = result["at_least"].get(opponent)
        word = "" if wanted is None else f"  (wanted {wanted:g}: {'reached' if ratio >= wanted else 'MISSED'})"
        print(f"  {ratio:8.2f} times as good as {opponent}{word}", flush=True)
    return result


def transfers_measured() -> list[dict[str, Any]]:
    """Send and fetch a file of 1 GiB, and tell what memory and time that takes."""
    found = []
    with serving("storage.py") as url:
        for way in ("upload", "download"):
            measured = _in_process(["transfer", way, url, str(GIB), "1"], way)
            mebibytes, rate = measured["memory"] / 1024**2, GIB / measured["wall"] / 1024**2
            print(f"{way} of 1 GiB\n  {mebibytes:8.1f} MiB of memory, {rate:.0f} MiB/s", flush=True)
            found.append({"figure": f"{way} of 1 GiB", "mebibytes": mebibytes, "mebibytes_a_second": rate})
    return found


def measured_anew(only: str) -> dict[str, Any]:
    """Measure the figures of one workload or scheme, and take the rest from the last run."""
    latest: dict[str, Any] = json.loads(LATEST.read_text(encoding="utf-8"))
    known = {old["figure"]: old for old in latest["results"]}
    latest["results"] = [
        _told(compared(figure)) if only in (figure.workload, figure.scheme) else known[figure.title]
        for figure in FIGURES
    ]
    return latest


def all_measured(versions: opponents.Versions) -> dict[str, Any]:
    """Measure everything."""
    return {
        "machine": {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()},
        "rounds": ROUNDS,
        "opponents": versions,
        "results": [_told(compared(figure)) for figure in FIGURES],
        "transfers": transfers_measured(),
    }


def main() -> None:
    """Measure everything, or what is asked for."""
    versions = opponents.install()
    measured = measured_anew(sys.argv[1]) if len(sys.argv) > 1 else all_measured(versions)
    LATEST.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    for path in (LATEST, *plots.draw(measured, RESULTS)):
        print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
