"""Links of README and docs lead somewhere, on GitHub as well as on the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import FENCE, PAGES, ROOT, name_of

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$")
MADE_ON_THE_SITE = "docs/reference/"
"""Pages whose headings come from docstrings; `make docs` checks links to these."""


def prose_of(page: Path) -> list[str]:
    """Give the lines of a page that are in no block."""
    lines, fence = [], ""
    for line in page.read_text(encoding="utf-8").splitlines():
        found = FENCE.match(line)
        if found and not fence:
            fence = found.group(2)
        elif fence and line.strip() == fence:
            fence = ""
        elif not fence:
            lines.append(line)
    return lines


def anchors_of(page: Path) -> set[str]:
    """Name the headings of a page as both renderers do."""
    titles = [found.group(1) for line in prose_of(page) if (found := HEADING.match(line))]
    return {re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower().replace(" ", "-") for title in titles}


def links_of(page: Path) -> list[str]:
    found = [link for line in prose_of(page) for link in LINK.findall(line)]
    return [link for link in found if not link.startswith(("http://", "https://"))]


@pytest.mark.parametrize("page", [page for page in PAGES if links_of(page)], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading in it."""
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor and not name_of(target).startswith(MADE_ON_THE_SITE):
            assert anchor in anchors_of(target), f"{name_of(page)} links to {link}"


def test_there_are_links() -> None:
    """So that nothing passes because nothing was found."""
    assert "docs/migrating.md" in links_of(ROOT / "README.md")
    assert "guides/errors.md#what-is-repeated" in links_of(ROOT / "docs" / "how-it-works.md")
    assert "what-is-repeated" in anchors_of(ROOT / "docs" / "guides" / "errors.md")


def test_every_page_is_in_the_navigation_once() -> None:
    """And nothing in it is missing."""
    _, navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")
    listed = re.findall(r"([\w/-]+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == sorted(name_of(page).removeprefix("docs/") for page in PAGES if page.parent != ROOT)
