"""The figures as pictures: `latest.json` becomes SVG that reads on a light and on a dark page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

INK = "#7d8590"
"""Text and lines: a grey that is seen on white and on black."""
COLORS = {"syncso": "#1f9e89", "aiohttp": "#9aa5b1", "httpx": "#e6a23c", "syncsdk": "#d1495b"}
OTHER = "#9aa5b1"
WANTED = "#0b5345"

STYLE = {
    "svg.fonttype": "none",  # text stays text, in the reader's own font
    "svg.hashsalt": "syncso",  # the same picture for the same figures
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}

Results = dict[str, Any]


def draw(measured: Results, folder: Path) -> list[Path]:
    """Draw all pictures of a run into a folder, and tell their paths."""
    with mpl.rc_context(STYLE):
        return [
            ratios(measured["results"], folder / "ratios.svg"),
            costs(measured["results"], folder / "calls.svg"),
        ]


def ratios(results: list[Results], path: Path) -> Path:
    """Draw how many times as good syncso is as the vendor's SDK, with what was wanted."""
    shown = [result for result in results if "syncsdk" in result["times_as_good"]][::-1]
    values = [result["times_as_good"]["syncsdk"] for result in shown]
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(shown) + 1.1))
    axes.barh([result["figure"] for result in shown], values, color=COLORS["syncso"], height=0.62)
    axes.set_xscale("log")
    axes.axvline(1, color=COLORS["syncsdk"], linewidth=1.2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("times as good as syncsdk; strokes: what was wanted")
    for row, (result, value) in enumerate(zip(shown, values, strict=True)):
        text = f"{value:,.0f} x" if value >= 100 else f"{value:.3g} x"
        wanted = result["at_least"].get("syncsdk", 0)
        axes.annotate(text, (max(value, wanted), row), (4, 0), textcoords="offset points", va="center")
        if wanted:
            axes.plot([wanted, wanted], [row - 0.31, row + 0.31], color=WANTED, linewidth=2)
    axes.set_xlim(0.5, 5 * max(values))  # room for the longest bar's text
    return _saved(figure, path)


def costs(results: list[Results], path: Path) -> Path:
    """Draw what a call takes of the wall's time and of the processor's, for each opponent."""
    shown = [result for result in results if {"aiohttp", "httpx"} & result["times_as_good"].keys()]
    shown = [result for result in shown if "reads" in result["figure"] and result["of"] == "wall"]
    figure, rows = plt.subplots(len(shown), 1, figsize=(8, 1.35 * len(shown) + 0.9), squeeze=False)
    for axes, result in zip(rows[:, 0], shown, strict=True):
        taken = result["microseconds_a_call"]
        names = list(taken)[::-1]
        colors = [COLORS.get(name, OTHER) for name in names]
        axes.barh(names, [taken[name]["wall"] for name in names], color=colors, height=0.66, alpha=0.45)
        axes.barh(names, [taken[name]["cpu"] for name in names], color=colors, height=0.3)
        for row, name in enumerate(names):
            text = f"{taken[name]['wall']:,.0f} µs, CPU {taken[name]['cpu']:,.0f}"
            axes.annotate(text, (max(taken[name].values()), row), (4, 0), textcoords="offset points", va="center")
        axes.set_title(result["figure"], loc="left", fontsize=10, color=INK)
        axes.margins(x=0.3)
    rows[-1, 0].set_xlabel("microseconds a call: wall (pale) and processor (full)")
    return _saved(figure, path)


def _saved(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)
    return path


if __name__ == "__main__":  # once more, from what was measured: plots.py [RESULTS]
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "results"
    draw(json.loads((place / "latest.json").read_text(encoding="utf-8")), place)
