"""Fetching a result: whole or not at all, and from where it broke off.

Range requests: https://www.rfc-editor.org/rfc/rfc9110#name-range-requests
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from sync_async import _retry
from sync_async._errors import DownloadError
from sync_async._listeners import OnProgress, tell
from sync_async._response import NoAnswer, is_page
from sync_async._retry import Failure
from sync_async._transport import Transport, failure_of
from sync_async.transfer.disk import Disk, Work
from sync_async.transfer.hosts import host_of
from sync_async.transfer.partial_file import HEADER_TAG, PartialFile, Sent
from sync_async.transfer.patience import Patience
from sync_async.types.generations import Generation

if TYPE_CHECKING:
    from sync_async._storage import StorageAnswer

MOST_LINKS = 3
"""Fresh links asked for, without a byte coming, before a host that refuses each of them is believed."""
WRITTEN_AT_ONCE = 1024**2
"""Bytes that are brought to the disk together."""
LENGTH = re.compile(r"[0-9]{1,18}")
PART = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")
NO_PART = re.compile(r"bytes \*/([0-9]{1,18})")
UNSAFE_IN_FILE_NAMES = re.compile(r'[\x00-\x1f/\\:*?"<>|]')
LONGEST_NAME = 200
"""Bytes of a file's name, which leave room for those of its part."""
ENDED = (401, 403, 404, 410)
"""Statuses with which a storage host answers to a link that has ended."""


