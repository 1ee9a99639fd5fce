"""The examples with engines of their own, as processes: a task that runs again does not buy again."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from sync_blocking import Sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"
ROW = {"model": "lipsync-2", "video": "https://media.example/v.mp4", "audio": "https://media.example/a.wav"}
CELERY_CONFIG = """
folders = ("data_folder_in", "data_folder_out", "control_folder")
broker_transport_options = {**dict.fromkeys(folders, "broker"), "polling_interval": 0.1}
worker_lost_wait = 0.1
"""
"""Settings that let Celery have a folder for its broker, and see at once that a worker was killed."""

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="an engine's workers are found in /proc"),
]


@attrs.define
class Work:
    """Rows with an engine, and the API from which it buys."""

    sandbox: Sandbox
    folder: Path
    short_folder: str
    """One whose path leaves room for the names of sockets."""
    processes: list[subprocess.Popen[bytes]] = attrs.field(factory=list)

    @property
    def said(self) -> str:
        """What the engine's processes have written."""
        return (self.folder / "said.txt").read_text()

    @property
    def bought(self) -> Counter[str]:
        """How many generations there are for each row."""
        return Counter(row_of(job.body) for job in list(self.sandbox.generations.values()))

    @property
    def creates(self) -> Counter[str]:
        """How many creates were sent for each row."""
        seen = [
            seen for seen in list(self.sandbox.requests) if (seen.method, seen.path) == ("POST", "/v2/generate")
        ]
        return Counter(row_of(json.loads(each.body)) for each in seen if each.body)

    def start(self, *command: str) -> None:
        """Start a process that finds the examples' modules."""
        settings = {
            "SYNC_API_KEY": self.sandbox.api_key,
            "SYNC_BASE_URL": self.sandbox.base_url,
            "CELERY_BROKER_URL": "filesystem://",
            "CELERY_LOADER": "celery.loaders.default:Loader",  # which reads celeryconfig.py
            "HOME": str(self.folder),  # Ray keeps a token there
            "RAY_TMPDIR": self.short_folder,
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": os.pathsep.join([str(EXAMPLES), str(self.folder)]),
        }
        environment = {**os.environ, **settings}
        with (self.folder / "said.txt").open("a") as said:
            started = subprocess.Popen(
                [sys.executable, *command], stdout=said, stderr=said, env=environment, cwd=self.folder
            )
        self.processes.append(started)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for what another process does."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, (self.creates, self.said)
            time.sleep(0.02)

    def children(self) -> list[int]:
        """Give all processes that those that run have started."""
        return [pid for process in self.processes if process.poll() is None for pid in descendants(process.pid)]

    def kill_workers(self) -> None:
        """Kill the processes in which tasks run; their parents live on."""
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.children()}
        workers = [pid for pid, command in commands.items() if b"ray::lipsync" in command or b"celery" in command]
        assert workers, commands
        for pid in workers:
            os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """End all that still runs."""
        for pid in self.children():
            with contextlib.suppress(ProcessLookupError):  # it may end by itself
                os.kill(pid, signal.SIGKILL)
        for process in self.processes:
            process.kill()
            process.wait()


def row_of(body: Mapping[str, str]) -> str:
    return body["outputFileName"].partition("_")[0]


def descendants(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    return children + [each for child in children for each in descendants(child)]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    with (
        Sandbox(latency=3600, render=False, concurrency=None) as sandbox,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as short_folder,
    ):
        work = Work(sandbox, tmp_path, short_folder)
        lines = [json.dumps({"item_id": name, **ROW}) for name in ("one", "other")]
        (tmp_path / "jobs.jsonl").write_text("\n".join(lines) + "\n")
        (tmp_path / "out").mkdir()
        try:
            yield work
        finally:
            work.end()


def begin(work: Work, engine: str) -> None:
    """Run the example as a user does."""
    if engine == "celery":
        (work.folder / "broker").mkdir()
        (work.folder / "celeryconfig.py").write_text(CELERY_CONFIG)
        work.start("-m", "celery", "-A", "celery_tasks", "worker", "--concurrency", "2")  # none of them idle
    work.start(str(EXAMPLES / f"{engine}_tasks.py"), "jobs.jsonl", "out")


@pytest.mark.parametrize("engine", ["celery", "ray"])
def test_a_task_that_runs_again_does_not_buy_again(work: Work, engine: str) -> None:
    """Neither when its workers are killed behind the purchase, nor when something else goes wrong there."""
    pytest.importorskip(engine)
    begin(work, engine)
    work.until(lambda: len(work.bought) == 2)
    ids = {row_of(job.body): id for id, job in work.sandbox.generations.items()}
    work.kill_workers()
    look = work.sandbox.faults.add(
        "answer", method="GET", path=f"/v2/generate/{ids['one']}", status=403, times=None
    )
    work.sandbox.finish(ids["one"])
    work.sandbox.finish(ids["other"], "FAILED")
    work.until(lambda: work.creates["one"] > 2)  # after the kill, and after the error
    work.sandbox.faults.remove(look.id)
    work.until(lambda: work.creates["other"] == 2 and (work.folder / "out" / "one.mp4").exists())
    assert work.bought == {"one": 1, "other": 1}
    assert work.processes[-1].wait(15) == 0, work.said
    assert work.creates["other"] == 2  # what has failed stays failed, and is not tried again


def test_a_row_that_is_handed_in_again_is_not_bought_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its output or without, as after the loss of a folder."""
    pytest.importorskip("celery")
    lipsync = runpy.run_path(str(EXAMPLES / "celery_tasks.py"))["lipsync"]
    begun = datetime.now(UTC).isoformat()
    with Sandbox(latency=0.0, render=False) as sandbox:
        monkeypatch.setenv("SYNC_API_KEY", sandbox.api_key)
        monkeypatch.setenv("SYNC_BASE_URL", sandbox.base_url)
        for _ in range(2):
            lipsync("one", ROW, str(tmp_path), begun)
        (tmp_path / "one.mp4").unlink()
        lipsync("one", ROW, str(tmp_path), begun)
        assert len(sandbox.generations) == 1
    assert (tmp_path / "one.mp4").exists()
