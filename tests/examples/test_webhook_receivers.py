"""The examples of receivers, each as a process of its own, with the sandbox's real deliveries."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import attrs
import pytest

from sync_blocking import Sandbox, Sync

ROOT = Path(__file__).parents[2]
INPUT: list[dict[str, Any]] = [
    {"type": "video", "url": "https://media.example/v.mp4"},
    {"type": "audio", "url": "https://media.example/a.wav"},
]

pytestmark = [pytest.mark.timeout(60)]


@attrs.define
class Receiver:
    """A running example, and what it printed."""

    url: str
    sandbox: Sandbox
    client: Sync
    lines: queue.SimpleQueue[str]

    def line(self) -> list[str]:
        return self.lines.get(timeout=15).split()

    def delivered(self, count: int) -> list[int | None]:
        """Wait for so many deliveries, and give the answers to them."""
        deadline = time.monotonic() + 15
        while len(self.sandbox.deliveries) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return [delivery.status for delivery in self.sandbox.deliveries]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_until_it_listens(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the example ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the example does not listen")


@pytest.fixture(scope="module", params=["aiohttp", "fastapi", "flask"])
def example(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def receiver(example: str, **settings: Any) -> Any:
    return _Running(example, settings)


class _Running:
    def __init__(self, example: str, settings: dict[str, Any]) -> None:
        self._example = example
        self._sandbox = Sandbox(latency=0.0, render=False, concurrency=None, **settings)

    def __enter__(self) -> Receiver:
        self._sandbox.start()
        self._client = Sync(base_url=self._sandbox.base_url, api_key=self._sandbox.api_key)
        port = free_port()
        environment = {
            **os.environ,
            "SYNC_API_KEY": self._sandbox.api_key,
            "SYNC_BASE_URL": self._sandbox.base_url,
            "SYNC_WEBHOOK_SECRET": self._sandbox.webhook_secret,
        }
        command = [sys.executable, str(ROOT / "examples" / f"webhook_{self._example}.py"), str(port)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=[lines], daemon=True).start()
        wait_until_it_listens(port, self._process)
        return Receiver(f"http://127.0.0.1:{port}/webhook", self._sandbox, self._client, lines)

    def _read(self, lines: queue.SimpleQueue[str]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(("COMPLETED", "FAILED")):
                lines.put(line.strip())

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=15)
        self._client.close()
        self._sandbox.close()


def test_genuine_deliveries_are_taken_and_worked_on_once(example: str) -> None:
    """Completed and failed, each sent twice, and a batch."""
    with receiver(example, webhook_copies=2) as running:
        made = running.client.generations.create(model="lipsync-2", input=INPUT, webhook_url=running.url)
        assert running.delivered(2) == [200, 200]
        status, id, url = running.line()
        assert (status, id) == ("COMPLETED", made.id)
        assert url.startswith(running.sandbox.storage_url)
        running.sandbox.end_next("FAILED", "generation_pipeline_failed", "Nobody.")
        failed = running.client.generations.create(model="lipsync-2", input=INPUT, webhook_url=running.url)
        assert running.line() == ["FAILED", failed.id, "Nobody."]
        rows = [{"request_id": str(n), "payload": {"model": "lipsync-2", "input": INPUT}} for n in range(20)]
        batch = running.client.batch.create(rows=rows, webhook_url=running.url)
        assert running.line() == ["COMPLETED", batch.id, "0", "failed"]
        assert set(running.delivered(6)) == {200}
        assert running.lines.empty() or running.line() == ["other", batch.id]


def test_a_failure_without_a_reason_is_looked_up(example: str) -> None:
    with receiver(example, webhook_empty_errors=True) as running:
        running.sandbox.end_next("FAILED", "generation_pipeline_failed", "Nobody.")
        failed = running.client.generations.create(model="lipsync-2", input=INPUT, webhook_url=running.url)
        assert running.line() == ["FAILED", failed.id, "Nobody."]


@pytest.mark.parametrize(("signature", "answer"), [("wrong", 400), ("stale", 400), ("two", 200)])
def test_only_what_is_genuine_is_taken(example: str, signature: str, answer: int) -> None:
    with receiver(example, webhook_signature=signature) as running:
        running.client.generations.create(model="lipsync-2", input=INPUT, webhook_url=running.url)
        assert running.delivered(1) == [answer]
        if answer == 200:
            assert running.line()[0] == "COMPLETED"
        else:
            assert running.lines.empty()
