"""One row by itself, for programs that have an engine of their own: the same key is the same purchase.

Nothing is kept here. The key of the purchase comes from the caller's, and its output name carries a mark, by which
it is found in the list of generations where the key alone does not help: files that are sent again have another
address, and a server forgets keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from sync_async._bodies import open_file
from sync_async._errors import ArgumentError, ConflictError
from sync_async._listeners import OnUpdate
from sync_async._loading import in_thread
from sync_async._media import media_file
from sync_async._request import make_request
from sync_async._settings import RequestOptions
from sync_async.bulk.contents import size_and_sha
from sync_async.bulk.downloads import file_name
from sync_async.bulk.errors import ManifestError
from sync_async.bulk.keys import frozen_body, idempotency_key, marked_name
from sync_async.bulk.manifest import raw_row
from sync_async.bulk.results import ItemResult
from sync_async.bulk.rows import BulkRow, RowReader
from sync_async.bulk.states import State
from sync_async.bulk.unknown import KEY_LIFETIME, MARGIN
from sync_async.bulk.uploads import with_addresses
from sync_async.resources._endpoints import CREATE
from sync_async.resources._resource import Caller
from sync_async.resources.generations import AsyncGenerations
from sync_async.transfer.partial_file import destination
from sync_async.transfer.upload import address_of
from sync_async.types.generations import Generation

RUN = "run-one"
"""The run to which all single rows belong, as far as their keys go."""


@attrs.frozen
class Single:
    """A row by itself.

    Attributes:
        caller: The way to the API.
        row: The row, checked.
        key: What the caller calls its purchase.
        begun: When it may first have been bought, None for just now.
    """

    caller: Caller
    row: BulkRow
    key: str
    begun: datetime | None = None

    @classmethod
    def of(
        cls, caller: Caller, item: Mapping[str, Any], key: str, *, base: Path, begun: datetime | None = None
    ) -> Single:
        """Check a row.

        Raises:
            ManifestError: It has problems.
            ArgumentError: The key or the time cannot be right.
        """
        if not isinstance(key, str) or not key.strip():
            raise ArgumentError("key", f"{key!r} is not a name of the purchase")
        if begun is not None and begun.tzinfo is None:
            raise ArgumentError("begun", "it has no time zone; datetime.now(UTC) has one")
        read = RowReader(base).read(raw_row(1, {"item_id": key, **item}))
        if isinstance(read, list):
            raise ManifestError(read, len(read), None, way_out=None)
        return cls(caller, read, key, begun)

    async def run(
        self, output: Path | None, timeout: float | None, on_update: OnUpdate[Generation] | None
    ) -> ItemResult:
        """Buy the row unless it was bought, wait for its end, and fetch it unless it is there."""
        path = None if output is None else destination(output, file_name(self.row.item_id), overwrite=True)
        if path is not None and path.exists():  # it got its name when it was whole
            return await self._result(path, None)
        generations = AsyncGenerations(self.caller)
        job = await self._found(generations) if self._may_be_hidden else None
        job = await self._bought(generations) if job is None else job
        done = await generations.wait(job.id, timeout=timeout, on_update=on_update)
        if path is not None:
            await generations.download(done, path)
        return await self._result(path, done)

    @property
    def _idempotency_key(self) -> str:
        return idempotency_key(RUN, self.key, 1)

    @property
    def _name(self) -> str:
        """The output name; one of the caller's gets the mark, too."""
        return marked_name(self.row.body.get("outputFileName", self.row.item_id), self._idempotency_key)

    @property
    def _may_be_hidden(self) -> bool:
        """Whether it may have been bought in a way that its key does not tell."""
        age = timedelta() if self.begun is None else datetime.now(UTC) - self.begun
        return bool(self.row.files) or age > timedelta(seconds=KEY_LIFETIME)

    async def _bought(self, generations: AsyncGenerations) -> Generation:
        urls = {
            kind: await address_of(self.caller.transport, media_file(await open_file(kind, path), kind))
            for kind, path in self.row.files.items()
        }
        body = frozen_body(with_addresses({**self.row.body, "outputFileName": self._name}, urls))
        options = RequestOptions(idempotency_key=self._idempotency_key)
        try:
            return await self.caller.fetch(make_request(CREATE, options, body=body))
        except ConflictError:  # the key was used for other bytes: with a file that had another address
            job = await self._found(generations)
            if job is None:
                raise
            return job

    async def _found(self, generations: AsyncGenerations) -> Generation | None:
        """Look for the purchase in the list, back to when it may first have been made."""
        since = self.begun or datetime.now(UTC) - timedelta(seconds=KEY_LIFETIME)
        pages = generations.iter()
        while page := await pages.next_group():
            for job in page:
                if job.output_file_name == self._name:
                    return job
            oldest = page[-1].created_at
            if oldest is not None and oldest < since - timedelta(seconds=MARGIN):
                return None
        return None

    async def _result(self, path: Path | None, job: Generation | None) -> ItemResult:
        size, sha = (None, None) if path is None else await in_thread(size_and_sha, path)
        return ItemResult(
            number=1,
            item_id=self.row.item_id,
            state=State.DONE,
            generation_id=None if job is None else job.id,
            path=path,
            bytes=size,
            sha256=sha,
            duration=None if job is None else job.output_duration,
        )
