"""Somebody who reads a page and does what stands there, with the sandbox instead of the API."""

from __future__ import annotations

import ast
import asyncio
import csv
import inspect
import io
import json
import linecache
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from sync_async.cli.app import run as run_command
from sync_async.sandbox.jobs import SAMPLES
from sync_blocking import Sandbox, Sync
from tests.docs.blocks import ROOT, Block

MEDIA = ("face.mp4", "face.png", "speech.wav")
MANIFEST = """item_id,model,video,audio,options.sync_mode
one,lipsync-2,face.mp4,speech.wav,loop
two,lipsync-2,face.mp4,speech.wav,bounce
"""
ANYTHING = "…"
"""What stands in shown output for words that differ from run to run."""
IDS = {"generations": "generations", "batch": "batches", "assets": "assets"}


@attrs.define
class Reader:
    """Reads one page from its top.

    Attributes:
        sandbox: The API.
        folder: Where the reader works; media and the files of the page are in it.
        printed: Gives what was printed since it was last asked.
        names: The names of the page's Python blocks.
        loop: Runs what they await.
        said: What the block before has printed, and those in the tabs beside it.
    """

    sandbox: Sandbox
    folder: Path
    printed: Callable[[], str]
    patch: pytest.MonkeyPatch
    loop: asyncio.Runner
    names: dict[str, Any] = attrs.field(factory=lambda: {"__name__": "page"})
    said: list[str] = attrs.field(factory=list)
    _tabs: int | None = None

    def __attrs_post_init__(self) -> None:
        for name in MEDIA:
            shutil.copy(SAMPLES / name, self.folder / name)
        (self.folder / "jobs.csv").write_text(MANIFEST, encoding="utf-8")

    def read(self, block: Block) -> None:
        """Do what a block says."""
        if block.language not in LANGUAGES:
            raise AssertionError(f"{block}: nobody knows how to read {block.language!r}")
        if block.title is not None:
            (self.folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / block.title).write_text(block.code, encoding="utf-8")
        said = LANGUAGES[block.language](self, block)
        if block.tabs is None or block.tabs != self._tabs:
            self.said.clear()
        self.said += [said] if said is not None else []
        self._tabs = block.tabs

    def run_tests(self) -> None:
        """Run the tests that the page shows, if there are any."""
        if any(self.folder.glob("test_*.py")):
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(self.folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


def _python(reader: Reader, block: Block) -> str | None:
    """Run it, in the namespace of the page."""
    name = f"<{block}>"
    linecache.cache[name] = (len(block.code), None, block.code.splitlines(keepends=True), name)
    if block.title is not None:  # a file of a program, which its tests run
        return None
    code = compile(block.code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    reader.printed()
    if code.co_flags & inspect.CO_COROUTINE:
        reader.loop.run(_awaited(code, reader.names))
    else:
        exec(code, reader.names)
    return reader.printed()


async def _awaited(code: Any, names: dict[str, Any]) -> None:
    await eval(code, names)


def _console(reader: Reader, block: Block) -> str | None:
    """Run the commands one after the other."""
    reader.printed()
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            _command(reader, words[:end], f"{block}: {line}")
            words = words[end + 1 :]
    return reader.printed()


def _command(reader: Reader, words: list[str], where: str) -> None:
    program, *arguments = words
    if program == "export":
        for one in arguments:
            reader.patch.setenv(*one.split("=", 1))
    elif program == "syncso":
        _syncso(reader, arguments, where)
    else:
        assert program in CHECKED, f"{where}: nobody knows how to check {program}"
        CHECKED[program](arguments, where)


def _syncso(reader: Reader, arguments: list[str], where: str) -> None:
    """Run the command here; ID is that of what was made last."""
    if arguments[0] == "sandbox":
        _serve(arguments, where)
        return
    if "ID" in arguments:
        world = reader.sandbox._sandbox.world
        arguments = [list(getattr(world, IDS[arguments[0]]))[-1] if one == "ID" else one for one in arguments]
    reader.patch.setattr(sys, "argv", ["syncso", *arguments])
    assert run_command() == 0, where


def _serve(arguments: list[str], where: str) -> None:
    """Start the sandbox and press Ctrl-C when it listens; on a port of its own, as tests run side by side."""
    command = [sys.executable, "-W", "error", "-m", "sync_async.cli.app", *arguments, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("Ctrl-C ends it" in line for line in iter(process.stderr.readline, "")), where
        process.send_signal(signal.SIGINT)
        assert process.wait(15) in (0, 130), where
        assert "Error" not in process.stderr.read(), where


def _make(arguments: list[str], where: str) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [one for one in arguments if "=" not in one and one not in targets] == [], where


def _pip(arguments: list[str], where: str) -> None:
    """Check that what would be installed is this package with extras that it has, or a framework of the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    tested = {re.split(r"[>=\[;]", one)[0] for one in project["dependency-groups"]["test"] if isinstance(one, str)}
    _, *packages = arguments
    for package in packages:
        name, _, wanted = package.rstrip("]").partition("[")
        assert name in {"syncso", "syncsdk", *tested}, where
        assert [one for one in wanted.split(",") if one and one not in extras] == [], where


def _program(arguments: list[str], where: str) -> None:
    """Check that the program is there: its own tests run it."""
    is_pytest = arguments[:2] == ["-m", "pytest"]  # the tests of a page are run at its end
    assert is_pytest or (ROOT / arguments[0]).is_file(), where


def _served(arguments: list[str], where: str) -> None:
    """Check that the module which a server is told to load is an example."""
    modules = [one.partition(":")[0] for one in arguments if re.fullmatch(r"[a-z_]+(:app)?", one)]
    assert any((ROOT / "examples" / f"{one}.py").is_file() for one in modules), where


CHECKED: dict[str, Callable[[list[str], str], None]] = {
    "make": _make,  # would run these tests, or install
    "pip": _pip,  # would install
    "python": _program,
    "celery": _served,  # would serve until it is stopped
    "uvicorn": _served,
    "gunicorn": _served,
}
"""The only commands that are looked at instead of being run."""


def _manifest(reader: Reader, block: Block) -> None:
    """Plan it, with media where it names some: there is nothing wrong with any row."""
    rows = (
        list(csv.DictReader(io.StringIO(block.code)))
        if block.language == "csv"
        else [json.loads(line) for line in block.code.splitlines()]
    )
    for row in rows:
        for medium in (value for name, value in row.items() if name in ("video", "audio", "image")):
            if medium and "://" not in medium and not (reader.folder / medium).exists():
                (reader.folder / medium).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(
                    SAMPLES / ("speech.wav" if medium.endswith(".wav") else "face.mp4"), reader.folder / medium
                )
    manifest = reader.folder / f"shown-at-{block.line}.{block.language}"
    manifest.write_text(block.code, encoding="utf-8")
    with Sync() as client:
        plan = client.bulk.plan(manifest)
    assert (plan.rows, plan.shown_problems) == (len(rows), []), f"{block}: {plan.shown_problems}"


def _json(_: Reader, block: Block) -> None:
    json.loads(block.code)


def _toml(_: Reader, block: Block) -> None:
    tomllib.loads(block.code)


def _text(reader: Reader, block: Block) -> None:
    """It is what the block before has printed, in each of its tabs."""
    assert reader.said, f"{block}: shown output stands behind what prints it"
    pattern = ".*?".join(re.escape(part) for part in block.code.strip().split(ANYTHING))
    for said in reader.said:
        assert re.fullmatch(pattern, said.strip(), re.DOTALL), f"{block} shows\n{block.code}but it was\n{said}"


LANGUAGES: dict[str, Callable[[Reader, Block], str | None]] = {
    "python": _python,
    "console": _console,
    "csv": _manifest,
    "jsonl": _manifest,
    "json": _json,
    "toml": _toml,
    "text": _text,
}
"""What becomes of a block of each language; there are no others."""
