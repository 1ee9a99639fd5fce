"""Loading what a first call needs, when it is needed, and without harm to a program that forks meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import Any

LONGEST_IMPORT = 10.0
"""Seconds that a fork waits for an import in another thread."""

_loading = threading.Lock()
_is_held = False


async def load_http() -> Any:
    """Give the module that knows aiohttp, imported in a thread: it takes 0.1 s and more, and the loop goes on."""
    if "sync_async._aiohttp" in sys.modules and not _loading.locked():
        return http_module()
    loop = asyncio.get_running_loop()
    loaded = loop.create_future()

    def load() -> None:
        try:
            outcome, settle = http_module(), loaded.set_result
        except BaseException as error:  # noqa: BLE001  # raised where it is awaited
            outcome, settle = error, loaded.set_exception
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(lambda: loaded.done() or settle(outcome))

    # no pool of threads, whose own modules would be imported outside of the lock
    threading.Thread(target=load, name="syncso import", daemon=True).start()
    return await loaded


def http_module() -> Any:
    """Give the module that knows aiohttp, imported with all that a first call needs and others import late.

    A child that is forked meanwhile would wait for ever for the import to end, so a fork waits for it instead.
    """
    with _loading:
        import encodings.idna  # noqa: F401

        from sync_async import _aiohttp, _codec  # noqa: F401

    return _aiohttp


def _hold_imports() -> None:
    global _is_held  # noqa: PLW0603  # hooks have no other place
    _is_held = _loading.acquire(timeout=LONGEST_IMPORT)


def _release_imports() -> None:
    if _is_held:
        _loading.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_imports, after_in_parent=_release_imports, after_in_child=_release_imports)
