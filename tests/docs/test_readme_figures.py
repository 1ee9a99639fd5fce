"""The figures in the README are those that were measured."""

from __future__ import annotations

import json
import re

from tests.docs.blocks import ROOT

RESULTS = json.loads((ROOT / "benchmarks" / "results" / "latest.json").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def shown(value: float | None) -> str:
    """Write a ratio with as many digits as it deserves."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def test_each_ratio_is_as_it_was_measured() -> None:
    """Of all that was compared with syncsdk, none is left out."""
    _, _, table = README.partition("| times as good as | syncsdk | aiohttp | httpx |\n")
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.partition("\n\n")[0].splitlines()[1:]]
    beside = [
        [one["figure"], *(shown(one["times_as_good"].get(who)) for who in ("syncsdk", "aiohttp", "httpx"))]
        for one in RESULTS["results"]
        if "syncsdk" in one["times_as_good"]
    ]
    assert rows == beside
    assert len(rows) > 9


def test_the_sentences_below_have_the_same_source() -> None:
    (hop,) = [one["microseconds_a_call"]["syncso"] for one in RESULTS["results"] if "hop" in one["figure"]]
    sent, fetched = (one["mebibytes"] for one in RESULTS["transfers"])
    text = re.sub(r"\s+", " ", README)
    assert f"takes {hop['wall']:.0f} µs a call" in text
    assert f"in {sent:.1f} and {fetched:.1f} MiB of memory" in text
