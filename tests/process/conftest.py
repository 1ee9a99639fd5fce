"""Scripts in processes of their own, with a server in this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sync_blocking import Sandbox

ROOT = Path(__file__).resolve().parents[2]
INPUT = [
    {"type": "video", "url": "https://media.example/v.mp4"},
    {"type": "audio", "url": "https://media.example/a.wav"},
]
Script = Callable[..., list[str]]

PROLOGUE = f"""
import asyncio, os, sys, threading, time
from sync_blocking import Sync

INPUT = {INPUT!r}

def say(*words):
    print(*words, flush=True)

"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """An API whose generations end only when they are told to."""
    with Sandbox(latency=float("inf"), render=False, concurrency=None, polls_per_minute=None) as made:
        yield made


@pytest.fixture
def run(sandbox: Sandbox, tmp_path: Path) -> Script:
    """Run a script against the sandbox and give its lines.

    Nothing may stand on stderr but `errors`. Ctrl-C comes `after` so many seconds whenever the script says
    "interrupt me". With `ends_within`, the process ends in so many seconds from its last line.
    """

    def run_script(
        code: str,
        *options: str,
        interrupt: bool = False,
        after: float = 0.0,
        code_after: int = 0,
        ends_within: float | None = None,
        environment: dict[str, str] | None = None,
        prologue: str = "",
        as_file: bool = False,
        development: bool = True,
        errors: Sequence[str] = (),
    ) -> list[str]:
        given = {
            "SYNC_API_KEY": "sk-test",
            # by name, as the real host is: looking it up takes a thread
            "SYNC_BASE_URL": sandbox.base_url.replace("127.0.0.1", "localhost"),
            "PYTHONPATH": str(ROOT),
            **(environment or {}),
        }
        text = prologue + PROLOGUE + textwrap.dedent(code)
        what = ["-c", text]
        if as_file:  # some ways to start a process read the program again
            path = tmp_path / "program.py"
            path.write_text(text)
            what = [str(path)]
        mode = ["-X", "dev"] if development else []
        command = [sys.executable, *mode, "-W", "error", *options, *what]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **given},
            start_new_session=True,
        )
        with process:
            try:
                lines, last = _lines(process, interrupt=interrupt, after=after)
                said = process.stderr.read() if process.stderr is not None else ""
                assert process.wait(30) == code_after, said
                assert ends_within is None or time.monotonic() - last < ends_within
            finally:
                if process.poll() is None:  # and its children, who hold its output open
                    os.killpg(process.pid, signal.SIGKILL)
        for error in errors:
            assert error in said
        assert errors or said == ""
        return lines

    return run_script


def _lines(process: subprocess.Popen[str], *, interrupt: bool, after: float) -> tuple[list[str], float]:
    assert process.stdout is not None
    lines: list[str] = []
    last = time.monotonic()
    for line in process.stdout:
        last = time.monotonic()
        if interrupt and line.strip() == "interrupt me":
            time.sleep(after)
            process.send_signal(signal.SIGINT)
        else:
            lines.append(line.strip())
    return lines, last


def several(run: Callable[[int], list[str]], times: int) -> list[list[str]]:
    """Run a script so many times, two at once, and give the lines of each."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(times)))


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Give processes more time than other tests."""
    for item in items:
        if "/process/" in str(item.path):
            item.add_marker(pytest.mark.timeout(90))
