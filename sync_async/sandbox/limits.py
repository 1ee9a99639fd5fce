"""Requests a minute."""

from __future__ import annotations

from collections import deque

import attrs


@attrs.define
class MinuteLimit:
    """Allows a number of requests in any 60 seconds; None allows all."""

    allowed: int | None
    _times: deque[float] = attrs.field(factory=deque, init=False)

    def take(self, now: float) -> float | None:
        """Count a request; when there are too many, give the seconds until the next is allowed."""
        if self.allowed is None:
            return None
        while self._times and self._times[0] <= now - 60:
            self._times.popleft()
        if len(self._times) >= self.allowed:
            return self._times[0] + 60 - now
        self._times.append(now)
        return None
