"""The endpoints of the media library.

Source: https://sync.so/docs/developer-guides/asset-uploads
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from sync_async.sandbox import render
from sync_async.sandbox.form import read_object
from sync_async.sandbox.media_types import MIME_TYPES
from sync_async.sandbox.options import is_number
from sync_async.sandbox.query import limit_of, page_after, words
from sync_async.sandbox.records import Asset
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.validation import check_project, is_web_url
from sync_async.sandbox.world import OWNER, World

TYPES = ("AUDIO", "VIDEO", "IMAGE")
VISIBILITIES = ("USER", "ORGANIZATION")
SORTS = {"name": "name", "date": "created", "duration": "duration", "size": "size", "kind": "type"}
CHANGEABLE = {
    "name": "name",
    "visibility": "visibility",
    "durationSeconds": "duration",
    "size": "size",
    "format": "format",
    "width": "width",
    "height": "height",
}
"""What can be changed, and the fields of an `Asset`."""
WHOLE_NUMBERS = ("size", "width", "height")
DEFAULT_PAGE, MOST_IDS = 10, 100


class AssetRoutes:
    """Handlers over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the endpoints."""
        router.add_get("/v2/assets", self.list_all)
        router.add_post("/v2/assets", self.register)
        router.add_get("/v2/assets/count", self.count)
        router.add_post("/v2/assets/batch", self.get_many)
        router.add_post("/v2/assets/upload", self.presign)
        router.add_get("/v2/assets/{id}", self.get)
        router.add_patch("/v2/assets/{id}", self.update)
        router.add_delete("/v2/assets/{id}", self.delete)
        router.add_get("/v2/assets/{id}/download", self.download)

    def _found(self, request: web.Request) -> Asset:
        return self.world.find_asset(request.match_info["id"])

    def _matching(self, request: web.Request) -> list[Asset]:
        types, project = words(request, "types"), request.query.get("projectId")
        if set(types) - set(TYPES):
            raise invalid("types must be of AUDIO, VIDEO, IMAGE.", "types")
        if request.query.get("userId", OWNER) != OWNER:
            return []
        text = request.query.get("searchQuery", "").lower()
        return [
            asset
            for asset in self.world.assets.values()
            if (not types or asset.type in types)
            and (project is None or asset.project_id == project)
            and text in (asset.name or "").lower()
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        """GET /v2/assets, a page."""
        found = _sorted(self._matching(request), request.query.get("sortBy", "dateDesc"))
        limit, cursor = limit_of(request, DEFAULT_PAGE) or DEFAULT_PAGE, request.query.get("cursor")
        rest = found if cursor is None else list(page_after(found, cursor))
        page = rest[:limit]
        wire: dict[str, Any] = {
            "items": [self.world.wire.asset(asset) for asset in page],
            "totalCount": len(found),
        }
        if len(rest) > limit:
            wire["nextCursor"] = page[-1].id
        return web.json_response(wire)

    async def count(self, request: web.Request) -> web.Response:
        """GET /v2/assets/count: a bare number."""
        return web.json_response(len(self._matching(request)))

    async def get(self, request: web.Request) -> web.Response:
        """GET /v2/assets/{id}."""
        return web.json_response(self.world.wire.asset(self._found(request)))

    async def get_many(self, request: web.Request) -> web.Response:
        """POST /v2/assets/batch: those of these ids that are there."""
        ids = (await read_object(request)).get("ids")
        ids = [ids] if isinstance(ids, str) else ids
        if (
            not isinstance(ids, list)
            or not 1 <= len(ids) <= MOST_IDS
            or not all(isinstance(id, str) for id in ids)
        ):
            raise invalid(f"ids must be 1 to {MOST_IDS} ids.", "ids")
        found = [asset for id, asset in self.world.assets.items() if id in set(ids)]
        foreign = self.world.settings.foreign_assets
        return web.json_response([self.world.wire.asset(asset) for asset in found if asset.id not in foreign])

    async def presign(self, request: web.Request) -> web.Response:
        """POST /v2/assets/upload: where to send a file."""
        body = await read_object(request)
        name, kind, size = body.get("fileName"), body.get("contentType"), body.get("size")
        if not isinstance(name, str) or not name:
            raise invalid("fileName is required.", "fileName")
        if not isinstance(kind, str) or kind not in MIME_TYPES:
            raise invalid("contentType is none that the API takes.", "contentType")
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise invalid("size must be a number of bytes.", "size")
        upload_url, url = self.world.storage.presign(name, kind, size)
        lifetime = self.world.settings.presign_lifetime
        return web.json_response({"uploadUrl": upload_url, "url": url, "expiresIn": lifetime}, status=201)

    async def register(self, request: web.Request) -> web.Response:
        """POST /v2/assets: a file that was sent, or a public one."""
        body, storage = await read_object(request), self.world.storage
        _check_registration(body)
        check_project(body.get("projectId"), self.world.settings)
        path = storage.path_of(body["url"])
        if path is None and storage.is_own(body["url"]):
            raise Refusal("uploaded_file_not_found", field="url")
        if path is not None:
            self.world.check_size(path.stat().st_size)
        asset = self.world.new_asset(
            type=body["type"],
            url=body["url"].partition("?")[0] if path else body["url"],
            name=body.get("name"),
            visibility=body.get("visibility") or "USER",
            input_type="UPLOAD" if path else "URL",
            project_id=body.get("projectId"),
            **(await self._measured(path)),
        )
        return web.json_response(self.world.wire.asset(asset), status=self.world.settings.asset_status)

    async def _measured(self, path: Path | None) -> dict[str, Any]:
        if path is None:
            return {}
        found: dict[str, Any] = {"size": path.stat().st_size, "format": path.suffix.lstrip(".") or None}
        medium = await asyncio.to_thread(render.measure, path) if self.world.settings.render else None
        if medium is not None:
            found |= {"duration": medium.seconds, "width": medium.width, "height": medium.height}
        return found

    async def update(self, request: web.Request) -> web.Response:
        """PATCH /v2/assets/{id}."""
        asset, body = self._found(request), await read_object(request)
        for name, value in body.items():
            if not _is_changeable(name, value):
                raise invalid(f"{name} cannot be set to this.", name)
        for name, value in body.items():
            setattr(asset, CHANGEABLE[name], value)
        asset.updated = time.time()
        self.world.keep(asset)
        return web.json_response(self.world.wire.asset(asset), status=self.world.settings.asset_update_status)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /v2/assets/{id}."""
        asset = self._found(request)
        self.world.forget_asset(asset)
        return web.json_response({"id": asset.id})

    async def download(self, request: web.Request) -> web.Response:
        """GET /v2/assets/{id}/download: a bare URL."""
        return web.Response(text=self.world.storage.asset_link(self._found(request).url))


