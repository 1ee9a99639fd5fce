"""How long to wait between two looks at jobs: one that is asked for alone, or many by list."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

import attrs

from sync_async.jobs.kinds import JobKind

GROWTH = 1.25
WATCHED_WAIT = 5.0
"""Longest seconds between two looks while a caller watches the progress."""
TICK_SHARE = 0.02
"""Part of a job's length that may pass before its end is seen: it costs that part of a busy slot."""
SHORTEST_TICK, LONGEST_TICK = 1.0, 15.0
SECONDS_A_REQUEST = 1.0
"""One request a second in the mean, at most, however many jobs there are: a tenth of what the API allows."""
KEPT_LENGTHS = 100


class Pace(Protocol):
    """Decides on the pauses of one wait."""

    def next_pause(self, hint: float | None, *, failing: bool) -> float:
        """Give the seconds until the next look.

        Args:
            hint: Seconds that the server asks to wait, if it does.
            failing: Whether the last look failed.
        """
        ...

    def note_end(self) -> None:
        """Take note of a job that has ended."""
        ...


@attrs.define
class GrowingPace:
    """For one job: the server's word is the least, and our own pause grows from look to look."""

    longest: float
    pause: float

    @classmethod
    def of(cls, kind: JobKind, *, watched: bool) -> GrowingPace:
        """Make the pace for a job of a kind; one that is watched is looked at more often."""
        return cls(WATCHED_WAIT if watched else kind.longest_wait, kind.first_wait)

    def next_pause(self, hint: float | None, *, failing: bool) -> float:
        """Give the seconds until the next look."""
        pause = self.pause
        self.pause = min(self.longest, self.pause * GROWTH)
        if hint is None:
            return pause
        return max(hint, pause) if failing else hint

    def note_end(self) -> None:
        """Take note of a job that has ended: there is no other."""


def tick_of(usual: float) -> float:
    """Give the seconds between two looks at jobs that usually take so many."""
    return min(LONGEST_TICK, max(SHORTEST_TICK, TICK_SHARE * usual))


@attrs.define
class TickPace:
    """For many jobs: a fiftieth of their usual length, and no more than one request a second."""

    requests: Callable[[], int]
    """How many requests a look at the jobs that still run takes."""
    _began: float | None = attrs.field(init=False, default=None)
    _lengths: list[float] = attrs.field(init=False, factory=list)

    def next_pause(self, hint: float | None, *, failing: bool) -> float:  # noqa: ARG002  # the same tick
        """Give the seconds until the next look."""
        usual = _median(self._lengths) if self._lengths else self._age()
        return max(tick_of(usual), SECONDS_A_REQUEST * self.requests(), hint or 0.0)

    def note_end(self) -> None:
        """Take note of a job that has ended, and of how long it took."""
        self._lengths.append(self._age())
        del self._lengths[:-KEPT_LENGTHS]

    def _age(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._began is None:  # the blocking twin makes it outside the loop
            self._began = now
        return now - self._began


@attrs.define
class FlowPace:
    """For many jobs that come and go, each of which is timed by itself."""

    looks_a_second: Callable[[], float]
    """How many looks the server takes, at most."""
    _lengths: deque[float] = attrs.field(init=False, factory=lambda: deque(maxlen=KEPT_LENGTHS))

    @property
    def usual_seconds(self) -> float | None:
        """Seconds that a job usually takes, None while nobody knows."""
        return _median(self._lengths) if self._lengths else None

    def note_length(self, seconds: float) -> None:
        """Take note of how long a job took."""
        self._lengths.append(seconds)

    def next_pause(self, hint: float | None, *, failing: bool) -> float:  # noqa: ARG002  # the same tick
        """Give the seconds until the next look."""
        return max(tick_of(self.usual_seconds or 0.0), 1 / self.looks_a_second(), hint or 0.0)

    def note_end(self) -> None:
        """Take note of a job that has ended: `note_length` tells more."""


def _median(lengths: Iterable[float]) -> float:
    from statistics import median  # it brings fractions and decimals, which few programs need

    return median(lengths)
