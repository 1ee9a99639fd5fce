"""What the plans allow.

Sources: https://sync.so/docs/api-reference/guides/rate-limits, https://sync.so/docs/product/billing,
https://sync.so/docs/models/lipsync
"""

from __future__ import annotations

from typing import Literal

import attrs

PlanName = Literal["free", "hobbyist", "creator", "growth", "scale", "enterprise"]


@attrs.frozen(kw_only=True)
class Plan:
    """What one plan allows."""

    concurrency: int | None
    """Generations at once; None for no limit."""
    longest_seconds: float
    """Length of the media of a generation."""
    generations_a_month: int | None = None
    is_paid: bool = True
    """Whether `react-1` and the choice of a speaker are part of it."""
    has_batches: bool = False


PLANS: dict[PlanName, Plan] = {
    "free": Plan(concurrency=1, longest_seconds=20, generations_a_month=3, is_paid=False),
    "hobbyist": Plan(concurrency=1, longest_seconds=60),
    "creator": Plan(concurrency=3, longest_seconds=300),
    "growth": Plan(concurrency=6, longest_seconds=600),
    "scale": Plan(concurrency=15, longest_seconds=1800, has_batches=True),
    "enterprise": Plan(concurrency=None, longest_seconds=1800, has_batches=True),
}
