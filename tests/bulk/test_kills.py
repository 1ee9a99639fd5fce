"""A run that is killed at some of its commits and HTTP boundaries; `benchmarks/kill_matrix.py` takes them all."""

from __future__ import annotations

import sys

import pytest

from benchmarks.kill_matrix import campaign

EVERY = 29
"""At each so-manieth boundary of a run, so that it takes seconds."""

pytestmark = pytest.mark.timeout(120)  # the processes share the cores with other tests


@pytest.mark.timeout(120)  # it starts many processes, as the tests in tests/process do
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and no forkserver")
def test_a_run_that_is_killed_anywhere_buys_nothing_twice_and_loses_nothing() -> None:
    kills, wrong = campaign(2, lambda count: range(7, count, EVERY))
    assert wrong == []
    assert kills >= 3
