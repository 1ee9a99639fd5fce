"""The commands for bulk runs, as processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_async.sandbox.jobs import SAMPLES
from sync_blocking import Sandbox, Sync

HEADER = "item_id,model,video,audio,options.sync_mode,priority\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made
        assert not made.generations  # planning buys nothing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("face.mp4", "speech.wav"):
        shutil.copy(SAMPLES / name, tmp_path)
    return tmp_path


def bulk(*arguments: str, base_url: str = "http://127.0.0.1:9") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "sync_async.cli.app", "bulk", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "SYNC_API_KEY": "k", "SYNC_BASE_URL": base_url, "COLUMNS": "200"},
    )


def test_a_plan_tells_rows_money_and_time(sandbox: Sandbox, folder: Path) -> None:
    """For each number of slots that the published plans have, as nobody has said which."""
    manifest = folder / "jobs.csv"
    manifest.write_text(HEADER + "one,lipsync-2,face.mp4,speech.wav,loop,1\ntwo,sync-3,face.mp4,speech.wav,,\n")
    done = bulk("plan", str(manifest), base_url=sandbox.base_url)
    assert done.returncode == 0, done.stderr
    for fact in ("rows         2", "local files  2, 0.", "lipsync-2    1 rows, $0.", "1 at once", "15 at once"):
        assert fact in done.stdout
    shown = json.loads(
        bulk("plan", str(manifest), "--max-concurrency", "6", "--json", base_url=sandbox.base_url).stdout
    )
    assert (shown["v"], shown["rows"], shown["rows_of_unknown_price"]) == (1, 2, 0)
    assert [time["slots"] for time in shown["times"]] == [6]
    with Sync(base_url=sandbox.base_url, api_key="k") as client:
        assert str(client.bulk.plan(manifest).price) == shown["price"]


def test_all_problems_are_told_and_the_exit_code_is_2(folder: Path) -> None:
    """Prices need no server when nobody asks for them."""
    manifest = folder / "jobs.csv"
    manifest.write_text(HEADER + "one,lipsync-2,fase.mp4,speech.wav,lop,1\ntwo,,face.mp4,speech.wav,,high\n")
    done = bulk("plan", str(manifest), "--no-prices")
    assert done.returncode == 2
    assert "row 2, video: there is no file" in done.stderr
    assert "did you mean 'face.mp4'?" in done.stderr
    assert "row 3, " in done.stderr
    assert "nothing could be bought" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no.csv"], "manifest: 'no.csv' does not exist"),
        (["no.csv", "--max-concurrency", "0"], "--max-concurrency: 0 is not a number from 1"),
        (["no.csv", "--posts-per-minute", "0"], "--posts-per-minute: 0 is not above 0"),
        (["no.csv", "--default", "model"], "--default: 'model' is not of the form column=value"),
    ],
)
def test_what_cannot_be_right_is_a_line_and_exit_code_2(arguments: list[str], problem: str) -> None:
    done = bulk("plan", *arguments, "--no-prices")
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