@attrs.define(kw_only=True)
class Download:
    """One file on its way here.

    Args:
        transport: The way to storage hosts.
        what: What the file is: the id of its generation, or the link without its query.
        url: A signed link, used exactly as it is; None to ask for one.
        fresh: Asks for another link to the same file; None where there is none.
        to: The file to write; see `partial_file.destination`.
        overwrite: Replace a file that is there.
        on_progress: Told of the bytes that are here.
        generation_id: For errors.
        is_new: Whether nobody else can be writing the file, and nothing of it is here: then it need not be
            opened before there is something to write.
        hashes: Whether `sha` is wanted.
        disk: Where work on files is done: with that of others, when they share it.
    """

    transport: Transport
    what: str
    url: str | None
    fresh: Callable[[], Awaitable[str]] | None
    to: Path
    overwrite: bool = False
    on_progress: OnProgress | None = None
    generation_id: str | None = None
    is_new: bool = False
    hashes: bool = False
    disk: Disk = attrs.field(factory=Disk)
    _part: PartialFile = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: PartialFile(self.to, is_new=self.is_new, hashes=self.hashes), True),
    )
    _patience: Patience = attrs.field(
        init=False, default=attrs.Factory(lambda self: Patience(self.transport, f"download of {self.what}"), True)
    )
    _links: int = attrs.field(init=False, default=0)
    _waiting: list[bytes] = attrs.field(init=False, factory=list)
    """Bytes that are here and not on the disk: a thread for each chunk would take longer than the chunk."""
    _begins: Sent | None = attrs.field(init=False, default=None)
    """With what the file begins anew when they are written."""
    _farthest: int = attrs.field(init=False, default=0)

    async def run(self) -> Path:
        """Fetch the file, and give its path.

        Raises:
            ArgumentError: The file has appeared meanwhile, or another download writes it.
            DownloadError: The host did not give the whole file, or the disk did not take it; the part is kept.
            ApiError, ApiConnectionError: No fresh link was given.
        """
        if not self.is_new:
            await self._on_disk(self._open)
        try:
            while not await self._try():
                pass
            await self._on_disk(self._finish)
        finally:
            self._part.close()
        return self.to

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self._part.size

    @property
    def sha(self) -> str | None:
        """SHA-256 of the file in hexadecimal, when it is whole and `hashes` was asked for."""
        return self._part.sha

    def _open(self) -> None:
        """Take up what is there of the file, once."""
        if not self._part.is_open:
            self._part.open(self.what)

    def _finish(self) -> Path:
        self._begins = self._begins and Sent(of=self._begins.of)  # what is whole needs no notes to go on with
        self._write()
        self._part.finish(overwrite=self.overwrite)
        self._part.close()
        return self.to.parent

    def _write(self) -> None:
        """Bring to the disk what waits for it."""
        self._open()
        begins, self._begins = self._begins, None
        if begins is not None:
            self._part.begin(begins)
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._part.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    async def _try(self) -> bool:
        """Get what is missing, as far as it comes, and tell whether that was all."""
        url = await self._link()
        storage = await self.transport.storage()
        try:
            async with storage.get(url, self._range()) as answer:
                return await self._take(answer)
        except NoAnswer as finding:
            if not await self._patience.wait(failure_of(finding), finding.problem):
                raise self._error(host_of(url), "get", finding.problem) from finding
        return False

    async def _link(self) -> str:
        if self.url is None:
            if self.fresh is None:
                raise AssertionError  # whoever has neither does not ask
            self.url = await self.fresh()
        return self.url

    def _range(self) -> dict[str, str]:
        sent = self._part.sent
        if not self._part.size or sent is None or sent.tag is None:
            return {}
        return {"Range": f"bytes={self._part.size}-", "If-Range": sent.tag}

    async def _take(self, answer: StorageAnswer) -> bool:
        _check_file(answer)
        match answer.status:
            case HTTPStatus.OK:
                self._begins = self._sent(answer)
            case HTTPStatus.PARTIAL_CONTENT if self._continues(answer):
                pass
            case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE if self._is_whole(answer):
                return True
            case HTTPStatus.PARTIAL_CONTENT | HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return await self._restart(answer)
            case _:
                return await self._refused(answer)
        return await self._read(answer)

    async def _read(self, answer: StorageAnswer) -> bool:
        here, total, unwritten = 0 if self._begins else self._part.size, self._total(), 0
        try:
            async for chunk in answer.chunks():
                self._waiting.append(chunk)
                here += len(chunk)
                unwritten += len(chunk)
                if unwritten >= WRITTEN_AT_ONCE:
                    await self._on_disk(self._write)
                    unwritten = 0
                self._note_progress(here)
                await tell(self.on_progress, here, total)
            return _is_complete(answer, here, total)
        except BaseException:
            await self._on_disk(self._write)  # to go on with
            raise

    def _note_progress(self, here: int) -> None:
        """Begin to count anew, but not for bytes that came before."""
        if here > self._farthest:
            self._farthest = here
            self._patience.renew()
            self._links = 0

    def _sent(self, answer: StorageAnswer) -> Sent:
        length = answer.headers.get("Content-Length", "")
        tag = answer.headers.get("ETag")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            return Sent(of=self.what)  # what arrives has another length than what was sent
        strong = tag if tag and HEADER_TAG.fullmatch(tag) and not tag.startswith("W/") else None
        return Sent(of=self.what, tag=strong, total=int(length) if LENGTH.fullmatch(length) else None)

    def _continues(self, answer: StorageAnswer) -> bool:
        found = PART.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None or self._part.sent is None:
            return False
        sent = self._part.sent
        is_same = answer.headers.get("ETag", sent.tag) == sent.tag and sent.total in (None, int(found[2]))
        return is_same and int(found[1]) == self._part.size

    def _is_whole(self, answer: StorageAnswer) -> bool:
        found = NO_PART.fullmatch(answer.headers.get("Content-Range", ""))
        return found is not None and int(found[1]) == self._part.size == self._total()

    def _total(self) -> int | None:
        sent = self._begins or self._part.sent
        return None if sent is None else sent.total

    async def _restart(self, answer: StorageAnswer) -> bool:
        """Forget the part: the host has something else now."""
        await self._on_disk(lambda: self._part.begin(Sent(of=self.what)))
        if not await self._patience.wait(Failure.UNCLEAR, f"{answer.status} for the rest of the file"):
            raise self._error(answer.host, "get", f"it answers {answer.status} and not with the rest of the file")
        return False

    async def _refused(self, answer: StorageAnswer) -> bool:
        refusal = _refusal(answer)
        ended = answer.status in ENDED or answer.reason == "ExpiredToken"
        if ended and self.fresh is not None and self._links < MOST_LINKS:
            self.url = None
            self._links += 1
            return False
        hint = _retry.hint_of(answer.headers)
        failure = _retry.failure_of_answer(answer.status, None, None, hint)
        if not await self._patience.wait(failure, refusal, hint):
            advice = "; the link has ended" if ended else ""
            raise self._error(answer.host, "get", f"{refusal}{advice}")
        return False

    async def _on_disk(self, work: Work) -> None:
        """Do work on the disk; what the disk refuses names the part."""
        try:
            await self.disk.do(work)
        except OSError as error:
            raise self._error("this machine", "write", f"{error.strerror or error}") from error

    def _error(self, host: str, step: str, problem: str) -> DownloadError:
        part = self._part.path if self._part.size else None
        here = f"{self._part.size:,} bytes are in {str(part)!r}; " if part is not None else ""
        return DownloadError(
            f"download of {self.what} from {host}: {problem}. {here}call it again with the same destination to "
            "go on",
            host=host,
            step=step,
            part=part,
            generation_id=self.generation_id,
        )


