"""What is wrong with the input or the folder of a run: told with exit code 2, and nothing is bought or lost."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sync_async.bulk import budget, sqlite
from sync_async.bulk.lock import RunLock
from sync_async.bulk.sqlite import FOLDER, LOCK, ledger_file
from sync_async.cli.app import run
from sync_async.sandbox.jobs import SAMPLES
from sync_blocking import Sandbox

FAST = ("--posts-per-minute", "6000")
ROW = {"model": "lipsync-2", "video": "https://e.com/face.mp4", "audio": "https://e.com/speech.wav"}


class Ended(NamedTuple):
    """What a command has come to."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(latency=0.0, render=False, posts_per_minute=None, polls_per_minute=None) as made:
        monkeypatch.setenv("SYNC_BASE_URL", made.base_url)
        monkeypatch.setenv("SYNC_API_KEY", made.api_key)
        yield made


@pytest.fixture
def bulk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, in this process."""

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["syncso", "bulk", *map(str, arguments)])
        code, written = run(), capsys.readouterr()
        return Ended(code, written.out, written.err)

    return call


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def row(number: int, **columns: Any) -> dict[str, Any]:
    return {"item_id": f"row-{number}", **ROW, "output_name": f"name-{number}", **columns}


def manifest(folder: Path, *rows: dict[str, Any] | str, name: str = "jobs.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows))
    return path


def creates(sandbox: Sandbox) -> int:
    return sum((seen.method, seen.path) == ("POST", "/v2/generate") for seen in sandbox.requests)


def begun(bulk: Command, jobs: Path, out: Path, *options: object) -> None:
    """Take rows in, and buy none."""
    assert bulk("run", jobs, "-o", out, "--budget", "0", "--assume-price", "1", *options).code == 3


BAD_ROWS: dict[str, tuple[dict[str, Any] | str, str]] = {
    "unknown column": (row(1, vidio="x"), "row 2, vidio: there is no such column; did you mean 'video'?"),
    "same id": (row(0), "row 2, item_id: 'row-0' stands twice"),
    "no file": (row(1, audio="speech.wav"), "row 2, audio: there is no file"),
    "no JSON": ('{"item_id": "row-1",', "row 2: it is no JSON object on one line"),
    "no object": ('["row-1"]', "row 2: it is a JSON list, no object"),
    "wrong type": (row(1, priority="high"), "row 2, priority: 'high' is not"),
    "wrong type inside": (row(1, options={"temperature": "warm"}), "row 2, options.temperature: 'warm' "),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_bad_row_is_told_with_its_column_and_the_option_that_sets_it_aside(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path, what: str
) -> None:
    bad, says = BAD_ROWS[what]
    done = bulk("run", manifest(tmp_path, row(0), bad), "-o", out)
    assert (done.code, done.out, creates(sandbox)) == (2, "", 0)
    assert says in done.err
    assert f"{out / 'problems.jsonl'} has all of them" in done.err
    assert "--skip-bad" in done.err
    assert "skip_bad" not in done.err


def test_bad_rows_that_are_set_aside_do_not_hold_up_the_others(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path
) -> None:
    jobs = manifest(tmp_path, *(bad for bad, _ in BAD_ROWS.values()))
    assert bulk("run", jobs, "-o", out).code == 2
    done = bulk("run", jobs, "-o", out, "--skip-bad", *FAST)
    assert (done.code, creates(sandbox)) == (1, 1)
    assert ["failed", "6", "rows"] in [line.split() for line in done.out.splitlines()]


def test_rows_that_were_not_all_taken_in_need_the_command_that_has_them(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path
) -> None:
    jobs = manifest(tmp_path, row(0), row(1, vidio="x"), name="my jobs.jsonl")
    assert bulk("run", jobs, "-o", out).code == 2
    for verb in (["resume"], ["retry", "--failed"], ["resolve", "--drop", "row-0"]):
        done = bulk(*verb, out)
        assert (done.code, done.out) == (2, "")
        assert f"OUTPUT: not all rows of the run in '{out}' were taken in" in done.err
        assert f"syncso bulk run '{jobs}' -o {out}" in done.err
    assert creates(sandbox) == 0


def test_a_row_that_was_bought_and_has_changed_is_told_and_nothing_is_lost(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path
) -> None:
    assert bulk("run", manifest(tmp_path, row(0), row(1)), "-o", out, *FAST).code == 0
    changed = manifest(tmp_path, row(0), row(1, audio="https://e.com/other.wav"), row(2), name="changed.jsonl")
    done = bulk("run", changed, "-o", out, *FAST)
    assert (done.code, done.out, creates(sandbox)) == (2, "", 2)
    assert "the row 'row-1' as done" in done.err
    assert "give the new one an item_id of its own" in done.err
    assert bulk("run", manifest(tmp_path, row(0), row(1), row(2)), "-o", out, *FAST).code == 0
    assert creates(sandbox) == 3


def test_a_ledger_of_a_newer_version_is_left_as_it_is(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path
) -> None:
    jobs = manifest(tmp_path, row(0))
    begun(bulk, jobs, out)
    connection = sqlite3.connect(ledger_file(out))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = ledger_file(out).read_bytes()
    for arguments in (["run", jobs, "-o", out], ["resume", out], ["status", out], ["results", out]):
        done = bulk(*arguments)
        assert (done.code, done.out) == (2, "")
        assert "pip install -U syncso" in done.err
    assert ledger_file(out).read_bytes() == before
    assert creates(sandbox) == 0


def test_a_run_that_somebody_else_works_on_is_left_alone(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path
) -> None:
    jobs = manifest(tmp_path, row(0))
    begun(bulk, jobs, out)
    other = RunLock(out / FOLDER / LOCK)
    other.take()
    try:
        for arguments in (["run", jobs, "-o", out], ["resume", out], ["resolve", out, "--drop", "row-0"]):
            done = bulk(*arguments)
            assert (done.code, done.out) == (2, "")
            assert "is held by process" in done.err
    finally:
        other.release()
    assert bulk("resume", out, "--budget", "1", *FAST).code == 0
    assert creates(sandbox) == 1


def test_a_network_file_system_is_told_with_the_way_out(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "network_kind", lambda path: "nfs4" if path.is_relative_to(out) else None)
    jobs = manifest(tmp_path, row(0))
    done = bulk("run", jobs, "-o", out, *FAST)
    assert (done.code, done.out, creates(sandbox)) == (2, "", 0)
    assert "lies on a network file system (nfs4)" in done.err
    assert "--ledger PATH" in done.err
    begun(bulk, jobs, out, "--ledger", tmp_path / "ledger.db")


def test_the_folder_of_another_run_is_left_alone(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path
) -> None:
    jobs = manifest(tmp_path, row(0))
    begun(bulk, jobs, out, "--run-id", "monday")
    done = bulk("run", manifest(tmp_path, row(1), name="other.jsonl"), "-o", out, "--run-id", "tuesday", *FAST)
    assert (done.code, done.out, creates(sandbox)) == (2, "", 0)
    assert "--run-id: " in done.err
    assert "holds the run 'monday'; take another output directory" in done.err


def test_a_folder_with_a_file_that_is_no_ledger_is_left_alone(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path
) -> None:
    ledger_file(out).parent.mkdir(parents=True)
    ledger_file(out).write_bytes(b"my novel, chapter one" * 100)
    done = bulk("run", manifest(tmp_path, row(0)), "-o", out)
    assert (done.code, done.out, creates(sandbox)) == (2, "", 0)
    assert "is not a ledger of syncso, and was left as it is" in done.err
    assert ledger_file(out).read_bytes() == b"my novel, chapter one" * 100


def test_rows_in_doubt_are_listed_without_a_key_and_beside_whoever_works(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.faults.add(
        "answer", method="POST", path="/v2/generate", status=409, code="idempotency_key_conflict", times=2
    )
    assert bulk("run", manifest(tmp_path, row(0), row(1), row(2)), "-o", out, *FAST).code == 1
    asked = len(sandbox.requests)
    monkeypatch.delenv("SYNC_API_KEY")
    other = RunLock(out / FOLDER / LOCK)
    other.take()
    try:
        done = bulk("resolve", out)
    finally:
        other.release()
    assert done.code == 1
    assert done.err.count(": conflict, idempotency_key_conflict") == 2
    assert "2 rows to be decided about" in done.err
    assert len(sandbox.requests) == asked
    assert bulk("resolve", tmp_path / "nowhere").code == 2


def test_only_what_is_not_bought_yet_needs_consent(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here from three rows of unknown price on."""
    monkeypatch.setattr(budget, "CONFIRM_UNKNOWN_ROWS", 3)
    rows = [row(number) for number in range(7)]
    assert bulk("run", manifest(tmp_path, *rows[:2]), "-o", out, *FAST).code == 0
    assert bulk("run", manifest(tmp_path, *rows[:4]), "-o", out, *FAST).code == 0
    for _ in range(2):
        done = bulk("run", manifest(tmp_path, *rows), "-o", out, *FAST)
        assert (done.code, creates(sandbox)) == (2, 4)
        assert "--yes: the price of what is not bought yet is unknown for 3 rows; agree with --yes" in done.err


