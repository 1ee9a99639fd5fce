"""The sandbox for blocking programs: the same server on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from types import TracebackType
from typing import Any, Self

from sync_async.sandbox.faults import Faults
from sync_async.sandbox.records import Generation
from sync_async.sandbox.requests import SeenRequest
from sync_async.sandbox.server import AsyncSandbox
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.storage import Leak

STOP_SECONDS = 10.0


class Sandbox:
    """A sync.so API on this machine, for offline work, demonstrations and tests.

    The same as `AsyncSandbox`, on a thread of its own.

    Example:
        with Sandbox(latency=0.2) as sandbox:
            with Sync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
                print(client.models.list())
    """

    def __init__(self, **settings: Any) -> None:
        self._sandbox = AsyncSandbox(**settings)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None

    @property
    def settings(self) -> SandboxSettings:
        """The settings."""
        return self._sandbox.settings

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._sandbox.base_url

    @property
    def api_key(self) -> str:
        """A key that the sandbox takes."""
        return self._sandbox.api_key

    @property
    def webhook_secret(self) -> str:
        """Signs the webhook deliveries."""
        return self._sandbox.webhook_secret

    @property
    def requests(self) -> deque[SeenRequest]:
        """The requests that reached the API."""
        return self._sandbox.requests

    @property
    def leaks(self) -> list[Leak]:
        """Requests that brought credentials to the storage origin; there should be none."""
        return self._sandbox.leaks

    @property
    def faults(self) -> Faults:
        """What is to go wrong."""
        return self._sandbox.faults

    @property
    def generations(self) -> dict[str, Generation]:
        """The generations, by id."""
        return self._sandbox.generations

    def end_next(
        self, status: str = "FAILED", code: str = "generation_pipeline_failed", message: str = "Failed."
    ) -> None:
        """Order how the next generation ends."""
        self._sandbox.end_next(status, code, message)

    def finish(self, id: str) -> None:
        """Let a generation end now."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._sandbox.finish, id)

    def start(self) -> Self:
        """Listen.

        Raises:
            PortInUseError: The port is taken.
        """
        ready: Any = threading.Event()
        failure: list[BaseException] = []
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready, failure)), name="syncso sandbox", daemon=True
        )
        self._thread.start()
        ready.wait()
        if failure:
            self._thread.join()
            raise failure[0]
        return self

    async def _serve(self, ready: threading.Event, failure: list[BaseException]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._sandbox.start()
        except Exception as error:  # noqa: BLE001  # raised in the caller's thread
            failure.append(error)
            return
        finally:
            ready.set()
        await self._stop.wait()
        await self._sandbox.close()

    def close(self) -> None:
        """Stop; closing twice is fine."""
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None and self._stop is not None and thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
