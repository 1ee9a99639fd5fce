"""The fenced blocks of a Markdown page, as its readers see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
FOLLOWED_ELSEWHERE = {"CONTRIBUTING.md": "tests/contributing"}
"""Pages whose blocks are steps of one change to the source; tests of their own follow them."""
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", *FOLLOWED_ELSEWHERE) if (ROOT / name).exists()),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^( *)(`{3,}|~{3,}) *(\S*)(?: +title=\"([^\"]+)\")?.*$")
FILE = re.compile(r"^# (\S+\.\w+)\n")
"""A first line that names a file, as where no title can stand."""


@attrs.frozen
class Block:
    """A fenced block.

    Attributes:
        page: The page it stands on.
        line: The line of its opening fence, from 1.
        language: The word behind the fence.
        title: The name of the file that it shows, or None.
        code: What it holds, without its indentation.
        tabs: Where the tabs begin among which it stands, or None; those of one place show the same.
    """

    page: Path
    line: int
    language: str
    title: str | None
    code: str
    tabs: int | None = None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Give the blocks of a page in order."""
    return list(_blocks(page, page.read_text(encoding="utf-8").splitlines()))


def _blocks(page: Path, lines: list[str]) -> Iterator[Block]:
    rest = iter(enumerate(lines, 1))
    prose = 0
    for number, line in rest:
        found = FENCE.match(line)
        if found is None:
            prose = number if line[:1].strip() and not line.startswith("=== ") else prose
            continue
        indent, fence, language, title = found.groups()
        code: list[str] = []
        for _, inner in rest:
            if inner.strip() == fence:
                break
            code.append(inner.removeprefix(indent))
        else:
            raise AssertionError(f"{page}:{number}: the fence is not closed")
        text = "\n".join(code) + "\n"
        named = FILE.match(text)
        yield Block(page, number, language, title or (named and named.group(1)), text, prose if indent else None)


def name_of(page: Path) -> str:
    """Name a page in the title of a test."""
    return str(page.relative_to(ROOT))
