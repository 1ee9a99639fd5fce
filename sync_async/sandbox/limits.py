"""Requests a minute.

Source: https://sync.so/docs/api-reference/guides/rate-limits
"""

from __future__ import annotations

from collections import defaultdict, deque

import attrs

WINDOW = 60.0


@attrs.define
class MinuteLimit:
    """Allows each key a number of requests in any 60 seconds; None allows all."""

    allowed: int | None
    _times: defaultdict[str, deque[float]] = attrs.field(factory=lambda: defaultdict(deque), init=False)

    def take(self, key: str, now: float) -> float | None:
        """Count a request; when there are too many, give the seconds until the next is allowed.

        A refused request is not counted, so that a client that keeps asking is served in time.
        """
        if self.allowed is None:
            return None
        times = self._times[key]
        while times and times[0] <= now - WINDOW:
            times.popleft()
        if len(times) >= self.allowed:
            return times[0] + WINDOW - now if times else WINDOW
        times.append(now)
        return None

    def forget(self) -> None:
        """Begin anew for all keys."""
        self._times.clear()
