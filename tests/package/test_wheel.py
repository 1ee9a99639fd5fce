"""What is in the wheel, and what it says of itself."""

from __future__ import annotations

from email.message import Message
from email.parser import Parser
from pathlib import PurePosixPath
from zipfile import ZipFile

import pytest

from tests.wheel import built_wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel, open."""
    return ZipFile(built_wheel(tmp_path_factory.mktemp("wheel")))


def about(wheel: ZipFile, name: str) -> str:
    """Read a file of the wheel's own folder."""
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


@pytest.fixture
def metadata(wheel: ZipFile) -> Message:
    """What it says of itself."""
    return Parser().parsestr(about(wheel, "METADATA"))


def test_it_holds_the_three_packages_and_nothing_else(wheel: ZipFile) -> None:
    """No tests, no leftovers, and not the generator, which is of use in a checkout only."""
    paths = [PurePosixPath(name) for name in wheel.namelist()]
    tops = {path.parts[0] for path in paths}
    (own,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"sync", "sync_async", "sync_blocking", own}
    assert {path.suffix for path in paths if path.parts[0] != own} == {
        ".py", ".typed", ".css", ".js", ".mp4", ".png", ".wav",
    }  # fmt: skip
    assert not [path for path in paths if {"__pycache__", "tests", "codegen"} & set(path.parts)]


@pytest.mark.parametrize(
    "name",
    [
        "sync/py.typed",
        "sync_async/py.typed",
        "sync_blocking/py.typed",
        "sync_async/bulk/report/page.css",
        "sync_async/bulk/report/page.js",
        "sync_async/sandbox/media/face.mp4",
        "sync_async/sandbox/media/face.png",
        "sync_async/sandbox/media/speech.wav",
        "sync_async/pytest_plugin.py",
    ],
)
def test_what_is_no_module_is_there_too(wheel: ZipFile, name: str) -> None:
    """Types, the report's page and the sandbox's clip, each with something in it where it has to."""
    assert wheel.getinfo(name).file_size > 0 or name.endswith("py.typed")


def test_it_needs_four_packages_and_offers_four_extras(metadata: Message) -> None:
    """Everything else is asked for by name."""
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.partition(">")[0] for line in needed) == ["aiohttp", "anyio", "attrs", "cattrs"]
    assert sorted(metadata.get_all("Provides-Extra", [])) == ["all", "arrow", "cli", "sandbox"]
    assert metadata["Requires-Python"] == ">=3.11"


def test_it_carries_its_licence_and_its_readme(wheel: ZipFile, metadata: Message) -> None:
    """As text, which package indexes show."""
    assert metadata["License-Expression"] == "MIT"
    assert "MIT License" in about(wheel, "licenses/LICENSE")
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# syncso\n")


def test_it_brings_the_command_and_the_plugin(wheel: ZipFile) -> None:
    """By entry points."""
    assert about(wheel, "entry_points.txt").split("\n\n") == [
        "[console_scripts]\nsyncso = sync_async.cli:main",
        "[pytest11]\nsyncso = sync_async.pytest_plugin\n",
    ]
