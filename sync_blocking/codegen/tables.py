"""All that the generator knows of the core's names.

A rule that nothing uses is an error, and so is a name that looks asynchronous and stands in no rule.
"""

from __future__ import annotations

import re
from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "sync_async"

RESOURCES = {f"resources/{path.name}": path for path in sorted((CORE / "resources").glob("[!_]*.py"))}
"""Each module of a resource has a twin of its own, so that a new one stands in no list."""

SOURCES = {"_client.py": "_client.py", **{name: name for name in RESOURCES}}
"""Modules of the core and their twins."""

RENAMES: dict[str, str] = {
    "AsyncSync": "Sync",
    "AsyncSandbox": "Sandbox",
    "AsyncItems": "Items",
    **{
        name: name.removeprefix("Async")
        for path in RESOURCES.values()
        for name in re.findall(r"^class (Async\w+)\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    },
}
"""Classes that exist twice: those of resources, and three more; all other names are shared."""

HOMES = {
    "AsyncSync": "sync_blocking._client",
    "AsyncSandbox": "sync_async.sandbox",
    "AsyncItems": "sync_blocking._items",
}
"""Where the package finds its own public names, by the core's name; all others are the core's."""

CLIENT = "AsyncSync"
"""The class that owns the resources; all others are resources."""

BASES = {"OnDemand", "Resource", "WithRawResponse"}
"""What a client and a resource of the core may derive from."""

CALLBACKS = {"OnProgress", "OnUpdate"}
"""Types of functions that a caller passes in and the loop calls; they run in the caller's thread."""

OPENED = {"AsyncBulkRun"}
"""Resources that a method opens. Their modules are loaded when the first one is, as nobody else needs them."""

BY_HAND = {
    "__aenter__": "ClientFacade.__enter__",
    "__aexit__": "ClientFacade.__exit__",
    "__init__": "made from its signature",
    "__reduce__": "ClientFacade.__reduce__",
    "__repr__": "ClientFacade.__repr__",
    "close": "ClientFacade.close",
}
"""Methods of the client that no rule derives, and what stands for each."""

ONLY_IN_CORE = {
    "AsyncSync.__init__.session": "an aiohttp session belongs to the loop that it was made in",
}
"""Parameters that the twin does not have, each with its reason."""

PHRASES = {
    "for asyncio programs": "for scripts, notebooks and threads",
    "Use it in one event loop, for\n    as many requests at once as you like": (
        "Use it from as\n    many threads as you like"
    ),
    "        session: An aiohttp session of yours, which is used and never closed.\n": "",
    "`async with AsyncSync() as client: …`": "`with Sync() as client: …`",
}
"""What docstrings say otherwise; applied in this order."""

CODE = {
    "from sync_async import AsyncSync": "from sync_blocking import Sync",
    "async with AsyncSync() as client": "with Sync() as client",
    "async for ": "for ",
    "await ": "",
}
"""What their examples say otherwise, besides."""

FORBIDDEN = ("await", "async ", "asyncio", "coroutine", "AsyncSync", "event loop")
"""What no docstring of the twin may hold."""
