"""What there is to know of the thread that makes a blocking call."""

from __future__ import annotations

import asyncio
import builtins
import sys
import threading
import warnings
from collections.abc import Coroutine
from typing import Any


def is_too_late() -> bool:
    """Tell whether the interpreter shuts down: thread pools are gone then, and names are not resolved.

    Other threads that the interpreter still waits for may finish their work.
    """
    main = threading.main_thread()
    return not main.is_alive() and main.ident == threading.get_ident()


def warn_of_standstill(coroutine: Coroutine[Any, Any, Any], ours: asyncio.AbstractEventLoop) -> None:
    """Warn, once a line, that an event loop of the caller's stands still while the caller waits.

    Under gevent all greenlets seem to run in `ours`, the private loop, and none holds up another.
    """
    running = asyncio._get_running_loop()  # noqa: SLF001  # the public one raises, and leaves a context
    if running is None or running is ours:
        return
    if getattr(builtins, "__IPYTHON__", False):  # nobody else uses a notebook's loop
        return
    warnings.warn(
        "a blocking call holds up the event loop that runs in this thread; in async code write "
        f"'async with AsyncSync() as client: await client…', here await {name_of(coroutine)}(…)",
        RuntimeWarning,
        stacklevel=_frames_of_ours() + 1,
    )


def _frames_of_ours() -> int:
    """Count the frames from the caller of this function up to the first that is not of this package."""
    count, frame = 0, sys._getframe(1)  # noqa: SLF001  # the documented way to a caller's line
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("sync_blocking."):
        count, frame = count + 1, frame.f_back
    return count


def name_of(coroutine: Coroutine[Any, Any, Any]) -> str:
    """Give a coroutine's name as in `AsyncGenerations.get`."""
    return getattr(coroutine, "__qualname__", type(coroutine).__name__)
