"""Generations at work: each ends at its time, with the output that its inputs make."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import attrs

from sync_async.sandbox import render
from sync_async.sandbox.records import Generation
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.storage import Storage
from sync_async.sandbox.webhooks import is_loopback

log = logging.getLogger("syncso.sandbox")

SAMPLES = Path(__file__).parent / "media"
SAMPLE_OF = {"video": SAMPLES / "face.mp4", "image": SAMPLES / "face.png", "audio": SAMPLES / "speech.wav"}
FAIL_NAME, REJECT_NAME = "sandbox_fail", "sandbox_reject"
"""Output names that make a generation end FAILED or REJECTED."""
FETCH_SECONDS = 60.0


class JobFailedError(Exception):
    """A generation cannot be finished; `code` is one of the API's."""

    def __init__(self, code: str, message: str, status: str = "FAILED") -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@attrs.frozen
class Ending:
    """How the next generation is to end, on order."""

    status: str
    code: str
    message: str


class Jobs:
    """Runs generations; `asset_path` gives the file of an asset, `ended` is told of each end."""

    def __init__(
        self,
        settings: SandboxSettings,
        storage: Storage,
        asset_path: Callable[[str], Path | None],
        ended: Callable[[Generation], None],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._asset_path = asset_path
        self._ended = ended
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._done: dict[str, asyncio.Event] = {}
        self._hurry: dict[str, asyncio.Event] = {}
        self._freed: list[float] = []
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sandbox-render")
        self._session: aiohttp.ClientSession | None = None
        self._rendered: dict[str, tuple[Path, float | None]] = {}
        self.endings: list[Ending] = []
        self.running: set[str] = set()
        """Generations that take a slot."""

    def start(self, generation: Generation) -> None:
        """Set a generation to work."""
        if generation.batch is None:
            self.running.add(generation.id)
        self._done[generation.id] = asyncio.Event()
        self._hurry[generation.id] = asyncio.Event()
        self._tasks[generation.id] = asyncio.create_task(self._run(generation))

    def slots_taken(self) -> int:
        """Count what stands against the concurrency limit; a freed slot counts until its lag is over."""
        now = time.monotonic()
        self._freed = [until for until in self._freed if until > now]
        return len(self.running) + len(self._freed)

    async def wait(self, id: str, seconds: float) -> None:
        """Wait until a generation has ended, or time is up."""
        done = self._done.get(id)
        if done is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await done.wait()

    def finish(self, id: str) -> None:
        """Let a generation end now instead of at its time."""
        if id in self._hurry:
            self._hurry[id].set()

    async def _run(self, generation: Generation) -> None:
        ends = time.monotonic() + self._settings.latency
        try:
            await self._pause(generation.id, self._settings.latency * 0.1)
            generation.status = "PROCESSING"
            generation.seconds = await self._make(generation)
            while (left := ends - time.monotonic()) > 0 and not self._hurry[generation.id].is_set():
                generation.progress = round(100 * max(0.0, 1 - left / self._settings.latency), 1)
                await self._pause(generation.id, min(left, max(0.05, self._settings.latency / 20)))
            generation.status, generation.progress = "COMPLETED", 100.0
        except JobFailedError as failure:
            generation.status, generation.error, generation.error_code = failure.status, str(failure), failure.code
        except Exception as error:
            log.exception("rendering %s failed", generation.id)
            generation.status, generation.error = "FAILED", f"the sandbox could not render this: {error!r}"
            generation.error_code = "generation_pipeline_failed"
        finally:
            self._free(generation)
        self._ended(generation)
        self._done[generation.id].set()

    def _free(self, generation: Generation) -> None:
        del self._tasks[generation.id]
        if generation.id in self.running:
            self.running.discard(generation.id)
            if self._settings.release_lag:
                self._freed.append(time.monotonic() + self._settings.release_lag)

    async def _pause(self, id: str, seconds: float) -> None:
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hurry[id].wait()

    async def _make(self, generation: Generation) -> float | None:
        """Make the output file, and give its length where it is known."""
        self._refuse_on_order(generation)
        items = {item["type"]: item for item in generation.body.get("input") or []}
        kind = "image" if "image" in items or "image" in generation.files else "video"
        visual = await self._path(generation, kind, items.get(kind, {}))
        voices = await self._voices(generation)
        options = generation.body.get("options") or {}
        mode = options.get("sync_mode") or "bounce"
        target = self._storage.folder / "outputs" / f"{generation.id}.mp4"
        recipe = hashlib.sha256(
            repr((_stamp(visual), [(_stamp(v.path), v) for v in voices], mode)).encode()
        ).hexdigest()
        known = self._rendered.get(recipe)
        if known is not None and known[0].exists():  # the same inputs make the same output
            shutil.copyfile(known[0], target)
            return known[1]
        loop = asyncio.get_running_loop()
        seconds = await loop.run_in_executor(self._threads, self._render, visual, voices, mode, target, kind)
        self._rendered[recipe] = (target, seconds)
        return seconds

    def _refuse_on_order(self, generation: Generation) -> None:
        name = generation.body.get("outputFileName") or ""
        if self.endings:
            ending = self.endings.pop(0)
            raise JobFailedError(ending.code, ending.message, ending.status)
        if name.startswith(REJECT_NAME):
            raise JobFailedError("generation_unknown_error", "Rejected, as its output name asks.", "REJECTED")
        if name.startswith(FAIL_NAME):
            raise JobFailedError("generation_pipeline_failed", "Failed, as its output name asks.")

    def _render(
        self, visual: Path, voices: list[render.Voice], mode: str, target: Path, kind: str
    ) -> float | None:
        if not self._settings.render or not render.can_render() or not voices:
            render.copy_input(visual, target)
            return render.duration_of(target) if self._settings.render else None
        try:
            return render.render(visual, voices, mode, target, is_image=kind == "image")
        except render.UnreadableMediaError as error:
            code = f"generation_input_{error.kind if error.kind != 'image' else 'video'}_invalid"
            raise JobFailedError(code, f"The {error.kind} is unreadable.") from error

    async def _voices(self, generation: Generation) -> list[render.Voice]:
        items = [item for item in generation.body.get("input") or [] if item["type"] in ("audio", "text")]
        if "audio" in generation.files and not items:
            items = [{"type": "audio"}]
        paths = {item.get("refId"): await self._path(generation, item["type"], item) for item in items}
        segments = generation.body.get("segments")
        if not segments:
            return [render.Voice(path=path) for path in list(paths.values())[:1]]
        return [
            render.Voice(
                path=paths[segment["audioInput"]["refId"]],
                start=segment["startTime"],
                end=segment["endTime"],
                crop=_crop(segment["audioInput"]),
            )
            for segment in segments
        ]

    async def _path(self, generation: Generation, kind: str, item: dict[str, Any]) -> Path:
        """Find the file of an input; media of hosts that a sandbox cannot reach are the sandbox's own samples."""
        asset = item.get("assetId") or (None if item.get("url") else generation.files.get(kind))
        if asset is not None:
            path = self._asset_path(asset)
            if path is None:
                raise JobFailedError(f"generation_input_{kind}_inaccessible", f"The {kind} could not be fetched.")
            return path
        url = item.get("url")
        if url is None or kind == "text":
            return SAMPLE_OF["audio"]
        own = self._storage.path_of(url)
        if own is not None:
            return own
        return await self._fetch(url, kind) if is_loopback(url) else SAMPLE_OF[kind]

    async def _fetch(self, url: str, kind: str) -> Path:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS))
        name = Path(urlsplit(url).path).name or kind
        path, _ = self._storage.new_upload(name)
        try:
            async with self._session.get(url) as response:
                response.raise_for_status()
                with path.open("wb") as file:
                    async for chunk in response.content.iter_chunked(256 * 1024):
                        file.write(chunk)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise JobFailedError(
                f"generation_input_{kind}_inaccessible", f"The {kind} could not be fetched."
            ) from error
        return path

    async def close(self) -> None:
        """End all work; what had not ended is begun again when the folder is opened the next time."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        self._threads.shutdown(wait=True, cancel_futures=True)


def _crop(voice: dict[str, Any]) -> tuple[float, float] | None:
    return (voice["startTime"], voice["endTime"]) if voice.get("startTime") is not None else None


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns
