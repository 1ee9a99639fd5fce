"""Parts of the documentation's pages that are made when the site is built: figures, and the help of the command.

A page names a part in a comment, such as `<!-- part: commands syncso bulk -->`; its Markdown takes that place.
This is an extension of Python-Markdown, which both Zensical and MkDocs run.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

from docs_parts import ROOT, commands, figures

RESULTS = ROOT / "benchmarks" / "results"
MARK = re.compile(r"<!-- part: (\w+)(?: (.+?))? -->")
BEFORE_HTML = 28
"""Priority of the preprocessor: behind the one that normalises lines, before the one that takes HTML out."""


def _example(name: str) -> list[str]:
    file = ROOT / "examples" / name
    return ["```python", *file.read_text(encoding="utf-8").splitlines(), "```"]


PARTS: dict[str, Callable[[str], list[str]]] = {
    "commands": commands.reference,
    "example": _example,
    "figures": lambda name: figures.tables(RESULTS, name),
    "others": lambda names: figures.other_tables(RESULTS, names.split()),
    "plots": lambda _: figures.plots(RESULTS),
    "machine": lambda name: figures.machine(RESULTS, name),
}


class UnknownPartError(Exception):
    """A page names a part that there is not."""


class Parts(Preprocessor):
    """Puts parts in the place of their marks."""

    def run(self, lines: list[str]) -> list[str]:
        """Give the lines with the parts in them."""
        return [new for line in lines for new in _part_of(line)]


def _part_of(line: str) -> list[str]:
    mark = MARK.fullmatch(line.strip())
    if mark is None:
        return [line]
    name, argument = mark.groups()
    if name not in PARTS:
        msg = f"there is no part {name!r}; there are {', '.join(PARTS)}"
        raise UnknownPartError(msg)
    return PARTS[name](argument or "")


class PartsExtension(Extension):
    """The extension for Python-Markdown."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  # the name that Python-Markdown calls
        """Register the preprocessor."""
        md.preprocessors.register(Parts(md), "docs_parts", BEFORE_HTML)


def makeExtension() -> PartsExtension:  # noqa: N802  # the name that Python-Markdown calls
    """Make the extension."""
    return PartsExtension()
