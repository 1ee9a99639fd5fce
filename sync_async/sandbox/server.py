"""The sandbox as a server: two origins, the API and the storage."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from sync_async.sandbox.asset_routes import AssetRoutes
from sync_async.sandbox.batch_routes import BatchRoutes
from sync_async.sandbox.catalogue import CODES
from sync_async.sandbox.control_routes import ControlRoutes
from sync_async.sandbox.faults import Faults, Handler
from sync_async.sandbox.generation_routes import GenerationRoutes
from sync_async.sandbox.jobs import Ending
from sync_async.sandbox.records import Generation
from sync_async.sandbox.refusal import Refusal
from sync_async.sandbox.requests import RequestLog, SeenRequest
from sync_async.sandbox.settings import SandboxSettings, make_settings
from sync_async.sandbox.storage import Leak
from sync_async.sandbox.world import World

KEYLESS = ("/v2/errors", "/health")
DEFAULT_KEY = "sk-sandbox"


class PortInUseError(Exception):
    """The port is taken by another program."""


class AsyncSandbox:
    """A sync.so API on this machine, for offline work, demonstrations and tests.

    It speaks the API's own language, refuses what the API refuses, and makes a real, playable video from the
    inputs: the video's frames with the new voice. It moves no lips. Media on hosts other than this machine are
    not fetched; its own clip and voice stand for them. A generation whose output name begins with
    `sandbox_fail` or `sandbox_reject` ends that way.

    Args:
        settings: See `SandboxSettings` for all names: `port`, `latency`, `concurrency`, `folder` and so on.

    Example:
        async with AsyncSandbox(latency=0.2) as sandbox:
            async with AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
                print(await client.models.list())
    """

    def __init__(self, **settings: Any) -> None:
        self.settings: SandboxSettings = make_settings(**settings)
        self._log = RequestLog()
        self._runners: list[web.AppRunner] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._world: World | None = None
        self.base_url = ""

    @property
    def api_key(self) -> str:
        """A key that the sandbox takes."""
        return self.settings.api_key or DEFAULT_KEY

    @property
    def world(self) -> World:
        """What the sandbox holds."""
        if self._world is None:
            msg = "the sandbox is not started"
            raise RuntimeError(msg)
        return self._world

    @property
    def requests(self) -> deque[SeenRequest]:
        """The requests that reached the API."""
        return self._log.seen

    @property
    def leaks(self) -> list[Leak]:
        """Requests that brought credentials to the storage origin; there should be none."""
        return self.world.storage.leaks

    @property
    def faults(self) -> Faults:
        """What is to go wrong."""
        return self.world.faults

    @property
    def generations(self) -> dict[str, Generation]:
        """The generations, by id."""
        return self.world.generations

    @property
    def webhook_secret(self) -> str:
        """Signs the webhook deliveries."""
        return self.settings.webhook_secret

    def end_next(
        self, status: str = "FAILED", code: str = "generation_pipeline_failed", message: str = "Failed."
    ) -> None:
        """Order how the next generation ends."""
        self.world.jobs.endings.append(Ending(status, code, message))

    def finish(self, id: str) -> None:
        """Let a generation end now."""
        self.world.jobs.finish(id)

    async def start(self) -> Self:
        """Listen.

        Raises:
            PortInUseError: The port is taken.
        """
        folder = self.settings.folder
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="syncso-sandbox-")
            folder = Path(self._temporary.name)
        folder.mkdir(parents=True, exist_ok=True)
        self._world = World(self.settings, folder)
        try:
            self._world.storage.base_url = await self._listen(self._world.storage.app(), 0)
            self.base_url = self._world.api_url = await self._listen(self._app(), self.settings.port)
        except BaseException:
            await self.close()
            raise
        self._world.restore()
        return self

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, self.settings.host, port).start()
        except OSError as error:
            msg = f"port {port} of {self.settings.host} cannot be listened on: {error.strerror}"
            raise PortInUseError(msg) from error
        host, bound = runner.addresses[0][:2]
        return f"http://{host}:{bound}"

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024**2, middlewares=[self._answer])
        for routes in (GenerationRoutes(self.world), AssetRoutes(self.world), BatchRoutes(self.world)):
            routes.add_to(app.router)
        ControlRoutes(self.world, self._log).add_to(app.router)
        app.router.add_get("/v2/errors", _errors)
        app.router.add_get("/v2/account", _account)
        app.router.add_get("/v2/organizations/webhook/secret", self._secret)
        app.router.add_get("/health", _health)
        return app

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_sandbox/"):
            return await handler(request)
        await self._log.note(request)

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                self._admit(request)
                return await handler(request)
            except Refusal as refusal:
                return refusal.response(with_code=self.settings.tell_codes or refusal.status != 429)  # noqa: PLR2004
            except web.HTTPException as error:
                return Refusal(
                    None, status=error.status, message=f"Cannot {request.method} {request.path}"
                ).response()

        return await self.faults.apply(request, handle)

    def _admit(self, request: web.Request) -> None:
        """Refuse requests without a key, and those that come too fast."""
        if request.path in KEYLESS:
            return
        key = request.headers.get("x-api-key", "")
        if not key and not self._is_public(request):
            raise Refusal(None, status=401, message="Either Cookie or x-api-key header must be provided")
        if self.settings.api_key is not None and key != self.settings.api_key and not self._is_public(request):
            raise Refusal(None, status=401, message="Unauthorized")
        wait = self.world.limits[_class_of(request)].take(time.monotonic())
        if wait is not None:
            headers = {"Retry-After": str(int(wait) + 1)} if self.settings.tell_retry_after else {}
            raise Refusal("rate_limit_exceeded", headers=headers)

    def _is_public(self, request: web.Request) -> bool:
        return request.path.startswith("/v2/batches/") and not self.settings.batch_result_needs_key

    async def _secret(self, _: web.Request) -> web.Response:
        return web.json_response({"secret": self.settings.webhook_secret})

    async def close(self) -> None:
        """Stop; closing twice is fine."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._world is not None:
            await self._world.close()
            self._world = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _class_of(request: web.Request) -> str:
    if request.method == "POST" and request.path == "/v2/generate":
        return "create"
    return "upload" if request.path == "/v2/assets/upload" else "poll"


async def _errors(_: web.Request) -> web.Response:
    codes = [
        {"code": name, "message": code.message, "suggestion": code.suggestion} for name, code in CODES.items()
    ]
    return web.json_response(codes)


async def _account(_: web.Request) -> web.Response:
    return web.json_response(
        {
            "account": {"id": "u-1", "email": "dev@example.com", "name": "Dev"},
            "organization": {"id": "o-1", "name": "Sandbox"},
            "credentialType": "api_key",
            "billingModel": "usage",
            "billingUrl": "https://sync.so/billing",
        }
    )


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def serve(sandbox: AsyncSandbox, *, announce: Any) -> None:
    """Run a sandbox until SIGINT or SIGTERM; `announce` is called when it listens."""
    import asyncio

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no handlers on the loop
            loop.add_signal_handler(number, stop.set)
    async with sandbox:
        announce(sandbox)
        await stop.wait()
