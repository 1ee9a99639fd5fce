"""What the programs in `benchmarks/` have measured, as Markdown; no number of it is typed by hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

DIGITS = 3
"""Digits of a figure that say something: the machine varies by more than the fourth."""
BESIDES = {"machine", "rounds", "seeds", "rows"}
"""Keys of a file that tell how it was measured, and stand above its tables."""


def tables(folder: Path, name: str) -> list[str]:
    """Give the tables of one file of results, whatever it holds.

    Args:
        folder: Where the results are.
        name: The file's name without `.json`.
    """
    found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    comparisons = found.pop("results", None)
    lines = _comparisons(comparisons) if isinstance(comparisons, list) else []
    return [*lines, *_sections(found)]


def other_tables(folder: Path, names: Iterable[str]) -> list[str]:
    """Give the tables of the files that a page does not name itself.

    Args:
        folder: Where the results are.
        names: The files that have a place of their own.
    """
    rest = [file.stem for file in sorted(folder.glob("*.json")) if file.stem not in set(names)]
    lines = [line for name in rest for line in (f"### `{name}.json`", "", *tables(folder, name))]
    return ["## Other files", "", *lines] if lines else []


def machine(folder: Path, name: str) -> list[str]:
    """Tell on what, and how often, a file's figures were measured.

    Args:
        folder: Where the results are.
        name: The file's name without `.json`.
    """
    found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    facts = [f"{key} {_shown(value)}" for key, value in (found.get("machine") or {}).items() if _is_plain(value)]
    facts += [f"{_shown(found[key])} {key}" for key in ("rounds", "seeds", "rows") if _is_plain(found.get(key))]
    return [f"Measured with {', '.join(facts)} (`benchmarks/results/{name}.json`).", ""]


def plots(folder: Path) -> list[str]:
    """Show each plot that is there; the pictures are part of the page."""
    return [line for file in sorted(folder.glob("*.svg")) for line in _plot(file)]


def _plot(file: Path) -> list[str]:
    data = base64.b64encode(file.read_bytes()).decode()
    title = file.stem.replace("_", " ").replace("-", " ").capitalize()
    return [
        '<figure class="plot">',
        f'<img alt="{title}" src="data:image/svg+xml;base64,{data}">',
        f"<figcaption>{title}</figcaption>",
        "</figure>",
        "",
    ]


def _comparisons(results: list[dict[str, Any]]) -> list[str]:
    """Show each figure beside each program that it is compared with."""
    return _table([(one["figure"], _comparison(one, other)) for one in results for other in one["times_as_good"]])


def _comparison(one: Mapping[str, Any], other: str) -> dict[str, Any]:
    """Name the two sides alike in all rows, so that they have a column each."""
    return {
        "beside": other,
        "times as good": one["times_as_good"][other],
        "wanted": one["at_least"].get(other),
        "syncso": _taken(one, "syncso"),
        "the other": _taken(one, other),
    }


def _taken(one: Mapping[str, Any], who: str) -> str:
    """Tell what somebody took: memory where that is compared, else the wall's time and the processor's."""
    if "bytes" in one:
        return f"{_shown(one['bytes'][who] / 1024**2)} MiB"
    took = one["microseconds_a_call"][who]
    return f"{_shown(took['wall'])} µs, CPU {_shown(took['cpu'])}"


def _rest(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key != "figure" and _is_plain(value)}


def _sections(found: Mapping[str, Any]) -> list[str]:
    """Show a nested mapping: its plain values in one table, those that hold values in another, the rest below."""
    found = {key: value for key, value in found.items() if key not in BESIDES}
    lines = _table([(key, {"value": value}) for key, value in found.items() if _is_plain(value)])
    lines += _table([(key, value) for key, value in found.items() if _is_row(value)])
    for key, value in found.items():
        if isinstance(value, Mapping) and not _is_row(value):
            lines += [f"**{key.replace('_', ' ')}**", "", *_sections(value)]
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            lines += [f"**{key.replace('_', ' ')}**", ""]
            lines += _table([(one.get("figure", str(number)), _rest(one)) for number, one in enumerate(value, 1)])
    return lines


def _is_row(value: Any) -> bool:
    return isinstance(value, Mapping) and all(one is None or _is_plain(one) for one in value.values())


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, int | float) for one in value)
    return isinstance(value, str | int | float)


def _table(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    if not rows:
        return []
    columns = list(dict.fromkeys(column for _, row in rows for column in row))
    heads = ["figure", *(column.replace("_", " ") for column in columns)]
    return [
        f"| {' | '.join(heads)} |",
        f"| --- |{' ---: |' * len(columns)}",
        *(f"| {' | '.join([name, *(_shown(row.get(column)) for column in columns)])} |" for name, row in rows),
        "",
    ]


def _shown(value: Any) -> str:
    """Write a value with as many digits as it deserves."""
    if value is None or value == []:
        return ""
    if isinstance(value, list):
        return " to ".join(dict.fromkeys(_shown(bound) for bound in (min(value), max(value))))
    if isinstance(value, float):
        value = float(f"{value:.{DIGITS}g}")
        return f"{value:,.0f}" if abs(value) >= 10 ** (DIGITS - 1) else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
