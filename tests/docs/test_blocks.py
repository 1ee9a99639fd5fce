"""Every block of the documentation is run, in the order in which a reader meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import FOLLOWED_ELSEWHERE, PAGES, ROOT, Block, blocks_of, name_of
from tests.docs.reader import Reader

WITH_BLOCKS = [page for page in PAGES if blocks_of(page) and page.name not in FOLLOWED_ELSEWHERE]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=name_of)
def test_what_a_page_says_works(page: Path, reader: Reader) -> None:
    """Each block of it, from top to bottom; shown output is what is printed."""
    for block in blocks_of(page):
        reader.read(block)
    reader.run_tests()
    assert reader.sandbox.leaks == []


def test_there_are_pages_with_blocks() -> None:
    """So that nothing passes because nothing was found."""
    assert {"README.md", "docs/quickstart.md", "docs/guides/waiting.md"} <= set(map(name_of, WITH_BLOCKS))
    assert all(block.code.strip() for page in WITH_BLOCKS for block in blocks_of(page))


def test_pages_that_are_left_out_have_tests_of_their_own() -> None:
    """Which name them."""
    for page, tests in FOLLOWED_ELSEWHERE.items():
        if (ROOT / page).exists() and (ROOT / tests).exists():  # not beside the wheel
            assert any(page in file.read_text(encoding="utf-8") for file in (ROOT / tests).glob("test_*.py"))


def block(language: str, code: str, **more: object) -> Block:
    return Block(Path(__file__), 1, language, None, code, **more)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (block("ruby", "puts 1\n"), "nobody knows how to read 'ruby'"),
        (block("", "x\n"), "nobody knows how to read ''"),
        (block("text", "1\n"), "behind what prints it"),
        (block("console", "make coffee\n"), "make coffee"),
        (block("console", "pip install 'syncso[coffee]'\n"), "coffee"),
        (block("console", "curl example.com\n"), "nobody knows how to check curl"),
        (block("console", "python examples/none.py\n"), "none.py"),
        (block("console", "syncso models --none\n"), "--none"),
        (block("csv", "item_id,model,video,audio\nx,lipsync-2,face.mp4,\n"), "voice"),
    ],
)
def test_a_wrong_block_is_an_error(wrong: Block, complaint: str, reader: Reader) -> None:
    """Of each kind, with the place where it stands."""
    with pytest.raises(AssertionError, match=complaint.replace("[", r"\[")):
        reader.read(wrong)


def test_shown_output_is_compared(reader: Reader) -> None:
    """Word by word, but for what is left open."""
    reader.read(block("python", "print('started', 17)\n"))
    reader.read(block("text", "started …\n"))
    reader.read(block("python", "print('started', 17)\n"))
    with pytest.raises(AssertionError, match="but it was"):
        reader.read(block("text", "ended …\n"))


def test_shown_output_is_compared_with_each_tab(reader: Reader) -> None:
    """All of them have to print it; those of earlier tabs are forgotten."""
    reader.read(block("python", "print('of another place')\n", tabs=3))
    for code in ("print('same')\n", "print('sa' + 'me')\n"):
        reader.read(block("python", code, tabs=17))
    reader.read(block("text", "same\n"))
    for code in ("print('other')\n", "print('same')\n"):
        reader.read(block("python", code, tabs=32))
    with pytest.raises(AssertionError, match="but it was\nother"):
        reader.read(block("text", "same\n"))


def test_a_block_that_raises_is_an_error(reader: Reader) -> None:
    """With the line of the block, awaited or not."""
    for code in ("x = 1\nawait nobody\n", "x = 1\nnobody\n"):
        with pytest.raises(NameError, match="nobody"):
            reader.read(block("python", code))
