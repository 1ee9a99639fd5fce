"""The endpoints of generations and models."""

from __future__ import annotations

import math
from typing import Any

from aiohttp import web

from sync_async.sandbox import render
from sync_async.sandbox.form import parse_json, receive
from sync_async.sandbox.idempotency import key_of
from sync_async.sandbox.jobs import SAMPLE_OF
from sync_async.sandbox.query import boolean, limit_of, number, page_after, words
from sync_async.sandbox.records import Generation
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.validation import MODELS, check_create
from sync_async.sandbox.world import World

STATUSES = ("PENDING", "PROCESSING", "COMPLETED", "FAILED", "REJECTED")
DEFAULT_SECONDS = 4.0
PRICED_FPS = 25


class GenerationRoutes:
    """Handlers over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the endpoints."""
        router.add_post("/v2/generate", self.create)
        router.add_post("/v2/generate/estimate-cost", self.estimate)
        router.add_get("/v2/generate/{id}", self.get)
        router.add_get("/v2/generate/{id}/costs", self.costs)
        router.add_get("/v2/generations", self.list_all)
        router.add_get("/v2/generations/count", self.count)
        router.add_post("/v2/generations/estimate", self.estimate)
        router.add_get("/v2/generations/{id}", self.get)
        router.add_get("/v2/generations/{id}/download", self.download)
        router.add_delete("/v2/generations/{id}", self.delete)
        router.add_post("/v2/analyze/cost", self.analyze)
        router.add_get("/v2/models", self.models)

    async def create(self, request: web.Request) -> web.Response:
        """POST /v2/generate."""
        key = key_of(request.headers)
        received = await receive(request, self.world)
        made: list[Generation] = []

        async def make() -> str:
            body = check_create(
                received.body, files=frozenset(received.files), projects=self.world.settings.projects
            )
            self._check_assets(body)
            made.append(self.world.new_generation(body, received.keep_files(self.world)))
            return made[0].id

        id, is_replay = await self.world.keys.once(key, received.fingerprint, make)
        generation = self.world.generations[id]
        status = self.world.settings.replay_status if is_replay else 201
        return web.json_response(self.world.generation_wire(generation), status=status)

    def _check_assets(self, body: dict[str, Any]) -> None:
        for index, item in enumerate(body.get("input") or []):
            if item.get("assetId") is None:
                continue
            asset = self.world.assets.get(item["assetId"])
            if asset is None:
                raise Refusal("asset_not_found", field=f"input[{index}].assetId")
            if asset.type != item["type"].upper():
                raise Refusal("generation_input_asset_type_mismatch", field=f"input[{index}].assetId")

    def _found(self, request: web.Request) -> Generation:
        generation = self.world.generations.get(request.match_info["id"])
        if generation is None:
            raise Refusal("generation_not_found")
        return generation

    async def get(self, request: web.Request) -> web.Response:
        """GET /v2/generate/{id}, with long poll."""
        generation = self._found(request)
        waits, progress = boolean(request, "wait"), request.query.get("include") == "progress"
        if waits and progress:
            raise invalid("include cannot be combined with wait.", "include")
        if request.query.get("include") not in (None, "progress"):
            raise invalid("include must be progress.", "include")
        seconds = number(request, "timeout", 5.0)
        if not 1 <= seconds <= 10:  # noqa: PLR2004
            raise invalid("timeout must be from 1 to 10.", "timeout")
        headers = {}
        if waits:
            await self.world.jobs.wait(generation.id, seconds)
            headers = {
                "X-Sync-Wait-Mode": "long_poll",
                "X-Sync-Wait-Timeout-Seconds": f"{seconds:g}",
                "Retry-After": "2",
            }
        return web.json_response(self.world.generation_wire(generation, progress=progress), headers=headers)

    async def list_all(self, request: web.Request) -> web.Response:
        """GET /v2/generations."""
        found = self._matching(request)
        limit, cursor = limit_of(request, None), request.query.get("cursor")
        if limit is None and cursor is not None:
            raise invalid("cursor is valid only together with limit.", "cursor")
        if limit is not None:
            found.sort(key=lambda generation: generation.created, reverse=True)
            found = page_after(found, cursor, limit)
        return web.json_response([self.world.generation_wire(generation) for generation in found])

    def _matching(self, request: web.Request) -> list[Generation]:
        status, ids = words(request, "status"), words(request, "ids")
        if unknown := set(status) - set(STATUSES):
            raise invalid(f"status has unknown values: {', '.join(sorted(unknown))}.", "status")
        project = request.query.get("projectId")
        generations = self.world.generations
        candidates = (
            [generations[id] for id in dict.fromkeys(ids) if id in generations] if ids else generations.values()
        )
        return [
            generation
            for generation in candidates
            if (not status or generation.status in status)
            and (project is None or generation.body.get("projectId") == project)
        ]

    async def count(self, request: web.Request) -> web.Response:
        """GET /v2/generations/count."""
        return web.json_response({"count": len(self._matching(request))})

    async def estimate(self, request: web.Request) -> web.Response:
        """POST /v2/generations/estimate: a price by length."""
        body = parse_json(await request.read())
        if not isinstance(body, dict) or body.get("model") not in MODELS:
            raise Refusal("cost_estimate_unavailable", field="model")
        seconds, fps = body.get("duration"), body.get("fps", 30)
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds > 0:
            raise invalid("duration must be a number above 0.", "duration")
        return web.json_response({**_price(body["model"], seconds, fps), "estimatedCredits": None})

    async def analyze(self, request: web.Request) -> web.Response:
        """POST /v2/analyze/cost: a price for a whole body."""
        settings = self.world.settings
        if settings.estimate == "missing":
            raise Refusal(None, status=404, message="Cannot POST /v2/analyze/cost")
        body = check_create(parse_json(await request.read()), projects=settings.projects)
        price = _price(body["model"], self._measured(body), PRICED_FPS)
        return web.json_response([price] if settings.estimate == "array" else price)

    def _measured(self, body: dict[str, Any]) -> float:
        """Measure the media that are here; the samples stand for the others."""
        lengths = []
        for item in body["input"]:
            if item["type"] in ("video", "audio"):
                path = self.world.storage.path_of(item.get("url") or "") or SAMPLE_OF[item["type"]]
                lengths.append(render.duration_of(path) or DEFAULT_SECONDS)
        return max(lengths, default=DEFAULT_SECONDS)

    async def costs(self, request: web.Request) -> web.Response:
        """GET /v2/generate/{id}/costs."""
        generation = self._found(request)
        done = generation.status == "COMPLETED"
        price = _price(generation.body["model"], generation.seconds or DEFAULT_SECONDS, PRICED_FPS)
        cost = f"{price['estimatedGenerationCost']:.4f}" if done else "0.0000"
        ended = not generation.is_running
        return web.json_response(
            {
                "generationId": generation.id,
                "generationStatus": generation.status,
                "currency": "USD",
                "availability": "complete" if ended else "pending",
                "totalCostUsd": cost if ended else None,
                "knownSubtotalUsd": cost,
                "retryAfterSeconds": None if ended else 5,
                "components": [{"type": "lipsync", "costUsd": cost}],
                "excludedCosts": ["tax"],
            }
        )

    async def download(self, request: web.Request) -> web.Response:
        """GET /v2/generations/{id}/download: a bare URL."""
        generation = self._found(request)
        if generation.status != "COMPLETED":
            raise Refusal("generation_conflict")
        return web.Response(text=self.world.storage.link("outputs", f"{generation.id}.mp4"))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /v2/generations/{id}."""
        generation = self._found(request)
        if generation.is_running:
            raise Refusal("generation_not_deletable_while_processing")
        wire = self.world.generation_wire(generation)
        del self.world.generations[generation.id]
        self.world.forget(generation)
        return web.json_response(wire)

    async def models(self, _: web.Request) -> web.Response:
        """GET /v2/models."""
        return web.json_response(
            [
                {
                    "id": f"model-{name}",
                    "name": name,
                    "type": "react" if name.startswith("react") else "lipsync",
                    "version": "1",
                }
                for name in MODELS
            ]
        )


def _price(model: str, seconds: float, fps: float) -> dict[str, Any]:
    frames = math.ceil(seconds * fps)
    return {
        "estimatedFrameCount": frames,
        "estimatedGenerationCost": round(frames / PRICED_FPS * MODELS[model], 4),
    }
