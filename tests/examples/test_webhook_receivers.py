"""The examples of receivers, each as a process of its own, with the sandbox's real deliveries."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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
LOOKUP = {"method": "GET", "path": "/v2/generate/.*"}
OF_THE_FRAMEWORK = ("development server", "Running on", "Press CTRL+C", "POST /webhook")
"""What Flask's server says of itself and of each request."""

pytestmark = [pytest.mark.timeout(60), pytest.mark.parametrize("example", ["aiohttp", "fastapi", "flask"])]


@attrs.define
class Api:
    """A sandbox that tells the receiver how jobs ended."""

    sandbox: Sandbox
    client: Sync

    def generate(self, url: str) -> str:
        return self.client.generations.create(model="lipsync-2", input=INPUT, webhook_url=url).id

    def fail(self, url: str) -> str:
        self.sandbox.end_next("FAILED", "generation_pipeline_failed", "Nobody.")
        return self.generate(url)

    def answers(self, count: int) -> list[int | None]:
        """Wait for so many deliveries, and give the answers to them."""
        deadline = time.monotonic() + 15
        while len(self.sandbox.deliveries) < count:
            assert time.monotonic() < deadline, "too few deliveries"
            time.sleep(0.01)  # the sandbox tells nobody when an answer has come
        return [delivery.status for delivery in self.sandbox.deliveries]


@contextlib.contextmanager
def api(**settings: Any) -> Iterator[Api]:
    with (
        Sandbox(latency=0.0, render=False, concurrency=None, **settings) as sandbox,
        Sync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client,
    ):
        yield Api(sandbox, client)


@attrs.define
class Receiver:
    """A running example, and what it says."""

    process: subprocess.Popen[str]
    url: str
    done: queue.SimpleQueue[str] = attrs.field(factory=queue.SimpleQueue)
    complaints: list[str] = attrs.field(factory=list)
    readers: list[threading.Thread] = attrs.field(factory=list)

    def listen(self) -> None:
        """Read both pipes, without what aiohttp and Flask say of themselves."""
        for pipe, take in [(self.process.stdout, self._take_result), (self.process.stderr, self._take_complaint)]:
            reader = threading.Thread(target=_each_line, args=[pipe, take])
            reader.start()
            self.readers.append(reader)

    def _take_result(self, line: str) -> None:
        if line.startswith(("COMPLETED", "FAILED")):
            self.done.put(line)

    def _take_complaint(self, line: str) -> None:
        if not any(words in line for words in OF_THE_FRAMEWORK):
            self.complaints.append(line)

    def line(self) -> str:
        """Wait for the next thing that it has done."""
        return self.done.get(timeout=15)

    def end(self) -> list[str]:
        """Interrupt it, and give what it has done besides once it has worked on all that it took."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(15) == 0, self.complaints
        self.join()
        return [self.done.get() for _ in range(self.done.qsize())]

    def join(self) -> None:
        for reader in self.readers:
            reader.join(15)


def _each_line(pipe: Any, take: Callable[[str], None]) -> None:
    for line in pipe:
        take(line.strip())


@contextlib.contextmanager
def receiver(example: str, home: Api) -> Iterator[Receiver]:
    """Run an example that looks things up at `home`; any sandbox can deliver to it."""
    settings = {
        "SYNC_API_KEY": home.sandbox.api_key,
        "SYNC_BASE_URL": home.sandbox.base_url,
        "SYNC_WEBHOOK_SECRET": home.sandbox.webhook_secret,
    }
    with started(example, settings) as (process, port):
        running = Receiver(process, f"http://127.0.0.1:{port}/webhook")
        running.listen()
        try:
            wait_until_it_listens(port, process)
            yield running
        finally:
            process.kill()
            running.join()


@contextlib.contextmanager
def started(example: str, settings: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SYNC_")}
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / f"webhook_{example}.py"), str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=inherited | settings, cwd=ROOT
    ) as process:
        try:
            yield process, port
        finally:
            process.kill()


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
            time.sleep(0.02)  # not all of the frameworks tell when they have started
        else:
            return
    raise AssertionError("the example does not listen")


def test_genuine_deliveries_are_taken_and_worked_on_once(example: str) -> None:
    """Completed and failed, and a batch, each sent twice."""
    with api(webhook_copies=2) as home, receiver(example, home) as running:
        made = home.generate(running.url)
        assert running.line().startswith(f"COMPLETED {made} {home.sandbox.storage_url}/")
        failed = home.fail(running.url)
        assert running.line() == f"FAILED {failed} Nobody."
        rows = [{"request_id": str(n), "payload": {"model": "lipsync-2", "input": INPUT}} for n in range(20)]
        batch = home.client.batch.create(rows=rows, webhook_url=running.url)
        assert running.line() == f"COMPLETED {batch.id} 0 failed"
        assert home.answers(6) == [200] * 6
        assert running.end() == []
        assert running.complaints == []


def test_a_failure_without_a_reason_is_looked_up(example: str) -> None:
    """It is told as well when its reason cannot be had, and also when the receiver is just ending."""
    with api(webhook_empty_errors=True) as home, receiver(example, home) as running:
        failed = home.fail(running.url)
        assert running.line() == f"FAILED {failed} Nobody."
        home.sandbox.faults.add("answer", status=401, code="unauthorized", **LOOKUP)
        unknown = home.fail(running.url)
        assert running.line() == f"FAILED {unknown} None"
        home.sandbox.faults.add("drip", seconds=0.5, **LOOKUP)
        last = home.fail(running.url)
        assert home.answers(3) == [200, 200, 200]  # so that nobody else remembers it
        assert running.end() == [f"FAILED {last} Nobody."]
        (complaint,) = running.complaints
        assert f"why {unknown} failed is not known: 401 " in complaint


def test_only_what_is_genuine_is_taken(example: str) -> None:
    """One of two signatures is enough, as while the secret is being replaced."""
    with contextlib.ExitStack() as stack:
        wrong, stale, two = (stack.enter_context(api(webhook_signature=how)) for how in ("wrong", "stale", "two"))
        running = stack.enter_context(receiver(example, two))
        for refused in (wrong, stale):
            refused.generate(running.url)
            assert refused.answers(1) == [400]
        made = two.generate(running.url)
        assert two.answers(1) == [200]
        assert running.line().startswith(f"COMPLETED {made} ")
        assert running.end() == []
        for complaint, problem in zip(running.complaints, ["fits its body", "s old, and 300 s"], strict=True):
            assert "refused: " in complaint
            assert problem in complaint


def test_without_a_secret_it_does_not_start(example: str) -> None:
    """It would be noticed at the first delivery, which would be lost."""
    with started(example, {"SYNC_API_KEY": "sk-test"}) as (process, _):
        _, complaint = process.communicate(timeout=15)
        assert process.returncode == 1
        assert complaint.strip().endswith("KeyError: 'SYNC_WEBHOOK_SECRET'")