def _check_file(answer: StorageAnswer) -> None:
    """Find a page that stands in a file's place, before it takes the place of what is here."""
    if answer.status < 300 and is_page(answer.headers):  # noqa: PLR2004
        raise NoAnswer(f"{answer.host} sent an HTML page; is a proxy or a login page in between?", reached=True)


def _is_complete(answer: StorageAnswer, here: int, total: int | None) -> bool:
    if not here:  # no result is empty
        raise NoAnswer(f"{answer.host} sent nothing", reached=True)
    if total is None or total == here:
        return True
    raise NoAnswer(f"{answer.host} sent {here} of {total} bytes", reached=True)


def name_of_output(generation: Generation | str) -> str:
    """Give the name of a result in a folder: the generation's output name, else its id.

    Both come from the server, so that what would lead out of the folder, or is no name, is replaced.
    """
    told = generation if isinstance(generation, str) else generation.output_file_name or generation.id
    name = UNSAFE_IN_FILE_NAMES.sub("_", told).encode("utf-8", "replace")[:LONGEST_NAME]
    return f"{name.decode('utf-8', 'ignore')}.mp4"


async def fetch(transport: Transport, url: str, what: str) -> bytes:
    """Fetch a small file into memory, without any key.

    Args:
        transport: The way to storage hosts.
        url: A signed link, used exactly as it is.
        what: What the file is, for messages.

    Raises:
        DownloadError: The host did not give the whole file.
    """
    patience = Patience(transport, what)
    storage = await transport.storage()
    while True:
        try:
            async with storage.get(url) as answer:
                if answer.status == HTTPStatus.OK:
                    return await _whole(answer)
            hint = _retry.hint_of(answer.headers)
            failure, problem = _retry.failure_of_answer(answer.status, None, None, hint), _refusal(answer)
        except NoAnswer as finding:
            failure, problem, hint = failure_of(finding), finding.problem, None
        if not await patience.wait(failure, problem, hint):
            raise DownloadError(
                f"{what}: {host_of(url)} did not give the file: {problem}", host=host_of(url), step="get"
            )


async def _whole(answer: StorageAnswer) -> bytes:
    _check_file(answer)
    content = b"".join([chunk async for chunk in answer.chunks()])
    if not content:
        raise NoAnswer(f"{answer.host} sent nothing", reached=True)
    return content


def _refusal(answer: StorageAnswer) -> str:
    return f"it answers {answer.status} {answer.reason}".rstrip()
