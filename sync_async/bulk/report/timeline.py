"""How a run went: the lines of each half minute, in sessions, and joined so that a chart can hold them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import attrs

from sync_async.bulk.records import Event
from sync_async.bulk.timeline import INTERVAL

KIND = "minute"
SECOND = 1_000_000
LINE = int(INTERVAL * SECOND)
"""Microseconds of which a line tells, when there is none before it."""
GAP = LINE * 5 // 2
"""Microseconds without a line after which nothing ran: as long as a job does, there is one each half minute."""


@attrs.frozen(kw_only=True)
class Stretch:
    """Some time of a run: a line of it, or several that are joined.

    Attributes:
        begin: When it begins, in microseconds since 1970.
        end: When it ends.
        level: Slots that were believed to be there, on average.
        slots: Those that were held, on average.
        posts: Creates that were sent.
        refused: Of these, refused because too many generations ran.
        rate_refused: Of these, refused because there were too many requests.
        completed: Jobs that completed.
    """

    begin: int
    end: int
    level: float = 0.0
    slots: float = 0.0
    posts: int = 0
    refused: int = 0
    rate_refused: int = 0
    completed: int = 0

    @classmethod
    def of(cls, detail: Mapping[str, Any], begin: int, end: int) -> Self:
        """Read a line; what an older version did not write is 0."""
        names = ("level", "slots", "posts", "refused", "rate_refused", "completed")
        return cls(begin=begin, end=end, **{name: detail.get(name) or 0 for name in names})

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Join stretches that follow each other."""
        length = sum(part.length for part in parts)
        return cls(
            begin=parts[0].begin,
            end=parts[-1].end,
            level=sum(part.level * part.length for part in parts) / length,
            slots=sum(part.slots * part.length for part in parts) / length,
            posts=sum(part.posts for part in parts),
            refused=sum(part.refused for part in parts),
            rate_refused=sum(part.rate_refused for part in parts),
            completed=sum(part.completed for part in parts),
        )

    @property
    def length(self) -> int:
        """How many microseconds it has."""
        return self.end - self.begin

    @property
    def minutes(self) -> float:
        """How many minutes it has."""
        return self.length / (60 * SECOND)


Session = Sequence[Stretch]
"""Stretches without a gap between them."""


def sessions(events: Iterable[Event]) -> Sequence[Session]:
    """Sort the lines of a run by time, and part them where nothing ran."""
    found: list[list[Stretch]] = []
    for event in sorted(events, key=lambda event: event.us):
        last = found[-1][-1].end if found else event.us - LINE
        is_new = not found or event.us - last > GAP
        begin = max(last, event.us - LINE) if is_new else last
        if is_new:
            found.append([])
        found[-1].append(Stretch.of(event.detail, begin, max(event.us, begin + 1)))
    return found


def condensed(found: Sequence[Session], most: int) -> Sequence[Session]:
    """Join stretches until there are about `most`; those of different sessions stay apart."""
    lines = sum(map(len, found))
    size = max(1, math.ceil(lines / most))
    return [list(_joined(session, size)) for session in found]


def _joined(session: Session, size: int) -> Iterator[Stretch]:
    groups = [list(session[start : start + size]) for start in range(0, len(session), size)]
    if len(groups) > 1 and _length(groups[-1]) * 2 < _length(groups[-2]):
        groups[-2:] = [groups[-2] + groups[-1]]  # alone it would make a rate of a few seconds
    return map(Stretch.joined, groups)


def _length(group: Session) -> int:
    return sum(stretch.length for stretch in group)
