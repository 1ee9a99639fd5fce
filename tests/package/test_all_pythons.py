"""`make test-all` leaves nothing out in silence."""

from __future__ import annotations

import subprocess
import sys

from tests.wheel import ROOT


def test_a_python_that_is_not_there_is_an_error() -> None:
    """Before anything is built, with what to do instead."""
    command = [sys.executable, str(ROOT / "tests" / "all_pythons.py"), "3.99"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("there is no python3.99 that runs; install it, or name those that there are")
