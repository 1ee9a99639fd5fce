"""A user's project, with the wheel installed and nothing of the checkout in reach."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path

import attrs
import pytest

from tests.wheel import built_wheel, environment_with

SETTINGS = """
[pytest]
addopts = --strict-markers --strict-config
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""
OWN_KEY = "sk-of-the-user"


@attrs.frozen
class Outcome:
    """What a run of pytest came to."""

    code: int
    stdout: str
    stderr: str

    @property
    def counts(self) -> dict[str, int]:
        """How many tests passed, failed and so on, by pytest's own words."""
        last = self.stdout.strip().splitlines()[-1]
        return {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", last.partition(" in ")[0])}


@attrs.frozen
class Project:
    """A folder with a program and its tests."""

    folder: Path
    python: Path

    def write(self, name: str, code: str) -> None:
        """Add a file."""
        (self.folder / name).write_text(textwrap.dedent(code), encoding="utf-8")

    def test(self, *arguments: str) -> Outcome:
        """Run pytest in the folder, as its user does, with a key in the environment."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
        outside.pop("SYNC_BASE_URL", None)
        done = subprocess.run(
            [self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=self.folder,
            env={**outside, "SYNC_API_KEY": OWN_KEY},
            capture_output=True,
            text=True,
            timeout=80,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is tested."""
    return built_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel."""
    return environment_with(wheel, tmp_path_factory.mktemp("environment"))


@pytest.fixture
def project(python: Path, tmp_path: Path) -> Project:
    """An empty project with strict settings."""
    made = Project(tmp_path, python)
    made.write("pytest.ini", SETTINGS)
    return made
