"""How many requests a minute: one pace for each class of endpoints, found where it is not known.

A pace is a GCRA (the generic cell rate algorithm): one number, the earliest time at which the next request is due
in the mean, and no background task. It says nothing of how many generations run; see `seeker` for that.

Never more than N requests in *any* 60 seconds needs `burst + rate * one minute <= N`. A bucket of N that is filled
at N a minute therefore sends up to twice as many.

No I/O, no clock and no chance: they are passed in.
"""

from __future__ import annotations

import enum
import math
from collections import deque

import attrs

MINUTE = 60.0
USED = 0.85
"""Part of the pace that a minute must have used to prove anything."""
GROWTH = 1.25
RECOVERY = 1.02
"""Growth per minute once a limit was met: slow, since a limit seldom rises."""
CAUTION = 600.0
"""Seconds without growth after a refusal."""
SAFE_SHARE = 0.97
"""Part of a limit that is used. What the network squeezes together, up to 1.8 s, then stays below it."""
BURSTY_SHARE = 0.9
GRAIN = 0.02
"""Seconds by which a busy loop may be late: what was due meanwhile goes at once, or else a high limit could
not be used."""
FEW = 5
"""Requests in a minute from which a limit can be read."""
FEW_SHARE = 0.7
HIGHEST_RATE, LOWEST_RATE = 600.0, 1.0
LONGEST_HOLD = 3600.0
"""Seconds for which a server's wish to wait is granted before it is asked again."""
SPREAD = 2.0
"""Seconds over which the first requests of several programs are spread when a minute begins."""


class Pace(enum.Enum):
    """The classes of endpoints that have a pace of their own."""

    CREATE = "create"
    READ = "read"
    UPLOAD = "upload"
    """Asking for the address to which a file is sent."""
    OTHER = "other"


@attrs.frozen
class Start:
    """Requests a minute to begin with, and how many may go at once."""

    rate: float
    burst: int


STARTS = {
    Pace.CREATE: Start(60, 1),
    Pace.READ: Start(300, 6),
    Pace.UPLOAD: Start(108, 6),
    Pace.OTHER: Start(60, 1),
}
"""Paces, not limits: the editions of https://sync.so/docs/api-reference/guides/rate-limits differ, and the current
one names 120 a minute for uploads and nothing for creates."""


@attrs.define
class Pacer:
    """Spreads the requests of one class over time, and learns how many the server takes.

    Args:
        rate: Requests a minute.
        burst: Requests that may go at once after a pause.
        highest: What the rate may grow to.
        learned: Whether a limit was met, so that growth is slow.
    """

    rate: float
    burst: int = 1
    highest: float = HIGHEST_RATE
    learned: bool = False
    hold: float = attrs.field(init=False, default=-math.inf)
    """No request before this time."""
    _due: float = attrs.field(init=False, default=-math.inf)
    """GCRA's theoretical arrival time of the next request."""
    _passed: deque[float] = attrs.field(init=False, factory=deque)
    """When requests were answered that were not refused, of the last minute."""
    _minute: float | None = attrs.field(init=False, default=None)
    _used: int = attrs.field(init=False, default=0)
    _cautious_until: float = attrs.field(init=False, default=-math.inf)
    _last_refusal: float = attrs.field(init=False, default=-math.inf)

    @classmethod
    def of(cls, pace: Pace, *, limit: float | None = None, learned: float | None = None) -> Pacer:
        """Make the pacer of a class.

        Args:
            pace: The class.
            limit: Requests that the server takes in any minute, where somebody knows.
            learned: The rate that an earlier run learned.
        """
        start = STARTS[pace]
        if limit is None:
            return cls(start.rate if learned is None else learned, start.burst, learned=learned is not None)
        made = cls(start.rate, start.burst)
        made.set_limit(limit)
        return made

    def set_limit(self, limit: float) -> None:
        """Keep to a number of requests in any minute, from 1, that somebody knows."""
        bursts = min(self.burst, math.floor((1 - BURSTY_SHARE) * limit + 1e-9))  # 0.1 * 60 is 5.999...
        if bursts > 1:
            self.burst, self.highest = bursts, BURSTY_SHARE * limit
        else:
            self.highest = SAFE_SHARE * limit if limit < 2 else min(SAFE_SHARE * limit, limit - 1)  # noqa: PLR2004
            self.burst = 1 + math.floor(GRAIN * self.highest / MINUTE)
        self.rate = self.highest

    def wait(self, now: float) -> float:
        """Give the seconds until the next request may be sent; 0 for now."""
        self._turn_minute(now)
        allowance = (self.burst - 1) * self._interval
        return max(0.0, self._due - allowance - now, self.hold - now)

    def sent(self, now: float) -> None:
        """Take note of a request that is being sent."""
        self._turn_minute(now)
        self._due = max(self._due, now) + self._interval
        self._used += 1

    def passed(self, now: float) -> None:
        """Take note of an answer that is no refusal for the rate, whatever else it is."""
        self._passed.append(now)
        self._forget(now)

    def refused(self, sent: float, now: float, *, hint: float | None, wall: float, chance: float) -> None:
        """Take note of a refusal for the rate: learn the limit from it, and hold the whole class.

        Refusals of requests that were sent before the last one was known belong to it and count no more.

        Args:
            sent: When the request was sent.
            now: The time.
            hint: Seconds that the server asks to wait, if it does.
            wall: The time in seconds since 1970: limits are often counted from minute to minute of the clock.
            chance: A random number from 0 to 1.
        """
        if sent <= self._last_refusal:
            return
        is_again = now - self._last_refusal < MINUTE
        self._last_refusal = now
        self._learn(now)
        if hint is not None:
            pause = min(LONGEST_HOLD, hint)
        elif is_again and self._passed:  # the minutes of the clock are not those that are counted
            pause = self._passed[0] + MINUTE - now + SPREAD * chance
        else:
            pause = MINUTE - wall % MINUTE + SPREAD * chance
        self.hold = max(self.hold, now + pause)

    def _learn(self, now: float) -> None:
        self._forget(now)
        taken = len(self._passed)
        measured = SAFE_SHARE * taken if taken >= FEW else FEW_SHARE * self.rate
        self.rate = max(min(LOWEST_RATE, self.highest), min(measured, SAFE_SHARE * self.rate))
        self.learned = True
        self._cautious_until = now + CAUTION
        self._minute = None

    def _turn_minute(self, now: float) -> None:
        """Grow after a minute that was clean and well used."""
        if self._minute is None:
            self._minute, self._used = now, 0
        elif now >= self._minute + MINUTE:
            # a minute during which nobody asked proves nothing, so what is counted is scaled to its real length
            used = self._used * MINUTE / (now - self._minute)
            if used >= USED * self.rate and now >= self._cautious_until:
                self.rate = min(self.highest, self.rate * (RECOVERY if self.learned else GROWTH))
            self._minute, self._used = now, 0

    def _forget(self, now: float) -> None:
        while self._passed and self._passed[0] <= now - MINUTE:
            self._passed.popleft()

    @property
    def _interval(self) -> float:
        return MINUTE / self.rate
