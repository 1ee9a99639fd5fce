"""One loop that waits for any kind of remote job, and for any number of them.

A look that fails for a passing reason does not end the wait; the caller's deadline bounds everything and
never ends a job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

import attrs

from sync_async._errors import (
    ApiConnectionError,
    ApiError,
    DecodeError,
    InternalServerError,
    NotFoundError,
    SyncError,
    TooManyRequestsError,
    WaitTimeoutError,
)
from sync_async._listeners import OnUpdate, tell
from sync_async.jobs.kinds import JobKind
from sync_async.jobs.pace import Pace

log = logging.getLogger("syncso")

PASSING = (ApiConnectionError, TooManyRequestsError, InternalServerError)
"""Failures that say nothing about a job."""
FAILED_LOOK = (*PASSING, DecodeError)
"""Failures of a look that say nothing about the job; an answer that cannot be read may be a proxy's."""
PATIENCE = 600.0
"""Seconds of nothing but unreadable answers after which they are no proxy's any more, and end any wait."""


class Job(Protocol):
    """What the waiter needs to see of a job."""

    @property
    def status(self) -> str:
        """Where the job stands."""
        ...


JobT = TypeVar("JobT", bound=Job)


@attrs.frozen
class Look(Generic[JobT]):
    """What one look found.

    Attributes:
        jobs: The jobs that the server told of, by the id that was asked for; others may be told of next time.
        hint: Seconds that the server asks to wait before the next look.
        lost: Errors of jobs that the server does not know, by id; nothing more is to be learned about them.
    """

    jobs: Mapping[str, JobT]
    hint: float | None = None
    lost: dict[str, NotFoundError] = attrs.field(factory=dict)


@attrs.define(kw_only=True)
class Waiter(Generic[JobT]):
    """Waits for jobs of one kind.

    Args:
        kind: What the jobs' words mean.
        ids: The jobs' ids.
        look: Reads the jobs with these ids; is told how many seconds are left, None without a deadline.
        sleep: Waits between two looks.
        pace: How long.
        timeout: Seconds until the wait ends, None for no limit; counted from the first look.
        on_update: See `OnUpdate`.
        patience: Seconds of nothing but failed looks after which a wait without a timeout gives up.
    """

    kind: JobKind
    ids: Iterable[str]
    look: Callable[[Collection[str], float | None], Awaitable[Look[JobT]]]
    sleep: Callable[[float], Awaitable[object]]
    pace: Pace
    timeout: float | None = None
    on_update: OnUpdate[JobT] | None = None
    patience: float = PATIENCE
    _running: dict[str, JobT | None] = attrs.field(
        init=False, default=attrs.Factory(lambda self: dict.fromkeys(self.ids), takes_self=True)
    )
    _ended: list[JobT] = attrs.field(init=False, factory=list)
    _lost: dict[str, NotFoundError] = attrs.field(init=False, factory=dict)
    _failing_since: float | None = attrs.field(default=None, init=False)
    _unreadable_since: float | None = attrs.field(default=None, init=False)
    _deadline: float | None = attrs.field(default=None, init=False)
    _next_look: float = attrs.field(default=0.0, init=False)

    async def next_ended(self) -> list[JobT]:
        """Look until at least one job is over.

        Returns:
            The jobs that ended, as they ended; none when all were returned before.

        Raises:
            WaitTimeoutError: Time ran out; the jobs still run.
            NotFoundError: All others have ended, and the server does not know this one.
            SyncError: A look failed for a lasting reason.
        """
        self._start_clock()
        while self._running and not self._ended:
            await self._sleep_until_next()
            hint = await self._look_once()
            self._next_look = _now() + self.pace.next_pause(hint, failing=self._failing_since is not None)
            left = self._left()
            if self._running and not self._ended and left is not None and left <= 0:
                raise self._timed_out(None)
        if not self._ended and self._lost:
            raise self._lost.pop(next(iter(self._lost)))
        ended, self._ended = self._ended, []
        return ended

    def follow(self, id: str) -> None:
        """Wait for one more job."""
        self._running.setdefault(id, None)

    def drop(self, id: str) -> None:
        """Wait no more for a job."""
        self._running.pop(id, None)

    def left_over(self) -> int:
        """Tell how many jobs have not ended yet."""
        return len(self._running)

    def _start_clock(self) -> None:
        if self.timeout is not None and self._deadline is None:
            self._deadline = _now() + self.timeout

    async def _sleep_until_next(self) -> None:
        pause, left = self._next_look - _now(), self._left()
        if pause > 0:
            await self.sleep(pause if left is None else max(0.0, min(pause, left)))

    async def _look_once(self) -> float | None:
        try:
            look = await self.look(self._running.keys(), self._left())
        except FAILED_LOOK as error:
            return self._note_failure(error)
        self._failing_since = self._unreadable_since = None
        for id in look.lost.keys() & self._running.keys():
            del self._running[id]
            self._lost[id] = look.lost[id]
        for id, job in look.jobs.items():
            if id in self._running:
                await self._note(id, job)
        return look.hint

    async def _note(self, id: str, job: JobT) -> None:
        last = self._running[id]
        if not self.kind.is_known(job.status) and (last is None or last.status != job.status):
            log.warning("%s %s has the unknown status %r; waiting on", self.kind.name, id, job.status)
        self._running[id] = job
        if self.kind.is_over(job.status):
            del self._running[id]
            self._ended.append(job)  # before the listener is told, who may fail
            self.pace.note_end()
        if job != last:
            await tell(self.on_update, job)

    def _note_failure(self, error: SyncError) -> float | None:
        now = _now()
        if self._failing_since is None:
            self._failing_since = now
        if self._deadline is None and now - self._failing_since > self.patience:
            raise error
        if not isinstance(error, DecodeError):
            self._unreadable_since = None
        elif self._unreadable_since is None:
            self._unreadable_since = now
        elif now - self._unreadable_since > PATIENCE:
            raise error
        left = self._left()
        if left is not None and left <= 0:
            raise self._timed_out(error) from error
        log.info("a look at %s failed (%s); waiting on", self._names(), error)
        return error.retry_after if isinstance(error, ApiError) else None

    def _left(self) -> float | None:
        return None if self._deadline is None else self._deadline - _now()

    def _names(self) -> str:
        first = next(iter(self._running))
        others = len(self._running) - 1
        return f"{self.kind.name} {first}" + (f" and {others} others" if others else "")

    def _timed_out(self, error: SyncError | None) -> WaitTimeoutError:
        ids = tuple(self._running)
        last = self._running[ids[0]]
        status = f"its last status was {last.status}" if last is not None else f"no look succeeded: {error}"
        what, them = ("id", "it") if len(ids) == 1 else ("ids", "them")
        return WaitTimeoutError(
            ids,
            f"{self._names()} did not end within {self.timeout:g} s; {status}. What was started goes on at the "
            f"server: wait for the same {what} again, do not create {them} again",
            last,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
