"""Applying the tables, and keeping account of which rules were used."""

from __future__ import annotations

import ast
import copy
import re
import textwrap

from sync_blocking.codegen import tables
from sync_blocking.codegen.source import Source, UnknownSourceError

ASYNCHRONOUS = re.compile(r"Async|Awaitable|Coroutine|^_*aio|^a(close|iter|next|send|throw)$|^__a[a-z]+__$")
"""How a name looks that has no place in blocking code."""


class Rules:
    """The tables at work."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def name(self, source: Source, node: ast.AST, name: str) -> str:
        """Give the twin's name for a name of the core."""
        if name in tables.RENAMES:
            self.used.add(name)
            return tables.RENAMES[name]
        if ASYNCHRONOUS.search(name):
            source.fail(node, f"{name} looks asynchronous and stands in no rule")
        return name

    def annotation(self, source: Source, node: ast.expr | None) -> str:
        """Give the twin's text for an annotation."""
        if node is None:
            return ""
        return ast.unparse(_RenamedNames(self, source).visit(copy.deepcopy(node)))

    def takes_function(self, source: Source, node: ast.expr) -> bool:
        """Tell whether a parameter is a function of the caller's."""
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        if "Callable" in names:
            source.fail(node, "a function that stands in no rule would run on the private loop; name its type")
        found = names & tables.CALLBACKS
        self.used |= found
        return bool(found)

    def check_class(self, source: Source, node: ast.ClassDef) -> None:
        """Stop at a class that is made in an unknown way."""
        for decorator in node.decorator_list:
            if ast.unparse(decorator) != "attrs.frozen":
                source.fail(decorator, f"the class decorator {ast.unparse(decorator)} is not covered")
        for base in node.bases:
            name = ast.unparse(base).partition("[")[0]
            if name not in tables.BASES:
                source.fail(base, f"the base class {name} is not covered")
            self.used.add(name)
        if node.keywords:
            source.fail(node, f"the keywords of {node.name} are not covered")

    def is_only_in_core(self, path: str) -> bool:
        """Tell whether a parameter has no counterpart in the twin."""
        if path in tables.ONLY_IN_CORE:
            self.used.add(path)
            return True
        return False

    def is_by_hand(self, method: str) -> bool:
        """Tell whether a method is written by hand."""
        if method in tables.BY_HAND:
            self.used.add(method)
            return True
        return False

    def docstring(self, source: Source, node: ast.AST, text: str) -> str:
        """Give the twin's docstring; its examples must be code."""
        text = self._turned(text, tables.PHRASES)
        text = EXAMPLE.sub(lambda found: self._turned(found[0], tables.CODE), text)
        for word in tables.FORBIDDEN:
            if word in text:
                source.fail(node, f"the docstring says {word.strip()!r}, and no phrase of the table turns it")
        for example in examples(text):
            try:
                ast.parse(example)
            except SyntaxError as error:
                source.fail(node, f"the example is no code: {error}")
        return text

    def _turned(self, text: str, phrases: dict[str, str]) -> str:
        for phrase, other in phrases.items():
            if phrase in text:
                self.used.add(phrase)
                text = text.replace(phrase, other)
        return text

    def check_all_used(self) -> None:
        """Stop when a rule covers nothing any more."""
        everything = {
            *tables.RENAMES,
            *tables.BASES,
            *tables.CALLBACKS,
            *tables.BY_HAND,
            *tables.ONLY_IN_CORE,
            *tables.PHRASES,
            *tables.CODE,
        }
        if unused := sorted(everything - self.used):
            raise UnknownSourceError(f"rules that nothing uses: {', '.join(map(repr, unused))}")


class _RenamedNames(ast.NodeTransformer):
    def __init__(self, rules: Rules, source: Source) -> None:
        self._rules = rules
        self._source = source

    def visit_Name(self, node: ast.Name) -> ast.Name:  # ast's own naming
        node.id = self._rules.name(self._source, node, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:  # ast's own naming
        node.attr = self._rules.name(self._source, node, node.attr)
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:  # ast's own naming
        return node if ast.unparse(node.value) == "Literal" else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:  # ast's own naming
        if isinstance(node.value, str):
            self._source.fail(node, f"the quoted type {node.value!r} is not covered; the core needs no quotes")
        return node


EXAMPLE = re.compile(r"^( *)Example:\n((?:\1 +.*(?:\n|\Z)|\n)+)", re.MULTILINE)
"""An Example section of a docstring: all that is indented below the heading."""


def examples(docstring: str) -> list[str]:
    """Take the code out of the Example sections of a docstring."""
    return [textwrap.dedent(found[2]) for found in EXAMPLE.finditer(docstring)]
