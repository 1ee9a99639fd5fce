"""The endpoints of prices: estimates before a generation, costs after it.

Source: https://sync.so/docs/api-reference/api/generate-api/estimate-cost
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

from aiohttp import web

from sync_async.sandbox import render
from sync_async.sandbox.form import read_object
from sync_async.sandbox.generation_routes import find_generation
from sync_async.sandbox.options import is_number
from sync_async.sandbox.records import Generation
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.sources import SAMPLE_OF
from sync_async.sandbox.validation import MODELS, check_create
from sync_async.sandbox.world import World

DEFAULT_SECONDS = 4.0
"""Length of media that cannot be measured: that of the packaged voice."""
DEFAULT_FPS = 30
PRICED_FPS = 25
LONGEST_SECONDS, MOST_FPS = 86_400, 1000
DUBBING_A_SECOND, SPEECH_A_LETTER = 0.01, 0.0002
"""USD; the sandbox's own, since the real prices are not published."""
RETRY_SECONDS = 5


class PriceRoutes:
    """Handlers over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the endpoints."""
        router.add_post("/v2/generations/estimate", self.estimate)
        router.add_post("/v2/generate/estimate-cost", self.estimate)
        router.add_post("/v2/analyze/cost", self.analyze)
        router.add_get("/v2/generate/{id}/costs", self.costs)

    async def estimate(self, request: web.Request) -> web.Response:
        """POST /v2/generations/estimate: a price by length."""
        body = await read_object(request)
        model, seconds, fps = body.get("model"), body.get("duration"), body.get("fps")
        if not isinstance(model, str) or not model:
            raise invalid("model is required.", "model")
        if not is_number(seconds) or not 0 < seconds <= LONGEST_SECONDS:
            raise invalid("duration must be a number of seconds above 0.", "duration")
        if fps is not None and (not is_number(fps) or not 0 < fps <= MOST_FPS):
            raise invalid("fps must be a number above 0.", "fps")
        if body.get("reasoningEnabled") is not None and not isinstance(body["reasoningEnabled"], bool):
            raise invalid("reasoningEnabled must be true or false.", "reasoningEnabled")
        if model not in MODELS:
            raise Refusal("cost_estimate_unavailable", field="model")
        return web.json_response({**price(model, seconds, fps or DEFAULT_FPS), "estimatedCredits": None})

    async def analyze(self, request: web.Request) -> web.Response:
        """POST /v2/analyze/cost: a price for a whole body; nothing is started."""
        settings = self.world.settings
        if settings.estimate == "missing":
            raise Refusal(None, status=404, message="Cannot POST /v2/analyze/cost")
        body = check_create(await read_object(request), settings)
        for index, item in enumerate(body["input"]):
            if item.get("assetId") is not None:
                self.world.find_asset(item["assetId"], f"input[{index}].assetId")
        seconds = await asyncio.to_thread(self._measured, body)
        answer = price(body["model"], seconds, PRICED_FPS)
        if body.get("workflow") == "translate-and-dub":
            parts = _parts(body, answer["estimatedGenerationCost"], seconds, is_dubbed=True)
            answer |= {"breakdown": parts, "estimatedGenerationCost": round(sum(parts.values()), 4)}
        return web.json_response([answer] if settings.estimate == "array" else answer)

    def _measured(self, body: dict[str, Any]) -> float:
        """Measure the media that are here; the samples stand for the others."""
        lengths = [
            medium.seconds or 0.0
            for item in body["input"]
            if item["type"] in ("video", "audio") and (medium := render.measure(self._path(item))) is not None
        ]
        return max(lengths, default=0.0) or DEFAULT_SECONDS

    def _path(self, item: dict[str, Any]) -> Path:
        url = self.world.asset_url(item["assetId"]) if item.get("assetId") else item.get("url")
        return self.world.storage.path_of(url or "") or SAMPLE_OF[item["type"]]

    async def costs(self, request: web.Request) -> web.Response:
        """GET /v2/generate/{id}/costs; nothing is charged for what failed."""
        generation = find_generation(self.world, request.match_info["id"])
        parts = _costs(generation)
        total, ended = f"{sum(parts.values()):.4f}", not generation.is_running
        return web.json_response(
            {
                "generationId": generation.id,
                "generationStatus": generation.status,
                "currency": "USD",
                "availability": "complete" if ended else "pending",
                "totalCostUsd": total if ended else None,
                "knownSubtotalUsd": total,
                "retryAfterSeconds": None if ended else RETRY_SECONDS,
                "components": [{"type": name, "costUsd": f"{cost:.4f}"} for name, cost in parts.items()],
                "excludedCosts": ["tax"],
            }
        )


def price(model: str, seconds: float, fps: float) -> dict[str, Any]:
    """Price an output by its frames."""
    frames = math.ceil(seconds * fps)
    return {
        "estimatedFrameCount": frames,
        "estimatedGenerationCost": round(frames / PRICED_FPS * MODELS[model], 4),
    }


def _costs(generation: Generation) -> dict[str, float]:
    seconds, body = generation.seconds or DEFAULT_SECONDS, generation.body
    lipsync = price(body["model"], seconds, PRICED_FPS)["estimatedGenerationCost"]
    parts = _parts(body, lipsync, seconds, is_dubbed=body.get("dubParams") is not None)
    return parts if generation.status == "COMPLETED" else dict.fromkeys(parts, 0.0)


def _parts(body: dict[str, Any], lipsync: float, seconds: float, *, is_dubbed: bool) -> dict[str, float]:
    """Split a price into what it is for."""
    parts = {"lipsync": lipsync}
    if is_dubbed:
        parts["dubbing"] = round(seconds * DUBBING_A_SECOND, 4)
    letters = sum(len(item["provider"]["script"]) for item in body.get("input") or [] if item["type"] == "text")
    if letters:
        parts["speech_synthesis"] = round(letters * SPEECH_A_LETTER, 4)
    return parts
