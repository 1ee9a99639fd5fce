"""The axis of time: sessions to scale, long gaps cut short, and labels where people look for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from itertools import pairwise

import attrs

from sync_async.bulk.report.timeline import SECOND, Session
from sync_async.bulk.report.words import at, day, offset

MINUTE, HOUR, DAY = 60, 3600, 86400
STEPS = (
    *(30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(
        HOUR,
        2 * HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        2 * DAY,
        7 * DAY,
        14 * DAY,
        28 * DAY,
        91 * DAY,
        364 * DAY,
    ),
)
"""Seconds between two labels."""
LABEL = 58.0
"""Pixels that a label needs."""
LETTER = 6.3
"""Pixels that a letter needs on average."""
MARGIN = 16.0
"""Pixels to the right of the axis, for the last label."""
GAPS_SHARE = 0.2
"""Part of the axis that all gaps together may have."""
SHORTEST_GAP = 12.0
"""Pixels that a gap has at least, so that it is seen."""


@attrs.frozen
class Piece:
    """A part of the axis: a session, or a gap.

    Attributes:
        begin: When it begins, in microseconds since 1970.
        end: When it ends.
        left: Where it begins, in pixels.
        right: Where it ends.
    """

    begin: int
    end: int
    left: float
    right: float

    def x(self, us: int) -> float:
        """Give the place of a moment."""
        return self.left + (us - self.begin) / (self.end - self.begin) * (self.right - self.left)


@attrs.frozen
class Label:
    """A mark on the axis: a time, and a day where that changes."""

    x: float
    time: str
    day: str | None = None


@attrs.frozen
class Axis:
    """Where moments are.

    Attributes:
        pieces: Sessions, each after the gap before it.
        gaps: Gaps.
    """

    pieces: tuple[Piece, ...]
    gaps: tuple[Piece, ...]

    @classmethod
    def of(cls, sessions: Sequence[Session], left: float, right: float) -> Axis:
        """Lay out sessions between two places."""
        bounds = [(session[0].begin, session[-1].end) for session in sessions]
        work = sum(end - begin for begin, end in bounds)
        gaps = [(end, begin) for (_, end), (begin, _) in pairwise(bounds)]
        most = min(GAPS_SHARE * (right - left) / max(1, len(gaps)), (right - left) / 10)
        share = (right - left) / (work + sum(end - begin for begin, end in gaps))
        widths = [min(most, max(SHORTEST_GAP, (end - begin) * share)) for begin, end in gaps]
        scale = (right - left - sum(widths)) / work
        pieces, blanks, x = list[Piece](), list[Piece](), left
        for (begin, end), gap, width in zip(bounds, [None, *gaps], [0.0, *widths], strict=True):
            if gap is not None:
                blanks.append(Piece(*gap, x, x + width))
            x += width
            pieces.append(Piece(begin, end, x, x + (end - begin) * scale))
            x = pieces[-1].right
        return cls(tuple(pieces), tuple(blanks))

    def labels(self, zone: tzinfo) -> list[Label]:
        """Give round moments, as many as there is room for; the first of a day has the day."""
        per_second = SECOND * (self.pieces[0].right - self.pieces[0].left) / _length(self.pieces[0])
        step = next((step for step in STEPS if step * per_second >= LABEL), STEPS[-1])
        found, free, last_day = list[Label](), self.pieces[0].left - LABEL, ""
        form, most = "%H:%M:%S" if step < MINUTE else "%H:%M", self.pieces[-1].right + MARGIN
        for us, x in self._moments(step, zone):
            name = day(us, zone)
            time = name if step >= DAY else at(us, zone).strftime(form)
            if x < free + LABEL or x + len(time) * LETTER / 2 > most:
                continue
            found.append(Label(x, time, name if name != last_day and step < DAY else None))
            free, last_day = x, name
        return found

    def _moments(self, step: int, zone: tzinfo) -> Iterator[tuple[int, float]]:
        ahead = int(offset(zone).total_seconds())
        for piece in self.pieces:
            first = -(-(piece.begin // SECOND + ahead) // step) * step - ahead
            moments = [second * SECOND for second in range(first, piece.end // SECOND + 1, step)]
            for us in moments or [piece.begin]:
                yield us, piece.x(us)


def _length(piece: Piece) -> int:
    return piece.end - piece.begin
