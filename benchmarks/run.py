"""`make bench`: the figures, as ratios of medians of interleaved runs, beside real opponents.

The vendor's SDK is installed into a folder of the benchmark's own. Results are printed and written to
`benchmarks/results/latest.json`.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
VENDOR = HERE / ".opponents" / "syncsdk"
ROUNDS = 5
GIB = 1024**3

Run = dict[str, float]


def install_vendor() -> None:
    """Install the vendor's SDK beside the benchmark, once."""
    if not (VENDOR / "sync").is_dir():
        print("installing syncsdk 0.3.0 for comparison …", flush=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(VENDOR), "syncsdk==0.3.0"]
        subprocess.run(command, check=True)


def path_of(opponent: str) -> str:
    """Give the import path in which an opponent is found."""
    return f"{VENDOR}{os.pathsep}{HERE}" if opponent == "syncsdk" else f"{ROOT}{os.pathsep}{HERE}"


def workload(name: str, opponent: str, url: str = "-", count: int = 0, in_flight: int = 0) -> Run:
    """Run a workload in a process of its own."""
    command = [sys.executable, "-P", str(HERE / "workloads.py"), name, opponent, url, str(count), str(in_flight)]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": path_of(opponent)},
    )
    measured: Run = json.loads(done.stdout)
    return measured


def import_seconds(module: str, opponent: str) -> Run:
    """Measure a fresh interpreter that imports a module and ends, without what the interpreter itself takes."""
    seconds = [_interpreter_seconds(f"import {code}", opponent) for code in (module, "sys")]
    return {"wall": seconds[0] - seconds[1], "cpu": 0.0}


def _interpreter_seconds(code: str, opponent: str) -> float:
    before = time.perf_counter()
    subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, env={**os.environ, "PYTHONPATH": path_of(opponent)}
    )
    return time.perf_counter() - before


def compared(figure: str, runs: dict[str, Any], against: str, calls: int) -> dict[str, Any]:
    """Interleave the runs of all opponents and give medians and the ratio."""
    measured: dict[str, list[Run]] = {opponent: [] for opponent in runs}
    for _ in range(ROUNDS):
        for opponent, run in runs.items():
            measured[opponent].append(run())
    medians = {
        opponent: {kind: statistics.median(run[kind] for run in found) / calls * 1e6 for kind in ("wall", "cpu")}
        for opponent, found in measured.items()
    }
    ratio = medians[against]["wall"] / medians["syncso"]["wall"]
    print(f"{figure:58} {ratio:6.2f} times as fast as {against}", flush=True)
    return {"figure": figure, "against": against, "times_as_fast": ratio, "microseconds_a_call": medians}


def imports_compared() -> list[dict[str, Any]]:
    """Compare fresh interpreters: the packages alone, which load little, and with a client's class."""
    found = []
    for code in (
        "sync_async",
        "sync_blocking",
        "sync_async; sync_async.AsyncSync",
        "sync_blocking; sync_blocking.Sync",
    ):
        for other, module in (("syncsdk", "sync"), ("aiohttp", "aiohttp")):
            imports = {
                "syncso": lambda c=code: import_seconds(c, "syncso"),
                other: lambda m=module, o=other: import_seconds(m, o),
            }
            found.append(compared(f"import {code}", imports, other, 1))
    return found


def transfers_measured() -> list[dict[str, Any]]:
    """Send and fetch a file of 1 GiB, and tell what memory and time that takes."""
    found = []
    with subprocess.Popen([sys.executable, str(HERE / "storage.py")], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for way in ("upload", "download"):
            run = workload("transfer", way, url, GIB)
            mebibytes, rate = run["memory"] / 1024**2, GIB / run["wall"] / 1024**2
            figure = f"{way} of 1 GiB"
            print(f"{figure:58} {mebibytes:6.1f} MiB of memory, {rate:.0f} MiB/s", flush=True)
            found.append({"figure": figure, "mebibytes_of_memory": mebibytes, "mebibytes_a_second": rate})
        server.terminate()
    return found


def main() -> None:
    """Measure everything."""
    install_vendor()
    results = []
    with subprocess.Popen([sys.executable, str(HERE / "server.py")], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        for opponent, count, in_flight in (("syncsdk", 1000, 100), ("raw", 20000, 100), ("syncsdk", 1000, 1000)):
            runs = {
                who: lambda who=who, c=count, n=in_flight: workload("throughput", who, url, c, n)
                for who in ("syncso", opponent)
            }
            results.append(compared(f"async reads, {in_flight} in flight, instant server", runs, opponent, count))
        server.terminate()
    decoders = {who: lambda who=who: workload("decoding", who, count=3) for who in ("syncso", "syncsdk")}
    results.append(compared("decoding 1000 generations", decoders, "syncsdk", 3000))
    hops = {
        who: lambda who=who: workload("hop", who, count=5000) for who in ("syncso", "run_coroutine_threadsafe")
    }
    results.append(compared("the hop of a blocking call", hops, "run_coroutine_threadsafe", 5000))
    results += imports_compared() + transfers_measured()
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
    path = HERE / "results" / "latest.json"
    path.write_text(
        json.dumps({"machine": machine, "rounds": ROUNDS, "results": results}, indent=1) + "\n", encoding="utf-8"
    )
    print(f"written to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
