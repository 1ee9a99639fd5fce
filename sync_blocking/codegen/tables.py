"""All that the generator knows of the core's names.

A rule that nothing uses is an error, and so is a name that looks asynchronous and stands in no rule.
"""

from __future__ import annotations

SOURCES = {
    "_client.py": "_client.py",
    "resources/assets.py": "resources/assets.py",
    "resources/batch.py": "resources/batch.py",
    "resources/bulk.py": "resources/bulk.py",
    "resources/bulk_run.py": "resources/bulk_run.py",
    "resources/generations.py": "resources/generations.py",
    "resources/models.py": "resources/models.py",
}
"""Modules of the core and their twins."""

RENAMES = {
    "AsyncSync": "Sync",
    "AsyncSandbox": "Sandbox",
    "AsyncItems": "Items",
    "AsyncAssets": "Assets",
    "AsyncAssetsWithRawResponse": "AssetsWithRawResponse",
    "AsyncBatch": "Batch",
    "AsyncBatchWithRawResponse": "BatchWithRawResponse",
    "AsyncBulk": "Bulk",
    "AsyncBulkRun": "BulkRun",
    "AsyncGenerations": "Generations",
    "AsyncGenerationsWithRawResponse": "GenerationsWithRawResponse",
    "AsyncModels": "Models",
    "AsyncModelsWithRawResponse": "ModelsWithRawResponse",
}
"""Classes that exist twice; all other names are shared."""

HOMES = {
    "AsyncSync": "sync_blocking._client",
    "AsyncSandbox": "sync_async.sandbox",
    "AsyncItems": "sync_blocking._items",
}
"""Where the package finds its own public names, by the core's name; all others are the core's."""

CLIENT = "AsyncSync"
"""The class that owns the resources; all others are resources."""

BASES = {"Resource", "WithRawResponse"}
"""What a resource of the core may derive from."""

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