def test_rows_of_an_earlier_manifest_that_wait_count_as_well(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "CONFIRM_UNKNOWN_ROWS", 3)
    rows = [row(number) for number in range(4)]
    assert bulk("run", manifest(tmp_path, *rows[:3]), "-o", out, *FAST).code == 2
    done = bulk("run", manifest(tmp_path, rows[3]), "-o", out, *FAST)
    assert (done.code, creates(sandbox)) == (2, 0)
    assert "--yes: the price is unknown for 4 rows" in done.err


def test_the_price_of_what_is_bought_already_is_not_asked_about_again(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = {"video": str(SAMPLES / "face.mp4"), "audio": str(SAMPLES / "speech.wav")}
    rows = [row(number, **media) for number in range(3)]
    price = float(json.loads(bulk("plan", manifest(tmp_path, rows[0]), "--json").out)["price"])
    monkeypatch.setattr(budget, "CONFIRM_ABOVE", int(1.5 * price * budget.MICRO))
    assert bulk("run", manifest(tmp_path, rows[0]), "-o", out, *FAST).code == 0
    done = bulk("run", manifest(tmp_path, *rows), "-o", out, *FAST)
    assert (done.code, creates(sandbox)) == (2, 1)
    assert f"the price of what is not bought yet is ${2 * price:.2f};" in done.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small disk needs Linux and the right to mount one")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_ends_a_run_and_with_room_again_it_goes_on(
    sandbox: Sandbox, bulk: Command, tmp_path: Path, out: Path, small_disk: Path
) -> None:
    jobs = manifest(tmp_path, *(row(number) for number in range(100)))
    options = ("-o", out, "--ledger", small_disk / "ledger.db", "--yes", "--canary", "0", "--no-download", *FAST)
    done = bulk("run", jobs, *options)
    assert done.code == 1
    assert "the disk is full. Nothing more is bought; make room, then resume" in done.err
    assert 0 < len(sandbox.generations) < 100
    for verb in ("status", "results"):
        assert bulk(verb, out, "--ledger", small_disk / "ledger.db").code == 0
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    assert bulk("resume", out, "--ledger", small_disk / "ledger.db", *FAST).code == 0
    names = [job.body["outputFileName"] for job in sandbox.generations.values()]
    assert len(names) == len(set(names)) == 100
