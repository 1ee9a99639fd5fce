"""Generations at work: each goes from PENDING to its end at its time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable

import attrs

from sync_async.sandbox import sources
from sync_async.sandbox.outputs import Outputs
from sync_async.sandbox.records import Generation
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.sources import JobFailedError

log = logging.getLogger("syncso.sandbox")

SAMPLES = sources.SAMPLES
"""The folder of the packaged clip, picture and voice."""
FAIL_NAME, REJECT_NAME = "sandbox_fail", "sandbox_reject"
"""Output names that make a generation end FAILED or REJECTED."""
PENDING_SHARE = 0.1
"""Part of the latency in which a generation is PENDING."""
NEARLY = 99.0
"""Percent that a running generation does not exceed."""


@attrs.frozen
class Ending:
    """How a generation is to end, on order."""

    status: str = "FAILED"
    code: str = "generation_pipeline_failed"
    message: str = "Failed."


@attrs.define(eq=False)
class _Job:
    generation: Generation
    ending: Ending | None
    started: float
    ended: asyncio.Event = attrs.field(factory=asyncio.Event)
    nudged: asyncio.Event = attrs.field(factory=asyncio.Event)
    hurries: bool = False
    task: asyncio.Task[None] | None = None


class Jobs:
    """Runs generations; `moved` is told of each change of status."""

    def __init__(self, settings: SandboxSettings, outputs: Outputs, moved: Callable[[Generation], None]) -> None:
        self._settings = settings
        self._outputs = outputs
        self._moved = moved
        self._jobs: dict[str, _Job] = {}
        self._slots: set[str] = set()
        self._freed: list[float] = []
        self.endings: list[Ending] = []
        """How the next generations end, in the order of their creation."""

    def start(self, generation: Generation) -> None:
        """Set a generation to work."""
        if generation.batch is None:
            self._slots.add(generation.id)
        loop = asyncio.get_running_loop()
        job = _Job(generation, self._ordered(generation), loop.time())
        self._jobs[generation.id] = job
        job.task = loop.create_task(self._run(job))

    def _ordered(self, generation: Generation) -> Ending | None:
        if self.endings:
            return self.endings.pop(0)
        name = generation.body.get("outputFileName") or ""
        if name.startswith(REJECT_NAME):
            return Ending("REJECTED", "generation_unknown_error", "Rejected, as its output name asks.")
        if name.startswith(FAIL_NAME):
            return Ending(message="Failed, as its output name asks.")
        return None

    def slots_taken(self) -> int:
        """Count what stands against the concurrency limit; a freed slot counts until its lag is over."""
        now = asyncio.get_running_loop().time()
        self._freed = [until for until in self._freed if until > now]
        return len(self._slots) + len(self._freed)

    def progress(self, generation: Generation) -> float:
        """Give the percent of a generation that are done."""
        job = self._jobs.get(generation.id)
        if job is None or generation.status == "PENDING" or not self._settings.latency:
            return generation.progress
        passed = asyncio.get_running_loop().time() - job.started
        return round(min(NEARLY, 100 * passed / self._settings.latency), 1)

    async def wait(self, id: str, seconds: float) -> None:
        """Wait until a generation has ended, or time is up."""
        job = self._jobs.get(id)
        if job is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await job.ended.wait()

    def advance(self, id: str) -> None:
        """Let a generation go on to its next status now; one that is not running is left alone."""
        job = self._jobs.get(id)
        if job is not None:
            job.nudged.set()

    def finish(self, id: str, ending: Ending | None = None) -> None:
        """Let a generation end now instead of at its time, and in another way if one is given."""
        job = self._jobs.get(id)
        if job is not None:
            job.ending = ending or job.ending
            job.hurries = True
            job.nudged.set()

    async def _run(self, job: _Job) -> None:
        generation, latency = job.generation, self._settings.latency
        try:
            await self._pause(job, latency * PENDING_SHARE)
            generation.status = "PROCESSING"
            self._moved(generation)
            if job.ending is not None and job.ending.status == "REJECTED":
                _end_as_ordered(job)
            seconds = None if job.ending is not None else await self._outputs.make(generation)
            await self._pause(job, job.started + latency - asyncio.get_running_loop().time())
            _end_as_ordered(job)
            generation.status, generation.progress, generation.seconds = "COMPLETED", 100.0, seconds
        except JobFailedError as failure:
            self._fail(generation, failure)
        except Exception as error:
            # Whatever rendering meets is a failed job, as at the real service, and no reason to stop serving.
            log.exception("rendering %s failed", generation.id)
            self._fail(
                generation, JobFailedError("generation_pipeline_failed", f"This cannot be rendered: {error!r}")
            )
        finally:
            self._free(generation)
        try:
            self._moved(generation)
        finally:
            job.ended.set()

    def _fail(self, generation: Generation, failure: JobFailedError) -> None:
        generation.progress = self.progress(generation)
        generation.status, generation.error, generation.error_code = failure.status, str(failure), failure.code

    def _free(self, generation: Generation) -> None:
        del self._jobs[generation.id]
        if generation.id in self._slots:
            self._slots.discard(generation.id)
            if self._settings.release_lag:
                self._freed.append(asyncio.get_running_loop().time() + self._settings.release_lag)

    async def _pause(self, job: _Job, seconds: float) -> None:
        """Wait for a while, or until the job is told to go on."""
        if job.hurries or seconds <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await job.nudged.wait()
        job.nudged.clear()

    async def drop(self) -> None:
        """End all work as if it had never been begun."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._jobs.clear()  # a task that was cancelled before its first step has not freed anything
        self._slots.clear()
        self._freed.clear()
        self.endings.clear()


def _end_as_ordered(job: _Job) -> None:
    if job.ending is not None and job.ending.status != "COMPLETED":
        raise JobFailedError(job.ending.code, job.ending.message, job.ending.status)
