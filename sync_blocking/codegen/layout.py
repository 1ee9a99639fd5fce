"""Laying out the twin's text with the repository's own formatter and linter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sync_blocking.codegen.source import UnknownSourceError


def pinned_version(root: Path) -> str:
    """Give the version of ruff that the repository pins: another one may lay out otherwise."""
    found = re.search(r'"ruff==([^"]+)"', (root / "pyproject.toml").read_text(encoding="utf-8"))
    if found is None:
        raise UnknownSourceError("pyproject.toml:1: ruff is not pinned as 'ruff==…'")
    return found[1]


def check_version(root: Path) -> None:
    """Stop when another ruff is installed than the repository pins."""
    installed, pinned = _ruff(root, "", "--version").split()[1], pinned_version(root)
    if installed != pinned:
        raise UnknownSourceError(f"ruff {installed} is installed, but pyproject.toml pins {pinned}")


def laid_out(root: Path, name: str, text: str) -> str:
    """Sort the imports, lay the text out, and stop at what the linter finds in it."""
    file = ("--stdin-filename", str(root / "sync_blocking" / name), "-")
    text = _ruff(root, text, "check", "--fix", "--exit-zero", "--quiet", *file)
    text = _ruff(root, text, "format", "--quiet", *file)
    _ruff(root, text, "check", "--quiet", *file)
    return text


def _ruff(root: Path, text: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "ruff", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=root)  # noqa: S603
    if done.returncode:
        raise UnknownSourceError(f"ruff {arguments[0]} fails:\n{done.stdout}{done.stderr}")
    return done.stdout
