"""What becomes of a row when its job has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from sync_async._errors import NotFoundError
from sync_async.bulk.records import Item, Value
from sync_async.bulk.session import Session
from sync_async.bulk.states import State
from sync_async.jobs.kinds import GENERATION
from sync_async.types.generations import Generation

AGAIN_CODES = frozenset(
    {
        "audio_trim_failed",
        "generation_database_error",
        "generation_internal_auth",
        "generation_pipeline_failed",
        "generation_timeout",
        "generation_unhandled_error",
        "generation_unknown_error",
        "internal_error",
        "usage_dependency_unavailable",
        "elevenlabs_service_unavailable",
    }
)
"""Codes of failed jobs that may go well another time.
Source: https://sync.so/docs/developer-guides/error-handling"""
AGAIN_PREFIXES = ("controller_", "generation_infra_", "generation_media_probe_")
NOT_FOUND = "generation_not_found"

Fetch = Callable[[Item, Generation, dict[str, Value]], Awaitable[None]]


def may_go_well(code: str | None) -> bool:
    """Tell whether a job that failed with a code may go well another time; a code that nobody knows may."""
    if code is None:
        return True
    return code in AGAIN_CODES or code.startswith(AGAIN_PREFIXES)


@attrs.define(eq=False)
class Endings:
    """Writes down how jobs have ended.

    Args:
        session: What the parts of a run share.
        fetch: Takes over a row whose output is to be fetched, its job, and what is known of it.
    """

    session: Session
    fetch: Fetch

    async def ended(self, item: Item, job: Generation) -> None:
        """Take over a job that has ended."""
        if job.status in GENERATION.success:
            await self._completed(item, job)
        elif job.status == "REJECTED":
            await self._failed(item, State.REJECTED, job.error_code or "rejected", job.error)
        else:
            await self._failed(item, State.FAILED, job.error_code or job.status.lower(), job.error)

    async def lost(self, item: Item, error: NotFoundError) -> None:
        """Take over a job that the server does not know any more; it is not bought again by itself."""
        await self._failed(item, State.FAILED, NOT_FOUND, str(error))

    async def _completed(self, item: Item, job: Generation) -> None:
        session = self.session
        known: dict[str, Value] = {"finished_us": session.wall_us(), "output_s": job.output_duration}
        if session.settings.download:
            await self.fetch(item, job, known)
            return
        await session.mark_all(item, [(item.state, State.REMOTE_DONE, known), (State.REMOTE_DONE, State.DONE, {})])
        session.note_end(item, None)

    async def _failed(self, item: Item, target: State, code: str, error: str | None) -> None:
        session = self.session
        known: dict[str, Value] = {"finished_us": session.wall_us(), "error_code": code, "error": error}
        is_again = target is State.FAILED and code != NOT_FOUND and may_go_well(code)
        if is_again and item.attempt + 1 < session.settings.attempts and session.halt is None:
            target = State.READY
        await session.mark_all(item, [(item.state, target, known)])
        session.note_end(item, code)
