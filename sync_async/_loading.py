"""Loading what a first call needs, when it is needed, and without harm to a program that forks meanwhile."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar, TypeVarTuple

from sync_async._forks import imports
from sync_async._threads import in_own_thread

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_http: Any = None
_under_way: dict[asyncio.AbstractEventLoop, asyncio.Task[Any]] = {}
_run_sync: Any = None


@functools.cache
def load_codec() -> ModuleType:
    """Give the module that reads answers; asking for it costs less than an import that has been done."""
    from sync_async import _codec

    return _codec


async def load_http() -> Any:
    """Give the module that knows aiohttp, imported in a thread: it takes 0.1 s and more, and the loop goes on."""
    if _http is not None:
        return _http
    loop = asyncio.get_running_loop()
    load = _under_way.get(loop)
    if load is None:  # one thread is enough for a thousand first calls
        load = _under_way[loop] = loop.create_task(in_own_thread(_import_http))
        load.add_done_callback(lambda _: _under_way.pop(loop))
    return await asyncio.shield(load)


def _import_http() -> Any:
    global _http  # noqa: PLW0603  # sys.modules has modules that are not ready
    with imports.under_way():
        import encodings.idna  # noqa: F401  # for the names of hosts

        # the others are imported where few programs need them, on the loop, which need not stand still for them
        from sync_async import _aiohttp, _codec  # noqa: F401

    _http = _aiohttp
    return _http


async def in_thread(function: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
    """Call a function in a thread of anyio's; a cancelled call waits until it is through."""
    run_sync = _run_sync or _import_anyio()
    outcome: T = await run_sync(function, *arguments)
    return outcome


def _import_anyio() -> Any:
    global _run_sync  # noqa: PLW0603  # as above
    with imports.under_way():
        from anyio import get_cancelled_exc_class, to_thread

        get_cancelled_exc_class()  # loads the part for asyncio, which it would do later
    _run_sync = to_thread.run_sync
    return _run_sync
