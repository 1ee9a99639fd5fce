"""Outputs on their way here: fetched when their slot is free again, by a few workers at once."""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from pathlib import Path

import attrs

from sync_async._errors import ApiConnectionError, ApiError, ArgumentError, TransferError
from sync_async._loading import in_thread
from sync_async.bulk.contents import size_and_sha
from sync_async.bulk.ledger import PAGE_ROWS, Item
from sync_async.bulk.rows import output_stem
from sync_async.bulk.session import Session
from sync_async.bulk.states import State
from sync_async.transfer.partial_file import PartialFile
from sync_async.types.generations import Generation

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
    job: Generation | None = None
    """The job with its link, while that is young."""
    seen: float = 0.0
    tries: int = 0


@attrs.define(eq=False)
class Downloader:
    """Fetches outputs into the folder of the run.

    Args:
        session: What the parts of a run share.
        folder: Where files go.
    """

    session: Session
    folder: Path
    _waiting: deque[_Output] = attrs.field(init=False, factory=deque)
    _known: set[int] = attrs.field(init=False, factory=set)
    """Rows that are here, so that a page of the ledger brings none twice."""
    _is_over: bool = attrs.field(init=False, default=False)
    _next_look: float = attrs.field(init=False, default=0.0)
    active: int = attrs.field(init=False, default=0)
    """Outputs that are being fetched."""
    left: int = attrs.field(init=False, default=0)
    """Outputs that could not be fetched in this session."""

    async def fetch(self, item: Item, job: Generation | None = None) -> None:
        """Fetch the output of a row."""
        if item.seq not in self._known:
            self._known.add(item.seq)
            self._waiting.append(_Output(item, job, _now()))
            self.session.changed.beat()

    async def recover(self) -> None:
        """Take up what an earlier process had not fetched."""
        after: Item | None = None
        while page := await self.session.ledger.live({State.REMOTE_DONE, State.DOWNLOADING}, after):
            for item in page:
                await self.fetch(attrs.evolve(item, body=b""))
            after = page[-1]
            while len(self._waiting) >= PAGE_ROWS:
                await self.session.changed.wait()

    @property
    def is_busy(self) -> bool:
        """Whether outputs are being fetched, or wait for nothing but a free worker."""
        return bool(self._waiting or self.active)

    def end(self) -> None:
        """End, as there is nothing left to fetch."""
        self._is_over = True
        self.session.changed.beat()

    async def run(self) -> None:
        """Fetch outputs until the run ends; this is one of several workers."""
        while not self._is_over:
            if not self._waiting:
                await self.session.changed.wait()
                continue
            output = self._waiting.popleft()
            self.active += 1
            try:
                await self._wait_for_space()
                if await self._fetch(output):
                    self._known.discard(output.item.seq)
            finally:
                self.active -= 1
            self.session.changed.beat()

    async def _wait_for_space(self) -> None:
        """Wait until there is space; it is looked at now and then, and not for each file."""
        while not self._is_over and _now() >= self._next_look:
            if (await in_thread(shutil.disk_usage, self.folder)).free >= LEAST_FREE:
                self._next_look = _now() + LOOK_EVERY
            else:
                await asyncio.sleep(FREE_WAIT)

    async def _fetch(self, output: _Output) -> bool:
        """Fetch an output, and tell whether it is over."""
        session, item = self.session, output.item
        path = self.folder / (item.out_path or file_name(item.item_id))
        is_ours = item.state is State.DOWNLOADING
        if path.exists():
            if not is_ours:
                return await self._put_off(output, State.REMOTE_DONE, "output_exists", _in_the_way(path))
            await in_thread(PartialFile(path).forget)
            await self._finish(item, path, is_durable=False)  # it has its name, so it is whole
            return True
        if not is_ours:
            await session.mark(item, State.DOWNLOADING, out_path=path.name)
        try:
            await session.generations.download(self._generation(output), path)
        except (TransferError, ApiError, ApiConnectionError, ArgumentError) as error:
            return await self._put_off(output, State.DOWNLOADING, _code_of(error), str(error))
        await self._finish(item, path, is_durable=True)
        return True

    def _generation(self, output: _Output) -> str | Generation:
        is_young = output.job is not None and _now() - output.seen < LINK_LIFETIME
        return output.job if is_young and output.job is not None else output.item.job_id or ""

    async def _finish(self, item: Item, path: Path, *, is_durable: bool) -> None:
        """Write down what came; a file of a process that was killed may not be durable yet."""
        size, sha = await in_thread(lambda: size_and_sha(path, makes_durable=not is_durable))
        await self.session.mark(
            item, State.DONE, source=State.DOWNLOADING, out_path=path.name, out_bytes=size, out_sha=sha
        )
        self.session.note_end(item, None)

    async def _put_off(self, output: _Output, source: State, code: str, problem: str) -> bool:
        """Leave an output at the server for a while; it is paid for, and never bought again."""
        session, tries = self.session, output.tries + 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0**output.tries)
        due = session.wall_us() + int(wait * 1e6)
        await session.mark(
            output.item, State.REMOTE_DONE, source=source, due_us=due, error_code=code, error=problem
        )
        if tries == TRIES or code == "output_exists":
            self.left += 1
            session.changed.beat()
            return False
        item = attrs.evolve(output.item, state=State.REMOTE_DONE)
        asyncio.get_running_loop().call_later(wait, self._again, _Output(item, None, 0.0, tries))
        return False

    def _again(self, output: _Output) -> None:
        self._waiting.append(output)
        self.session.changed.beat()


def file_name(item_id: str) -> str:
    """Give the name of a row's output."""
    return f"{output_stem(item_id)}.mp4"


def _in_the_way(path: Path) -> str:
    return f"{str(path)!r} is there already and was not written by this run; move it away, then resume"


def _code_of(error: Exception) -> str:
    return getattr(error, "error_code", None) or "download_failed"


def _now() -> float:
    return asyncio.get_running_loop().time()
