"""The media of a generation: where each input's file is.

Media are fetched from this machine only. For those on other hosts stand the sandbox's own clip, picture and voice,
so that the examples of the API's documentation work without a network.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import attrs

from sync_async.sandbox.records import Generation
from sync_async.sandbox.render import Voice
from sync_async.sandbox.speech import speak
from sync_async.sandbox.storage import Storage, safe_name
from sync_async.sandbox.validation import VOICE, Entry, join_files
from sync_async.sandbox.webhooks import is_loopback

SAMPLES = Path(__file__).parent / "media"
SAMPLE_OF = {"video": SAMPLES / "face.mp4", "image": SAMPLES / "face.png", "audio": SAMPLES / "speech.wav"}
FETCH_SECONDS = 60.0
MOST_REDIRECTS = 5
CHUNK = 256 * 1024


class JobFailedError(Exception):
    """A generation cannot be finished; `code` is one of the API's."""

    def __init__(self, code: str, message: str, status: str = "FAILED") -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@attrs.frozen(kw_only=True)
class Ingredients:
    """What an output is made of."""

    visual: Path
    is_image: bool
    voices: tuple[Voice, ...]
    sync_mode: str
    has_segments: bool

    def paths(self) -> list[Path]:
        """Give all files."""
        return [self.visual, *(voice.path for voice in self.voices)]

    def recipe(self) -> str:
        """Give a text that is the same for the same output."""
        stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in self.paths()]
        return hashlib.sha256(repr((self, stamps)).encode()).hexdigest()[:32]


class Sources:
    """Finds and fetches media; `asset_url` gives the address of an asset."""

    def __init__(self, storage: Storage, asset_url: Callable[[str], str | None]) -> None:
        self._storage = storage
        self._asset_url = asset_url
        self._session: aiohttp.ClientSession | None = None

    async def gather(self, generation: Generation) -> Ingredients:
        """Find the media of a generation.

        Raises:
            JobFailedError: One is not there.
        """
        body = generation.body
        entries = join_files(body.get("input") or [], generation.files)
        seen = [entry for entry in entries if entry.kind not in VOICE]
        visual = await self._path(generation, seen[0] if seen else Entry({"type": "video"}, is_file=False))
        spoken = [entry for entry in entries if entry.kind in VOICE]
        paths = {entry.item.get("refId"): await self._path(generation, entry) for entry in spoken}
        segments = body.get("segments") or []
        if segments:
            voices = [_voice_of(segment, paths) for segment in segments]
        else:  # dubbing and dialogue edits keep the sound of the video
            voices = [Voice(path=path) for path in (list(paths.values()) or [visual])[:1]]
        return Ingredients(
            visual=visual,
            is_image=bool(seen) and seen[0].kind == "image",
            voices=tuple(voices),
            sync_mode=(body.get("options") or {}).get("sync_mode") or "bounce",
            has_segments=bool(segments),
        )

    async def _path(self, generation: Generation, entry: Entry) -> Path:
        item, kind = entry.item, entry.kind
        if kind == "text":
            return await self._speech(generation, item)
        asset = generation.files.get(kind) if entry.is_file else item.get("assetId")
        url = item.get("url") if asset is None else self._asset_url(asset)
        if url is None:
            return SAMPLE_OF[kind] if asset is None else _inaccessible(kind)
        known = self._storage.path_of(url)
        if known is not None:
            return known
        return await self._fetch(url, kind) if self._may_fetch(url) else SAMPLE_OF[kind]

    def _may_fetch(self, url: str) -> bool:
        return self._storage.is_own(url) or is_loopback(url)

    async def _speech(self, generation: Generation, item: dict[str, Any]) -> Path:
        """Speak a script; the first one of a generation is its `synthesizedAudioUrl`."""
        name = generation.speech_name
        if generation.has_speech:
            name = f"{generation.id}-{hashlib.sha256(repr(item).encode()).hexdigest()[:8]}.wav"
        path = self._storage.folder / "outputs" / name
        await asyncio.to_thread(speak, item["provider"]["script"], path)
        generation.has_speech = True
        return path

    async def _fetch(self, url: str, kind: str) -> Path:
        try:
            return await self._fetched(url, kind)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise JobFailedError(*_what(kind)) from error

    async def _fetched(self, url: str, kind: str) -> Path:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS))
        for _ in range(MOST_REDIRECTS):
            # Redirects are followed by hand, since each could lead to another machine.
            async with self._session.get(url, ssl=False, allow_redirects=False) as response:
                if response.status not in (301, 302, 303, 307, 308):
                    response.raise_for_status()
                    return await self._save(response, Path(urlsplit(url).path).name or kind)
                url = urljoin(url, response.headers.get("Location", ""))
            if not self._may_fetch(url):
                return SAMPLE_OF[kind]
        return _inaccessible(kind)

    async def _save(self, response: aiohttp.ClientResponse, name: str) -> Path:
        """Keep a file under its digest, so that the same file makes the same output without being kept twice."""
        folder = self._storage.folder / "fetched"
        part, digest = folder / f"{secrets.token_hex(8)}.part", hashlib.sha256()
        try:
            with part.open("wb") as file:
                async for chunk in response.content.iter_chunked(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            path = folder / f"{digest.hexdigest()[:32]}-{safe_name(name)}"
            if not path.exists():
                part.replace(path)
            return path
        finally:
            part.unlink(missing_ok=True)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _what(kind: str) -> tuple[str, str]:
    return f"generation_input_{kind}_inaccessible", f"The {kind} could not be fetched."


def _inaccessible(kind: str) -> Path:
    raise JobFailedError(*_what(kind))


def _voice_of(segment: dict[str, Any], paths: dict[Any, Path]) -> Voice:
    voice = segment["audioInput"]
    crop = (voice["startTime"], voice["endTime"]) if voice.get("startTime") is not None else None
    return Voice(path=paths[voice["refId"]], start=segment["startTime"], end=segment["endTime"], crop=crop)
