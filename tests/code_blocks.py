"""The code of a page of the documentation, by the files that it is to be."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

BLOCK = re.compile(r"^```(\w+)\n(?:# (\S+\.\w+)\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Block:
    """One fenced block; its first line may be a comment with the path of a file, and no more than that."""

    language: str
    path: str | None
    code: str


def blocks_of(page: Path) -> list[Block]:
    """Read the blocks of a page, in its order."""
    return [Block(*found.groups()) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]
