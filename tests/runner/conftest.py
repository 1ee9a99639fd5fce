"""A portal over a client that does nothing, and scripts in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync_blocking._loop import Portal

ROOT = Path(__file__).resolve().parents[2]

PROLOGUE = """
import asyncio, os, signal, sys, threading, time
from sync_blocking._loop import Portal
from sync_blocking._calls import deliver

class Client:
    async def close(self):
        pass

async def give(value):
    return value

def say(*words):
    print(*words, flush=True)

"""


class Recorder:
    """A client that counts how often it is closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def recorder() -> Recorder:
    """The client behind the portal."""
    return Recorder()


@pytest.fixture
def portal(recorder: Recorder) -> Iterator[Portal]:
    """An open portal, closed in the end."""
    made = Portal(recorder)
    yield made
    made.close()


RunScript = Callable[..., list[str]]


@pytest.fixture
def run_script() -> RunScript:
    """Run code in a new interpreter; nothing may stand on stderr, and the exit code is 0."""

    def run(code: str, *options: str, seconds: float = 15) -> list[str]:
        done = subprocess.run(
            [sys.executable, *options, "-c", PROLOGUE + textwrap.dedent(code)],
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert done.stderr == ""
        assert done.returncode == 0
        return done.stdout.splitlines()

    return run
