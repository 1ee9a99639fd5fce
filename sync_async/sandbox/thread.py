"""The sandbox for blocking programs: the same server on a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sync_async.sandbox.faults import Faults
from sync_async.sandbox.records import Generation
from sync_async.sandbox.requests import SeenRequest
from sync_async.sandbox.server import AsyncSandbox
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.storage import Leak
from sync_async.sandbox.webhooks import Delivery

log = logging.getLogger("syncso.sandbox")

STOP_SECONDS = 10.0
"""How long `close` waits for the thread."""


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
    def storage_url(self) -> str:
        """The origin of uploads and outputs."""
        return self._sandbox.storage_url

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
        """The requests that reached the API, oldest first; the last 10,000."""
        return self._sandbox.requests

    @property
    def storage_requests(self) -> deque[SeenRequest]:
        """The requests that reached the storage origin, oldest first; the last 10,000."""
        return self._sandbox.storage_requests

    @property
    def leaks(self) -> list[Leak]:
        """Requests that brought credentials to the storage origin; there should be none."""
        return self._sandbox.leaks

    @property
    def deliveries(self) -> list[Delivery]:
        """The webhooks that were sent."""
        return self._sandbox.deliveries

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
        """Order how the next generation that is created ends."""
        self._do(lambda: self._sandbox.end_next(status, code, message))

    def advance(self, id: str) -> None:
        """Let a generation go on to its next status now."""
        self._do(lambda: self._sandbox.advance(id))

    def finish(
        self, id: str, status: str = "COMPLETED", code: str | None = None, message: str = "Failed."
    ) -> None:
        """Let a generation end now, COMPLETED unless ordered otherwise."""
        self._do(lambda: self._sandbox.finish(id, status, code, message))

    def reset(self) -> None:
        """Forget everything: generations, assets, batches, keys, faults, logs, files."""
        asyncio.run_coroutine_threadsafe(self._sandbox.reset(), self._running()).result(STOP_SECONDS)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._thread is None or self._loop is None:
            msg = "the sandbox is not started"
            raise RuntimeError(msg)
        return self._loop

    def _do(self, what: Callable[[], None]) -> None:
        """Do something on the sandbox's own thread, and wait until it is done."""
        done: concurrent.futures.Future[None] = concurrent.futures.Future()

        def do() -> None:
            try:
                what()
            except Exception as error:  # noqa: BLE001  # raised in the caller's thread
                done.set_exception(error)
            else:
                done.set_result(None)

        self._running().call_soon_threadsafe(do)
        done.result(STOP_SECONDS)

    def start(self) -> Self:
        """Listen.

        Raises:
            PortInUseError: The port is taken.
            RuntimeError: It is listening already.
        """
        if self._thread is not None:
            msg = "the sandbox is started already"
            raise RuntimeError(msg)
        ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="syncso sandbox", daemon=True
        )
        self._thread.start()
        try:
            ready.result()
        except BaseException:
            self.close()
            raise
        return self

    async def _serve(self, ready: concurrent.futures.Future[None]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._sandbox.start()
        except BaseException as error:  # noqa: BLE001  # raised in the caller's thread
            ready.set_exception(error)
            return
        ready.set_result(None)
        try:
            await self._stop.wait()
        finally:
            await self._sandbox.close()

    def close(self) -> None:
        """Stop, within ten seconds; closing twice is fine."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stop is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._stop.set)
        except RuntimeError:  # the loop has ended by itself
            log.debug("the sandbox had stopped already")
        thread.join(STOP_SECONDS)
        if thread.is_alive():
            log.warning("the sandbox did not stop within %g s; its thread ends with the program", STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
