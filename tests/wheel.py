"""The wheel, and an environment that has it installed as a user would, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GIVEN = "SYNCSO_WHEEL"
"""The variable that names a wheel which is there already, and is what the tests run against (`make test-all`)."""


def built_wheel(folder: Path) -> Path:
    """Give the wheel that is tested, or build that of the checkout; this needs no network."""
    if GIVEN in os.environ:
        return Path(os.environ[GIVEN])
    ran(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment_with(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel, and give its interpreter.

    What the wheel depends on is taken from the environment of the tests. Its `.pth` files are not read there, so
    that an editable install of the checkout is out of sight.
    """
    ran(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = folder / "bin" / "python"
    ran(sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    packages = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def ran(*command: str, cwd: Path | None = None) -> str:
    """Run a command that has to succeed, and give what it says."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
