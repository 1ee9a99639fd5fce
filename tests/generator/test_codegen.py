"""The generator: what it makes, and at what it stops."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import sync_async
import sync_blocking
from sync_async import AsyncSync
from sync_blocking import Sync
from sync_blocking.codegen import tables
from sync_blocking.codegen.__main__ import MARK, ROOT, build, differences
from sync_blocking.codegen.emit import ModuleEmitter
from sync_blocking.codegen.rules import Rules, examples
from sync_blocking.codegen.source import Source, UnknownSourceError

PAIRS = [
    (getattr(importlib.import_module(f"sync_async.{module}"), core), getattr(twins, tables.RENAMES[core]))
    for module in (name.removesuffix(".py").replace("/", ".") for name in tables.SOURCES)
    for twins in [importlib.import_module(f"sync_blocking.{module}")]
    for core in tables.RENAMES
    if getattr(sys.modules[f"sync_async.{module}"], core, object).__module__ == f"sync_async.{module}"
]
"""Each class of the core that has a twin, and the twin."""


def emit(tmp_path: Path, code: str) -> str:
    """Write the twin of a small module."""
    (tmp_path / "models.py").write_text('"""A module."""\n' + code)
    return ModuleEmitter(Source(tmp_path / "models.py", "resources/models.py"), Rules()).text()


GOOD = '''
class AsyncModels(Resource):
    """Models."""

    async def get(self, id: str, *, on_update: OnUpdate[int] | None = None) -> AsyncModels:
        """Get one.

        Example:
            one = await client.models.get("a")
        """
        return await self._caller.fetch(id)


class AsyncModelsWithRawResponse(WithRawResponse[AsyncModels]):
    """The methods of `AsyncModels`, raw."""

    get = raw(AsyncModels.get)
'''


def test_a_method_becomes_real_source_with_one_hop(tmp_path: Path) -> None:
    """Renamed types, edited docstring, callbacks delivered, arguments passed by name."""
    text = emit(tmp_path, GOOD)
    assert "class Models(Facade[AsyncModels]):" in text
    assert "def get(self, id: str, *, on_update: OnUpdate[int] | None=None) -> Models:" in text.replace(" = ", "=")
    assert 'one = client.models.get("a")' in text
    assert text.count("@blocking") == 2
    assert "return outcome_of(self._async.get(id=id, on_update=deliver(on_update)))" in text
    assert "-> RawResponse[Models]:" in text
    assert "async def" not in text
    ast.parse(text)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("    async def get", "    @cached\n    async def get", "decorator cached"),
        ("async def get(self, id: str", "def get(self, id: str", "plain method get"),
        ("-> AsyncModels:", "-> AsyncWonder:", "AsyncWonder looks asynchronous"),
        ("id: str, *,", "id, *,", "id has no type"),
        ("id: str, *,", "*ids: str,", "not covered"),
        ("| None = None)", "| None = make())", "default of on_update"),
        ('one = await client.models.get("a")', "one = = 2", "example is no code"),
        ('        """Get one.', "        '''", "no docstring|EOF|unterminated"),
        ("get = raw(AsyncModels.get)", "get = cooked(AsyncModels.get)", "only 'name = raw"),
        ("get = raw(AsyncModels.get)", "get = raw(AsyncModels.put)", "only 'name = raw"),
        ("class AsyncModels(", "for x in y: pass\n\nclass AsyncModels(", "For is not covered"),
    ],
)
def test_it_stops_at_what_no_rule_covers(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """With file and line, rather than guess."""
    assert old in GOOD
    with pytest.raises((UnknownSourceError, SyntaxError), match=problem):
        emit(tmp_path, GOOD.replace(old, new, 1))


def test_a_word_that_no_phrase_turns_is_an_error(tmp_path: Path) -> None:
    """No docstring of the twin speaks of coroutines."""
    with pytest.raises(UnknownSourceError, match="'coroutine'"):
        emit(tmp_path, GOOD.replace("Get one.", "Get one in a coroutine."))


def test_code_is_turned_in_examples_only(tmp_path: Path) -> None:
    """Prose that loses a word without notice would say something else."""
    with pytest.raises(UnknownSourceError, match="'await'"):
        emit(tmp_path, GOOD.replace("Get one.", "Get one; await it."))


def test_a_rule_that_nothing_uses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables do not grow dead entries."""
    monkeypatch.setitem(tables.RENAMES, "AsyncNothing", "Nothing")
    with pytest.raises(UnknownSourceError, match="rules that nothing uses: 'AsyncNothing'"):
        build(ROOT / "sync_async")


def test_stale_truncated_and_left_over_files_are_found(tmp_path: Path) -> None:
    """Whole texts are compared, and marks without a maker are named."""
    files = {"a.py": "one\ntwo\n", "b.py": "three\n"}
    (tmp_path / "a.py").write_text("one\n")
    (tmp_path / "b.py").write_text("three\n")
    (tmp_path / "c.py").write_text(MARK + " from nothing.\n")
    (tmp_path / "d.py").write_text("# by hand\n")
    found = "\n".join(differences(files, tmp_path))
    assert "+two" in found
    assert "c.py: carries the generator's mark" in found
    assert "d.py" not in found
    assert "three" not in found


def test_the_twin_is_what_the_core_makes_it() -> None:
    """Nobody has edited it, and nobody forgot to generate it."""
    assert differences(build(ROOT / "sync_async"), ROOT / "sync_blocking") == []


@pytest.mark.parametrize(("core", "twin"), PAIRS, ids=lambda cls: cls.__name__)
def test_both_faces_have_the_same_methods_and_parameters(core: type, twin: type) -> None:
    """Names, kinds and defaults; what exists on one side only stands in the table."""
    methods = {name for name in vars(core) if not name.startswith("_") and callable(getattr(core, name))}
    theirs = {
        name
        for base in twin.__mro__
        for name in vars(base)
        if not name.startswith("_") and callable(getattr(twin, name))
    }
    assert methods == theirs
    for name in {*methods, "__init__"} if core is AsyncSync else methods:
        ours, mirrored = (inspect.signature(getattr(cls, name)).parameters for cls in (core, twin))
        only = {
            key.rpartition(".")[2] for key in tables.ONLY_IN_CORE if key.startswith(f"{core.__name__}.{name}.")
        }
        expected = [(p.name, p.kind, p.default) for p in ours.values() if p.name not in only]
        assert [(p.name, p.kind, p.default) for p in mirrored.values()] == expected
        assert not inspect.iscoroutinefunction(getattr(twin, name))


@pytest.mark.parametrize("twin", [twin for _, twin in PAIRS], ids=lambda cls: cls.__name__)
def test_no_docstring_of_the_twin_speaks_of_awaiting(twin: type) -> None:
    """And each has one, whose examples are code."""
    for thing in [
        twin,
        *(value for name, value in vars(twin).items() if not name.startswith("_") and callable(value)),
    ]:
        text = inspect.getdoc(thing)
        assert text
        assert not re.search(r"\bawait|async\b|asyncio|coroutine|AsyncSync", text)
        for example in examples(text):
            compile(example, "example", "exec")


def test_both_packages_have_the_same_public_names() -> None:
    """Through the table; all shared things are the same objects, so one except catches both."""
    renamed = {tables.RENAMES.get(name, name) for name in sync_async.__all__}
    assert set(sync_blocking.__all__) == renamed
    assert sync_async.__all__ == sorted(sync_async.__all__)
    for name in set(sync_async.__all__) & set(sync_blocking.__all__):
        ours: Any = getattr(sync_async, name)
        assert getattr(sync_blocking, name) is ours
    assert sync_blocking.Sync is Sync
