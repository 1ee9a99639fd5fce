"""Applying the tables, and keeping account of which rules were used."""

from __future__ import annotations

import ast
import re
import textwrap

from sync_blocking.codegen import tables
from sync_blocking.codegen.source import Source, UnknownSourceError


class Rules:
    """The tables at work."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def name(self, source: Source, node: ast.AST, name: str) -> str:
        """Give the twin's name for a name of the core."""
        if name in tables.RENAMES:
            self.used.add(name)
            return tables.RENAMES[name]
        if name.startswith(("Async", "aio", "__a")):
            source.fail(node, f"{name} looks asynchronous and stands in no rule")
        return name

    def annotation(self, source: Source, node: ast.expr | None) -> str:
        """Give the twin's text for an annotation."""
        if node is None:
            return ""
        renamed = _RenamedNames(self, source).visit(ast.parse(ast.unparse(node), mode="eval"))
        return ast.unparse(renamed)

    def takes_function(self, node: ast.expr | None) -> bool:
        """Tell whether a parameter is a function of the caller's."""
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} if node is not None else set()
        found = names & tables.CALLBACKS
        self.used |= found
        return bool(found)

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
        for phrase, other in tables.PHRASES.items():
            if phrase in text:
                self.used.add(phrase)
                text = text.replace(phrase, other)
        for word in tables.FORBIDDEN:
            if word in text:
                source.fail(node, f"the docstring says {word.strip()!r}, and no phrase of the table turns it")
        for example in examples(text):
            try:
                ast.parse(example)
            except SyntaxError as error:
                source.fail(node, f"the example is no code: {error}")
        return text

    def check_all_used(self) -> None:
        """Stop when a rule covers nothing any more."""
        everything = {*tables.RENAMES, *tables.CALLBACKS, *tables.BY_HAND, *tables.ONLY_IN_CORE, *tables.PHRASES}
        if unused := sorted(everything - self.used):
            raise UnknownSourceError(f"rules that nothing uses: {', '.join(map(repr, unused))}")


class _RenamedNames(ast.NodeTransformer):
    def __init__(self, rules: Rules, source: Source) -> None:
        self._rules = rules
        self._source = source

    def visit_Name(self, node: ast.Name) -> ast.Name:  # ast's own naming
        node.id = self._rules.name(self._source, node, node.id)
        return node


def examples(docstring: str) -> list[str]:
    """Take the code out of the Example sections of a docstring: all that is indented below the heading."""
    found = re.findall(r"^( *)Example:\n((?:\1 +.*\n|\n)+)", docstring + "\n", re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]
