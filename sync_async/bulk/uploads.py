"""Local files on their way to storage, before their rows take a slot: each content is sent once.

Files go by presigned address and not as assets: adding to the library cannot be repeated, and nobody asked for it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from sync_async._bodies import open_file
from sync_async._errors import ApiConnectionError, ApiError, ArgumentError, DecodeError, TransferError
from sync_async._loading import in_thread
from sync_async._media import MediaFile, media_file
from sync_async._settings import RequestOptions
from sync_async.bulk.contents import sha_of
from sync_async.bulk.keys import Template, frozen_body
from sync_async.bulk.pacer import Pace
from sync_async.bulk.pulse import REST
from sync_async.bulk.records import Asset, Item
from sync_async.bulk.safety import Halt
from sync_async.bulk.session import Session
from sync_async.bulk.states import State
from sync_async.transfer.upload import upload

AHEAD_FACTOR, AHEAD_MORE, MOST_AHEAD = 2, 10, 500
"""Rows that are made ready ahead: so many for each slot, and some more."""
ADDRESS_LIFETIME = 24 * 3600.0
"""Seconds for which the address of a file is relied upon; nobody says how long it lives."""
TRIES = 5
FIRST_WAIT = 10.0
"""Seconds until an upload is tried again, doubled each time."""


@attrs.define(eq=False)
class Uploader:
    """Makes rows ready whose inputs are local files.

    Args:
        session: What the parts of a run share.
    """

    session: Session
    _under_way: dict[tuple[str, str], asyncio.Future[str]] = attrs.field(init=False, factory=dict)
    """Addresses to come, by content and type, so that two rows do not send the same file."""
    _busy: set[int] = attrs.field(init=False, factory=set)
    _is_over: bool = attrs.field(init=False, default=False)

    def end(self) -> None:
        """End, as no file is to be sent any more."""
        self._is_over = True
        self.session.changed.beat()

    async def run(self) -> None:
        """Send files ahead of the rows that are bought, until the run ends or is halted."""
        gate = asyncio.Semaphore(self.session.settings.uploads)
        while not self._is_over and self.session.halt is None:
            seen = self.session.changed.beats
            for item in await self._next():
                self._busy.add(item.seq)
                self.session.spawn(self._make_ready(item, gate))
            await self.session.changed.wait(since=seen, rest=REST)

    async def _next(self) -> list[Item]:
        """Choose rows to make ready."""
        ahead = min(MOST_AHEAD, AHEAD_FACTOR * self.session.slots.seeker.level + AHEAD_MORE)
        states = (await self.session.ledger.counters()).states
        room = ahead - states[State.READY] - len(self._busy)
        if room <= 0 or states[State.NEW] <= len(self._busy):
            return []
        page = await self.session.ledger.live({State.NEW}, limit=room + len(self._busy))
        return [item for item in page if item.seq not in self._busy][:room]

    async def _make_ready(self, item: Item, gate: asyncio.Semaphore) -> None:
        try:
            async with gate:
                if self.session.halt is None and not self._is_over:
                    await self._freeze(item)
        finally:
            self._busy.discard(item.seq)
            self.session.changed.beat()

    async def _freeze(self, item: Item) -> None:
        """Send what the row needs, and write its final body."""
        template, urls = Template.from_bytes(item.body), dict[str, str]()
        for kind, name in template.files.items():
            try:
                urls[kind] = await self._address(kind, Path(name), template.contents.get(kind))
            except (ArgumentError, OSError) as error:
                await self._reject(item, "local_file_changed", str(error))
                return
            except (TransferError, ApiError, ApiConnectionError, DecodeError) as error:
                await self._fail(item, error)
                return
        await self.session.mark(item, State.READY, body=frozen_body(with_addresses(template.body, urls)))

    async def _fail(self, item: Item, error: TransferError | ApiError | ApiConnectionError | DecodeError) -> None:
        if isinstance(error, ApiError) and error.status_code in (401, 402, 403):
            self.session.stop_buying(Halt("blocked", error.error_code or "", 1, (item.item_id,), str(error)))
            return
        await self._reject(item, getattr(error, "error_code", None) or "upload_failed", str(error))

    async def _reject(self, item: Item, code: str, problem: str) -> None:
        now = self.session.wall_us()
        await self.session.mark(item, State.REJECTED, finished_us=now, error_code=code, error=problem)
        self.session.note_end(item, code)

    async def _address(self, kind: str, path: Path, expected: str | None) -> str:
        """Give the address of a file; it is sent, unless its content was sent before."""
        content = await in_thread(sha_of, path)
        if expected is not None and content != expected:
            raise ArgumentError(kind, f"{str(path)!r} has changed since the run was planned")
        named = (content, path.suffix.lower())
        if named in self._under_way:
            return await asyncio.shield(self._under_way[named])
        future = self._under_way[named] = asyncio.get_running_loop().create_future()
        try:
            url = await self._known(named) or await self._send(kind, path, named)
            future.set_result(url)
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # nobody else may be waiting
            raise
        finally:
            del self._under_way[named]
        return url

    async def _known(self, named: tuple[str, str]) -> str | None:
        asset = await self.session.ledger.asset("".join(named))
        is_young = asset is not None and self.session.wall_us() - asset.uploaded_us < ADDRESS_LIFETIME * 1e6
        return asset.url if asset is not None and is_young else None

    async def _send(self, kind: str, path: Path, named: tuple[str, str]) -> str:
        session = self.session
        file = media_file(await open_file(kind, path), kind)
        url = await self._uploaded(file)
        asset = Asset(
            content_sha="".join(named),
            bytes=file.source.size or 0,
            mime=file.content_type,
            url=url,
            uploaded_us=session.wall_us(),
        )
        await session.ledger.keep_asset(asset)  # before any row names it
        return url

    async def _uploaded(self, file: MediaFile) -> str:
        """Send a file, and give its address; what the network or a proxy did is tried again after a while."""
        for turn in itertools.count():
            await self.session.traffic.turn(Pace.UPLOAD)
            try:
                return await upload(self.session.caller.transport, file, RequestOptions())
            except (TransferError, ApiConnectionError, DecodeError):
                if turn + 1 == TRIES:
                    raise
            await asyncio.sleep(FIRST_WAIT * 2.0**turn)
        raise AssertionError  # the count has no end


def with_addresses(body: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """Put the inputs that were files into a body."""
    inputs = [{"type": kind, "url": url} for kind, url in urls.items()]
    return {**body, "input": [*inputs, *body.get("input", ())]}
