"""The examples of programs around the client, each as a process of its own, with a sandbox as the API."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_blocking import Sandbox, Sync
from tests.examples.test_webhook_receivers import ROOT, free_port, wait_until_it_listens

ORDER = {"video": "https://media.example/v.mp4", "audio": "https://media.example/a.wav"}

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An API whose generations end when they are told to."""
    with Sandbox(latency=float("inf"), render=False, concurrency=None) as made:
        yield made


def run(sandbox: Sandbox, example: str, *arguments: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SYNC_")}
    settings = {"SYNC_API_KEY": sandbox.api_key, "SYNC_BASE_URL": sandbox.base_url, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(ROOT / "examples" / example), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=inherited | settings,
    )


@contextlib.contextmanager
def service(sandbox: Sandbox, example: str) -> Iterator[str]:
    port = free_port()
    with run(sandbox, example, str(port)) as process:
        try:
            wait_until_it_listens(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def ask(method: str, url: str, body: Any = None) -> tuple[int, Any, str | None]:
    """Send a request, and give status, JSON and `Retry-After` of the answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, json.load(answer), None
    except urllib.error.HTTPError as error:
        with error:
            is_json = error.headers.get_content_type() == "application/json"
            return error.code, json.load(error) if is_json else None, error.headers.get("Retry-After")


@pytest.mark.parametrize("example", ["fastapi_service.py", "flask_service.py"])
def test_an_order_is_started_once_and_looked_at(sandbox: Sandbox, example: str) -> None:
    """Errors are answered with what the customer can do."""
    with service(sandbox, example) as url:
        order = f"{url}/orders/17"
        assert ask("GET", order)[0] == 404
        for _ in range(2):
            assert ask("POST", order, ORDER) == (202, {"name": "17", "status": "PENDING"}, None)
        (id,) = sandbox.generations
        assert ask("GET", order)[1]["status"] in ("PENDING", "PROCESSING")
        sandbox.finish(id)
        with Sync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
            client.generations.wait(id)
        status, told, _ = ask("GET", order)
        assert (status, told["status"]) == (200, "COMPLETED")
        assert told["video"].startswith(f"{sandbox.storage_url}/")
        assert ask("POST", f"{url}/orders/18", {**ORDER, "video": ""})[0] == 422
        sandbox.faults.add("answer", method="POST", path="/v2/generate", status=402)
        assert ask("POST", f"{url}/orders/19", ORDER)[0] == 502
        sandbox.faults.add("answer", path="/v2/generate/.*", status=429, headers={"Retry-After": "600"})
        assert ask("GET", order)[::2] == (503, "30")
        assert len(sandbox.generations) == 1


def test_a_pool_of_processes_makes_each_video_once(tmp_path: Path) -> None:
    """Also when it is run again; a failure comes back as the error that it is."""
    with Sandbox(latency=0.0, render=False, concurrency=None) as sandbox:
        sandbox.end_next("FAILED", "generation_pipeline_failed", "Nobody.")
        out = str(tmp_path / "out")
        for names in (["bad"], ["one", "two"], ["one", "two"]):
            said, complaints = run(sandbox, "process_pool.py", out, *names).communicate(timeout=50)
            assert complaints == ""
            wanted = (
                [f"made {name}.mp4" for name in names]
                if "bad" not in names
                else ["failed bad generation_pipeline_failed"]
            )
            assert sorted(said.splitlines()) == wanted
        assert len(sandbox.generations) == 3
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["one.mp4", "two.mp4"]
