"""The generator stops rather than guess, and runs on a broken twin."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sync_blocking.codegen import layout, tables
from sync_blocking.codegen.__main__ import MARK, ROOT, main
from sync_blocking.codegen.emit import ModuleEmitter
from sync_blocking.codegen.layout import check_version, laid_out
from sync_blocking.codegen.rules import Rules
from sync_blocking.codegen.source import Source, UnknownSourceError

pytestmark = pytest.mark.timeout(30)

MODULE = '''"""A module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from sync_async._listeners import OnUpdate

if TYPE_CHECKING:
    import decimal


@attrs.frozen
class AsyncModels(Resource):
    """Models."""

    async def get(self, id: str, *, on_update: OnUpdate[int] | None = None) -> decimal.Decimal:
        """Get one."""
'''


def emit(tmp_path: Path, code: str) -> str:
    """Write the twin of a small module."""
    (tmp_path / "models.py").write_text(code)
    return ModuleEmitter(Source(tmp_path / "models.py", "resources/models.py"), Rules()).text()


def test_what_only_checkers_import_stays_with_them(tmp_path: Path) -> None:
    """A name that the core imports under TYPE_CHECKING is imported there in the twin too."""
    text = laid_out(ROOT, "resources/models.py", emit(tmp_path, MODULE))
    assert "if TYPE_CHECKING:\n    import decimal" in text


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("id: str,", "id: Awaitable[str],", "Awaitable looks asynchronous"),
        ("id: str,", "id: contextlib.AbstractAsyncContextManager[str],", "AbstractAsyncContextManager looks"),
        ("id: str,", "id: 'str',", "quoted type 'str'"),
        ("OnUpdate[int]", "Callable[[int], object]", "would run on the private loop"),
        ("(Resource)", "(Resource, Wonder)", "base class Wonder"),
        ("(Resource)", "(Resource, metaclass=M)", "keywords of AsyncModels"),
        ("@attrs.frozen", "@attrs.define", "class decorator attrs.define"),
        ("if TYPE_CHECKING:", "if sys.platform == 'linux':", "only a plain 'if TYPE_CHECKING:'"),
    ],
)
def test_it_stops_with_file_and_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """What no rule covers is an error that leads to its place."""
    assert old in MODULE
    with pytest.raises(UnknownSourceError, match=problem) as caught:
        emit(tmp_path, MODULE.replace(old, new, 1))
    assert str(caught.value).startswith("sync_async/resources/models.py:")


def test_words_of_a_literal_are_no_types(tmp_path: Path) -> None:
    """Quoted text inside Literal is a value."""
    assert "id: Literal['a', 'b']," in emit(tmp_path, MODULE.replace("id: str,", "id: Literal['a', 'b'],"))


def test_what_the_linter_finds_stops_the_run() -> None:
    """A name from nowhere does not get into the twin."""
    with pytest.raises(UnknownSourceError, match="F821"):
        laid_out(ROOT, "module.py", MARK + '\n"""A module."""\n\nx: int = nowhere\n')


def test_another_formatter_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output depends on the pinned version of ruff and no other."""
    check_version(ROOT)
    monkeypatch.setattr(layout, "pinned_version", lambda _: "0.0.1")
    with pytest.raises(UnknownSourceError, match=r"is installed, but pyproject.toml pins 0\.0\.1"):
        check_version(ROOT)


def test_the_package_needs_a_home_for_each_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that no public name needs is as wrong as a missing one."""
    monkeypatch.setitem(tables.HOMES, "AsyncNothing", "nowhere")
    assert main(["--check"]) == 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of both packages, to be spoilt."""
    ignored = shutil.ignore_patterns("__pycache__", "sandbox", "cli")
    for package in ("sync_async", "sync_blocking"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_a_fresh_twin_passes_the_check(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was just written is what would be written."""
    assert main([], root) == 0
    assert main(["--check"], root) == 0
    assert "is what sync_async makes it" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["edited", "truncated", "missing", "left over", "cut at the end"])
def test_damage_fails_the_check_and_writing_repairs_it(
    root: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check names the file; it writes nothing itself."""
    victim = root / "sync_blocking/resources/models.py"
    text = victim.read_text()
    if damage == "edited":
        victim.write_text(text.replace("def list", "def lists"))
    elif damage == "truncated":
        victim.write_text(text[: len(text) // 2])
    elif damage == "missing":
        victim.unlink()
    elif damage == "left over":
        victim = root / "sync_blocking/resources/voices.py"
        victim.write_text(MARK + " from sync_async/resources/voices.py.\n")
    else:
        victim.write_text(text.rstrip("\n"))
    assert main(["--check"], root) == 1
    assert str(victim) in capsys.readouterr().out
    assert main([], root) == 0
    assert main(["--check"], root) == 0


def test_a_core_that_is_not_covered_leaves_the_twin_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 2, the message begins with file and line, and nothing is written."""
    core, twin = root / "sync_async/resources/models.py", root / "sync_blocking/resources/models.py"
    core.write_text(core.read_text().replace("    async def list(", "    @cached\n    async def list(", 1))
    before = twin.read_bytes()
    assert main([], root) == 2
    assert "sync_async/resources/models.py:" in capsys.readouterr().err
    assert twin.read_bytes() == before


@pytest.mark.parametrize("seed", ["1", "2"])
def test_it_repairs_a_twin_that_cannot_be_imported(root: Path, seed: str) -> None:
    """Neither the core nor the generated modules are imported, and the hash seed does not matter."""
    twin = root / "sync_blocking/_client.py"
    good = twin.read_text()
    twin.write_text("this is no Python")
    core = root / "sync_async/_version.py"
    core.write_text(core.read_text() + "raise ImportError\n")
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "sync_blocking.codegen"]
    subprocess.run(command, cwd=root, env=environment, check=True, timeout=20)
    assert twin.read_text() == good
