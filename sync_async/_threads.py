"""Work in a thread of its own, for what would hold up the loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_own_thread(function: Callable[[], T]) -> T:
    """Call a function in a daemon thread; a cancelled call, and the end of the program, leave it to itself.

    The loop's executor would not do: it ends with the main thread, while other threads may still have calls to
    make, and the end of the program waits for whatever it is at.
    """
    loop = asyncio.get_running_loop()
    awaited: asyncio.Future[T] = loop.create_future()

    def call() -> None:
        settle: Callable[[], None]
        try:
            settle = functools.partial(awaited.set_result, function())
        except BaseException as error:  # noqa: BLE001  # raised where it is awaited
            settle = functools.partial(awaited.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(_unless_done, awaited, settle)

    threading.Thread(target=call, name="syncso worker", daemon=True).start()
    return await awaited


def _unless_done(awaited: asyncio.Future[T], settle: Callable[[], None]) -> None:
    if not awaited.done():  # nobody waits for it any more
        settle()
