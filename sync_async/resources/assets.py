"""The media library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sync_async._arguments import checked_limit
from sync_async._bodies import open_file
from sync_async._errors import ApiConnectionError, ApiError, ArgumentError, DecodeError
from sync_async._files import File
from sync_async._forks import imports
from sync_async._items import AsyncItems
from sync_async._listeners import OnProgress
from sync_async._media import MediaFile, kind_of, media_file
from sync_async._request import Endpoint, Repeat, make_request
from sync_async._settings import RequestOptions, RequestOptionsDict, as_request_options
from sync_async.resources._resource import Resource, WithRawResponse, raw
from sync_async.types.assets import (
    Asset,
    AssetId,
    AssetSort,
    AssetType,
    AssetVisibility,
    PaginatedAssetsResponse,
)

LIST = Endpoint[PaginatedAssetsResponse]("GET", "/v2/assets", Repeat.SAFE, PaginatedAssetsResponse)
GET = Endpoint[Asset]("GET", "/v2/assets/{id}", Repeat.SAFE, Asset)
REGISTER = Endpoint[Asset]("POST", "/v2/assets", Repeat.NEVER, Asset)

LARGEST_PAGE = 100


@attrs.frozen
class AsyncAssets(Resource):
    """The files of the organisation's media library."""

    @property
    def with_raw_response(self) -> AsyncAssetsWithRawResponse:
        """The same methods, returning the answer with its status and headers."""
        return AsyncAssetsWithRawResponse(self._caller.transport, AsyncAssets)

    async def list(
        self,
        *,
        project_id: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        search_query: str | None = None,
        sort_by: AssetSort | None = None,
        types: Sequence[AssetType] | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> PaginatedAssetsResponse:
        """List one page of the assets.

        Args:
            project_id: Only those of this project.
            limit: How many at most, 1 to 100; the server's default is 10.
            cursor: `next_cursor` of the page before.
            search_query: Only those whose name holds this.
            sort_by: The order, such as `dateDesc`.
            types: Only these types: `AUDIO`, `VIDEO`, `IMAGE`.
            request_options: What this call does otherwise than its client.

        Returns:
            One page; without `next_cursor` it is the last.

        Raises:
            ArgumentError: The limit is not from 1 to 100.
            UnauthorizedError: The API key is missing or wrong.

        Example:
            page = await client.assets.list(limit=10, sort_by="dateDesc")

        Source: https://sync.so/docs/api-reference/api/assets-api/list
        """
        query = {
            "projectId": project_id,
            "limit": checked_limit(limit),
            "cursor": cursor,
            "searchQuery": search_query,
            "sortBy": sort_by,
            "types": types or None,
        }
        return await self._caller.fetch(make_request(LIST, as_request_options(request_options), query=query))

    async def get(
        self,
        id: AssetId,
        *,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> Asset:
        """Read one asset.

        Args:
            id: The asset's id.
            request_options: What this call does otherwise than its client.

        Raises:
            ArgumentError: The id is empty or has a slash.
            NotFoundError: There is no such asset.
            ForbiddenError: It belongs to somebody who does not share it.

        Example:
            asset = await client.assets.get("550e8400-e29b-41d4-a716-446655440000")

        Source: https://sync.so/docs/api-reference/api/assets-api/get
        """
        return await self._caller.fetch(make_request(GET, as_request_options(request_options), id=id))

    def iter(
        self,
        *,
        project_id: str | None = None,
        search_query: str | None = None,
        sort_by: AssetSort | None = None,
        types: Sequence[AssetType] | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> AsyncItems[Asset]:
        """Go through all assets, asking for a hundred at a time as they are needed.

        Args:
            project_id: Only those of this project.
            search_query: Only those whose name holds this.
            sort_by: The order, such as `dateDesc`.
            types: Only these types: `AUDIO`, `VIDEO`, `IMAGE`.
            request_options: What these requests do otherwise than their client.

        Example:
            async for asset in client.assets.iter(types=["VIDEO"]):
                print(asset.name)

        Source: https://sync.so/docs/api-reference/api/assets-api/list
        """
        query = {"projectId": project_id, "searchQuery": search_query, "sortBy": sort_by, "types": types or None}
        return AsyncItems(_Pages(self, query, as_request_options(request_options)).next_page)

    async def upload(
        self,
        file: File,
        *,
        type: AssetType | None = None,
        name: str | None = None,
        visibility: AssetVisibility | None = None,
        project_id: str | None = None,
        on_progress: OnProgress | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> Asset:
        """Add a file to the library: ask where to, send it there, and register it.

        The file is streamed from disk to storage, without the API key. A try that breaks off is repeated from the
        start of the file. An error of the requests to the API has its own type, and a note that tells the step.

        Args:
            file: A path, bytes, a file opened with `"rb"`, or a tuple `(name, content[, content type])`.
            type: `VIDEO`, `AUDIO` or `IMAGE`; by default what the file is. An MP4 file may be meant as `AUDIO`.
            name: The name in the library; by default the file's.
            visibility: `USER` or `ORGANIZATION`.
            project_id: The project to file it under.
            on_progress: Called with the bytes that are sent, and those that there are in all.
            request_options: What the requests to the API do otherwise than their client.

        Returns:
            The asset; its `id` can be the `asset_id` of an input.

        Raises:
            ArgumentError: The file is missing, empty, unreadable, of unknown type, over 5 GiB, or changes.
            UploadError: The storage host did not take the file; the error names it.
            ApiError, ApiConnectionError, DecodeError: A step failed at the API; where the bytes are stored
                already, a note tells their address.

        Example:
            asset = await client.assets.upload("face.mp4")

        Source: https://sync.so/docs/developer-guides/asset-uploads
        """
        with imports.under_way():
            from sync_async.transfer.upload import upload

        options = as_request_options(request_options)
        media = await _media(file, type)
        fields = {
            "type": type or (kind_of(media.content_type) or "video").upper(),
            "name": name or media.name,
            "visibility": visibility,
            "projectId": project_id,
        }
        try:
            url = await upload(self._caller.transport, media, options, on_progress)
        except (ApiError, ApiConnectionError) as error:
            error.add_note(f"upload of {media.name!r}: step 1 of 3 failed, asking where to send it")
            raise
        return await self._register({"url": url, **fields}, options)

    async def _register(self, fields: Mapping[str, Any], options: RequestOptions) -> Asset:
        """Add a stored file to the library; a lost answer is looked for there, since this is sent once only."""
        body = {name: value for name, value in fields.items() if value is not None}
        try:
            return await self._caller.fetch(make_request(REGISTER, options, json_body=body))
        except (ApiError, ApiConnectionError, DecodeError) as error:
            found = await self._registered(body["url"]) if _may_be_done(error) else None
            if found is not None:
                return found
            error.add_note(
                f"upload of {body['name']!r}: step 3 of 3 failed, adding it to the library. The bytes are "
                f"stored at {body['url']}, which can be the url of an input as it is"
            )
            raise

    async def _registered(self, url: str) -> Asset | None:
        """Look for an asset at an address among the newest."""
        try:
            page = await self.list(limit=LARGEST_PAGE, sort_by="dateDesc")
        except (ApiError, ApiConnectionError, DecodeError):  # the first error tells more
            return None
        return next((asset for asset in page.items if (asset.url or "").partition("?")[0] == url), None)


async def _media(file: File, type: AssetType | None) -> MediaFile:
    if type is not None and (not isinstance(type, str) or not type):
        raise ArgumentError("type", f"{type!r} is not a type of asset: VIDEO, AUDIO or IMAGE")
    kind = "audio" if type == "AUDIO" else "file"  # the only type that decides how a file is sent
    return media_file(await open_file("file", file), kind)


def _may_be_done(error: ApiError | ApiConnectionError | DecodeError) -> bool:
    if isinstance(error, DecodeError):
        return True
    if isinstance(error, ApiConnectionError):
        return error.outcome_unknown
    return (error.status_code or 0) >= 500  # noqa: PLR2004


@attrs.define
class _Pages:
    """The assets that match a query, page by page."""

    assets: AsyncAssets
    query: Mapping[str, Any]
    options: RequestOptions
    _cursor: str | None = attrs.field(init=False, default=None)
    _is_last: bool = attrs.field(init=False, default=False)

    async def next_page(self) -> Sequence[Asset]:
        while not self._is_last:
            page = await self._read()
            self._is_last = page.next_cursor is None or page.next_cursor == self._cursor
            self._cursor = page.next_cursor
            if page.items:
                return page.items
        return []

    async def _read(self) -> PaginatedAssetsResponse:
        query = {**self.query, "limit": LARGEST_PAGE, "cursor": self._cursor}
        caller = self.assets._caller  # noqa: SLF001  # the resource's own module
        return await caller.fetch(make_request(LIST, self.options, query=query))


class AsyncAssetsWithRawResponse(WithRawResponse[AsyncAssets]):
    """The methods of `AsyncAssets`, each returning a `RawResponse`."""

    list = raw(AsyncAssets.list)
    get = raw(AsyncAssets.get)
