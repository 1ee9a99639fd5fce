"""The models that an organisation may use."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

import attrs

from sync_async._request import Endpoint, Repeat, make_request
from sync_async._settings import RequestOptions, RequestOptionsDict, as_request_options
from sync_async.resources._resource import Resource, WithRawResponse, raw
from sync_async.types.models import ModelInfo

LIST = Endpoint[builtins.list[ModelInfo]]("GET", "/v2/models", Repeat.SAFE, builtins.list[ModelInfo])


@attrs.frozen
class AsyncModels(Resource):
    """The models that an organisation may use."""

    @property
    def with_raw_response(self) -> AsyncModelsWithRawResponse:
        """The same methods, returning the answer with its status and headers."""
        return AsyncModelsWithRawResponse(self._caller.transport, AsyncModels)

    async def list(
        self, *, request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None
    ) -> builtins.list[ModelInfo]:
        """List the models that the API key may use; deprecated ones are left out.

        Args:
            request_options: What this call does otherwise than its client.

        Returns:
            The whole list. `ModelInfo.name` is the value to send as `model`.

        Raises:
            UnauthorizedError: The API key is missing or wrong.

        Source: https://sync.so/docs/api-reference/api/models-api/list
        """
        return await self._caller.fetch(make_request(LIST, as_request_options(request_options)))


class AsyncModelsWithRawResponse(WithRawResponse[AsyncModels]):
    """The methods of `AsyncModels`, each returning a `RawResponse`."""

    list = raw(AsyncModels.list)