def _sorted(assets: list[Asset], order: str) -> list[Asset]:
    name = order.removesuffix("Asc").removesuffix("Desc")
    if name not in SORTS or order not in (f"{name}Asc", f"{name}Desc"):
        raise invalid("sortBy is no known order.", "sortBy")
    field, descends = SORTS[name], order.endswith("Desc")
    found = sorted(assets, key=lambda asset: (getattr(asset, field) is not None, getattr(asset, field) or 0))
    return found[::-1] if descends else found  # equal ones change places as well: the newest is the last made


def _check_registration(body: dict[str, Any]) -> None:
    if not isinstance(body.get("url"), str) or not is_web_url(body["url"]):
        raise invalid("url must be an http(s) URL.", "url")
    if body.get("type") not in TYPES:
        raise invalid("type must be AUDIO, VIDEO or IMAGE.", "type")
    if body.get("visibility") not in (None, *VISIBILITIES):
        raise invalid("visibility must be USER or ORGANIZATION.", "visibility")
    if not isinstance(body.get("name"), str | None):
        raise invalid("name must be text.", "name")


def _is_changeable(name: str, value: Any) -> bool:
    if name == "visibility":
        return value in VISIBILITIES
    if name in WHOLE_NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if name == "durationSeconds":
        return is_number(value) and value >= 0
    return name in CHANGEABLE and isinstance(value, str)
