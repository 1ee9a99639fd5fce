"""What is put into pages when the site is built, and what is looked for afterwards."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from docs_parts import build, commands, figures
from tests.docs.blocks import PAGES, ROOT

EXAMPLE = re.compile(r"<!-- part: example (\S+) -->")
RESULTS = ROOT / "benchmarks" / "results"


def write(folder: Path, name: str, found: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(found))


def test_figures_are_compared_in_one_table(tmp_path: Path) -> None:
    """A row for each program beside which one was measured, with three digits."""
    reads = {
        "figure": "reads",
        "of": "wall",
        "times_as_good": {"aiohttp": 0.69331, "syncsdk": 17.2},
        "at_least": {"syncsdk": 10},
        "microseconds_a_call": {
            "syncso": {"wall": 181.67, "cpu": 170.01},
            "aiohttp": {"wall": 125.95, "cpu": 120.0},
            "syncsdk": {"wall": 3127.8, "cpu": 3001.1},
        },
        "of_a_later_version": {"deep": [1, {"er": 2}]},
    }
    memory = {
        "figure": "memory",
        "of": "memory",
        "times_as_good": {"syncsdk": 2.5},
        "at_least": {},
        "bytes": {"syncso": 4 * 1024**2, "syncsdk": 10 * 1024**2},
    }
    transfers = [{"figure": "upload", "mebibytes": 0.50390625}]
    found = {"machine": {"cores": 2}, "rounds": 5, "results": [reads, memory], "transfers": transfers}
    write(tmp_path, "latest", found)
    assert figures.tables(tmp_path, "latest") == [
        "| figure | beside | times as good | wanted | syncso | the other |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| reads | aiohttp | 0.693 |  | 182 µs, CPU 170 | 126 µs, CPU 120 |",
        "| reads | syncsdk | 17.2 | 10 | 182 µs, CPU 170 | 3,130 µs, CPU 3,000 |",
        "| memory | syncsdk | 2.5 |  | 4 MiB | 10 MiB |",
        "",
        "**transfers**",
        "",
        "| figure | mebibytes |",
        "| --- | ---: |",
        "| upload | 0.504 |",
        "",
    ]
    assert figures.machine(tmp_path, "latest")[0] == (
        "Measured with cores 2, 5 rounds (`benchmarks/results/latest.json`)."
    )


def test_results_of_any_form_are_shown(tmp_path: Path) -> None:
    """Also of programs that are written later."""
    found = {
        "kills": 538,
        "problems": [],
        "a": {"x": 1.0, "y": None},
        "b": {"x": 2.5},
        "deep": {"c": {"d": [3.0, 1.5]}},
        "list": [{"e": 7}],
    }
    write(tmp_path, "new", found)
    assert figures.other_tables(tmp_path, ["latest"]) == [
        "## Other files",
        "",
        "### `new.json`",
        "",
        *["| figure | value |", "| --- | ---: |", "| kills | 538 |", ""],
        *["| figure | x | y |", "| --- | ---: | ---: |", "| a | 1 |  |", "| b | 2.5 |  |", ""],
        *["**deep**", "", "| figure | d |", "| --- | ---: |", "| c | 1.5 to 3 |", ""],
        *["**list**", "", "| figure | e |", "| --- | ---: |", "| 1 | 7 |", ""],
    ]
    assert figures.other_tables(tmp_path, ["new"]) == []


def test_the_results_that_are_there_are_shown() -> None:
    """Every file has something to show."""
    files = sorted(RESULTS.glob("*.json"))
    assert files
    for file in files:
        assert any(line.startswith("| ") for line in figures.tables(RESULTS, file.stem)), file


def test_plots_become_part_of_the_page(tmp_path: Path) -> None:
    """All that are there, in order of their names."""
    assert figures.plots(tmp_path) == []
    for name in ("throughput", "a_figure"):
        (tmp_path / f"{name}.svg").write_text(f"<svg>{name}</svg>")
    shown = "".join(figures.plots(tmp_path))
    assert shown.index('alt="A figure"') < shown.index('alt="Throughput"')
    assert base64.b64encode(b"<svg>throughput</svg>").decode() in shown


def test_examples_that_are_shown_are_there_and_are_run() -> None:
    """By tests of their own, which name the file or put its name together."""
    shown = {name for page in PAGES for name in EXAMPLE.findall(page.read_text(encoding="utf-8"))}
    assert len(shown) > 5
    assert shown <= {file.name for file in (ROOT / "examples").glob("*.py")}
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "examples").glob("test_*.py"))
    for name in shown:
        kind, _, flavour = name.removesuffix(".py").partition("_")
        ways = [(flavour, f"{kind}_{{"), (kind, f"}}_{flavour}")]  # as in webhook_{example}.py
        is_put_together = any(f'"{one}"' in tests and template in tests for one, template in ways)
        assert name in tests or is_put_together, f"no test runs {name}"


def test_the_help_of_each_command_is_shown() -> None:
    """In the words of the command itself."""
    shown = commands.reference("syncso bulk")
    assert shown[:3] == ["## `syncso bulk`", "", "```text"]
    assert "### `syncso bulk run`" in shown
    assert any(line.startswith("Usage: syncso bulk run [OPTIONS]") for line in shown)
    assert "### `syncso bulk run`" not in commands.reference("syncso")


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="other.html#here">x</a>', None),
        ('<a href="https://sync.so/x">x</a> <a href="#top">x</a> <p id="top">', None),
        ('<a href="missing.html">x</a>', "page.html links to missing.html, which is not there"),
        ('<a href="other.html#there">x</a>', "page.html links to other.html#there, which is not there"),
        ('<img src="none.svg">', "page.html links to none.svg, which is not there"),
        ('<script src="https://cdn.example/x.js"></script>', "page.html fetches https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', "page.html fetches //cdn.example/x.css"),
    ],
)
def test_the_site_is_looked_through(tmp_path: Path, html: str, problem: str | None) -> None:
    """Links that lead nowhere, and whatever comes from other hosts, are found."""
    (tmp_path / "page.html").write_text(html)
    (tmp_path / "other.html").write_text('<h1 id="here">Other</h1>')
    assert list(build.problems_of(tmp_path)) == ([] if problem is None else [problem])
