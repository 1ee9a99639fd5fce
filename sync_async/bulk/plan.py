"""What a run will come to, before anything is bought: rows, doubles, seconds, money, time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path

import attrs

from sync_async._bodies import json_bytes
from sync_async.bulk.manifest import RawRow
from sync_async.bulk.measure import Medium, measure, output_of
from sync_async.bulk.prices import Prices
from sync_async.bulk.rows import BulkRow, Problem, RowReader

SHOWN_PROBLEMS = 50
ROWS_AT_ONCE = 500
POSTS_PER_MINUTE = 60
"""Creates a minute at which a run starts, where nobody says otherwise."""
USUAL_SECONDS = {
    "sync-3": (120.0, 22.0),
    "lipsync-2": (90.0, 1.0),
    "lipsync-2-pro": (150.0, 2.0),
    "lipsync-1.9.0-beta": (35.0, 0.5),
    "react-1": (75.0, 1.0),
}
"""Seconds of a job: a part of its own, and one for each second of output.
Fitted to the typical times of https://sync.so/docs/product/generation-times"""
OTHER_SECONDS = (90.0, 1.0)
UNKNOWN_LENGTH = 30.0
"""Seconds of output that are taken for the time of a row whose length is not known."""


@attrs.define(kw_only=True)
class ModelPlan:
    """What the rows of one model come to.

    Attributes:
        rows: How many there are.
        seconds: Seconds of output, of those whose length is known.
        rows_of_unknown_length: How many are not among these.
        price: USD, of those whose price is known.
        rows_of_unknown_price: How many are not among these.
    """

    rows: int = 0
    seconds: float = 0.0
    rows_of_unknown_length: int = 0
    price: Decimal = Decimal()
    rows_of_unknown_price: int = 0

    def count(self, output: Medium, price: Decimal | None) -> None:
        """Count a row."""
        self.rows += 1
        if output.seconds is None:
            self.rows_of_unknown_length += 1
        else:
            self.seconds += output.seconds
        if price is None:
            self.rows_of_unknown_price += 1
        else:
            self.price += price


@attrs.define(kw_only=True)
class Plan:
    """What a run will come to.

    Attributes:
        rows: Rows that can be bought, without doubles.
        doubles: Rows that ask for the same as an earlier one; they are bought once.
        problems: How many things are wrong; nothing is bought while there are any.
        shown_problems: The first fifty of them.
        models: What the rows of each model come to.
        files: How many local files there are, each counted once.
        file_bytes: How large they are together.
        job_seconds: Seconds that all jobs take together, one after the other, by the models' usual times.
        longest_job_seconds: Seconds of the longest of them; a run takes no less.
    """

    rows: int = 0
    doubles: int = 0
    problems: int = 0
    shown_problems: list[Problem] = attrs.field(factory=list)
    models: dict[str, ModelPlan] = attrs.field(factory=dict)
    files: int = 0
    file_bytes: int = 0
    job_seconds: float = 0.0
    longest_job_seconds: float = 0.0

    @property
    def price(self) -> Decimal:
        """USD of all rows whose price is known."""
        return sum((model.price for model in self.models.values()), Decimal())

    @property
    def rows_of_unknown_price(self) -> int:
        """Rows that will cost something that nobody knows yet."""
        return sum(model.rows_of_unknown_price for model in self.models.values())

    def seconds(self, slots: int, posts_per_minute: float = POSTS_PER_MINUTE) -> float:
        """Tell how long the run takes, by Little's law.

        Args:
            slots: Generations that may run at once.
            posts_per_minute: Create calls a minute.
        """
        return max(self.job_seconds / slots, self.rows * 60 / posts_per_minute, self.longest_job_seconds)

    def bound_by(self, slots: int, posts_per_minute: float = POSTS_PER_MINUTE) -> str:
        """Tell what the time depends on: `concurrency`, or the `request rate`."""
        by_slots = self.job_seconds / slots
        return "concurrency" if by_slots >= self.rows * 60 / posts_per_minute else "request rate"


class Planner:
    """Goes through a manifest once, and spends nothing.

    Args:
        reader: Checks the rows.
        prices: Asks for prices; None leaves all unknown.
    """

    def __init__(self, reader: RowReader, prices: Prices | None) -> None:
        self._reader = reader
        self._prices = prices
        self._plan = Plan()
        self._payloads: set[bytes] = set()
        self._media: dict[Path, Medium] = {}
        self._bytes = 0

    async def plan(self, rows: Iterable[RawRow]) -> Plan:
        """Read all rows, and tell what they come to.

        Raises:
            ApiError, ApiConnectionError: Prices cannot be asked for.
        """
        from anyio import to_thread

        plan, left = self._plan, iter(rows)
        while chunk := await to_thread.run_sync(self._read_some, left):
            for row in chunk:
                if isinstance(row, BulkRow):
                    await self._add(row)
                else:
                    plan.problems += len(row)
                    plan.shown_problems += row[: SHOWN_PROBLEMS - len(plan.shown_problems)]
        plan.files = len(self._media)
        plan.file_bytes = self._bytes
        return plan

    def _read_some(self, rows: Iterator[RawRow]) -> list[BulkRow | list[Problem]]:
        """Read some rows, and look at their files, which is work for a thread."""
        read = [self._reader.read(raw) for raw in islice(rows, ROWS_AT_ONCE)]
        for row in read:
            if isinstance(row, BulkRow):
                for path in row.files.values():
                    self._look_at(path)
        return read

    def _look_at(self, path: Path) -> None:
        if path not in self._media:
            self._media[path] = measure(path)
            self._bytes += path.stat().st_size

    async def _add(self, row: BulkRow) -> None:
        """Count a row, unless it asks for the same as an earlier one."""
        plan, payload = self._plan, _payload_of(row)
        if payload in self._payloads:
            plan.doubles += 1
            return
        self._payloads.add(payload)
        plan.rows += 1
        output = output_of(row.body, {kind: self._media[path] for kind, path in row.files.items()})
        own, each = USUAL_SECONDS.get(row.body["model"], OTHER_SECONDS)
        seconds = own + each * (UNKNOWN_LENGTH if output.seconds is None else output.seconds)
        plan.job_seconds += seconds
        plan.longest_job_seconds = max(plan.longest_job_seconds, seconds)
        model = plan.models.setdefault(row.body["model"], ModelPlan())
        model.count(output, await self._price(row.body["model"], output))

    async def _price(self, model: str, output: Medium) -> Decimal | None:
        if self._prices is None or output.seconds is None or output.fps is None:
            return None
        return await self._prices.of(model, output.seconds, output.fps)


def _payload_of(row: BulkRow) -> bytes:
    """Give what tells a row from one that asks for something else; half a hash, as there may be a million."""
    wanted = {**row.body, "files": {kind: str(path) for kind, path in row.files.items()}}
    return hashlib.sha256(json_bytes(wanted)).digest()[:16]
