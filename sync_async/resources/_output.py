"""The way to the output of a generation: its link, and a fresh one when that has ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sync_async._arguments import checked_generation_id
from sync_async._errors import ArgumentError, NotFoundError
from sync_async._forks import imports
from sync_async._request import make_request
from sync_async._response import unreadable, value_of
from sync_async._settings import as_request_options
from sync_async.resources._endpoints import GET, LINK
from sync_async.resources._resource import Caller
from sync_async.types.generations import Generation

if TYPE_CHECKING:
    from sync_async.transfer.download import Download

_transfer: Any = None


def output_of(caller: Caller, generation: str | Generation, to: Callable[[str], Path], **more: Any) -> Download:
    """Prepare the download of an output.

    Args:
        caller: The way to the API.
        generation: The generation, or its id.
        to: Gives the file to write, from the name that the output has in a folder.
        more: What else `Download` takes.

    Raises:
        ArgumentError: The generation has no output.
    """
    transfer = _transfer or _import_transfer()
    id = checked_generation_id("generation", generation)
    known = generation if isinstance(generation, Generation) else None
    if known is not None and known.status != "COMPLETED":
        raise ArgumentError("generation", f"it is {known.status} and has no output; wait until it is COMPLETED")
    return transfer.Download(  # type: ignore[no-any-return]
        transport=caller.transport,
        what=id,
        url=None if known is None else known.output_url,
        fresh=lambda: _fresh_link(caller, id),
        to=to(transfer.name_of_output(known or id)),
        generation_id=id,
        **more,
    )


def _import_transfer() -> Any:
    global _transfer  # noqa: PLW0603  # the gate for forks takes longer than the import of what is there
    with imports.under_way():
        from sync_async.transfer import download
    _transfer = download
    return download


async def _fresh_link(caller: Caller, id: str) -> str:
    """Ask for a link to an output; older servers give it with the generation only."""
    options = as_request_options(None)
    request = make_request(LINK, options, id=id)
    try:
        response = await caller.send(request)
        link = value_of(request, response).strip('"')
        if not link.startswith(("https://", "http://")):
            raise unreadable(request, response, "it is no link")
        return link  # noqa: TRY300  # the next line is of another request
    except NotFoundError:
        generation = await caller.fetch(make_request(GET, options, id=id))
    if generation.output_url is None:
        raise ArgumentError("generation", f"it is {generation.status} and has no output")
    return generation.output_url
