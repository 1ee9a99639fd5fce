"""What a run will come to, before anything is bought: rows, doubles, seconds, money, time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from sync_async.bulk.alike import AlikeRows, Shape
from sync_async.bulk.assessment import Assessed, Assessor, Faulty
from sync_async.bulk.manifest import Piece
from sync_async.bulk.measure import Medium
from sync_async.bulk.prices import Prices
from sync_async.bulk.rows import Problem, RowReader

SHOWN_PROBLEMS = 50
POSTS_PER_MINUTE = 60
"""Creates a minute at which a run starts, where nobody says otherwise."""


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

    def count(self, output: Medium, price: Decimal | None, rows: int) -> None:
        """Count rows."""
        self.rows += rows
        if output.seconds is None:
            self.rows_of_unknown_length += rows
        else:
            self.seconds += rows * output.seconds
        if price is None:
            self.rows_of_unknown_price += rows
        else:
            self.price += rows * price


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
        first_expiry: When the first of the signed addresses among the inputs stops working, None without any.
        not_in_manifest: Rows of the run that the manifest does not have any more; they stay.
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
    first_expiry: datetime | None = None
    not_in_manifest: int = 0

    @property
    def price(self) -> Decimal:
        """USD of all rows whose price is known."""
        return sum((model.price for model in self.models.values()), Decimal())

    @property
    def rows_of_unknown_price(self) -> int:
        """Rows that will cost something that nobody knows yet."""
        return sum(model.rows_of_unknown_price for model in self.models.values())

    def to_json(self) -> dict[str, Any]:
        """Write it, without the problems."""
        models = {name: {**attrs.asdict(model), "price": str(model.price)} for name, model in self.models.items()}
        expiry = None if self.first_expiry is None else self.first_expiry.isoformat()
        kept = {name: getattr(self, name) for name in NUMBERS}
        return {**kept, "models": models, "first_expiry": expiry}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Plan:
        """Read what `to_json` has written."""
        models = {
            name: ModelPlan(**{**model, "price": Decimal(model["price"])})
            for name, model in written["models"].items()
        }
        expiry = written["first_expiry"] and datetime.fromisoformat(written["first_expiry"])
        return cls(**{name: written[name] for name in NUMBERS}, models=models, first_expiry=expiry)

    async def count_all(self, rows: Iterable[Assessed | AlikeRows | Faulty], assessor: Assessor) -> None:
        """Count rows, and what is wrong with them."""
        alike: Counter[Shape] = Counter()
        for row in rows:
            if isinstance(row, AlikeRows):
                self.doubles += len(row.doubles)
                alike.update(row.shapes)
                alike.subtract(row.shapes[place] for place in row.doubles)
            elif isinstance(row, Assessed):
                self.count(row)
            elif isinstance(row, Faulty):
                self.count_problems(row.problems)
        for shape, times in alike.items():
            self.count(await assessor.sample(shape), times)

    def count(self, row: Assessed, times: int = 1) -> None:
        """Count a row, or as many as are like it."""
        if row.expiry is not None:
            self.first_expiry = min(self.first_expiry or row.expiry, row.expiry)
        if row.is_double:
            self.doubles += 1
            return
        self.rows += times
        self.job_seconds += times * row.job_seconds
        self.longest_job_seconds = max(self.longest_job_seconds, row.job_seconds)
        self.models.setdefault(row.job.body["model"], ModelPlan()).count(row.output, row.price, times)

    def count_problems(self, problems: Sequence[Problem]) -> None:
        """Count what is wrong with a row."""
        self.problems += len(problems)
        self.shown_problems += problems[: SHOWN_PROBLEMS - len(self.shown_problems)]

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


NUMBERS = (
    "rows",
    "doubles",
    "problems",
    "files",
    "file_bytes",
    "job_seconds",
    "longest_job_seconds",
    "not_in_manifest",
)


class Planner:
    """Goes through a manifest once, and spends nothing.

    Args:
        reader: Checks the rows.
        prices: Asks for prices; None leaves all unknown.
    """

    def __init__(self, reader: RowReader, prices: Prices | None) -> None:
        self._assessor = Assessor(reader, prices)

    async def plan(self, pieces: Iterable[Piece]) -> Plan:
        """Read all rows, and tell what they come to.

        Raises:
            ApiError, ApiConnectionError: Prices cannot be asked for.
        """
        plan = Plan()
        async for chunk in self._assessor.assess(pieces):
            await plan.count_all(chunk, self._assessor)
        plan.files, plan.file_bytes = self._assessor.files, self._assessor.file_bytes
        return plan
