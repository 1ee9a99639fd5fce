"""Leaving a bulk run: by a signal that has a limit, or as nobody reads what it tells; files are written whole."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_async import AsyncSandbox, AsyncSync
from sync_async.bulk.errors import DamagedLedgerError
from sync_async.bulk.sqlite_reader import LedgerReader
from sync_async.bulk.states import State
from sync_async.cli.bulk import work
from sync_async.cli.bulk.progress import Lines
from sync_async.cli.bulk.reading import write_results
from sync_async.resources.bulk_run import AsyncBulkRun
from sync_blocking import Sandbox

FAST = ("--posts-per-minute", "6000")
pytestmark = pytest.mark.timeout(60)


def rows(count: int) -> list[dict[str, str]]:
    return [
        {
            "item_id": f"row-{n}",
            "model": "lipsync-2",
            "video": "https://e.com/a.mp4",
            "audio": f"https://e.com/{n}.wav",
        }
        for n in range(count)
    ]


def manifest(folder: Path, count: int) -> Path:
    path = folder / "jobs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(count)))
    return path


@contextlib.contextmanager
def started(sandbox: Sandbox, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "sync_async.cli.app", "bulk", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SYNC_API_KEY": "k", "SYNC_BASE_URL": sandbox.base_url, "COLUMNS": "200"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_run_whose_reader_has_gone_buys_nothing_more_and_finishes_what_runs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with (
        Sandbox(latency=0.3, render=False, concurrency=3, posts_per_minute=None) as sandbox,
        started(sandbox, "run", manifest(tmp_path, 60), "-o", out, "--json", *FAST) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        assert any('"submitted"' in line for line in process.stdout)
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(30) == 130
        assert "as nobody reads this any more" in said
        assert len(said.splitlines()) == 1
        assert 0 < len(list(out.glob("*.mp4"))) == len(sandbox.generations) < 60
        with started(sandbox, "status", out, "--json") as status:
            told = json.loads(status.communicate(timeout=30)[0])
        assert told["rows"] == {"done": len(sandbox.generations), "ready": 60 - len(sandbox.generations)}


def test_results_that_nobody_reads_any_more_end_quietly(tmp_path: Path) -> None:
    with Sandbox(latency=0.0, render=False) as sandbox:
        jobs = manifest(tmp_path, 2000)
        with started(sandbox, "run", jobs, "-o", tmp_path / "out", "--budget", "0") as process:
            assert process.wait(30) == 3
        with started(sandbox, "results", tmp_path / "out") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert (process.wait(30), process.stderr.read()) == (1, "")


def test_lines_that_nobody_reads_are_told_once_and_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    gone: list[bool] = []
    lines = Lines(lambda: gone.append(True))
    with os.fdopen(theirs, "w", buffering=1) as closed:
        monkeypatch.setattr(sys, "stderr", closed)
        for _ in range(3):
            lines.say("12 done")
        monkeypatch.undo()
        with contextlib.suppress(BrokenPipeError):
            closed.close()
    assert gone == [True]


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[AsyncBulkRun]:
    """A run of which no row ends for an hour."""
    async with (
        AsyncSandbox(latency=3600, render=False) as sandbox,
        AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client,
        await client.bulk.open(tmp_path / "out", rows(2), prices=False, posts_per_minute=6000) as opened,
    ):
        yield opened


@pytest.fixture
def handlers() -> Iterator[None]:
    """Leaves the handlers of signals as they were, where the command lets its process end."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.usefixtures("handlers")
async def test_a_process_that_is_told_to_end_waits_no_longer_than_its_limit(
    run: AsyncBulkRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(work, "DRAIN_SECONDS", 0.1)

    def listen(event: str, fields: dict[str, Any]) -> None:
        if event == "item" and fields["state"] == "submitted":
            os.kill(os.getpid(), signal.SIGTERM)

    run._work.listeners.append(listen)
    assert await asyncio.wait_for(work.work_on(run, tmp_path / "out", None, as_json=False), 20) == 130
    assert "nothing is lost" in capsys.readouterr().err
    assert (await run.status()).count(State.SUBMITTED) >= 1


async def test_results_take_their_name_when_they_are_whole(
    run: AsyncBulkRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "results.jsonl"
    await write_results(tmp_path / "out", None, "jsonl", "input", to)
    before = to.read_text()
    assert len(before.splitlines()) == 2

    async def broken(self: LedgerReader, order: str) -> AsyncIterator[Any]:
        raise DamagedLedgerError(self.path, "cut short")
        yield

    monkeypatch.setattr(LedgerReader, "results", broken)
    for form in ("jsonl", "csv", "parquet"):
        with pytest.raises(DamagedLedgerError):
            await write_results(tmp_path / "out", None, form, "input", to)
        with pytest.raises(DamagedLedgerError):
            await write_results(tmp_path / "out", None, form, "input", tmp_path / f"new.{form}")
    assert to.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "results.jsonl"]


async def test_results_leave_a_device_what_it_is(run: AsyncBulkRun, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_text))
    await write_results(tmp_path / "out", None, "jsonl", "input", pipe)
    assert len((await reading).splitlines()) == 2
    assert pipe.is_fifo()
