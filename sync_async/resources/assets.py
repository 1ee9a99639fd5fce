"""The media library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sync_async._arguments import checked_limit
from sync_async._request import Endpoint, Repeat, make_request
from sync_async._settings import RequestOptions, RequestOptionsDict, as_request_options
from sync_async.resources._resource import Resource, WithRawResponse, raw
from sync_async.types.assets import Asset, AssetId, AssetSort, AssetType, PaginatedAssetsResponse

LIST = Endpoint[PaginatedAssetsResponse]("GET", "/v2/assets", Repeat.SAFE, PaginatedAssetsResponse)
GET = Endpoint[Asset]("GET", "/v2/assets/{id}", Repeat.SAFE, Asset)


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


class AsyncAssetsWithRawResponse(WithRawResponse[AsyncAssets]):
    """The methods of `AsyncAssets`, each returning a `RawResponse`."""

    list = raw(AsyncAssets.list)
    get = raw(AsyncAssets.get)
