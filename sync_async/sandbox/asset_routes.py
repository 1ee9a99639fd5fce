"""The endpoints of the media library."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from sync_async.sandbox.form import parse_json
from sync_async.sandbox.media_types import MIME_TYPES
from sync_async.sandbox.query import limit_of, page_after, words
from sync_async.sandbox.records import Asset
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.world import World

TYPES = ("AUDIO", "VIDEO", "IMAGE")
SORTS = {"name": "name", "date": "created", "duration": "duration", "size": "size", "kind": "type"}
CHANGEABLE = {
    "name": ("name", str),
    "visibility": ("visibility", str),
    "durationSeconds": ("duration", int | float),
    "size": ("size", int),
    "format": ("format", str),
    "width": ("width", int),
    "height": ("height", int),
}
MOST_IDS = 100


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
        asset = self.world.assets.get(request.match_info["id"])
        if asset is None:
            raise Refusal("asset_not_found")
        return asset

    def _matching(self, request: web.Request) -> list[Asset]:
        types, project = words(request, "types"), request.query.get("projectId")
        if set(types) - set(TYPES):
            raise invalid("types must be of AUDIO, VIDEO, IMAGE.", "types")
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
        found = self._sorted(self._matching(request), request.query.get("sortBy", "dateDesc"))
        limit = limit_of(request, 10) or 10
        page = page_after(found, request.query.get("cursor"), limit)
        wire: dict[str, Any] = {"items": [asset.to_wire() for asset in page], "totalCount": len(found)}
        if page and page[-1] is not found[-1]:
            wire["nextCursor"] = page[-1].id
        return web.json_response(wire)

    def _sorted(self, assets: list[Asset], order: str) -> list[Asset]:
        by, descending = SORTS.get(order.removesuffix("Asc").removesuffix("Desc")), order.endswith("Desc")
        if by is None or not order.endswith(("Asc", "Desc")):
            raise invalid("sortBy is no known order.", "sortBy")
        return sorted(assets, key=lambda a: (getattr(a, by) is not None, getattr(a, by) or 0), reverse=descending)

    async def count(self, request: web.Request) -> web.Response:
        """GET /v2/assets/count: a bare number."""
        return web.json_response(len(self._matching(request)))

    async def get(self, request: web.Request) -> web.Response:
        """GET /v2/assets/{id}."""
        return web.json_response(self._found(request).to_wire())

    async def get_many(self, request: web.Request) -> web.Response:
        """POST /v2/assets/batch: those of these ids that are there."""
        body = parse_json(await request.read())
        ids = body.get("ids") if isinstance(body, dict) else None
        ids = [ids] if isinstance(ids, str) else ids
        if (
            not isinstance(ids, list)
            or not 1 <= len(ids) <= MOST_IDS
            or not all(isinstance(id, str) for id in ids)
        ):
            raise invalid("ids must be 1 to 100 ids.", "ids")
        found = [asset for asset in self.world.assets.values() if asset.id in ids]
        return web.json_response([asset.to_wire() for asset in found])

    async def presign(self, request: web.Request) -> web.Response:
        """POST /v2/assets/upload: where to send a file."""
        body = parse_json(await request.read())
        if not isinstance(body, dict) or not isinstance(body.get("fileName"), str) or not body["fileName"]:
            raise invalid("fileName is required.", "fileName")
        if body.get("contentType") not in MIME_TYPES:
            raise invalid("contentType is none that the API takes.", "contentType")
        size = body.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise invalid("size must be a number of bytes.", "size")
        upload_url, url = self.world.storage.presign(body["fileName"], body["contentType"], size)
        lifetime = self.world.settings.presign_lifetime
        return web.json_response({"uploadUrl": upload_url, "url": url, "expiresIn": lifetime}, status=201)

    async def register(self, request: web.Request) -> web.Response:
        """POST /v2/assets: a file that was sent, or a public one."""
        body = parse_json(await request.read())
        if not isinstance(body, dict) or not isinstance(body.get("url"), str):
            raise invalid("url is required.", "url")
        if body.get("type") not in TYPES:
            raise invalid("type must be AUDIO, VIDEO or IMAGE.", "type")
        if body.get("projectId") is not None and body["projectId"] not in self.world.settings.projects:
            raise Refusal("project_not_found", field="projectId")
        path = self.world.storage.path_of(body["url"])
        if path is None and body["url"].startswith(self.world.storage.base_url + "/uploads/"):
            raise Refusal("uploaded_file_not_found", field="url")
        asset = self.world.new_asset(
            type=body["type"],
            url=body["url"],
            name=body.get("name"),
            visibility=body.get("visibility") or "USER",
            size=path.stat().st_size if path else None,
            format=path.suffix.lstrip(".") if path else None,
            input_type="UPLOAD" if path else "URL",
            project_id=body.get("projectId"),
        )
        return web.json_response(asset.to_wire(), status=201)

    async def update(self, request: web.Request) -> web.Response:
        """PATCH /v2/assets/{id}."""
        asset, body = self._found(request), parse_json(await request.read())
        if not isinstance(body, dict):
            raise invalid("The body must be a JSON object.")
        for name, value in body.items():
            field, form = CHANGEABLE.get(name, (None, None))
            if field is None or form is None or not isinstance(value, form):
                raise invalid(f"{name} cannot be set to this.", name)
            setattr(asset, field, value)
        asset.updated = time.time()
        self.world.keep(asset)
        return web.json_response(asset.to_wire())

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /v2/assets/{id}."""
        asset = self._found(request)
        del self.world.assets[asset.id]
        self.world.forget(asset)
        return web.json_response({"id": asset.id})

    async def download(self, request: web.Request) -> web.Response:
        """GET /v2/assets/{id}/download: a bare URL."""
        return web.Response(text=self._found(request).url)
