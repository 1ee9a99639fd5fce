"""What each row of a manifest is: checked, its media measured, its price asked for. Nothing is bought or kept."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import attrs

from sync_async._threads import in_own_thread
from sync_async.bulk.alike import AlikeRows, Shape
from sync_async.bulk.doubles import Doubles
from sync_async.bulk.expiry import expiry_of
from sync_async.bulk.keys import payload_sha
from sync_async.bulk.manifest import Piece, RawRow
from sync_async.bulk.measure import Medium, measure, output_of
from sync_async.bulk.prices import Prices
from sync_async.bulk.rows import BulkRow, Problem, RowReader

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


@attrs.frozen(kw_only=True)
class Assessed:
    """A row that can be bought, and what it comes to.

    Attributes:
        job: The row.
        payload: What it asks for, as `keys.payload_sha` gives it.
        contents: The SHA-256 of its local files in hexadecimal, by kind, where they were read.
        output: How long its output will be.
        price: USD, None when nobody knows.
        job_seconds: Seconds that its job is expected to take.
        is_double: Whether an earlier row of the manifest asks for the same.
        expiry: When the first of its signed addresses stops working.
    """

    job: BulkRow
    payload: bytes
    contents: dict[str, str]
    output: Medium
    price: Decimal | None
    job_seconds: float
    is_double: bool
    expiry: datetime | None


@attrs.frozen
class Faulty:
    """A row that cannot be bought, and what is wrong with it."""

    raw: RawRow
    problems: list[Problem]


Read = BulkRow | AlikeRows | Faulty
Contents = Callable[[Collection[Path]], Awaitable[dict[Path, str]]]
"""Gives the SHA-256 of files in hexadecimal."""


class Assessor:
    """Goes through a manifest once.

    Args:
        reader: Checks the rows.
        prices: Asks for prices; None leaves all unknown.
        contents: Reads local files, so that rows with equal ones count as the same; without, equal paths do.
    """

    def __init__(self, reader: RowReader, prices: Prices | None, contents: Contents | None = None) -> None:
        self._reader = reader
        self._prices = prices
        self._contents = contents
        self._doubles = Doubles()
        self._samples: dict[Shape, Assessed] = {}
        self._media: dict[Path, Medium] = {}
        self._shas: dict[Path, str] = {}
        self._count = 0
        self.file_bytes = 0
        """Bytes of all local files."""

    @property
    def files(self) -> int:
        """Local files, each counted once."""
        return len(self._media)

    def name_of(self, raw: RawRow) -> str:
        """Name a row that cannot be bought: its own name, unless that is why."""
        return self._reader.name_of(raw)

    async def assess(
        self, pieces: Iterable[Piece] | AsyncIterable[Piece]
    ) -> AsyncIterator[list[Assessed | AlikeRows | Faulty]]:
        """Read all rows, many at once; `sample` has what those come to that are like an earlier one.

        Raises:
            ApiError, ApiConnectionError: Prices cannot be asked for.
        """
        async for chunk in self._chunks(pieces):
            files = {path for row in chunk if isinstance(row, BulkRow) for path in row.files.values()}
            if new := files - self._media.keys():
                await in_own_thread(lambda new=new: self._measure(new))  # type: ignore[misc]
                if self._contents is not None:
                    self._shas |= await self._contents(new)
            yield [await self._assessed(row) if isinstance(row, BulkRow) else row for row in chunk]

    async def sample(self, shape: Shape) -> Assessed:
        """Tell what each row of a shape comes to, besides its name and its payload."""
        sample = self._samples.get(shape)
        if sample is None:
            sample = self._samples[shape] = await self._assessed(shape.job, counts=False)
        return sample

    async def _chunks(self, pieces: Iterable[Piece] | AsyncIterable[Piece]) -> AsyncIterator[list[Read]]:
        if isinstance(pieces, AsyncIterable):
            async for piece in pieces:
                yield await in_own_thread(lambda piece=piece: self._checked(piece))  # type: ignore[misc]
            return
        left = iter(pieces)
        while (chunk := await in_own_thread(lambda: self._next_checked(left))) is not None:
            yield chunk

    def _next_checked(self, pieces: Iterator[Piece]) -> list[Read] | None:
        """Read some rows, which is work for a thread, as they may come from a file, and name others."""
        piece = next(pieces, None)
        return None if piece is None else self._checked(piece)

    def _checked(self, piece: Piece) -> list[Read]:
        checked: list[Read] = []
        for read in self._reader.read_piece(piece):
            if isinstance(read, AlikeRows):
                read.doubles = self._doubles.first_all(read.payloads, self._count + 1)
                self._count += len(read)
                checked.append(read)
            else:
                checked.append(_judged(*read))
        return checked

    def _measure(self, paths: Collection[Path]) -> None:
        for path in paths:
            self._media[path] = measure(path)
            self.file_bytes += path.stat().st_size

    async def _assessed(self, row: BulkRow, *, counts: bool = True) -> Assessed:
        contents = {kind: self._shas[path] for kind, path in row.files.items() if path in self._shas}
        payload = payload_sha(row.body, contents or {kind: str(path) for kind, path in row.files.items()})
        output = output_of(row.body, {kind: self._media[path] for kind, path in row.files.items()})
        own, each = USUAL_SECONDS.get(row.body["model"], OTHER_SECONDS)
        self._count += counts
        return Assessed(
            job=row,
            payload=payload,
            contents=contents,
            output=output,
            price=await self._price(row.body["model"], output),
            job_seconds=own + each * (UNKNOWN_LENGTH if output.seconds is None else output.seconds),
            is_double=counts and self._doubles.first(payload, self._count) is not None,
            expiry=min((expiry for _, expiry in _expiries(row)), default=None),
        )

    async def _price(self, model: str, output: Medium) -> Decimal | None:
        if self._prices is None or output.seconds is None or output.fps is None:
            return None
        return await self._prices.of(model, output.seconds, output.fps)


def _judged(raw: RawRow, read: BulkRow | list[Problem]) -> Read:
    if isinstance(read, list):
        return Faulty(raw, read)
    if expired := [name for name, expiry in _expiries(read) if expiry <= datetime.now(UTC)]:
        reason = "its signed address has expired; sign it anew"
        return Faulty(raw, [Problem(number=read.number, column=name, reason=reason) for name in expired])
    return read


def _expiries(row: BulkRow) -> Iterator[tuple[str, datetime]]:
    for medium in row.body.get("input", ()):
        if "url" in medium and (expiry := expiry_of(medium["url"])) is not None:
            yield medium["type"], expiry
