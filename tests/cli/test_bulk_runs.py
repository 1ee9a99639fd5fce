"""Bulk runs as processes: what they buy, what they print, and how they end."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_async.bulk.lock import RunLock
from sync_blocking import Sandbox

pytestmark = pytest.mark.timeout(60)

FAST = ("--posts-per-minute", "6000")
"""A run begins with a create a second, as long as nobody says that the account takes more."""
BAD_AUDIO = "generation_input_audio_invalid"


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[Sandbox]:
    with Sandbox(**{"latency": 0.1, "render": False, "concurrency": 3, **settings}) as made:
        yield made


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving() as made:
        yield made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def manifest(folder: Path, rows: int) -> str:
    lines = [f"row-{n},lipsync-2,https://e.com/face.mp4,https://e.com/{n}.wav" for n in range(rows)]
    path = folder / "jobs.csv"
    path.write_text("\n".join(["item_id,model,video,audio", *lines]) + "\n")
    return str(path)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "sync_async.cli.app", "bulk", *map(str, arguments)]


def environment(sandbox: Sandbox | None) -> dict[str, str]:
    """Without a server there is no key, either."""
    unset = {"SYNC_API_KEY": "", "SYNC_BASE_URL": "http://127.0.0.1:9"}
    api = unset if sandbox is None else {"SYNC_API_KEY": "k", "SYNC_BASE_URL": sandbox.base_url}
    return {**os.environ, **api, "COLUMNS": "200"}


def bulk(sandbox: Sandbox | None, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=environment(sandbox),
    )


@contextlib.contextmanager
def started(sandbox: Sandbox, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(sandbox),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def line_with(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    pytest.fail(f"nothing was said of {text!r}")


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def creates(sandbox: Sandbox) -> int:
    return sum((seen.method, seen.path) == ("POST", "/v2/generate") for seen in sandbox.requests)


# ------------------------------------------------------------------------------------------------ what it comes to


def test_a_run_buys_each_row_once_fetches_it_and_tells_what_it_came_to(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    done = bulk(sandbox, "run", manifest(tmp_path, 4), "-o", out, *FAST)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.glob("*.mp4")} == {f"row-{n}.mp4" for n in range(4)}
    assert "4 of 4 rows" in done.stdout
    assert str(out / "results.jsonl") in done.stdout
    assert "failed.jsonl" not in done.stdout
    again = bulk(sandbox, "run", tmp_path / "jobs.csv", "-o", out, *FAST)
    assert again.returncode == 0, again.stderr
    assert creates(sandbox) == 4


def test_without_a_terminal_progress_is_plain_lines_on_stderr(sandbox: Sandbox, tmp_path: Path, out: Path) -> None:
    done = bulk(sandbox, "run", manifest(tmp_path, 2), "-o", out, *FAST)
    assert "2 done · 0 running · 0 queued" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert "queued" not in done.stdout


def test_with_json_each_line_of_stdout_is_an_event_and_the_last_is_the_summary(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    done = bulk(sandbox, "run", manifest(tmp_path, 3), "-o", out, "--json", *FAST)
    told = events(done.stdout)
    assert {event["v"] for event in told} == {1}
    assert all(event["t"] for event in told)
    assert [event["event"] for event in told[:2]] == ["run_started", "plan"]
    assert told[-1]["event"] == "summary"
    assert told[-1]["rows"] == {"done": 3}
    items = [event for event in told if event["event"] == "item"]
    assert {event["id"] for event in items if event["state"] == "done"} == {"row-0", "row-1", "row-2"}
    assert all(event["job"] for event in items if event["state"] == "done")
    assert done.returncode == 0


# ---------------------------------------------------------------------------------------------------- exit codes


def test_failed_rows_are_exit_code_1_and_come_first_with_the_way_to_retry(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    sandbox.end_next("FAILED", BAD_AUDIO, "The audio is silent.")
    done = bulk(sandbox, "run", manifest(tmp_path, 3), "-o", out, *FAST)
    assert done.returncode == 1
    assert done.stdout.startswith(BAD_AUDIO)
    assert "The audio is silent." in done.stdout
    assert str(out / "failed.jsonl") in done.stdout
    assert f"syncso bulk retry {out} --failed" in done.stdout


def test_rows_with_problems_are_exit_code_2_and_nothing_is_bought(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    jobs = Path(manifest(tmp_path, 2))
    jobs.write_text(jobs.read_text() + "row-2,lipsync-2,https://e.com/face.mp4,no.wav\n")
    done = bulk(sandbox, "run", jobs, "-o", out, *FAST)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no.wav" in done.stderr
    assert creates(sandbox) == 0
    skipped = bulk(sandbox, "run", jobs, "-o", out, "--skip-bad", *FAST)
    assert skipped.returncode == 1
    assert creates(sandbox) == 2


def test_a_run_that_another_process_works_on_is_exit_code_2(sandbox: Sandbox, tmp_path: Path, out: Path) -> None:
    (out / ".syncso").mkdir(parents=True)
    lock = RunLock(out / ".syncso" / "lock")
    lock.take()
    try:
        done = bulk(sandbox, "run", manifest(tmp_path, 1), "-o", out)
    finally:
        lock.release()
    assert done.returncode == 2
    assert f"process {os.getpid()}" in done.stderr


def test_a_budget_that_is_used_up_is_exit_code_3_and_resume_with_more_goes_on(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    arguments = ("--no-prices", "--assume-price", "1", "--budget", "2", "--max-concurrency", "1")
    done = bulk(sandbox, "run", manifest(tmp_path, 3), "-o", out, *arguments, *FAST)
    assert done.returncode == 3, done.stderr
    assert f"syncso bulk resume {out}" in done.stdout
    assert creates(sandbox) < 3
    more = bulk(sandbox, "resume", out, "--budget", "20")
    assert more.returncode == 0, more.stderr
    assert creates(sandbox) == 3


@pytest.mark.parametrize("status", [401, 402])
def test_an_account_that_cannot_buy_is_exit_code_4(
    sandbox: Sandbox, tmp_path: Path, out: Path, status: int
) -> None:
    sandbox.faults.add("answer", path="/v2/generate", method="POST", times=None, status=status)
    done = bulk(sandbox, "run", manifest(tmp_path, 2), "-o", out, *FAST)
    assert done.returncode == 4, done.stderr
    assert f"syncso bulk resume {out}" in done.stdout
    sandbox.faults.clear()
    assert bulk(sandbox, "resume", out).returncode == 0


def test_rows_that_go_ahead_and_fail_are_exit_code_5(sandbox: Sandbox, tmp_path: Path, out: Path) -> None:
    for _ in range(2):
        sandbox.end_next("FAILED", BAD_AUDIO)
    done = bulk(sandbox, "run", manifest(tmp_path, 6), "-o", out, "--canary", "2", *FAST)
    assert done.returncode == 5
    assert creates(sandbox) == 2
    assert f"syncso bulk resume {out}" in done.stdout


# ----------------------------------------------------------------------------------------------------------- consent


def test_without_a_terminal_nobody_can_agree_and_nothing_is_bought(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    jobs = manifest(tmp_path, 100)
    done = bulk(sandbox, "run", jobs, "-o", out, "--no-prices", *FAST)
    assert (done.returncode, creates(sandbox)) == (2, 0)
    assert "--yes" in done.stderr
    assert "--budget" in done.stderr


def test_resume_is_no_way_round_the_question_that_was_never_answered(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    jobs = manifest(tmp_path, 100)
    assert bulk(sandbox, "run", jobs, "-o", out, "--no-prices", *FAST).returncode == 2
    assert bulk(sandbox, "resume", out).returncode == 2
    assert creates(sandbox) == 0


# ----------------------------------------------------------------------------------------------------------- signals


def test_ctrl_c_waits_for_what_runs_and_resume_buys_only_the_rest(tmp_path: Path, out: Path) -> None:
    with serving(latency=1.0) as sandbox:
        arguments = (manifest(tmp_path, 5), "-o", out, "--max-concurrency", "2", *FAST)
        with started(sandbox, "run", *arguments) as process:
            until(lambda: len(sandbox.generations) == 2)
            process.send_signal(signal.SIGINT)
            assert "2" in line_with(process, "again")
            stdout, _ = process.communicate(timeout=30)
            assert process.returncode == 130
        assert f"syncso bulk resume {out}" in stdout
        assert len(list(out.glob("*.mp4"))) == len(sandbox.generations) < 5
        assert bulk(sandbox, "resume", out).returncode == 0
        assert creates(sandbox) == len(sandbox.generations) == 5


def test_a_second_ctrl_c_leaves_at_once_and_nothing_is_bought_twice(tmp_path: Path, out: Path) -> None:
    """The jobs would run for an hour."""
    with serving(latency=3600) as sandbox:
        with started(sandbox, "run", manifest(tmp_path, 3), "-o", out, *FAST) as process:
            until(lambda: len(sandbox.generations) == 3)
            process.send_signal(signal.SIGINT)
            line_with(process, "again")
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=20)
            assert process.returncode == 130
            assert "Traceback" not in stderr
            assert f"syncso bulk resume {out}" in stdout
        for id in list(sandbox.generations):
            sandbox.finish(id)
        assert bulk(sandbox, "resume", out).returncode == 0
        assert creates(sandbox) == 3


def test_sigterm_waits_for_what_runs(tmp_path: Path, out: Path) -> None:
    with serving(latency=1.0) as sandbox:
        arguments = (manifest(tmp_path, 5), "-o", out, "--max-concurrency", "2", "--json", *FAST)
        with started(sandbox, "run", *arguments) as process:
            until(lambda: len(sandbox.generations) == 2)
            process.send_signal(signal.SIGTERM)
            stdout, _ = process.communicate(timeout=30)
            assert process.returncode == 130
        told = events(stdout)
        assert "stopping" in [event["event"] for event in told]
        assert told[-1]["halt"]["reason"] == "stopped"
        assert told[-1]["rows"]["done"] == len(sandbox.generations)


def test_ctrl_c_after_sigterm_leaves_at_once(tmp_path: Path, out: Path) -> None:
    with (
        serving(latency=3600) as sandbox,
        started(sandbox, "run", manifest(tmp_path, 2), "-o", out, *FAST) as process,
    ):
        until(lambda: len(sandbox.generations) == 2)
        process.send_signal(signal.SIGTERM)
        line_with(process, "nothing is lost")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
        assert process.returncode == 130


# ------------------------------------------------------------------------------------- looking at a run, mending it


def test_status_reads_beside_a_live_run_without_a_key(tmp_path: Path, out: Path) -> None:
    with (
        serving(latency=3600) as sandbox,
        started(sandbox, "run", manifest(tmp_path, 3), "-o", out, "--max-concurrency", "1", *FAST) as process,
    ):
        until(lambda: len(sandbox.generations) == 1)
        until(lambda: "submitted" in bulk(None, "status", out, "--json").stdout)
        told = json.loads(bulk(None, "status", out, "--json").stdout)
        assert (told["v"], told["rows"]) == (1, {"ready": 2, "submitted": 1})
        assert process.poll() is None


def test_status_of_a_folder_without_a_run_is_exit_code_2(out: Path) -> None:
    done = bulk(None, "status", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such file" in done.stderr


def test_results_come_in_three_forms_with_a_row_for_each_of_the_input(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    sandbox.end_next("FAILED", BAD_AUDIO, "silent, or nearly")
    bulk(sandbox, "run", manifest(tmp_path, 3), "-o", out, "--max-concurrency", "1", *FAST)
    lines = events(bulk(None, "results", out, "--format", "jsonl").stdout)
    assert [line["item_id"] for line in lines] == ["row-0", "row-1", "row-2"]
    table = list(csv.DictReader(bulk(None, "results", out, "--format", "csv").stdout.splitlines()))
    assert [row["state"] for row in table] == ["failed", "done", "done"]
    assert table[0]["error"] == "silent, or nearly"
    file = tmp_path / "results.parquet"
    assert bulk(None, "results", out, "--format", "parquet", "--to", file).returncode == 0
    assert pq.read_table(file).column("state").to_pylist() == ["failed", "done", "done"]


def test_retry_needs_somebody_to_agree_and_buys_only_what_failed(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    sandbox.end_next("FAILED", BAD_AUDIO)
    bulk(sandbox, "run", manifest(tmp_path, 3), "-o", out, *FAST)
    refused = bulk(sandbox, "retry", out, "--failed")
    assert (refused.returncode, creates(sandbox)) == (2, 3)
    assert "--yes" in refused.stderr
    assert "1 rows" in refused.stderr
    assert bulk(sandbox, "retry", out, "--code", "another", "--yes").returncode == 0
    assert creates(sandbox) == 3
    done = bulk(sandbox, "retry", out, "--failed", "--code", BAD_AUDIO, "--yes")
    assert (done.returncode, creates(sandbox)) == (0, 4)


def test_resolve_lists_adopts_and_drops_rows_that_nobody_knows_of(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    """A conflict: the server knows the key, and for something else."""
    sandbox.faults.add(
        "answer", path="/v2/generate", method="POST", times=2, status=409, code="idempotency_key_reused"
    )
    first = bulk(sandbox, "run", manifest(tmp_path, 3), "-o", out, "--max-concurrency", "1", *FAST)
    assert first.returncode == 1, first.stderr
    listed = bulk(sandbox, "resolve", out)
    assert (listed.returncode, "row-0" in listed.stderr + listed.stdout) == (1, True)
    (job,) = sandbox.generations
    taken = bulk(sandbox, "resolve", out, "--adopt", f"row-0={job}")
    assert taken.returncode == 2
    assert "another row" in taken.stderr
    bulk(sandbox, "resolve", out, "--drop", "row-0", "--drop", "row-1")
    assert "nothing" in bulk(sandbox, "resolve", out).stderr
    assert json.loads(bulk(None, "status", out, "--json").stdout)["rows"] == {"failed": 2, "done": 1}


# ------------------------------------------------------------------------------------------------------ at the edge


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--max-concurrency", "0"], "--max-concurrency: 0 is not"),
        (["--attempts", "0"], "--attempts: 0 is not"),
        (["--posts-per-minute", "-1"], "--posts-per-minute: -1"),
        (["--downloads", "0"], "--downloads: 0 is not"),
        (["--canary", "-1"], "--canary: -1 is not"),
        (["--budget", "much"], "--budget: 'much' is not"),
        (["--assume-price", "-1"], "--assume-price: '-1' is"),
        (["--run-id", "a b"], "--run-id: 'a b' is not"),
        (["--default", "model"], "--default: 'model' is not"),
    ],
)
def test_what_cannot_be_right_names_the_option_and_nothing_is_sent(
    tmp_path: Path, out: Path, sandbox: Sandbox, arguments: list[str], problem: str
) -> None:
    done = bulk(sandbox, "run", manifest(tmp_path, 1), "-o", out, *arguments)
    assert (done.returncode, done.stdout, len(sandbox.requests)) == (2, "", 0)
    assert problem in done.stderr
