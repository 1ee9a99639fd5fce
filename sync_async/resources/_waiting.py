"""Waiting for generations: for one, or for many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sync_async import _retry
from sync_async._arguments import checked_generation_id, checked_generation_ids, checked_timeout
from sync_async._errors import GenerationFailedError
from sync_async._listeners import OnUpdate
from sync_async._request import make_request
from sync_async._response import value_of
from sync_async._settings import as_request_options
from sync_async.jobs.generation_looks import LookAtMany, LookAtOne, requests_for
from sync_async.jobs.kinds import GENERATION
from sync_async.jobs.pace import GrowingPace, TickPace
from sync_async.jobs.waiter import Look, Waiter
from sync_async.resources._endpoints import GET
from sync_async.resources._pages import read_page
from sync_async.resources._resource import Caller
from sync_async.types.generations import Generation


def waiter_for_one(
    caller: Caller, id: str | Generation, *, timeout: float | None, on_update: OnUpdate[Generation] | None
) -> Waiter[Generation]:
    """Prepare the wait for a generation: by long poll, or with its progress where somebody watches."""

    async def look(id: str, query: Mapping[str, Any]) -> Look[Generation]:
        request = make_request(GET, as_request_options(None), id=id, query=query)
        response = await caller.send(request)
        return Look({id: value_of(request, response)}, _retry.hint_of(response.headers))

    return Waiter(
        kind=GENERATION,
        ids=[checked_generation_id("id", id)],
        look=LookAtOne(look, with_progress=on_update is not None),
        sleep=caller.transport.sleep,
        pace=GrowingPace.of(GENERATION, watched=on_update is not None),
        timeout=checked_timeout(timeout),
        on_update=on_update,
    )


def waiter_for_many(
    caller: Caller,
    ids: Iterable[str | Generation],
    *,
    timeout: float | None,
    on_update: OnUpdate[Generation] | None,
) -> Waiter[Generation]:
    """Prepare the wait for many generations, which are followed by list."""
    options = as_request_options(None)

    async def read_list(some: Sequence[str]) -> Sequence[Generation]:
        return await read_page(caller, {"ids": some}, options)

    async def read_one(id: str) -> Generation:
        return await caller.fetch(make_request(GET, options, id=id))

    waiter = Waiter(
        kind=GENERATION,
        ids=checked_generation_ids(ids),
        look=LookAtMany(read_list, read_one),
        sleep=caller.transport.sleep,
        pace=TickPace(lambda: requests_for(waiter.left_over())),
        timeout=checked_timeout(timeout),
        on_update=on_update,
    )
    return waiter


def check_success(generation: Generation) -> None:
    """Raise for a generation that failed or was rejected.

    Raises:
        GenerationFailedError: It did.
    """
    if generation.status in GENERATION.failure:
        code = f" ({generation.error_code})" if generation.error_code else ""
        why = generation.error or "the server gives no reason; read it again with generations.get"
        raise GenerationFailedError(
            f"generation {generation.id} ended {generation.status}{code}: {why}", generation
        )
