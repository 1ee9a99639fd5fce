"""What a test drives the sandbox with from another process, under `/_sandbox`.

GET    /_sandbox/requests                     what the API saw
GET    /_sandbox/storage-requests             what the storage saw
GET    /_sandbox/leaks                        credentials that came to the storage
GET    /_sandbox/deliveries                   webhooks that were sent
GET    /_sandbox/faults                       what is to go wrong, and how often it did
POST   /_sandbox/faults                       {"kind": "lost", "method": "POST", "path": "/v2/generate"}
DELETE /_sandbox/faults, /_sandbox/faults/{id}
POST   /_sandbox/endings                      {"status": "FAILED", "code": ..., "message": ...} for the next job
POST   /_sandbox/generations/{id}/advance     to its next status
POST   /_sandbox/generations/{id}/finish      to its end, with a body as for endings if not to COMPLETED
POST   /_sandbox/reset                        forget everything
"""

from __future__ import annotations

from typing import Any

import attrs
from aiohttp import web

from sync_async.sandbox.form import parse_json
from sync_async.sandbox.generation_routes import find_generation
from sync_async.sandbox.jobs import Ending
from sync_async.sandbox.refusal import invalid
from sync_async.sandbox.requests import RequestLog
from sync_async.sandbox.world import World

ENDINGS = ("COMPLETED", "FAILED", "REJECTED")


class ControlRoutes:
    """Handlers over one world and its logs."""

    def __init__(self, world: World, log: RequestLog, storage_log: RequestLog) -> None:
        self.world = world
        self.log = log
        self.storage_log = storage_log

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the endpoints."""
        router.add_get("/_sandbox/requests", self.requests)
        router.add_get("/_sandbox/storage-requests", self.storage_requests)
        router.add_get("/_sandbox/leaks", self.leaks)
        router.add_get("/_sandbox/deliveries", self.deliveries)
        router.add_get("/_sandbox/faults", self.faults)
        router.add_post("/_sandbox/faults", self.add_fault)
        router.add_delete("/_sandbox/faults", self.clear_faults)
        router.add_delete("/_sandbox/faults/{id:[0-9]+}", self.remove_fault)
        router.add_post("/_sandbox/endings", self.add_ending)
        router.add_post("/_sandbox/generations/{id}/advance", self.advance)
        router.add_post("/_sandbox/generations/{id}/finish", self.finish)
        router.add_post("/_sandbox/reset", self.reset)

    async def requests(self, _: web.Request) -> web.Response:
        """List the requests that the API saw."""
        return web.json_response([seen.to_wire() for seen in self.log.seen])

    async def storage_requests(self, _: web.Request) -> web.Response:
        """List the requests that the storage saw."""
        return web.json_response([seen.to_wire() for seen in self.storage_log.seen])

    async def leaks(self, _: web.Request) -> web.Response:
        """List the requests that brought credentials to the storage origin."""
        return web.json_response([attrs.asdict(leak) for leak in self.world.storage.leaks])

    async def deliveries(self, _: web.Request) -> web.Response:
        """List the webhooks that were sent."""
        return web.json_response([attrs.asdict(delivery) for delivery in self.world.webhooks.deliveries])

    async def faults(self, _: web.Request) -> web.Response:
        """List the faults, those that have happened among them."""
        return web.json_response([fault.to_wire() for fault in self.world.faults])

    async def add_fault(self, request: web.Request) -> web.Response:
        """Order a fault."""
        body = await _object(request)
        try:
            fault = self.world.faults.add(body.pop("kind", None), **body)
        except (TypeError, ValueError) as error:
            raise invalid(f"There is no such fault: {error.args[0]}") from error
        return web.json_response(fault.to_wire(), status=201)

    async def clear_faults(self, _: web.Request) -> web.Response:
        """Cancel all faults."""
        self.world.faults.clear()
        return web.json_response({})

    async def remove_fault(self, request: web.Request) -> web.Response:
        """Cancel one fault."""
        self.world.faults.remove(int(request.match_info["id"]))
        return web.json_response({})

    async def add_ending(self, request: web.Request) -> web.Response:
        """Order how the next generation ends."""
        self.world.jobs.endings.append(_ending(await _object(request)))
        return web.json_response({}, status=201)

    async def advance(self, request: web.Request) -> web.Response:
        """Let a generation go on to its next status."""
        generation = find_generation(self.world, request.match_info["id"])
        self.world.jobs.advance(generation.id)
        return web.json_response({})

    async def finish(self, request: web.Request) -> web.Response:
        """Let a generation end now."""
        generation = find_generation(self.world, request.match_info["id"])
        body = await _object(request)
        self.world.jobs.finish(generation.id, _ending(body) if body else None)
        return web.json_response({})

    async def reset(self, _: web.Request) -> web.Response:
        """Forget everything."""
        await self.world.reset()
        self.log.seen.clear()
        self.storage_log.seen.clear()
        return web.json_response({})


async def _object(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    body = parse_json(raw) if raw else {}
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    return body


def _ending(body: dict[str, Any]) -> Ending:
    if body.get("status") not in ENDINGS or not set(body) <= {"status", "code", "message"}:
        raise invalid(f"An ending has a status ({', '.join(ENDINGS)}), a code and a message.")
    return Ending(**body)
