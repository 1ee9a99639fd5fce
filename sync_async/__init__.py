"""The sync.so lip-sync API for asyncio programs.

from sync_async import AsyncSync

async with AsyncSync() as client:
    job = await client.generations.create_with_files(model="lipsync-2", video="face.mp4", audio="speech.wav")
    done = await client.generations.wait(job.id)
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, whose import would take longer than all of this
if TYPE_CHECKING:
    from sync_async import webhooks as webhooks
    from sync_async._public import *  # noqa: F403
    from sync_async._public import __all__ as __all__


if not TYPE_CHECKING:  # a checker shall know the names above, and take no other

    def __getattr__(name: str) -> object:
        """Load a public name when it is first asked for."""
        import importlib

        if name == "webhooks":
            return importlib.import_module("sync_async.webhooks")
        if home := {"AsyncSandbox": "sandbox", "AsyncSync": "_client"}.get(name):  # needs none of the others
            value = globals()[name] = getattr(importlib.import_module(f"sync_async.{home}"), name)
            return value
        if not name.startswith("_") or name in {"__all__", "__version__"}:
            public = importlib.import_module("sync_async._public")
            if name == "__all__" or name in public.__all__:
                value = globals()[name] = getattr(public, name)
                return value
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)

    def __dir__() -> list[str]:
        return [*__getattr__("__all__"), "webhooks"]
