"""Clients as fixtures of other people's tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sync_blocking import Sandbox
from tests.process.conftest import ROOT

TESTS = """
import pytest
from sync_async import AsyncSync, SyncError
from sync_blocking import Sync

@pytest.fixture(scope="session")
def client():
    with Sync() as made:
        yield made

@pytest.fixture(scope="session")
def async_client():
    return AsyncSync()

def test_plainly(client):
    assert len(client.models.list()) == 5

@pytest.mark.parametrize("turn", range(3))
@pytest.mark.filterwarnings("ignore:a blocking call holds up")
async def test_on_a_loop_for_each_test(client, turn):
    assert len(client.models.list()) == 5

async def test_an_async_client(async_client):
    assert len(await async_client.models.list()) == 5

async def test_an_async_client_on_another_loop(async_client):
    with pytest.raises(SyncError, match="in use on another event loop .*now <.*make one client per loop"):
        await async_client.models.list()
    await async_client.close()
"""


SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings =
    error
    # of the connection that was left open on the first loop
    ignore::ResourceWarning
"""


def test_a_client_may_be_a_fixture_of_the_session(sandbox: Sandbox, tmp_path: Path) -> None:
    """The blocking one serves tests with loops of their own; the async one says that it cannot."""
    (tmp_path / "test_theirs.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_theirs.py"],
        env={
            **os.environ,
            "SYNC_API_KEY": "sk-test",
            "SYNC_BASE_URL": sandbox.base_url,
            "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "6 passed" in done.stdout, done.stdout
    assert done.stderr == ""
