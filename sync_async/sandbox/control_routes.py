"""What a test drives the sandbox with from another process, under `/_sandbox`."""

from __future__ import annotations

from aiohttp import web

from sync_async.sandbox.form import parse_json
from sync_async.sandbox.jobs import Ending
from sync_async.sandbox.requests import RequestLog
from sync_async.sandbox.world import World


class ControlRoutes:
    """Handlers over one world and its log."""

    def __init__(self, world: World, log: RequestLog) -> None:
        self.world = world
        self.log = log

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the endpoints."""
        router.add_get("/_sandbox/requests", self.requests)
        router.add_get("/_sandbox/leaks", self.leaks)
        router.add_post("/_sandbox/faults", self.add_fault)
        router.add_delete("/_sandbox/faults", self.clear_faults)
        router.add_post("/_sandbox/endings", self.add_ending)
        router.add_post("/_sandbox/generations/{id}/finish", self.finish)

    async def requests(self, _: web.Request) -> web.Response:
        """List the requests that the API saw."""
        return web.json_response([seen.to_wire() for seen in self.log.seen])

    async def leaks(self, _: web.Request) -> web.Response:
        """List the requests that brought credentials to the storage origin."""
        leaks = self.world.storage.leaks
        return web.json_response([{"method": k.method, "path": k.path, "header": k.header} for k in leaks])

    async def add_fault(self, request: web.Request) -> web.Response:
        """Order a fault."""
        body = parse_json(await request.read())
        self.world.faults.add(body.pop("kind"), **body)
        return web.json_response({}, status=201)

    async def clear_faults(self, _: web.Request) -> web.Response:
        """Cancel all faults."""
        self.world.faults.clear()
        return web.json_response({})

    async def add_ending(self, request: web.Request) -> web.Response:
        """Order how the next generation ends."""
        body = parse_json(await request.read())
        self.world.jobs.endings.append(Ending(body["status"], body["code"], body["message"]))
        return web.json_response({}, status=201)

    async def finish(self, request: web.Request) -> web.Response:
        """Let a generation end now."""
        self.world.jobs.finish(request.match_info["id"])
        return web.json_response({})
