"""The types of bulk runs have one place, and none of them is loaded before it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sync_async.bulk
from sync_async.bulk import _HOMES


def test_every_public_name_is_there() -> None:
    for name in sync_async.bulk.__all__:
        assert getattr(sync_async.bulk, name).__name__ == name
    assert dir(sync_async.bulk) == sync_async.bulk.__all__


def test_checkers_know_the_same_names() -> None:
    tree = ast.parse(Path(sync_async.bulk.__file__ or "").read_text())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    seen = {(node.module or "", alias.name) for node in imported for alias in node.names}
    known = {(f"sync_async.bulk.{home}", name) for name, home in _HOMES.items()}
    assert sorted(_HOMES) == sync_async.bulk.__all__
    assert known == seen - {("__future__", "annotations")}


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        sync_async.bulk.Nothing  # type: ignore[attr-defined]  # noqa: B018


def test_a_client_loads_nothing_of_bulk_runs() -> None:
    code = (
        "import sys, sync_async; sync_async.AsyncSync(api_key='k').bulk;"
        "sys.exit(any(name.startswith('sync_async.bulk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
