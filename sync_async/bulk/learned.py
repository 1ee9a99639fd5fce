"""What a run has learned of its server, kept for its next session."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import attrs

from sync_async.bulk.ledger import Ledger
from sync_async.bulk.pacer import Pace
from sync_async.bulk.seeker import MEMORY, CapSeeker
from sync_async.bulk.traffic import Traffic

KEY = "learned"


@attrs.define(kw_only=True)
class Learned:
    """What was learned, as it is kept.

    Attributes:
        level: Slots believed ours; None when nobody has found out.
        lag: Seconds between a job's end and that of its slot.
        high: The highest level that was proven, and
        high_us: when it last held.
        rates: Requests a minute, by class, where a limit was met.
        usual_seconds: Seconds that a job usually takes.
    """

    level: int | None = None
    lag: float = 0.0
    high: int = 0
    high_us: int = 0
    rates: dict[str, float] = attrs.field(factory=dict)
    usual_seconds: float | None = None

    @classmethod
    async def read(cls, ledger: Ledger) -> Learned:
        """Read what the last session kept."""
        kept: dict[str, Any] = await ledger.kv(KEY) or {}
        known = attrs.fields_dict(cls)
        return cls(**{name: value for name, value in kept.items() if name in known})

    def seeker(self, hint: int | None, ceiling: int | None, wall_us: int) -> CapSeeker:
        """Make a seeker that begins where the last one was.

        Args:
            hint: What somebody says of the cap, which counts more than what was learned.
            ceiling: The most slots to hold.
            wall_us: The time in microseconds since 1970.
        """
        age = (wall_us - self.high_us) / 1e6
        is_fresh = 0 <= age < MEMORY
        return CapSeeker(
            hint=self.level if hint is None else hint,
            ceiling=ceiling,
            lag=self.lag,
            high=self.high if is_fresh else 0,
            high_at=asyncio.get_running_loop().time() - age if is_fresh else -math.inf,
        )

    async def keep(
        self, ledger: Ledger, seeker: CapSeeker, traffic: Traffic, usual_seconds: float | None, wall_us: int
    ) -> None:
        """Keep what is known now, if it has changed."""
        now = asyncio.get_running_loop().time()
        found = Learned(
            level=seeker.level if seeker.high else self.level,
            lag=seeker.lag,
            high=seeker.high,
            high_us=wall_us - int((now - seeker.high_at) * 1e6) if seeker.high else 0,
            rates={pace.value: traffic.pacers[pace].rate for pace in Pace if traffic.pacers[pace].learned},
            usual_seconds=self.usual_seconds if usual_seconds is None else usual_seconds,
        )
        if found != self:
            await ledger.kv(KEY, attrs.asdict(found))
            for name in attrs.fields_dict(Learned):
                setattr(self, name, getattr(found, name))
