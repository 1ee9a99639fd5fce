"""Fetching a result: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sync_async._errors import ApiConnectionError, ArgumentError

if TYPE_CHECKING:
    from sync_async._aiohttp import BareAnswer

OnProgress = Callable[[int, int | None], object]
"""Called with the bytes that are here, and those that there are in all, if the server says."""


async def download(url: str, to: Path, *, overwrite: bool = False, on_progress: OnProgress | None = None) -> Path:
    """Fetch a URL into a file, without any key; the file appears when it is whole.

    Args:
        url: A signed link, such as `output_url` of a generation; used exactly as it is.
        to: The file to write.
        overwrite: Replace a file that is there.
        on_progress: See `OnProgress`.

    Raises:
        ArgumentError: The file is there already, or its folder is not.
        ApiConnectionError: The server did not give the whole file; nothing is left behind.
    """
    check_destination(to, overwrite=overwrite)
    from sync_async import _aiohttp

    with _appearing(to) as file:
        async with _aiohttp.bare_get(url) as answer:
            await _write(answer, file, on_progress)
    return to


@contextlib.contextmanager
def _appearing(to: Path) -> Iterator[IO[bytes]]:
    """Write a file under another name; it takes its own when the block ends well, and goes otherwise."""
    handle, name = tempfile.mkstemp(prefix=f".{to.name}.", suffix=".part", dir=to.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        part.replace(to)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def check_destination(to: Path, *, overwrite: bool) -> None:
    """Check where a file is to go, before anything is paid for."""
    if not to.parent.is_dir():
        raise ArgumentError("to", f"there is no folder {str(to.parent)!r}")
    if to.is_dir():
        raise ArgumentError("to", f"{str(to)!r} is a folder; name a file in it")
    if to.exists() and not overwrite:
        raise ArgumentError(
            "to", f"{str(to)!r} is there already; choose another name, or say that it may be replaced"
        )


async def _write(answer: BareAnswer, file: IO[bytes], on_progress: OnProgress | None) -> None:
    from anyio import to_thread

    done = 0
    async for chunk in answer.chunks():
        await to_thread.run_sync(file.write, chunk)
        done += len(chunk)
        if on_progress is not None:
            on_progress(done, answer.size)
    if answer.size is not None and done != answer.size:
        raise ApiConnectionError(f"{answer.host} sent {done} of {answer.size} bytes")
    file.flush()
    await to_thread.run_sync(os.fsync, file.fileno())
