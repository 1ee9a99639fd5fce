"""Outputs on their way here: fetched when their slot is free again, a few at once."""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import attrs

from sync_async._errors import ApiConnectionError, ApiError, ArgumentError, DecodeError, TransferError
from sync_async._loading import in_thread
from sync_async.bulk.clock import Clock, clock
from sync_async.bulk.contents import size_and_sha
from sync_async.bulk.keys import output_stem
from sync_async.bulk.ledger import PAGE_ROWS
from sync_async.bulk.records import Item, Value
from sync_async.bulk.session import Session
from sync_async.bulk.states import State
from sync_async.resources._output import output_of
from sync_async.transfer.disk import Disk
from sync_async.transfer.partial_file import PartialFile
from sync_async.types.generations import Generation

IN_THE_WAY = "output_exists"
LINK_LIFETIME = 600.0
"""Seconds for which the link of a look is used; later another one is asked for."""
TRIES = 8
FIRST_WAIT, LONGEST_WAIT = 30.0, 1200.0
"""Seconds between the tries of a file, doubled each time: all tries together take more than an hour."""
LEAST_FREE = 1024**3
"""Bytes of free space below which nothing is fetched."""
LOOK_EVERY, FREE_WAIT = 5.0, 30.0
"""Seconds between two looks at the space, while there is some, and while there is not."""


@attrs.frozen
class _Output:
    """A row whose output waits at the server."""

    item: Item
    state: State
    """Where it stands by now."""
    path: Path
    job: Generation | None = None
    """The job with its link, while that is young."""
    seen: float = 0.0
    tries: int = 0
    is_new: bool = False
    """Whether nothing of it can be here."""


