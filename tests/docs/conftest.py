"""Somebody who reads, and does what stands there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_blocking import Sandbox
from tests.docs.reader import Reader


@pytest.fixture
def reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Reader]:
    """A reader with media, a key, and a sandbox at which jobs end at once."""
    with (
        Sandbox(
            latency=0.0, render=False, concurrency=None, posts_per_minute=None, polls_per_minute=None
        ) as sandbox,
        asyncio.Runner() as loop,
    ):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("SYNC_API_KEY", sandbox.api_key)
        monkeypatch.setenv("SYNC_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("SYNC_WEBHOOK_SECRET", sandbox.webhook_secret)
        monkeypatch.setenv("COLUMNS", "100")
        yield Reader(sandbox, tmp_path, lambda: capsys.readouterr().out, monkeypatch, loop)
