"""Starting and stopping: on a loop, on a thread, as a program."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sync_async.sandbox import AsyncSandbox, PortInUseError, Sandbox, SandboxSettings
from tests.sandbox.conftest import BODY, Opener


def get(url: str) -> int:
    with urllib.request.urlopen(url) as answer:
        return int(answer.status)


def test_a_blocking_sandbox_starts_stops_and_starts_again() -> None:
    """Its thread ends with it, and closing twice is fine."""
    sandbox = Sandbox(latency=0)
    for _ in range(2):
        with sandbox:
            assert get(sandbox.base_url + "/health") == 200
            assert sandbox.requests[-1].path == "/health"
            with pytest.raises(RuntimeError, match="started already"):
                sandbox.start()
        assert not [thread for thread in threading.enumerate() if thread.name == "syncso sandbox"]
    sandbox.close()


def test_a_blocking_sandbox_is_driven_from_the_callers_thread() -> None:
    """Endings, faults, steps and resets take effect before the call returns."""
    import json

    def create() -> str:
        headers = {"x-api-key": sandbox.api_key, "Content-Type": "application/json"}
        request = urllib.request.Request(sandbox.base_url + "/v2/generate", json.dumps(BODY).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return str(json.load(answer)["id"])

    def ended(id: str) -> str:
        for _ in range(1000):
            if not sandbox.generations[id].is_running:
                break
            time.sleep(0.005)
        return sandbox.generations[id].status

    with Sandbox(latency=float("inf"), render=False, webhook_secret="whsec_x") as sandbox:
        sandbox.end_next("REJECTED", "account_on_hold", "No.")
        first, second = create(), create()
        sandbox.advance(first)
        sandbox.finish(second)
        assert (ended(first), ended(second)) == ("REJECTED", "COMPLETED")
        sandbox.faults.add("answer", status=503)
        with pytest.raises(urllib.error.HTTPError) as failure:
            get(sandbox.base_url + "/v2/errors")
        failure.value.close()
        assert (sandbox.leaks, sandbox.deliveries, len(sandbox.storage_requests)) == ([], [], 0)
        assert (sandbox.webhook_secret, sandbox.settings.render) == ("whsec_x", False)
        assert sandbox.storage_url != sandbox.base_url
        sandbox.reset()
        assert sandbox.generations == {}
    with pytest.raises(RuntimeError, match="not started"):
        sandbox.advance(first)


def test_a_port_that_is_taken_is_a_clear_error_in_the_callers_thread() -> None:
    """For the API and the storage, and the sandbox can be started afterwards."""
    with Sandbox() as first:
        port = int(first.base_url.rpartition(":")[2])
        for settings in ({"port": port}, {"storage_port": port}):
            with pytest.raises(PortInUseError, match=f"port {port} of 127.0.0.1"):
                Sandbox(**settings).start()
        second = Sandbox(port=port)
        with pytest.raises(PortInUseError):
            second.start()
    with second:
        assert second.base_url == first.base_url


async def test_an_asynchronous_sandbox_starts_once() -> None:
    """Before and after, it says that it is not started."""
    sandbox = AsyncSandbox()
    with pytest.raises(RuntimeError, match="not started"):
        _ = sandbox.leaks
    async with sandbox:
        assert sandbox.leaks == []
        with pytest.raises(RuntimeError, match="started already"):
            await sandbox.start()
    await sandbox.close()


async def test_closing_does_not_wait_for_what_is_under_way(opened: Opener) -> None:
    """Jobs, long polls, stalled answers and deliveries are given up."""
    api = await opened(latency=60, webhook_delay=60)
    api.sandbox.faults.add("stall", path="/v2/models")
    id = (await api.create({**BODY, "webhookUrl": "http://127.0.0.1:9/x"})).json["id"]
    api.sandbox.finish(id)
    await api.ended(id)
    id = (await api.create()).json["id"]
    waiting = [
        asyncio.create_task(api("GET", path)) for path in ("/v2/models", f"/v2/generate/{id}?wait=true&timeout=10")
    ]
    async with asyncio.timeout(5):
        while len(api.sandbox.requests) < 5:  # until both are under way
            await asyncio.sleep(0.005)
    async with asyncio.timeout(5):
        await api.sandbox.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, aiohttp.ClientError) for result in results)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_it_listens_on_ipv6(opened: Opener) -> None:
    """Addresses stand in brackets."""
    api = await opened(host="::1")
    assert api.sandbox.base_url.startswith("http://[::1]:")
    done = await api.made()
    assert (await api("GET", done["outputUrl"])).status == 200


def test_an_unknown_setting_is_refused_by_name() -> None:
    """The error lists all that there are."""
    settings: dict[str, Any] = {"latencey": 1}
    for kind in (AsyncSandbox, Sandbox):
        with pytest.raises(TypeError, match=r"'latencey' is no setting.*latency.*webhook_extra"):
            kind(**settings)


@pytest.mark.parametrize(
    "settings", [{"latency": -1}, {"concurrency": -1}, {"posts_per_minute": -1}, {"plan": "gold"}]
)
def test_a_setting_out_of_range_is_refused(settings: dict[str, Any]) -> None:
    """The error names it."""
    with pytest.raises(ValueError, match=next(iter(settings))):
        AsyncSandbox(**settings)


def test_every_setting_is_documented_in_a_line() -> None:
    """The text stands below each field."""
    import attrs

    from sync_async.sandbox import settings

    source = Path(settings.__file__).read_text()
    for field in attrs.fields(SandboxSettings):
        documented = source.partition(f"    {field.name}: ")[2].partition('\n    """')[2].partition('"""')[0]
        assert documented.endswith("."), field.name
        assert "\n" not in documented, field.name


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-X", "dev", "-W", "error", "-m", "sync_async.sandbox", *arguments]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """It prints its address, ends in silence with exit code 0, and takes any setting."""
    with subprocess.Popen(
        program("--latency", "0.1", "--projects", '["p"]', "--api-key", "123"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert get(url + "/health") == 200
        request = urllib.request.Request(url + "/v2/models", headers={"x-api-key": "123"})
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        process.send_signal(number)
        out, errors = process.communicate(timeout=10)
    assert (process.returncode, out, errors) == (0, "", "")


def test_the_program_says_what_is_wrong() -> None:
    """A taken port or a value out of range is a line and exit code 2."""
    with Sandbox() as sandbox:
        port = sandbox.base_url.rpartition(":")[2]
        for arguments, text in ((("--port", port), f"port {port}"), (("--latency", "-1"), "latency")):
            done = subprocess.run(program(*arguments), capture_output=True, text=True, timeout=20, check=False)
            assert (done.returncode, done.stdout) == (2, "")
            assert text in done.stderr
            assert "Traceback" not in done.stderr


def test_rendering_is_not_imported_before_it_is_needed() -> None:
    """PyAV is an extra."""
    code = "import sys, sync_async.sandbox; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_sandbox_shares_no_code_with_the_client() -> None:
    """They speak the wire only, so that each can catch the other's errors."""
    import ast

    folder = Path(sys.modules["sync_async.sandbox"].__file__ or "").parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [
                name for name in names if name.startswith("sync_") and not name.startswith("sync_async.sandbox")
            ], path
