"""The commands that work on bulk runs, as processes against a sandbox."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_async.bulk.sqlite import ledger_file
from sync_blocking import Sandbox

COLUMNS = "item_id,model,video,audio\n"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(latency=0.2, render=False, posts_per_minute=None, polls_per_minute=None) as made:
        yield made


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return written(tmp_path / "jobs.csv", 3)


def written(path: Path, rows: int) -> Path:
    lines = (f"row-{n},lipsync-2,https://e.com/a.mp4,https://e.com/{n}.wav\n" for n in range(rows))
    path.write_text(COLUMNS + "".join(lines))
    return path


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "sync_async.cli.app", "bulk", *map(str, arguments)]


def environment(sandbox: Sandbox | None) -> dict[str, str]:
    url = "http://127.0.0.1:9" if sandbox is None else sandbox.base_url
    return {**os.environ, "SYNC_API_KEY": "k", "SYNC_BASE_URL": url, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}


def bulk(sandbox: Sandbox | None, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(sandbox),
        stdin=subprocess.DEVNULL,
    )


def started(sandbox: Sandbox, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(sandbox),
        stdin=subprocess.DEVNULL,
    )


def until(condition: Any, seconds: float = 30) -> None:
    ends = time.monotonic() + seconds
    while not condition():  # another process's doing
        assert time.monotonic() < ends
        time.sleep(0.02)


def events(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(event["v"] == 1 and event["t"] for event in found)
    return found


def test_a_run_buys_fetches_and_sums_up_and_another_one_buys_nothing(
    sandbox: Sandbox, manifest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = bulk(sandbox, "run", manifest, "-o", out, "--posts-per-minute", "6000")
    assert done.returncode == 0, done.stderr
    assert "done        3 of 3 rows" in done.stdout
    assert sorted(path.name for path in out.glob("*.mp4")) == ["row-0.mp4", "row-1.mp4", "row-2.mp4"]
    again = bulk(sandbox, "run", manifest, "-o", out)
    assert again.returncode == 0
    assert len(sandbox.generations) == 3
    status = bulk(None, "status", out, "--json")
    assert json.loads(status.stdout)["rows"] == {"done": 3}
    assert ["done", "3"] in [line.split() for line in bulk(None, "status", out).stdout.splitlines()]


def test_events_are_json_and_the_last_one_is_the_summary(sandbox: Sandbox, manifest: Path, tmp_path: Path) -> None:
    done = bulk(sandbox, "run", manifest, "-o", tmp_path / "out", "--json", "--posts-per-minute", "6000")
    found = events(done.stdout)
    assert [event["event"] for event in found[:2]] == ["run_started", "plan"]
    assert (found[-1]["event"], found[-1]["rows"]) == ("summary", {"done": 3})
    assert {event["state"] for event in found if event["event"] == "item"} >= {"submitted", "done"}
    assert {event["event"] for event in found} >= {"level", "progress"}
    assert done.stderr == ""


def test_results_come_in_each_form(sandbox: Sandbox, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bulk(sandbox, "run", manifest, "-o", out, "--posts-per-minute", "6000")

    def written_as(form: str) -> Path:
        to = tmp_path / f"results.{form}"
        assert bulk(None, "results", out, "--format", form, "--to", to).returncode == 0
        return to

    tables: list[list[dict[str, Any]]] = [
        list(csv.DictReader(io.StringIO(written_as("csv").read_text()))),
        [json.loads(line) for line in written_as("jsonl").read_text().splitlines()],
        pytest.importorskip("pyarrow.parquet").read_table(written_as("parquet")).to_pylist(),
    ]
    for rows in tables:
        assert [(row["item_id"], row["state"], row["path"]) for row in rows] == [
            (f"row-{number}", "done", f"row-{number}.mp4") for number in range(3)
        ]


def test_failures_come_first_and_can_be_bought_again(sandbox: Sandbox, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sandbox.end_next("FAILED", code="generation_input_audio_invalid")
    done = bulk(sandbox, "run", manifest, "-o", out, "--posts-per-minute", "6000")
    assert done.returncode == 1
    assert "generation_input_audio_invalid  1 rows, as row-0" in done.stdout
    assert f"syncso bulk retry {out} --failed" in done.stdout
    assert (out / "failed.jsonl").exists()
    refused = bulk(sandbox, "retry", out, "--failed")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert len(sandbox.generations) == 3
    assert bulk(sandbox, "retry", out, "--code", "other", "--yes").stderr.strip() == "no row has failed that way"
    done = bulk(sandbox, "retry", out, "--failed", "--yes")
    assert done.returncode == 0, done.stderr
    assert len(sandbox.generations) == 4


def test_a_price_that_nobody_knows_needs_consent(sandbox: Sandbox, tmp_path: Path) -> None:
    manifest = written(tmp_path / "many.csv", 100)
    done = bulk(sandbox, "run", manifest, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "the price is unknown for 100 rows; agree with --yes" in done.stderr
    assert not sandbox.generations


@pytest.mark.parametrize(
    ("why", "code", "says"),
    [
        ("budget", 3, "the budget is used up"),
        ("no credit", 4, "the account cannot buy"),
        ("failures", 5, "the rows that went ahead failed"),
    ],
)
def test_what_stops_a_run_is_its_exit_code_and_how_to_go_on_is_told(
    sandbox: Sandbox, tmp_path: Path, why: str, code: int, says: str
) -> None:
    options = {"budget": ["--budget", "0.1", "--assume-price", "0.05"], "failures": ["--canary", "2"]}.get(why, [])
    if why == "failures":
        for _ in range(2):
            sandbox.end_next("FAILED", code="generation_input_audio_invalid")
    elif why == "no credit":
        sandbox.faults.add("answer", method="POST", path="/v2/generate", times=None, status=402, body={})
    out, manifest = tmp_path / "out", written(tmp_path / "jobs.csv", 6)
    done = bulk(sandbox, "run", manifest, "-o", out, "--posts-per-minute", "6000", *options)
    assert done.returncode == code, done.stderr
    assert says in done.stdout
    assert f"syncso bulk resume {out}" in done.stdout


def test_what_is_wrong_with_the_input_is_exit_code_2(sandbox: Sandbox, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bad = tmp_path / "bad.csv"
    bad.write_text(manifest.read_text().replace("audio", "audoi"))
    cases: list[tuple[list[str | Path], str]] = [
        (["run", bad, "-o", out], "did you mean 'audio'?"),
        (["run", tmp_path / "none.csv", "-o", out], "does not exist"),
        (["run", manifest, "-o", out, "--max-concurrency", "0"], "--max-concurrency: 0 is not"),
        (["run", manifest, "-o", out, "--budget", "much"], "--budget: 'much' is not"),
        (["run", manifest, "-o", out, "--default", "model"], "--default"),
        (["resume", tmp_path / "nowhere"], "there is no run"),
        (["retry", out], "--failed"),
        (["results", out, "--format", "xml"], "--format"),
        (["results", out, "--format", "parquet"], "--to"),
        (["resolve", out, "--adopt", "x"], "--adopt"),
    ]
    for arguments, says in cases:
        done = bulk(sandbox, *arguments)
        assert (done.returncode, says in done.stderr) == (2, True), (arguments, done.stderr)
    assert not sandbox.generations
    assert not (tmp_path / "nowhere").exists()


def test_a_run_that_another_process_works_on_is_told_and_can_be_looked_at(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    out, manifest = tmp_path / "out", written(tmp_path / "jobs.csv", 40)
    working = started(sandbox, "run", manifest, "-o", out, "--posts-per-minute", "6000")
    try:
        until(lambda: sandbox.generations)
        other = bulk(sandbox, "resume", out)
        assert (other.returncode, f"is held by process {working.pid}" in other.stderr) == (2, True)
        assert json.loads(bulk(None, "status", out, "--json").stdout)["v"] == 1
    finally:
        working.kill()
        working.communicate()


def test_ctrl_c_lets_what_runs_come_to_its_end(tmp_path: Path) -> None:
    with Sandbox(latency=1.5, render=False, posts_per_minute=None, polls_per_minute=None) as sandbox:
        out, manifest = tmp_path / "out", written(tmp_path / "jobs.csv", 30)
        working = started(sandbox, "run", manifest, "-o", out, "--posts-per-minute", "6000", "--json")
        until(lambda: len(sandbox.generations) >= 3)
        working.send_signal(signal.SIGINT)
        stdout, stderr = working.communicate(timeout=30)
        assert working.returncode == 130, stderr
        found = events(stdout)
        assert [event["running"] >= 3 for event in found if event["event"] == "stopping"] == [True]
        bought = len(sandbox.generations)
        assert found[-1]["rows"] == {"done": bought, "ready": 30 - bought}
        assert len(list(out.glob("*.mp4"))) == bought


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once_and_nothing_is_lost(tmp_path: Path, first: signal.Signals) -> None:
    with Sandbox(latency=3600, render=False, posts_per_minute=None, polls_per_minute=None) as sandbox:
        out, manifest = tmp_path / "out", written(tmp_path / "jobs.csv", 3)
        working = started(sandbox, "run", manifest, "-o", out, "--posts-per-minute", "6000", "--json")
        until(lambda: len(sandbox.generations) == 3)
        working.send_signal(first)
        assert working.stdout is not None
        assert any('"stopping"' in line for line in working.stdout)
        for _ in range(2):
            working.send_signal(signal.SIGINT)
            time.sleep(0.1)
        working.communicate(timeout=10)  # far less than its jobs last
        assert working.returncode == 130
        assert not list(out.glob("*.mp4"))
        for id in sandbox.generations:
            sandbox.finish(id)
        done = bulk(sandbox, "resume", out)
        assert done.returncode == 0, done.stderr
        assert len(sandbox.generations) == 3
        assert len(list(out.glob("*.mp4"))) == 3


def test_a_process_that_is_killed_loses_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    out, manifest = tmp_path / "out", written(tmp_path / "jobs.csv", 12)
    for number in (2, 5, 9):
        working = started(sandbox, "run", manifest, "-o", out, "--posts-per-minute", "6000")
        until(lambda number=number: len(sandbox.generations) >= number)
        working.kill()
        working.communicate()
    done = bulk(sandbox, "resume", out)
    assert done.returncode == 0, done.stderr
    names = [job.body["outputFileName"] for job in sandbox.generations.values()]
    assert len(names) == len(set(names)) == 12
    assert len(list(out.glob("*.mp4"))) == 12
    assert not list(out.glob(".*.part"))


def test_rows_in_doubt_are_listed_adopted_and_given_up(sandbox: Sandbox, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sandbox.faults.add(
        "answer", method="POST", path="/v2/generate", status=409, code="idempotency_key_conflict", times=2
    )
    assert bulk(sandbox, "run", manifest, "-o", out, "--posts-per-minute", "6000").returncode == 1
    listed = bulk(sandbox, "resolve", out)
    assert (listed.returncode, "2 rows to be decided about" in listed.stderr) == (1, True)
    names = [line.partition(":")[0] for line in listed.stderr.splitlines()[:2]]
    done = bulk(sandbox, "resolve", out, "--drop", names[0], "--drop", names[1])
    assert (done.returncode, "nothing to be decided about" in done.stderr) == (0, True)
    assert json.loads(bulk(None, "status", out, "--json").stdout)["rows"] == {"done": 1, "failed": 2}


def test_a_terminal_shows_two_lines_that_change(sandbox: Sandbox, manifest: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    working = subprocess.Popen(
        command("run", manifest, "-o", tmp_path / "out", "--posts-per-minute", "6000"),
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**environment(sandbox), "TERM": "xterm-256color"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            read = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not read:
            break
        shown += read
    os.close(ours)
    assert working.wait(30) == 0
    text = shown.decode()
    assert "running" in text
    assert "slots" in text
    assert "\x1b[1A" in text  # the cursor goes back up to write them again


def test_the_ledger_may_lie_elsewhere(sandbox: Sandbox, manifest: Path, tmp_path: Path) -> None:
    out, ledger = tmp_path / "out", tmp_path / "elsewhere.db"
    arguments = ["--ledger", ledger, "--posts-per-minute", "6000"]
    assert bulk(sandbox, "run", manifest, "-o", out, *arguments).returncode == 0
    assert ledger.exists()
    assert not ledger_file(out).exists()
    assert json.loads(bulk(None, "status", out, "--ledger", ledger, "--json").stdout)["rows"] == {"done": 3}
