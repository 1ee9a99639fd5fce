"""What generations cost before they are bought: asked for once for each model, length and frame rate.

The price is a price per frame, so once a model's price per frame has been seen not to change, further lengths are
computed. Source: https://sync.so/docs/api-reference/api/generate-api/estimate-cost
"""

from __future__ import annotations

import logging
import math
from decimal import Decimal

import attrs

from sync_async._errors import ApiError
from sync_async._request import Endpoint, Repeat, make_request
from sync_async._settings import RequestOptions
from sync_async.resources._resource import Caller
from sync_async.types.generations import EstimatedGenerationCost

ESTIMATE = Endpoint[EstimatedGenerationCost](
    "POST", "/v2/generations/estimate", Repeat.SAFE, EstimatedGenerationCost
)
ASKED_BEFORE_COMPUTING = 5
"""Estimates of one model that must agree on the price of a frame before others are computed from it."""
AGREEMENT = Decimal("0.01")
"""Part by which prices of a frame may differ, since the server rounds."""
UNKNOWN = ("cost_estimate_unavailable",)

log = logging.getLogger("syncso")


@attrs.define
class Prices:
    """Prices of generations in USD, each asked for once."""

    caller: Caller
    _known: dict[tuple[str, int, float], Decimal | None] = attrs.field(init=False, factory=dict)
    _frames: dict[str, list[Decimal]] = attrs.field(init=False, factory=dict)
    asked: int = attrs.field(init=False, default=0)
    """How many estimates the server was asked for."""

    async def of(self, model: str, seconds: float, fps: float) -> Decimal | None:
        """Give the price of a generation, None where the server has none.

        Args:
            model: The model's name.
            seconds: Length of the output.
            fps: Its frames a second.

        Raises:
            ApiError, ApiConnectionError: The server cannot be asked.
        """
        frames = math.ceil(round(seconds * fps, 6))
        key = (model, frames, fps)
        if key not in self._known:
            price = self._computed(model, frames)
            self._known[key] = await self._asked(model, seconds, fps, frames) if price is None else price
        return self._known[key]

    def _computed(self, model: str, frames: int) -> Decimal | None:
        seen = self._frames.get(model, ())
        if len(seen) < ASKED_BEFORE_COMPUTING:
            return None
        least, most = min(seen), max(seen)
        if most - least > AGREEMENT * most:
            return None
        return (sum(seen, Decimal()) / len(seen) * frames).quantize(Decimal("0.0001"))

    async def _asked(self, model: str, seconds: float, fps: float, frames: int) -> Decimal | None:
        body = {"model": model, "duration": seconds, "fps": fps}
        self.asked += 1
        try:
            answer = await self.caller.fetch(make_request(ESTIMATE, RequestOptions(), json_body=body))
        except ApiError as error:
            if error.error_code in UNKNOWN or error.status_code in (400, 404, 422):
                log.info("no price of %s is known: %s", model, error)
                return None
            raise
        price = Decimal(str(answer.estimated_generation_cost))
        self._frames.setdefault(model, []).append(price / frames)
        return price
