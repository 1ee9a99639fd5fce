"""Bulk runs as processes: options that cannot be right, consent, exit codes, what is looked at, the doctor."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_async.cli.bulk.doctor import clock_finding, sqlite_finding
from sync_async.sandbox.jobs import SAMPLES
from sync_blocking import Sandbox

pytestmark = pytest.mark.timeout(60)

FAST = ("--posts-per-minute", "6000")
"""A run begins with a create a second, as long as nobody says that the account takes more."""


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


def test_without_a_terminal_progress_is_plain_lines_on_stderr(sandbox: Sandbox, tmp_path: Path, out: Path) -> None:
    done = bulk(sandbox, "run", manifest(tmp_path, 2), "-o", out, *FAST)
    assert "2 done · 0 running · 0 queued" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert "queued" not in done.stdout


def test_resume_is_no_way_round_the_question_that_was_never_answered(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    jobs = manifest(tmp_path, 100)
    assert bulk(sandbox, "run", jobs, "-o", out, "--no-prices", *FAST).returncode == 2
    assert bulk(sandbox, "resume", out).returncode == 2
    assert creates(sandbox) == 0


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


def test_status_reads_beside_a_live_run_without_a_key(tmp_path: Path, out: Path) -> None:
    with (
        serving(latency=3600) as sandbox,
        started(sandbox, "run", manifest(tmp_path, 3), "-o", out, "--max-concurrency", "1", *FAST) as process,
    ):
        until(lambda: len(sandbox.generations) == 1)
        told = json.loads(bulk(None, "status", out, "--json").stdout)
        assert (told["v"], told["rows"]["submitted"]) == (1, 1)
        assert (told["holder"]["pid"], told["holder"]["is_alive"]) == (process.pid, "yes")
        assert process.poll() is None
    shown = bulk(None, "status", out).stdout
    assert f"nobody; process {process.pid}" in shown


def test_status_of_a_folder_without_a_run_is_exit_code_2(out: Path) -> None:
    done = bulk(None, "status", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such file" in done.stderr


def test_a_key_that_is_refused_when_prices_are_asked_for_is_exit_code_4(
    sandbox: Sandbox, tmp_path: Path, out: Path
) -> None:
    jobs = Path(manifest(tmp_path, 1))
    jobs.write_text(f"item_id,model,video,audio\none,lipsync-2,{SAMPLES / 'face.mp4'},{SAMPLES / 'speech.wav'}\n")
    sandbox.faults.add("answer", method="POST", path="/v2/generations/estimate", times=None, status=401)
    done = bulk(sandbox, "run", jobs, "-o", out)
    assert (done.returncode, creates(sandbox)) == (4, 0)
    assert "SYNC_API_KEY" in done.stderr


def wait_until_it_reads(process: subprocess.Popen[bytes]) -> None:
    """Wait until a program that has shown its question sleeps: `input` may miss a signal that comes before."""
    stat = Path(f"/proc/{process.pid}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.01)


@pytest.mark.parametrize(("typed", "code"), [("n\n", 2), ("\n", 2), (None, 130)], ids=["no", "nothing", "Ctrl-C"])
def test_whoever_does_not_agree_buys_nothing(
    sandbox: Sandbox, tmp_path: Path, out: Path, typed: str | None, code: int
) -> None:
    ours, theirs = pty.openpty()
    arguments = command("run", manifest(tmp_path, 100), "-o", out, "--no-prices")
    asked = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(sandbox))
    os.close(theirs)
    shown = b""
    while b"Buy it" not in shown:
        shown += os.read(ours, 4096)
    if typed is None:
        wait_until_it_reads(asked)
        asked.send_signal(signal.SIGINT)
    else:
        os.write(ours, typed.encode())
    assert (asked.wait(20), creates(sandbox)) == (code, 0)
    os.close(ours)


def test_the_doctor_looks_at_all_that_a_run_depends_on(sandbox: Sandbox, tmp_path: Path, out: Path) -> None:
    bulk(sandbox, "run", manifest(tmp_path, 1), "-o", out, *FAST)
    done = bulk(sandbox, "doctor", out)
    assert done.returncode == 0, done.stdout
    for what in ("python", "syncso", "sqlite", "disk", "file system", "ledger", "worked on by", "clock"):
        assert f" {what}: " in done.stdout
    assert "within 60 s" in done.stdout
    assert "not compared" in bulk(None, "doctor").stdout


def test_the_doctor_finds_a_ledger_that_is_none(tmp_path: Path, out: Path) -> None:
    (out / ".syncso").mkdir(parents=True)
    (out / ".syncso" / "ledger.db").write_bytes(b"my novel, chapter one" * 100)
    done = bulk(None, "doctor", out)
    assert done.returncode == 1
    assert "problem  ledger: " in done.stdout
    assert "not a ledger" in done.stdout


@pytest.mark.parametrize(
    ("version", "grade"),
    [
        ((3, 36, 0), "problem"),
        ((3, 40, 1), "warning"),
        ((3, 44, 6), "OK"),
        ((3, 45, 9), "warning"),
        ((3, 50, 7), "OK"),
        ((3, 51, 2), "warning"),
        ((3, 51, 3), "OK"),
        ((3, 52, 0), "OK"),
    ],
)
def test_the_doctor_knows_which_sqlite_resets_its_log_wrongly(version: tuple[int, ...], grade: str) -> None:
    assert sqlite_finding(version).grade == grade


def test_a_clock_that_is_far_off_is_a_warning() -> None:
    assert clock_finding(-59).grade == "OK"
    assert clock_finding(-61).text.startswith("61 s behind the server's")
    assert clock_finding(3600).text.startswith("3,600 s ahead of the server's")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--attempts", "0"], "--attempts: 0 is not"),
        (["--posts-per-minute", "-1"], "--posts-per-minute: -1"),
        (["--canary", "-1"], "--canary: -1 is not"),
        (["--assume-price", "-1"], "--assume-price: '-1' is"),
        (["--run-id", "a b"], "--run-id: 'a b' is not"),
    ],
)
def test_what_cannot_be_right_names_the_option_and_nothing_is_sent(
    tmp_path: Path, out: Path, sandbox: Sandbox, arguments: list[str], problem: str
) -> None:
    done = bulk(sandbox, "run", manifest(tmp_path, 1), "-o", out, *arguments)
    assert (done.returncode, done.stdout, len(sandbox.requests)) == (2, "", 0)
    assert problem in done.stderr
