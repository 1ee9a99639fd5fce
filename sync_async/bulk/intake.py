"""Taking a manifest into the ledger: checked, measured and priced in the same pass, and complete or not at all.

What is taken in may be bought, so that a pass which breaks off, or finds problems, has to leave nothing behind:
before the first row the ledger learns that an intake is under way and where it began, and only its end says that
it is complete. The next one begins by taking out what such a pass has left. Nothing is bought meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import attrs

from sync_async.bulk.alike import AlikeRows
from sync_async.bulk.assessment import Assessed, Assessor, Faulty
from sync_async.bulk.budget import micro
from sync_async.bulk.contents import Contents
from sync_async.bulk.errors import ManifestError
from sync_async.bulk.keys import Template, frozen_body, idempotency_key, marked_name, plain_marked_names
from sync_async.bulk.ledger import Ledger
from sync_async.bulk.manifest import ROWS_AT_ONCE, Piece, RawRow, raw_row, read_pieces
from sync_async.bulk.plan import Plan
from sync_async.bulk.prices import Prices
from sync_async.bulk.records import NewItem
from sync_async.bulk.rows import BulkRow, Problem, RowReader
from sync_async.bulk.usual_items import Expected, UsualItems

UNDER_WAY = "intake"
"""Where the ledger keeps the number of the first row of an intake that is under way; null when it is complete."""
PLAN = "plan"
BAD_ROW = "bad_row"


async def take_in(
    ledger: Ledger,
    items: Any,
    *,
    reader: RowReader,
    prices: Prices | None,
    run_id: str,
    dedupe: bool = True,
    skip_bad: bool = False,
    problems_file: Path | None = None,
) -> Plan:
    """Take the rows of a manifest into a ledger; rows that it has are left alone.

    Args:
        ledger: The run's ledger, open.
        items: See `manifest.Manifest`.
        reader: Checks the rows.
        prices: Asks for prices; None leaves all unknown.
        run_id: The run, from which keys come.
        dedupe: Whether rows that ask for the same are bought once.
        skip_bad: Whether rows with problems are listed as rejected, and the others go on.
        problems_file: Where all problems are written to; it is there only when there are any.

    Returns:
        What the rows come to.

    Raises:
        ManifestError: Rows have problems, and are not to be skipped. Nothing was taken in.
        ManifestChangedError: A row was changed after it was sent.
        ArgumentError: The manifest cannot be read at all, or two rows have one name.
        ApiError, ApiConnectionError: Prices cannot be asked for.
        LedgerError: The ledger cannot be written.
    """
    await take_out_unfinished(ledger)
    before = (await ledger.counters()).total
    await ledger.kv(UNDER_WAY, before + 1)
    assessor = Assessor(reader, prices, Contents(ledger).of)
    try:
        with _Problems.open(problems_file) as problems:
            taking = _Taking(assessor, run_id, problems, skip_bad=skip_bad)
            report = await ledger.ingest(taking.rows(_pieces(items)), dedupe=dedupe)
        plan = taking.finished(problems_file)
    except BaseException:
        await take_out_unfinished(ledger)
        raise
    plan.not_in_manifest = before - report.known - report.replaced
    await ledger.kv(PLAN, plan.to_json())
    await ledger.kv(UNDER_WAY, None)
    return plan


async def take_out_unfinished(ledger: Ledger) -> None:
    """Take out the rows of an intake that was not completed; none of them was sent."""
    first = await ledger.kv(UNDER_WAY)
    if first is not None:
        await ledger.take_out(first)
        await ledger.kv(UNDER_WAY, None)


async def kept_plan(ledger: Ledger) -> Plan | None:
    """Give what the rows came to when they were taken in; None when not all of them were."""
    kept = await ledger.kv(PLAN)
    if kept is None or await ledger.kv(UNDER_WAY) is not None:
        return None
    return Plan.from_json(kept)


def _pieces(items: Any) -> Iterable[Piece] | AsyncIterable[Piece]:
    return _awaited_pieces(items) if isinstance(items, AsyncIterable) else read_pieces(items)


async def _awaited_pieces(rows: AsyncIterable[Mapping[str, Any]]) -> AsyncIterator[list[RawRow]]:
    number, piece = 0, list[RawRow]()
    async for row in rows:
        number += 1
        piece.append(raw_row(number, row))
        if len(piece) == ROWS_AT_ONCE:
            yield piece
            piece = []
    yield piece


@attrs.define
class _Problems:
    """Writes each problem on a line, into a file that is only there when there are any."""

    path: Path | None
    _file: IO[str] | None = None

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path | None) -> Iterator[_Problems]:
        if path is not None:
            path.unlink(missing_ok=True)
        problems = cls(path)
        try:
            yield problems
        finally:
            if problems._file is not None:
                problems._file.close()

    def write(self, faulty: Faulty) -> None:
        if self.path is None:
            return
        if self._file is None:
            # half of a surrogate pair is written as JSON spells it
            self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace")
        for problem in faulty.problems:
            value = None if problem.column is None else faulty.raw.values.get(problem.column)
            line = {**attrs.asdict(problem), "value": value}
            self._file.write(json.dumps(line, default=str, ensure_ascii=False, skipkeys=True) + "\n")


class _Taking:
    """One pass through a manifest."""

    def __init__(self, assessor: Assessor, run_id: str, problems: _Problems, *, skip_bad: bool) -> None:
        self.assessor = assessor
        self.plan = Plan()
        self._run_id = run_id
        self._problems = problems
        self._skip_bad = skip_bad

    async def rows(self, pieces: Iterable[Piece] | AsyncIterable[Piece]) -> AsyncIterator[Sequence[NewItem]]:
        """Give the rows as the ledger takes them; none once there are problems, as it would not keep them."""
        async for chunk in self.assessor.assess(pieces):
            await self.plan.count_all(chunk, self.assessor)
            for row in chunk:
                if isinstance(row, Faulty):
                    self._problems.write(row)
            if self._skip_bad or not self.plan.problems:
                for row in chunk:
                    yield await self._usual(row) if isinstance(row, AlikeRows) else [self._new_item(row)]

    async def _usual(self, rows: AlikeRows) -> UsualItems:
        expected = {shape: _expected(await self.assessor.sample(shape)) for shape in set(rows.shapes)}
        bodies = rows.bodies(plain_marked_names(self._run_id, rows.item_ids))
        expectations = [expected[shape] for shape in rows.shapes]
        return UsualItems(rows.item_ids, bodies, rows.payloads, expectations, are_first=not rows.doubles)

    def finished(self, problems_file: Path | None) -> Plan:
        """Give what the rows come to.

        Raises:
            ManifestError: Some have problems, and are not to be skipped.
        """
        plan = self.plan
        plan.files, plan.file_bytes = self.assessor.files, self.assessor.file_bytes
        if plan.problems and not self._skip_bad:
            raise ManifestError(plan.shown_problems, plan.problems, problems_file)
        return plan

    def _new_item(self, row: Assessed | Faulty) -> NewItem:
        if isinstance(row, Faulty):
            return self._rejected(row)
        job = row.job
        body = job.body
        if "outputFileName" not in body:
            key = idempotency_key(self._run_id, job.item_id, 1)
            body = {**body, "outputFileName": marked_name(job.item_id, key)}
        return NewItem(
            item_id=job.item_id,
            body=_template(job, body, row.contents) if job.files else frozen_body(body),
            payload_sha=row.payload,
            is_frozen=not job.files,
            is_first=not row.is_double,
            **attrs.asdict(_expected(row)),
        )

    def _rejected(self, row: Faulty) -> NewItem:
        name = self.assessor.name_of(row.raw)
        return NewItem(
            item_id=name,
            body=b"",
            payload_sha=hashlib.sha256(name.encode()).digest()[:16],
            problem=(BAD_ROW, "; ".join(_reason(problem) for problem in row.problems)),
        )


def _expected(row: Assessed) -> Expected:
    price = None if row.price is None else micro(row.price)
    return Expected(row.job.priority, price, row.job_seconds)


def _template(job: BulkRow, body: Mapping[str, Any], contents: Mapping[str, str]) -> bytes:
    files = {kind: str(path.absolute()) for kind, path in job.files.items()}
    return Template(body, files, contents).to_bytes()


def _reason(problem: Problem) -> str:
    return f"{problem.column}: {problem.reason}" if problem.column else problem.reason
