"""The core's source, read as a syntax tree and reduced to what the twin needs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn


class UnknownSourceError(Exception):
    """The generator met something that no rule of its covers; the text begins with file and line."""


class Source:
    """One module of the core."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)

    def fail(self, node: ast.AST, problem: str) -> NoReturn:
        """Stop at a node that no rule covers."""
        raise UnknownSourceError(f"sync_async/{self.name}:{getattr(node, 'lineno', 1)}: {problem}")

    def docstring(self, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        """Give the docstring of a public thing; without one it is not finished."""
        text = ast.get_docstring(node, clean=False)
        if text is None:
            self.fail(node, f"{getattr(node, 'name', 'the module')} has no docstring")
        return text

    def public_classes(self) -> Iterator[ast.ClassDef]:
        """Give the classes that have a twin."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef):
                if not node.name.startswith("_"):
                    yield node
            elif not isinstance(node, KNOWN_AT_TOP):
                self.fail(node, f"a module's {type(node).__name__} is not covered")

    def imports(self) -> dict[str, str]:
        """Give the statement that imports each name."""
        return _imports(node for node in self.tree.body if not isinstance(node, ast.If))

    def typing_imports(self) -> dict[str, str]:
        """Give the statement that imports each name which only type checkers see."""
        for node in self.tree.body:
            if isinstance(node, ast.If) and (ast.unparse(node.test) != "TYPE_CHECKING" or node.orelse):
                self.fail(node, "only a plain 'if TYPE_CHECKING:' is covered")
        return _imports(part for node in self.tree.body if isinstance(node, ast.If) for part in node.body)


def _imports(nodes: Iterable[ast.stmt]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                bound = alias.asname or alias.name
                renamed = f" as {alias.asname}" if alias.asname else ""
                found[bound] = f"{origin}import {alias.name}{renamed}"
    return found


KNOWN_AT_TOP = (
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
    ast.Expr,
    ast.If,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
)
"""What may stand at the top of a module of the core; only classes have twins."""
