"""One timer of the loop for the time limits of many calls.

A timer for each call costs more than most of what else is done for one, and hardly any ever goes off.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
from collections.abc import Iterator
from types import TracebackType
from typing import Any


class Deadlines:
    """The time limits of the tasks of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._limits: dict[asyncio.Task[Any], Limit] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._context = contextvars.Context()
        """Of no call: a timer outlives the one that sets it, and would hold what its caller has."""

    def within(self, seconds: float) -> Limit:
        """Give a context that ends with a TimeoutError if it lasts longer; contexts of one task do not nest."""
        return Limit(self, seconds)

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Do what the limit of this task does not count; it starts anew afterwards."""
        limit = self._limits.get(self.this_task())
        if limit is not None:
            limit.end = math.inf
        yield
        if limit is not None:
            self.begin(limit)

    def begin(self, limit: Limit) -> None:
        """Have a limit count from now."""
        limit.end = self.loop.time() + limit.seconds
        self._limits[limit.task] = limit
        timer = self._timer
        if timer is None or limit.end < timer.when():
            if timer is not None:
                timer.cancel()
            self._timer = self.loop.call_at(limit.end, self._look, context=self._context)

    def end(self, limit: Limit) -> None:
        """Forget a limit; the timer is left to find that there is nothing to do."""
        del self._limits[limit.task]

    def this_task(self) -> asyncio.Task[Any]:
        """Give the task that runs."""
        task = asyncio.current_task(self.loop)  # to find the loop itself it would ask the system for the process
        if task is None:
            msg = "no task of this loop is running"
            raise RuntimeError(msg)
        return task

    def _look(self) -> None:
        self._timer = None
        now, soonest = self.loop.time(), math.inf
        for task, limit in self._limits.items():
            if limit.end <= now:
                limit.is_over, limit.end = True, math.inf
                task.cancel()
            soonest = min(soonest, limit.end)
        if soonest < math.inf:
            self._timer = self.loop.call_at(soonest, self._look, context=self._context)


class Limit:
    """How long a task may take for what is done in this context."""

    __slots__ = ("_cancelling", "_deadlines", "end", "is_over", "seconds", "task")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self.seconds = seconds
        self.task = deadlines.this_task()
        self.end = math.inf
        self.is_over = False
        self._deadlines = deadlines
        self._cancelling = self.task.cancelling()

    def __enter__(self) -> None:
        self._deadlines.begin(self)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._deadlines.end(self)
        # one who cancels the task at the same moment is not to be taken for the limit, as in asyncio.timeout
        if self.is_over and self.task.uncancel() <= self._cancelling and exc_type is asyncio.CancelledError:
            raise TimeoutError from exc
