"""CONTRIBUTING.md, followed to the letter in a copy of the repository."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.code_blocks import Block, blocks_of
from tests.wheel import ROOT

pytestmark = pytest.mark.timeout(120)

PAGE = ROOT / "CONTRIBUTING.md"
COPIED = (
    "sync_async",
    "sync_blocking",
    "sync",
    "tests",
    "Makefile",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
)
HAND_WRITTEN = {
    "sync_async/_client.py",
    "sync_async/_public.py",
    "sync_async/resources/error_codes.py",
    "sync_async/types/error_codes.py",
    "tests/flows/test_error_codes.py",
}
GENERATED = {
    "sync_blocking/__init__.py",
    "sync_blocking/_client.py",
    "sync_blocking/resources/error_codes.py",
}


def apply(block: Block, root: Path) -> None:
    """Do what a block of the page says: write a file, change one, or run a command."""
    if block.path is not None and block.language == "diff":
        change(root / block.path, block.code)
    elif block.path is not None:
        assert not (root / block.path).exists()
        (root / block.path).write_text(block.code, encoding="utf-8")
    else:
        assert block.language == "console"
        for command in block.code.splitlines():
            run(root, *command.split(), f"VENV={sys.prefix}", "STAMP=")  # with the environment of the tests


def change(path: Path, diff: str) -> None:
    """Apply a diff without line numbers: what each of its parts changes must stand there exactly once."""
    text = path.read_text(encoding="utf-8")
    for part in diff.split("@@\n"):
        lines = part.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        assert text.count(old) == 1, f"this is not in {path.name} once:\n{old}"
        text = text.replace(old, "".join(line[1:] for line in lines if line[0] in " +"))
    path.write_text(text, encoding="utf-8")


def run(root: Path, *command: str) -> str:
    """Run a command in the copy, which has to succeed."""
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON", "MAKE"))
    }
    done = subprocess.run(command, cwd=root, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def changed(root: Path) -> Iterator[str]:
    """Name the files of the copy that are not as in the repository."""
    for path in root.rglob("*"):
        name = path.relative_to(root)
        if path.is_file() and "cache" not in str(name):
            original = ROOT / name
            if not original.exists() or not filecmp.cmp(path, original, shallow=False):
                yield name.as_posix()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the repository."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_page_adds_an_endpoint_to_both_styles(copy: Path) -> None:
    """With what stands there and nothing else: types hold, the twin is fresh, and the page's own test passes."""
    for block in blocks_of(PAGE):
        apply(block, copy)
    assert set(changed(copy)) == HAND_WRITTEN | GENERATED
    python = (sys.executable, "-m")
    touched = sorted(HAND_WRITTEN | GENERATED)
    run(copy, *python, "ruff", "check", "--no-cache", *touched)
    run(copy, *python, "ruff", "format", "--no-cache", "--check", *touched)
    sources = [name for name in touched if not name.startswith("tests/")]
    run(copy, *python, "mypy", "--cache-dir", os.devnull, *sources)
    generator = "tests/generator/test_codegen.py::test_"
    tests = (
        "tests/flows/test_error_codes.py",
        "tests/test_keywords.py",
        f"{generator}both_faces_have_the_same_methods_and_parameters",
        f"{generator}the_twin_is_what_the_core_makes_it",
    )
    assert "passed" in run(copy, *python, "pytest", "-q", "-p", "no:cacheprovider", *tests)
    where = "import sync_async; print(sync_async.__file__)"
    assert Path(run(copy, sys.executable, "-c", where).strip()).is_relative_to(copy)


def test_every_command_of_the_page_is_there() -> None:
    """Each `make` that it names is a target of the Makefile."""
    named = set(re.findall(r"`make ([a-z-]+)`", PAGE.read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"check", "test", "facade"} <= named <= targets


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(\w+/[\w/]+\.(?:py|md))`", PAGE.read_text("utf-8")))))
def test_every_file_that_the_page_names_is_there(path: str) -> None:
    """Below the repository or below the core."""
    assert any((folder / path).is_file() for folder in (ROOT, ROOT / "sync_async"))
