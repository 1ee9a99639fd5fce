"""Ten thousand calls leave nothing behind: no memory, no descriptor, no thread, no task."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.faults.leak_run import PARTS

CALLS = 10_000
ROOT = Path(__file__).parents[2]
MORE_BLOCKS = 1500
"""By how many blocks of Python memory the middle third and the last may differ; 3333 calls lie between."""
MORE_PAGES = 512
"""The same of pages of the process, whose allocators give and take them as they like: 2 MiB."""
DESCRIPTORS_AT_WORK = 8
"""By how many the open connections of two parts may differ: some are torn or stalled when it is counted."""


@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process holds")
def test_ten_thousand_calls_leave_memory_descriptors_threads_and_tasks_as_they_were() -> None:
    """They succeed, fail, time out and are cancelled, in both styles, over clients that stay and that go."""
    command = [sys.executable, "-W", "error", "-m", "tests.faults.leak_run", str(CALLS)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert (run.returncode, run.stderr) == (0, "")
    before, *parts, after = map(json.loads, run.stdout.splitlines())
    assert len(parts) == PARTS
    third = PARTS // 3
    middle, late = parts[third : 2 * third], parts[2 * third :]
    growth = {name: median(part[name] for part in late) - median(part[name] for part in middle) for name in before}
    assert growth["blocks"] < MORE_BLOCKS, parts
    assert growth["pages"] < MORE_PAGES, parts
    assert abs(growth["descriptors"]) <= DESCRIPTORS_AT_WORK, parts
    assert {part["tasks"] for part in parts} == {0}
    assert {part["threads"] for part in parts} == {2}  # this one, and that of the blocking client
    assert (after["descriptors"], after["threads"], after["tasks"]) == (before["descriptors"], 1, 0)
