"""Making outputs: once for each set of inputs, in threads of their own."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from sync_async.sandbox import render
from sync_async.sandbox.plans import PLANS
from sync_async.sandbox.records import Generation
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.sources import SAMPLE_OF, Ingredients, JobFailedError, Sources
from sync_async.sandbox.storage import Storage

THREADS = 2
SYNC_3_FREE_SECONDS = 15.0


@attrs.frozen
class Limit:
    """How long media may be, and what is said of longer ones."""

    seconds: float
    code: str
    status: str


class Outputs:
    """Makes the output files of generations."""

    def __init__(self, settings: SandboxSettings, storage: Storage, sources: Sources) -> None:
        self._settings = settings
        self._storage = storage
        self._sources = sources
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="sandbox-render")
        self._made: dict[tuple[str, Limit | None], asyncio.Future[float | None]] = {}

    async def make(self, generation: Generation) -> float | None:
        """Make the output of a generation, and give its length where it is known.

        Raises:
            JobFailedError: An input is not there, unreadable or too long.
        """
        ingredients = await self._sources.gather(generation)
        limit = self._limit(generation)
        recipe = ingredients.recipe()
        rendered = self._storage.folder / "renders" / f"{recipe}.mp4"
        made = self._made.get((recipe, limit))
        if made is None:
            loop = asyncio.get_running_loop()
            made = loop.run_in_executor(self._threads, self._render, ingredients, limit, rendered)
            self._made[recipe, limit] = made
        try:
            seconds = await asyncio.shield(made)  # others may be waiting for it
        except Exception:
            self._made.pop((recipe, limit), None)  # the disk may have been full
            raise
        _link(rendered, self._storage.folder / "outputs" / generation.output_name)
        return seconds

    def _limit(self, generation: Generation) -> Limit | None:
        if generation.batch is not None and self._settings.batch_seconds is not None:
            code = "generation_input_duration_greater_than_max_duration"
            return Limit(self._settings.batch_seconds, code, "FAILED")
        if self._settings.plan is None:
            return None
        seconds = PLANS[self._settings.plan].longest_seconds
        if self._settings.plan == "free" and generation.body["model"] == "sync-3":
            seconds = SYNC_3_FREE_SECONDS
        return Limit(seconds, "generation_plan_duration_exceeded", "REJECTED")

    def _render(self, ingredients: Ingredients, limit: Limit | None, target: Path) -> float | None:
        part = target.with_suffix(f".{limit.seconds if limit else 0}.part")
        try:
            seconds = self._write(ingredients, limit, part)
            part.replace(target)  # never in place: outputs are links to it
        except render.UnreadableMediaError as error:
            # The catalogue has no code for unreadable images.
            code = f"generation_input_{'audio' if error.kind == 'audio' else 'video'}_invalid"
            raise JobFailedError(code, f"The {error.kind} is unreadable.") from error
        except render.UnsupportedResolutionError as error:
            raise JobFailedError("generation_input_resolution_unsupported", f"{error} is too large.") from error
        finally:
            part.unlink(missing_ok=True)
        return seconds

    def _write(self, ingredients: Ingredients, limit: Limit | None, target: Path) -> float | None:
        if not self._settings.render or not render.can_render():
            render.copy_input(SAMPLE_OF["video"] if ingredients.is_image else ingredients.visual, target)
            return None
        if limit is not None:
            _check_length(ingredients, limit)
        return render.render(
            ingredients.visual,
            ingredients.voices,
            ingredients.sync_mode,
            target,
            is_image=ingredients.is_image,
            has_segments=ingredients.has_segments,
        )

    def clear(self) -> None:
        """Forget what was made."""
        self._made.clear()

    async def close(self) -> None:
        """End the threads; one that renders is waited for."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)


def _check_length(ingredients: Ingredients, limit: Limit) -> None:
    for path in ingredients.paths():
        medium = render.measure(path)
        if medium is not None and medium.seconds is not None and medium.seconds > limit.seconds:
            message = f"{medium.seconds:.1f} s are more than the {limit.seconds:g} s that are allowed."
            raise JobFailedError(limit.code, message, limit.status)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that is not possible."""
    target.unlink(missing_ok=True)  # of a job that is begun again after a restart
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
