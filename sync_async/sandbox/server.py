"""The sandbox as a server: two origins, the API and the storage."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import tempfile
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from sync_async.sandbox.account_routes import KEYLESS, AccountRoutes
from sync_async.sandbox.asset_routes import AssetRoutes
from sync_async.sandbox.batch_routes import BatchRoutes
from sync_async.sandbox.control_routes import ControlRoutes
from sync_async.sandbox.faults import Faults, Handler
from sync_async.sandbox.form import BodyMeter, present_meter
from sync_async.sandbox.generation_routes import GenerationRoutes
from sync_async.sandbox.jobs import Ending
from sync_async.sandbox.price_routes import PriceRoutes
from sync_async.sandbox.records import Generation
from sync_async.sandbox.refusal import TOO_MANY, Refusal, unauthorized
from sync_async.sandbox.requests import RequestLog, SeenRequest
from sync_async.sandbox.settings import SandboxSettings, make_settings
from sync_async.sandbox.spoiling import answer_with
from sync_async.sandbox.storage import Leak
from sync_async.sandbox.storage_routes import StorageRoutes
from sync_async.sandbox.webhooks import Delivery
from sync_async.sandbox.world import World

log = logging.getLogger("syncso.sandbox")

DEFAULT_KEY = "sk-sandbox"
LARGEST_JSON = 64 * 1024**2
STOP_SECONDS = 1.0
"""How long requests under way may go on when the sandbox closes."""


class PortInUseError(Exception):
    """The port cannot be listened on, mostly because another program does."""


class AsyncSandbox:
    """A sync.so API on this machine, for offline work, demonstrations and tests.

    It speaks the API's own language, refuses what the API refuses, and makes a real, playable video from the
    inputs: the video's frames with the new voice. It moves no lips. Media on hosts other than this machine are
    not fetched; its own clip and voice stand for them. A generation whose output name begins with
    `sandbox_fail` or `sandbox_reject` ends that way.

    Args:
        settings: See `SandboxSettings` for all names: `port`, `latency`, `concurrency`, `folder` and so on.

    Raises:
        TypeError: There is no such setting.

    Example:
        async with AsyncSandbox(latency=0.2) as sandbox:
            async with AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
                print(await client.models.list())
    """

    def __init__(self, **settings: Any) -> None:
        self.settings: SandboxSettings = make_settings(**settings)
        self._log = RequestLog()
        self._storage_log = RequestLog()
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
    def storage_url(self) -> str:
        """The origin of uploads and outputs."""
        return self.world.storage.base_url

    @property
    def requests(self) -> deque[SeenRequest]:
        """The requests that reached the API, oldest first; the last 10,000."""
        return self._log.seen

    @property
    def storage_requests(self) -> deque[SeenRequest]:
        """The requests that reached the storage origin, oldest first; the last 10,000."""
        return self._storage_log.seen

    @property
    def leaks(self) -> list[Leak]:
        """Requests that brought credentials to the storage origin; there should be none."""
        return self.world.storage.leaks

    @property
    def deliveries(self) -> list[Delivery]:
        """The webhooks that were sent."""
        return self.world.webhooks.deliveries

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
        """Order how the next generation that is created ends."""
        self.world.jobs.endings.append(Ending(status, code, message))

    def advance(self, id: str) -> None:
        """Let a generation go on to its next status now."""
        self.world.jobs.advance(id)

    def finish(
        self, id: str, status: str = "COMPLETED", code: str | None = None, message: str = "Failed."
    ) -> None:
        """Let a generation end now, COMPLETED unless ordered otherwise."""
        code = code or "generation_pipeline_failed"
        self.world.jobs.finish(id, None if status == "COMPLETED" else Ending(status, code, message))

    async def reset(self) -> None:
        """Forget everything: generations, assets, batches, keys, faults, logs, files."""
        await self.world.reset()
        self._log.seen.clear()
        self._storage_log.seen.clear()

    async def start(self) -> Self:
        """Listen.

        Raises:
            PortInUseError: The port is taken.
            RuntimeError: It is listening already.
        """
        if self._world is not None:
            msg = "the sandbox is started already"
            raise RuntimeError(msg)
        folder = self.settings.folder
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="syncso-sandbox-")
            folder = Path(self._temporary.name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            world = self._world = World(self.settings, folder)
            storage = StorageRoutes(self.settings, world.storage, world.faults, self._storage_log)
            world.storage.base_url = await self._listen(storage.app(), self.settings.storage_port)
            self.base_url = world.api_url = await self._listen(self._app(world), self.settings.port)
            world.restore()
        except BaseException:
            await self.close()
            raise
        return self

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, self.settings.host, port).start()
        except OSError as error:
            msg = f"port {port} of {self.settings.host} cannot be listened on: {error.strerror}"
            raise PortInUseError(msg) from error
        host, bound = runner.addresses[0][:2]
        return f"http://{_bracketed(host)}:{bound}"

    def _app(self, world: World) -> web.Application:
        app = web.Application(client_max_size=LARGEST_JSON, middlewares=[self._answer])
        for routes in (GenerationRoutes, PriceRoutes, AssetRoutes, BatchRoutes, AccountRoutes):
            routes(world).add_to(app.router)
        ControlRoutes(world, self._log, self._storage_log).add_to(app.router)
        return app

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(request, handler)

        if request.path.startswith("/_sandbox/"):
            return await handle(request)
        seen = self._log.note(request)
        fault = self.faults.meeting(request, "api")
        seen.fault = None if fault is None else fault.kind
        if seen.fault == "reset" and fault is not None:
            return await answer_with(fault, request, handle)
        try:
            meter = await _read(request, seen)
        except web.HTTPRequestEntityTooLarge:
            return Refusal("generation_input_validation_failed", status=413).response()
        try:
            return await (handle(request) if fault is None else answer_with(fault, request, handle))
        finally:
            if meter is not None:
                await meter.finish()

    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._admit(request)
            return await handler(request)
        except Refusal as refusal:
            with_code = self.settings.tell_codes or refusal.status != TOO_MANY
            return refusal.response(with_code=with_code, statuses=self.settings.statuses)
        except ConnectionError:  # the client has gone
            raise
        except Exception:
            # Whatever goes wrong in here is the API's own 500, which a client has to live with.
            number = str(uuid.uuid4())
            log.exception("request %s failed: %s %s", number, request.method, request.path)
            return Refusal("internal_error", requestId=number).response()

    def _admit(self, request: web.Request) -> None:
        """Refuse requests to no endpoint, without a key, and those that come too fast."""
        if request.match_info.http_exception is not None:
            raise Refusal(None, status=404, message=f"Cannot {request.method} {request.path}")
        if request.path in KEYLESS or request.path.startswith("/_sandbox/"):
            return
        key = request.headers.get("x-api-key", "")
        if not self._is_public(request):
            if not key:
                raise unauthorized("Either Cookie or x-api-key header must be provided", error="Unauthorized")
            if self.settings.api_key is not None and key != self.settings.api_key:
                raise unauthorized("Unauthorized")
        wait = self.world.limits[_class_of(request)].take(key, asyncio.get_running_loop().time())
        if wait is not None:
            headers = {"Retry-After": str(int(wait) + 1)} if self.settings.tell_retry_after else {}
            raise Refusal("rate_limit_exceeded", headers=headers)

    def _is_public(self, request: web.Request) -> bool:
        return request.path.startswith("/v2/batches/") and not self.settings.batch_result_needs_key

    async def close(self) -> None:
        """Stop; closing twice is fine."""
        runners, self._runners = self._runners, []
        for runner in reversed(runners):
            await runner.cleanup()
        world, self._world = self._world, None
        if world is not None:
            await world.close()
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            temporary.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def _read(request: web.Request, seen: SeenRequest) -> BodyMeter | None:
    """Note the body of a request in the log: at once, or as a form while it is read."""
    if request.content_type == "multipart/form-data":
        meter = BodyMeter(request.content, seen)
        present_meter.set(meter)
        return meter
    if request.can_read_body:
        seen.add(await request.read())
    return None


def _class_of(request: web.Request) -> str:
    if request.method == "POST" and request.path == "/v2/generate":
        return "create"
    return "upload" if request.path == "/v2/assets/upload" else "poll"


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host  # noqa: PLR2004
    except ValueError:  # a name
        return host


async def serve(sandbox: AsyncSandbox, *, announce: Callable[[AsyncSandbox], object]) -> None:
    """Run a sandbox until SIGINT or SIGTERM.

    Args:
        sandbox: One that is not started yet.
        announce: Called once it listens.

    Raises:
        PortInUseError: The port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no handlers on the loop
            loop.add_signal_handler(number, stop.set)
    async with sandbox:
        announce(sandbox)
        await stop.wait()
