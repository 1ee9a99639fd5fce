"""What a run has come to: one row, all rows, and the whole, as the caller sees them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from sync_async._errors import SyncError
from sync_async.bulk.budget import usd
from sync_async.bulk.counters import Counters, Failures
from sync_async.bulk.records import Result
from sync_async.bulk.safety import Halt
from sync_async.bulk.states import State

FAILED = frozenset({State.FAILED, State.REJECTED, State.CONFLICT, State.CANCELLED})
"""States of rows that have ended without an output."""
BOUGHT = frozenset({State.REMOTE_DONE, State.DOWNLOADING})
"""States of rows that are paid for, and whose outputs are yet to be fetched."""
WAITING = frozenset({State.NEW, State.READY})


@attrs.frozen(kw_only=True)
class ItemResult:
    """A row of a run with what became of it.

    Attributes:
        number: The row's place in the input, from 1.
        item_id: Its name.
        state: `done`, `failed`, `rejected`, `conflict` or `cancelled` when it is over; else where it stands.
        generation_id: The generation at the server.
        path: The output's file.
        sha256: SHA-256 of the file, in hexadecimal.
        bytes: How long the file is.
        duration: Seconds of the output.
        cost: USD, None while nobody knows.
        estimate: USD that it was expected to cost, None when nobody knew.
        error_code: Why it failed, or was put off last.
        error: The same in words.
        attempts: Generations that were bought for it, or were to be.
        double_of: The number of the earlier row that asked for the same, and whose output this is.
        submitted_at: When it was accepted.
        finished_at: When its job ended.
    """

    number: int
    item_id: str
    state: State
    generation_id: str | None = None
    path: Path | None = None
    sha256: str | None = None
    bytes: int | None = None
    duration: float | None = None
    cost: Decimal | None = None
    estimate: Decimal | None = None
    error_code: str | None = None
    error: str | None = None
    attempts: int = 1
    double_of: int | None = None
    submitted_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def ok(self) -> bool:
        """Whether its output is there, or was not wanted."""
        return self.state is State.DONE

    @classmethod
    def of(cls, result: Result, folder: Path) -> ItemResult:
        """Make it of what the ledger has.

        Args:
            result: The row, and the row whose fate it shares.
            folder: Where outputs are.
        """
        item, leader = result.item, result.leader
        is_double = leader.seq != item.seq
        cost = leader.cost_micro
        return cls(
            number=item.seq,
            item_id=item.item_id,
            state=leader.state,
            generation_id=leader.job_id,
            path=folder / leader.out_path if leader.out_path and leader.state is State.DONE else None,
            sha256=leader.out_sha,
            bytes=leader.out_bytes,
            duration=leader.output_s,
            cost=Decimal() if is_double else None if cost is None else usd(cost + leader.past_micro),
            estimate=None if item.est_micro is None else usd(item.est_micro),
            error_code=leader.error_code,
            error=leader.error,
            attempts=leader.generation_no,
            double_of=leader.seq if is_double else None,
            submitted_at=_moment(leader.submitted_us),
            finished_at=_moment(leader.finished_us),
        )

    def to_wire(self) -> dict[str, Any]:
        """Write it as JSON has it; what is not known is left out."""
        written = {name: _plain(value) for name, value in attrs.asdict(self).items() if value is not None}
        return written if self.path is None else {**written, "path": self.path.name}


@attrs.frozen(kw_only=True)
class RunStatus:
    """How a run stands.

    Attributes:
        run_id: Its name.
        rows: Rows by state; states without rows are left out.
        spent: USD of finished jobs; where that is not known yet, their estimate.
        reserved: USD expected of those that run.
        saved: USD that doubles would have cost.
        budget: USD that may be spent, None for no limit.
        unpriced: Rows that were bought, and of which nobody knows the price.
    """

    run_id: str
    rows: Mapping[State, int]
    spent: Decimal
    reserved: Decimal
    saved: Decimal
    budget: Decimal | None
    unpriced: int

    @classmethod
    def of(cls, run_id: str, counters: Counters, budget_micro: int | None) -> RunStatus:
        """Make it of what the ledger counts."""
        money = counters.money
        return cls(
            run_id=run_id,
            rows={state: count for state, count in counters.states.items() if count},
            spent=usd(money.spent),
            reserved=usd(money.reserved),
            saved=usd(money.saved),
            budget=None if budget_micro is None else usd(budget_micro),
            unpriced=money.unpriced_running + money.unpriced_finished,
        )

    def count(self, *states: State) -> int:
        """Count the rows of some states."""
        return sum(self.rows.get(state, 0) for state in states)

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())

    @property
    def done(self) -> int:
        """Rows whose output is there, or was not wanted, without doubles."""
        return self.count(State.DONE)

    @property
    def failed(self) -> int:
        """Rows that have ended without an output."""
        return self.count(*FAILED)

    @property
    def unknown(self) -> int:
        """Rows of which nobody knows whether they were bought."""
        return self.count(State.UNKNOWN)

    @property
    def not_downloaded(self) -> int:
        """Rows that are paid for, and whose outputs are yet to be fetched."""
        return self.count(*BOUGHT)

    @property
    def waiting(self) -> int:
        """Rows that are not bought yet."""
        return self.count(*WAITING)

    @property
    def is_complete(self) -> bool:
        """Whether every row is done, or the double of another."""
        return self.done + self.count(State.SKIPPED) == self.total

    def to_wire(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return {name: _plain(value) for name, value in attrs.asdict(self).items()}


@attrs.frozen(kw_only=True)
class Retry:
    """What it comes to to buy rows once more that have failed.

    Attributes:
        rows: How many.
        price: USD of those whose price is known.
        rows_of_unknown_price: How many are not among these.
    """

    rows: int
    price: Decimal
    rows_of_unknown_price: int


@attrs.frozen(kw_only=True)
class Report:
    """What a run has come to when nothing more is done for now.

    Attributes:
        status: How its rows and its money stand.
        failures: Why rows failed, the most frequent reason first.
        halt: Why it stopped buying before the end, or None.
        seconds: How long this session took.
        posts: Creates that this session sent, and
        refused: of these, those refused because too many generations ran, or
        rate_refused: because there were too many requests.
        used: Part of the concurrency that this session used while rows waited, from 0 to 1; None when none did.
    """

    status: RunStatus
    failures: tuple[Failures, ...] = ()
    halt: Halt | None = None
    seconds: float = 0.0
    posts: int = 0
    refused: int = 0
    rate_refused: int = 0
    used: float | None = None

    def raise_for_failures(self) -> None:
        """Raise an error unless every row is done.

        Raises:
            BulkIncompleteError: Some are not; the error has this report.
        """
        if not self.status.is_complete:
            raise BulkIncompleteError(self)

    def to_wire(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        halt = None if self.halt is None else attrs.asdict(self.halt)
        numbers = {name: getattr(self, name) for name in ("posts", "refused", "rate_refused", "used")}
        return {
            **self.status.to_wire(),
            "failures": [attrs.asdict(failures) for failures in self.failures],
            "halt": halt,
            "seconds": round(self.seconds, 3),
            **numbers,
        }


class BulkIncompleteError(SyncError):
    """Rows of a run have failed, are unknown, or wait.

    Attributes:
        report: What the run has come to.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        status = report.status
        parts = {
            "failed": status.failed,
            "unknown": status.unknown,
            "paid for and not downloaded": status.not_downloaded,
            "not bought": status.waiting + status.count(State.SUBMITTING, State.SUBMITTED),
        }
        found = ", ".join(f"{count:,} {what}" for what, count in parts.items() if count)
        why = f" (most often {report.failures[0].code})" if report.failures else ""
        super().__init__(
            f"of {status.total:,} rows {found}{why}; the report of this error tells which, and to open the run "
            "again goes on with what can go on"
        )


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else datetime.fromtimestamp(microseconds / 1e6, UTC)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, State):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {_plain(name): _plain(inner) for name, inner in value.items()}
    return value
