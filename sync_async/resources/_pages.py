"""Generations page by page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from sync_async._request import make_request
from sync_async._settings import RequestOptions
from sync_async.jobs.generation_looks import IDS_A_REQUEST
from sync_async.resources._endpoints import LIST
from sync_async.resources._resource import Caller
from sync_async.types.generations import Generation


async def read_page(caller: Caller, query: Mapping[str, Any], options: RequestOptions) -> list[Generation]:
    """Give as many of the generations that match a query as the server gives at once."""
    return await caller.fetch(make_request(LIST, options, query={**query, "limit": IDS_A_REQUEST}))


@attrs.define
class Pages:
    """The generations that match a query, newest first."""

    caller: Caller
    query: Mapping[str, Any]
    options: RequestOptions
    _seen: set[str] = attrs.field(init=False, factory=set)
    _cursor: str | None = attrs.field(init=False, default=None)
    _is_last: bool = attrs.field(init=False, default=False)

    async def next_page(self) -> list[Generation]:
        """Give those of the next page that did not come before; the list shifts while it is read."""
        if self._is_last:
            return []
        page = await read_page(self.caller, {**self.query, "cursor": self._cursor}, self.options)
        new = [one for one in page if one.id not in self._seen]
        self._seen.update(one.id for one in new)
        self._is_last = len(page) < IDS_A_REQUEST
        self._cursor = page[-1].id if page else None
        return new
