"""How a run went, as SVG: slots and their limit, what completed, what was refused, over one axis of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from itertools import pairwise

import attrs

from sync_async.bulk.report.axis import LETTER, MARGIN, Axis, Piece
from sync_async.bulk.report.timeline import SECOND, Session, Stretch, condensed
from sync_async.bulk.report.words import clock, count, html, number, span

LEFT, RIGHT = 40.0, MARGIN
TITLE, BENEATH, AXIS = 26.0, 22.0, 34.0
"""Heights: of a panel's title, of the space under a panel, of the axis."""
BAR, POINT = 9.0, 3.0
"""Pixels that a bar, and a step of a line, has at least on average."""
SLOTS_HEIGHT, COMPLETED_HEIGHT, REFUSED_HEIGHT = 132.0, 84.0, 48.0
MOST_LINES = 4
"""Lines of a panel above its base."""
WHOLE_NAME, SHORT_NAME = 84.0, 34.0
"""Widths of a gap in which there is room for a sentence, and for its length."""


@attrs.frozen
class Series:
    """Something that a panel shows: the class of its marks, its name, and its value in a stretch."""

    style: str
    name: str
    value: Callable[[Stretch], float]


@attrs.frozen
class Panel:
    """Where values of one kind are drawn, from `top` to `bottom`."""

    title: str
    series: tuple[Series, ...]
    top: float
    height: float
    most: float

    @property
    def bottom(self) -> float:
        """Where 0 is."""
        return self.top + self.height

    @property
    def legend(self) -> Sequence[Series]:
        """The series that are named; one that the title tells is not."""
        return [series for series in self.series if series.name]

    def y(self, value: float) -> float:
        """Give the place of a value."""
        return self.bottom - value / self.most * self.height


def chart(found: Sequence[Session], width: int, zone: tzinfo, described_by: str) -> str:
    """Draw a run.

    Args:
        found: Its sessions, at least one.
        width: Pixels to draw for; the picture can be scaled, its letters are made for this width.
        zone: Of the times.
        described_by: The id of what describes the picture, in the page.
    """
    axis = Axis.of(found, LEFT, width - RIGHT)
    fine = condensed(found, int((width - LEFT - RIGHT) / POINT))
    coarse = bars_of(found, width)
    per, unit = _unit(coarse)
    panels = list(_panels(coarse, fine, per, unit))
    bottom = panels[-1].bottom
    parts = [
        *_gaps(axis, bottom),
        *(part for panel in panels for part in _frame(panel, axis)),
        *_slots(panels[0], fine, axis),
        *(part for panel in panels[1:] for part in _bars(panel, coarse, axis)),
        *_times(axis, bottom, zone),
        *_hints(coarse, axis, bottom, zone),
    ]
    height = bottom + AXIS
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" role="img" '
        f'aria-labelledby="{described_by}">{"".join(parts)}</svg>'
    )


def bars_of(found: Sequence[Session], width: int) -> Sequence[Session]:
    """Give the stretches of which a bar each tells."""
    return condensed(found, int((width - LEFT - RIGHT) / BAR))


def _unit(found: Sequence[Session]) -> tuple[float, str]:
    """Choose the time in which to count, so that the numbers are not below 1."""
    busiest = max((stretch.completed / stretch.minutes for session in found for stretch in session), default=0)
    return (1.0, "a minute") if busiest >= 1 else (60.0, "an hour")


def _panels(coarse: Sequence[Session], fine: Sequence[Session], per: float, unit: str) -> Iterator[Panel]:
    level = Series("level", "limit", lambda stretch: stretch.level)
    slots = Series("slots", "running", lambda stretch: stretch.slots)
    completed = Series("completed", "", lambda stretch: stretch.completed / stretch.minutes * per)
    full = Series("full", "too many at once", lambda stretch: stretch.refused / stretch.minutes * per)
    fast = Series("fast", "too many requests", lambda stretch: stretch.rate_refused / stretch.minutes * per)
    most = max(max(stretch.level, stretch.slots) for session in fine for stretch in session)
    top = TITLE
    yield Panel("Generations at once", (slots, level), top, SLOTS_HEIGHT, _ceiling(most))
    top += SLOTS_HEIGHT + BENEATH + TITLE
    most = max(completed.value(stretch) for session in coarse for stretch in session)
    yield Panel(f"Completed {unit}", (completed,), top, COMPLETED_HEIGHT, _ceiling(most))
    top += COMPLETED_HEIGHT + BENEATH + TITLE
    most = max(full.value(stretch) + fast.value(stretch) for session in coarse for stretch in session)
    refused = [
        each for each in (full, fast) if any(each.value(stretch) for session in coarse for stretch in session)
    ]
    if refused:
        yield Panel(f"Refused {unit}", tuple(refused), top, REFUSED_HEIGHT, _ceiling(most))


def _ceiling(most: float) -> float:
    """Give a round number that is not below another."""
    step = _step(most)
    return max(1.0, math.ceil(most / step - 1e-9)) * step


def _step(most: float) -> float:
    """Give 1, 2 or 5, or ten times that and so on, of which four or fewer make the whole."""
    ten = 10.0 ** math.floor(math.log10(max(1.0, most)))
    return max(1.0, next(part * ten for part in (0.5, 1.0, 2.0, 5.0) if most <= MOST_LINES * part * ten))


