"""The endpoints of generations and models."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web

from sync_async.sandbox.form import receive
from sync_async.sandbox.idempotency import key_of
from sync_async.sandbox.query import boolean, limit_of, number, page_after, words
from sync_async.sandbox.records import Generation
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.validation import MODELS, check_create
from sync_async.sandbox.world import World

STATUSES = ("PENDING", "PROCESSING", "COMPLETED", "FAILED", "REJECTED")
SHORTEST_WAIT, LONGEST_WAIT, DEFAULT_WAIT = 1, 10, 5.0
DESCRIPTIONS = {
    "sync-3": "The newest model, for videos and images.",
    "lipsync-2": "Lip sync that keeps the speaker's style.",
    "lipsync-2-pro": "The same in higher quality.",
    "lipsync-1.9.0-beta": "The fastest model.",
    "react-1": "Changes the expression as well.",
}


class GenerationRoutes:
    """Handlers over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the endpoints."""
        router.add_post("/v2/generate", self.create)
        router.add_get("/v2/generate/{id}", self.get)
        router.add_get("/v2/generations", self.list_all)
        router.add_get("/v2/generations/count", self.count)
        router.add_get("/v2/generations/{id}", self.get)
        router.add_get("/v2/generations/{id}/download", self.download)
        router.add_delete("/v2/generations/{id}", self.delete)
        router.add_get("/v2/models", self.models)

    async def create(self, request: web.Request) -> web.Response:
        """POST /v2/generate."""
        key = key_of(request.headers)
        received = await receive(request, self.world)

        async def make() -> str:
            body = check_create(received.body, self.world.settings, files=received.files)
            self._check_assets(body)
            await asyncio.sleep(self.world.settings.create_seconds)
            self.world.check_plan()
            return self.world.new_generation(body, received.keep_files(self.world)).id

        try:
            id, is_replay = await self.world.keys.once(key, received.fingerprint, make)
        finally:
            received.drop_files()
        generation = self.world.generations.get(id)
        if generation is None:
            raise Refusal("generation_not_found", message="The generation of this key was deleted.")
        settings = self.world.settings
        status, headers = (settings.replay_status, settings.replay_headers) if is_replay else (201, {})
        return web.json_response(self.world.wire.generation(generation), status=status, headers=headers)

    def _check_assets(self, body: dict[str, Any]) -> None:
        for index, item in enumerate(body.get("input") or []):
            if item.get("assetId") is not None:
                where = f"input[{index}].assetId"
                asset = self.world.find_asset(item["assetId"], where)
                if asset.type != item["type"].upper():
                    raise Refusal("generation_input_asset_type_mismatch", field=where)

    def _found(self, request: web.Request) -> Generation:
        return find_generation(self.world, request.match_info["id"])

    async def get(self, request: web.Request) -> web.Response:
        """GET /v2/generate/{id}, with long poll."""
        generation = self._found(request)
        waits, include = boolean(request, "wait"), request.query.get("include")
        if include not in (None, "progress"):
            raise invalid("include must be progress.", "include")
        if waits and include:
            raise invalid("include cannot be combined with wait.", "include")
        seconds = number(request, "timeout", DEFAULT_WAIT)
        if not SHORTEST_WAIT <= seconds <= LONGEST_WAIT:
            raise invalid(f"timeout must be from {SHORTEST_WAIT} to {LONGEST_WAIT}.", "timeout")
        headers = {}
        if waits:
            await self.world.jobs.wait(generation.id, seconds)
            headers = {
                "X-Sync-Wait-Mode": "long_poll",
                "X-Sync-Wait-Timeout-Seconds": f"{seconds:g}",
                "Retry-After": "2",
            }
        wire = self.world.wire.generation(generation, progress=include is not None)
        return web.json_response(wire, headers=headers)

    async def list_all(self, request: web.Request) -> web.Response:
        """GET /v2/generations."""
        limit, cursor = limit_of(request, None), request.query.get("cursor")
        if limit is None and cursor is not None:
            raise invalid("cursor is valid only together with limit.", "cursor")
        generations = self.world.generations
        ids = dict.fromkeys(words(request, "ids"))
        found: Iterable[Generation] = (generations[id] for id in ids if id in generations)
        if not ids:
            found = generations.values() if limit is None else reversed(generations.values())
        elif limit is not None:
            found = sorted(found, key=lambda generation: generation.created, reverse=True)
        # The cursor is found before the filter: its generation may have another status by now.
        page = self._matching(request, found if cursor is None else page_after(found, cursor))
        shown = list(page) if limit is None else [one for one, _ in zip(page, range(limit), strict=False)]
        return web.json_response([self.world.wire.generation(generation) for generation in shown])

    def _matching(self, request: web.Request, found: Iterable[Generation]) -> Iterator[Generation]:
        status = words(request, "status")
        if unknown := set(status) - set(STATUSES):
            raise invalid(f"status has unknown values: {', '.join(sorted(unknown))}.", "status")
        project = request.query.get("projectId")
        return (
            generation
            for generation in found
            if (not status or generation.status in status)
            and (project is None or generation.body.get("projectId") == project)
        )

    async def count(self, request: web.Request) -> web.Response:
        """GET /v2/generations/count; all of them were made by an API key, hence type `api`."""
        kind, sources = request.query.get("type"), words(request, "generationSource")
        if kind not in (None, "playground", "api"):
            raise invalid("type must be playground or api.", "type")
        boolean(request, "currentUserOnly")
        count = sum(1 for _ in self._matching(request, self.world.generations.values()))
        is_other = kind == "playground" or (sources and "api" not in sources)
        return web.json_response({"count": 0 if is_other else count})

    async def download(self, request: web.Request) -> web.Response:
        """GET /v2/generations/{id}/download: a bare URL."""
        generation = self._found(request)
        if generation.status != "COMPLETED":
            raise Refusal("generation_conflict", status=self.world.settings.unfinished_download_status)
        return web.Response(text=self.world.storage.link("outputs", generation.output_name))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /v2/generations/{id}."""
        generation = self._found(request)
        if generation.is_running:
            raise Refusal("generation_not_deletable_while_processing")
        wire = self.world.wire.generation(generation)
        self.world.forget_generation(generation)
        return web.json_response(wire)

    async def models(self, _: web.Request) -> web.Response:
        """GET /v2/models."""
        return web.json_response(
            [
                {
                    "id": f"model-{name}",
                    "name": name,
                    "type": "react" if name.startswith("react") else "lipsync",
                    "version": name.partition("-")[2],
                    "description": DESCRIPTIONS[name],
                }
                for name in MODELS
            ]
        )


def find_generation(world: World, id: str) -> Generation:
    """Give a generation.

    Raises:
        Refusal: There is none, or the id is malformed and that counts.
    """
    generation = world.generations.get(id)
    if generation is not None:
        return generation
    if world.settings.strict_ids and not _is_uuid(id):
        raise Refusal("invalid_generation_id")
    raise Refusal("generation_not_found")


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