@attrs.define(eq=False)
class Downloader:
    """Fetches outputs into the folder of the run, a few at once.

    Args:
        session: What the parts of a run share.
        folder: Where files go.
    """

    session: Session
    folder: Path
    _now: Clock = attrs.field(init=False, factory=clock)
    _waiting: deque[_Output] = attrs.field(init=False, factory=deque)
    _known: set[int] = attrs.field(init=False, factory=set)
    """Rows that are here, so that a page of the ledger brings none twice."""
    _disk: Disk = attrs.field(init=False, factory=Disk)
    _is_over: bool = attrs.field(init=False, default=False)
    _next_look: float = attrs.field(init=False, default=0.0)
    active: int = attrs.field(init=False, default=0)
    """Outputs that are being fetched."""
    left: int = attrs.field(init=False, default=0)
    """Outputs that could not be fetched in this session."""

    async def completed(self, item: Item, job: Generation, known: dict[str, Value]) -> None:
        """Take over a row whose job has completed, and what is known of it; its output is fetched in its turn."""
        path, known = self._path(item), {**known}
        target = State.REMOTE_DONE
        if item.state is State.SUBMITTED and not path.exists():  # one commit less for each row
            target, known["out_path"] = State.DOWNLOADING, path.name
        self._known.add(item.seq)
        await self.session.mark_all(item, [(item.state, target, known)])
        self._waiting.append(_Output(item, target, path, job, self._now(), is_new=True))
        self._begin_next()

    async def recover(self) -> None:
        """Take up what an earlier process had not fetched."""
        after: Item | None = None
        while page := await self.session.ledger.live({State.REMOTE_DONE, State.DOWNLOADING}, after):
            self._waiting.extend(
                _Output(attrs.evolve(item, body=b""), item.state, self._path(item))
                for item in page
                if item.seq not in self._known
            )
            self._known.update(item.seq for item in page)
            self._begin_next()
            after = page[-1]
            while len(self._waiting) >= PAGE_ROWS:
                await self.session.changed.wait()

    @property
    def is_busy(self) -> bool:
        """Whether outputs are being fetched, or wait for nothing but their turn."""
        return bool(self._waiting or self.active)

    @property
    def _is_free(self) -> bool:
        return not self._is_over and self.active < self.session.settings.downloads

    def end(self) -> None:
        """End, as there is nothing left to fetch."""
        self._is_over = True

    def _begin_next(self) -> None:
        while self._waiting and self._is_free:
            self.active += 1
            self.session.spawn(self._work(self._waiting.popleft()))

    async def _work(self, output: _Output) -> None:
        """Fetch an output; the next begins before its row is written."""
        try:
            await self._wait_for_space()
            finish = await self._fetch(output)
        finally:
            self.active -= 1
            self._begin_next()
        await finish
        self.session.changed.beat()

    async def _wait_for_space(self) -> None:
        """Wait until there is space; it is looked at now and then, and not for each file."""
        while not self._is_over and self._now() >= self._next_look:
            if (await in_thread(shutil.disk_usage, self.folder)).free >= LEAST_FREE:
                self._next_look = self._now() + LOOK_EVERY
            else:
                await asyncio.sleep(FREE_WAIT)

    async def _fetch(self, output: _Output) -> Coroutine[Any, Any, None]:
        """Fetch an output, and give what is left to write of it in the ledger."""
        session, item = self.session, output.item
        path, is_begun = output.path, output.state is State.DOWNLOADING
        if not (is_begun and output.is_new) and path.exists():
            if not is_begun:
                return self._put_off(output, State.REMOTE_DONE, IN_THE_WAY, _in_the_way(path))
            await in_thread(PartialFile(path).forget)
            # it has its name, so it is whole; but it may not be durable yet
            return self._finish(item, path, *await in_thread(lambda: size_and_sha(path, makes_durable=True)))
        if not is_begun:
            await session.mark(item, State.DOWNLOADING, source=output.state, out_path=path.name)
        try:
            download = output_of(
                session.caller,
                self._generation(output),
                lambda _: path,
                is_new=output.is_new,
                hashes=True,
                disk=self._disk,
            )
            await download.run()
        except ArgumentError as error:
            if path.exists():  # since the row was written
                return self._put_off(output, State.DOWNLOADING, IN_THE_WAY, _in_the_way(path))
            return self._put_off(output, State.DOWNLOADING, _code_of(error), str(error))
        except (TransferError, ApiError, ApiConnectionError, DecodeError) as error:
            return self._put_off(output, State.DOWNLOADING, _code_of(error), str(error))
        return self._finish(item, path, download.size, download.sha)

    def _path(self, item: Item) -> Path:
        return self.folder / (item.out_path or file_name(item.item_id))

    def _generation(self, output: _Output) -> str | Generation:
        is_young = output.job is not None and self._now() - output.seen < LINK_LIFETIME
        return output.job if is_young and output.job is not None else output.item.job_id or ""

    async def _finish(self, item: Item, path: Path, size: int, sha: str | None) -> None:
        """Write down what came."""
        await self.session.mark(
            item, State.DONE, source=State.DOWNLOADING, out_path=path.name, out_bytes=size, out_sha=sha
        )
        self.session.note_end(item, None)
        self._known.discard(item.seq)

    async def _put_off(self, output: _Output, source: State, code: str, problem: str) -> None:
        """Leave an output at the server for a while; it is paid for, and never bought again."""
        session, tries = self.session, output.tries + 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0**output.tries)
        due = session.wall_us() + int(wait * 1e6)
        await session.mark(
            output.item, State.REMOTE_DONE, source=source, due_us=due, error_code=code, error=problem
        )
        if tries == TRIES or code == IN_THE_WAY:
            self.left += 1
            return
        again = _Output(output.item, State.REMOTE_DONE, output.path, tries=tries)
        asyncio.get_running_loop().call_later(wait, self._again, again)

    def _again(self, output: _Output) -> None:
        self._waiting.append(output)
        self._begin_next()


def file_name(item_id: str) -> str:
    """Give the name of a row's output."""
    return f"{output_stem(item_id)}.mp4"


def _in_the_way(path: Path) -> str:
    return f"{str(path)!r} is there already and was not written by this run; move it away, then resume"


def _code_of(error: Exception) -> str:
    return getattr(error, "error_code", None) or "download_failed"
