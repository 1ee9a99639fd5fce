"""The page of a run from the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bulk.report_run import Read, Row, done, make_run

pytestmark = pytest.mark.timeout(60)


def report(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Give the command no key: nothing is asked of the server."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "sync_async.cli.app", "bulk", "report", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "SYNC_API_KEY": "", "COLUMNS": "200"},
    )


async def test_a_page_is_written_where_it_is_wanted_and_named(tmp_path: Path) -> None:
    out, ledger, page = tmp_path / "out", tmp_path / "ledger.db", tmp_path / "page.html"
    await make_run(out, [Row(item_id="a", fate=done("a.mp4"))], ledger_file=ledger)
    written = report(out, "--ledger", ledger, "--to", page)
    assert (written.returncode, written.stdout, written.stderr) == (0, f"{page}\n", "")
    assert "The one row is done." in Read.of(page).text
    assert Read.of(page).meta["base"] == "out/"


def test_a_folder_without_a_run_is_an_error_that_says_so(tmp_path: Path) -> None:
    refused = report(tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "has a run been started here?" in refused.stderr
