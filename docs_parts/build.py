"""Builds the site, and looks through what came out: `python -m docs_parts.build`.

Zensical checks the links of the Markdown. Here the HTML is checked: that links lead to pages and places that are
there, and that a page asks no other host for anything. Docstrings that cannot be read are errors, too.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docs_parts import ROOT

SITE = ROOT / "site"
ASKED_FOR = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src")}
"""Attributes whose addresses a browser fetches by itself; those of `link` elements come beside them."""
FETCHING_LINKS = {"stylesheet", "preload", "preconnect", "dns-prefetch", "icon"}


class Page(HTMLParser):
    """What a page links to, what it has fetched, and the places that can be linked to in it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.places: set[str] = {""}
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what an element tells."""
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.fetched += [given[name] for of, name in ASKED_FOR if of == tag and name in given]
        if tag == "link" and FETCHING_LINKS & set(given.get("rel", "").split()):
            self.fetched.append(given.get("href", ""))


def main() -> int:
    """Build, check, and tell what is wrong."""
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    built = subprocess.run(  # noqa: S603
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(built.stdout, end="")  # noqa: T201
    if built.returncode or "griffe:" in built.stdout or "Warning" in built.stdout:
        return 1
    problems = list(problems_of(SITE))
    print(*problems, sep="\n", end="\n" if problems else "")  # noqa: T201
    return 1 if problems else 0


def problems_of(site: Path) -> Iterator[str]:
    """Tell each link that leads nowhere, and each thing that is fetched from another host."""
    pages = {file: Page(file) for file in sorted(site.rglob("*.html"))}
    for file, page in pages.items():
        here = file.relative_to(site)
        yield from (f"{here} fetches {address}" for address in page.fetched if urlsplit(address).netloc)
        if here.name == "404.html":  # it is shown at any address, so that its links begin at the server's root
            continue
        for link in {*page.links, *page.fetched}:
            if not _leads_somewhere(file, link, pages):
                yield f"{here} links to {link}, which is not there"


def _leads_somewhere(file: Path, link: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    target = target / "index.html" if target.is_dir() else target
    place = unquote(parts.fragment)
    return target.exists() and (not place or target not in pages or place in pages[target].places)


if __name__ == "__main__":
    sys.exit(main())