def _frame(panel: Panel, axis: Axis) -> Iterator[str]:
    """Draw title, legend, and the lines of a panel with their numbers."""
    y = panel.top - 12
    yield f'<text class="title" x="0" y="{y:g}">{panel.title}</text>'
    x = len(panel.title) * LETTER * 1.08 + 22
    for series in panel.legend:
        mark = f"M{x:g} {y - 4:g}h14" if series.style == "level" else f"M{x + 2:g} {y - 9:g}h10v10h-10z"
        yield f'<path class="{series.style}" d="{mark}"/>'
        yield f'<text class="legend" x="{x + 19:g}" y="{y:g}">{series.name}</text>'
        x += 19 + len(series.name) * LETTER + 16
    step, end = _step(panel.most), axis.pieces[-1].right
    if panel.height < COMPLETED_HEIGHT:
        step = panel.most
    for turn in range(round(panel.most / step) + 1):
        value = turn * step
        style, y = ("line", panel.y(value)) if turn else ("base", panel.bottom)
        yield f'<path class="{style}" d="M{LEFT:g} {y:g}H{end:.1f}"/>'
        yield f'<text class="value" x="{LEFT - 8:g}" y="{y + 4:g}">{number(value)}</text>'


def _gaps(axis: Axis, bottom: float) -> Iterator[str]:
    """Draw the times in which nothing ran."""
    for gap in axis.gaps:
        width, passed = gap.right - gap.left, span((gap.end - gap.begin) / SECOND)
        yield (
            f'<rect class="gap" x="{gap.left:.1f}" y="{TITLE:g}" width="{width:.1f}" height="{bottom - TITLE:g}">'
            f"<title>nothing ran for {passed}</title></rect>"
        )
        if width >= SHORT_NAME:
            whole = f'<tspan x="{gap.left + width / 2:.1f}" dy="-14">nothing ran</tspan>' * (width >= WHOLE_NAME)
            y = TITLE + SLOTS_HEIGHT / 2 + (10 if whole else 4)
            name = f'{whole}<tspan x="{gap.left + width / 2:.1f}" dy="{14 if whole else 0}">{passed}</tspan>'
            yield f'<text class="pause" y="{y:g}">{name}</text>'


def _slots(panel: Panel, found: Sequence[Session], axis: Axis) -> Iterator[str]:
    """Draw what was held as an area, and the limit as a line; both as steps, a session each."""
    for session, piece in zip(found, axis.pieces, strict=True):
        held = _steps(session, piece, panel, lambda stretch: stretch.slots)
        yield f'<path class="slots" d="M{piece.left:.1f} {panel.bottom:g}V{held}V{panel.bottom:g}z"/>'
    for session, piece in zip(found, axis.pieces, strict=True):
        limit = _steps(session, piece, panel, lambda stretch: stretch.level)
        yield f'<path class="level" d="M{piece.left:.1f} {limit}"/>'


def _steps(session: Session, piece: Piece, panel: Panel, value: Callable[[Stretch], float]) -> str:
    """Write the way along the values: to each of them upright, and then along its time."""
    places = [(piece.x(stretch.end), round(panel.y(value(stretch)), 1)) for stretch in session]
    turns = [f"H{x:.1f}V{after:g}" for (x, y), (_, after) in pairwise(places) if y != after]
    return f"{places[0][1]:g}{''.join(turns)}H{places[-1][0]:.1f}"


def _bars(panel: Panel, found: Sequence[Session], axis: Axis) -> Iterator[str]:
    """Draw a bar for each stretch, the parts of it above each other; those of one kind are one path."""
    drawn: dict[str, list[str]] = {series.style: [] for series in panel.series}
    for session, piece in zip(found, axis.pieces, strict=True):
        for stretch in session:
            left, right, below = piece.x(stretch.begin), piece.x(stretch.end), 0.0
            width = right - left - min(1.5, (right - left) / 4)
            for series in panel.series:
                value = series.value(stretch)
                if value:
                    y, height = panel.y(below + value), value / panel.most * panel.height
                    drawn[series.style].append(f"M{left:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z")
                below += value
    for style, paths in drawn.items():
        yield f'<path class="{style}" d="{"".join(paths)}"/>' if paths else ""


def _times(axis: Axis, bottom: float, zone: tzinfo) -> Iterator[str]:
    for label in axis.labels(zone):
        yield f'<path class="tick" d="M{label.x:.1f} {bottom:g}v4"/>'
        yield f'<text class="time" x="{label.x:.1f}" y="{bottom + 17:g}">{label.time}</text>'
        if label.day is not None:
            yield f'<text class="time day" x="{label.x:.1f}" y="{bottom + 31:g}">{label.day}</text>'


def _hints(found: Sequence[Session], axis: Axis, bottom: float, zone: tzinfo) -> Iterator[str]:
    """Put a field over each stretch that says its numbers to whoever points at it."""
    for session, piece in zip(found, axis.pieces, strict=True):
        for stretch in session:
            left, right = piece.x(stretch.begin), piece.x(stretch.end)
            yield (
                f'<rect class="hint" x="{left:.1f}" y="{TITLE:g}" width="{right - left:.1f}" '
                f'height="{bottom - TITLE:g}"><title>{html(told(stretch, zone))}</title></rect>'
            )


def told(stretch: Stretch, zone: tzinfo) -> str:
    """Say what a stretch was like."""
    begin, end = clock(stretch.begin, zone), clock(stretch.end, zone)
    refused = count(stretch.refused + stretch.rate_refused, "create") + " refused"
    held = f"{number(stretch.slots)} of {number(stretch.level)} at once"
    return f"{begin} to {end}: {held}, {stretch.completed:,} completed, {refused}"
