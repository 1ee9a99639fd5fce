"""One loop that waits for any kind of remote job.

A look that fails for a passing reason does not end the wait; the caller's deadline bounds everything and
never ends the job.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

import attrs

from sync_async._errors import (
    ApiConnectionError,
    ApiError,
    ArgumentError,
    InternalServerError,
    SyncError,
    TooManyRequestsError,
    WaitTimeoutError,
)
from sync_async.jobs.kinds import JobKind

log = logging.getLogger("syncso")

PASSING = (ApiConnectionError, TooManyRequestsError, InternalServerError)
"""Failures of a look that say nothing about the job."""
PATIENCE = 600.0
"""Seconds of nothing but failed looks after which a wait without a timeout gives up."""
WATCHED_WAIT = 5.0
"""Longest seconds between two looks while a caller watches the progress."""


class Job(Protocol):
    """What the waiter needs to see of a job."""

    @property
    def status(self) -> str:
        """Where the job stands."""
        ...


JobT = TypeVar("JobT", bound=Job)

OnUpdate = Callable[[JobT], object]
"""Called with the job when it is first seen and whenever it has changed; may be a coroutine function."""


@attrs.frozen
class Look(Generic[JobT]):
    """A job as one look found it, and how many seconds the server asks to wait before the next."""

    job: JobT
    hint: float | None = None


@attrs.define(kw_only=True)
class Waiter(Generic[JobT]):
    """Waits for one job.

    Args:
        kind: What the job's words mean.
        id: The job's id.
        look: Reads the job; is told how many seconds are left, None without a deadline.
        sleep: Waits between two looks.
        timeout: Seconds until the wait ends, None for no limit.
        on_update: See `OnUpdate`.
    """

    kind: JobKind
    id: str
    look: Callable[[float | None], Awaitable[Look[JobT]]]
    sleep: Callable[[float], Awaitable[object]]
    timeout: float | None = None
    on_update: OnUpdate[JobT] | None = None
    _last: JobT | None = attrs.field(default=None, init=False)
    _pause: float = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.kind.first_wait, takes_self=True)
    )
    _failing_since: float | None = attrs.field(default=None, init=False)
    _deadline: float | None = attrs.field(default=None, init=False)

    async def wait(self) -> JobT:
        """Look until the job is over, and return it as it ended.

        Raises:
            WaitTimeoutError: Time ran out; the job still runs.
            SyncError: A look failed for a lasting reason.
        """
        if self.timeout is not None:
            self._deadline = _now() + self.timeout
        while True:
            hint = await self._look_once()
            if self._last is not None and self._failing_since is None and self.kind.is_over(self._last.status):
                return self._last
            pause = self._next_pause(hint)
            left = self._left()
            if left is not None and left <= 0:
                raise self._timed_out(None)
            await self.sleep(pause if left is None else min(pause, left))

    async def _look_once(self) -> float | None:
        try:
            look = await self.look(self._left())
        except PASSING as error:
            return self._note_failure(error)
        self._failing_since = None
        await self._note(look.job)
        return look.hint

    async def _note(self, job: JobT) -> None:
        changed = job != self._last
        if not self.kind.is_known(job.status) and (self._last is None or self._last.status != job.status):
            log.warning("%s %s has the unknown status %r; waiting on", self.kind.name, self.id, job.status)
        self._last = job
        if changed and self.on_update is not None:
            outcome: Any = self.on_update(job)
            if inspect.isawaitable(outcome):
                await outcome

    def _note_failure(self, error: SyncError) -> float | None:
        now = _now()
        if self._failing_since is None:
            self._failing_since = now
        if self._deadline is None and now - self._failing_since > PATIENCE:
            raise error
        left = self._left()
        if left is not None and left <= 0:
            raise self._timed_out(error) from error
        log.info("a look at %s %s failed (%s); waiting on", self.kind.name, self.id, error)
        return error.retry_after if isinstance(error, ApiError) else None

    def _next_pause(self, hint: float | None) -> float:
        """The server's word is the least; our own wait grows from look to look."""
        pause = self._pause
        longest = self.kind.longest_wait if self.on_update is None else WATCHED_WAIT
        self._pause = min(longest, self._pause * 1.25)
        if hint is None:
            return pause
        return max(hint, pause) if self._failing_since is not None else hint

    def _left(self) -> float | None:
        return None if self._deadline is None else self._deadline - _now()

    def _timed_out(self, error: SyncError | None) -> WaitTimeoutError:
        status = (
            f"its last status was {self._last.status}" if self._last is not None else f"no look succeeded: {error}"
        )
        return WaitTimeoutError(
            self.id,
            f"{self.kind.name} {self.id} did not end within {self.timeout:g} s; {status}. It goes on at the "
            "server: wait for the same id again, do not create it again",
            self._last,  # type: ignore[arg-type]  # the only kind so far is a generation
        )


def checked_timeout(timeout: float | None) -> float | None:
    """Check how long to wait."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise ArgumentError("timeout", f"{timeout!r} is not a number of seconds above 0; None waits without limit")
    return None if timeout == float("inf") else float(timeout)


def _now() -> float:
    return asyncio.get_running_loop().time()
