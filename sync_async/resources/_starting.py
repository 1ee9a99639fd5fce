"""Starting a generation: the one request that costs money."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from sync_async import _retry
from sync_async._errors import ApiError, SyncError
from sync_async._forks import imports
from sync_async._generation_body import GenerationArguments
from sync_async._listeners import OnProgress
from sync_async._request import make_request
from sync_async._settings import RequestOptions, as_request_options
from sync_async.resources._endpoints import CREATE, GET
from sync_async.resources._resource import Caller
from sync_async.types.generations import Generation

if TYPE_CHECKING:
    from sync_async._media import MediaFile

LARGEST_FORM_FILE = 20_000_000
"""Bytes of a file above which it is uploaded first: older servers refuse larger ones in a form with 413.
Source: https://sync.so/docs/api-reference/api/generate-api/create-with-files"""

log = logging.getLogger("syncso")


async def start_generation(
    caller: Caller,
    arguments: GenerationArguments,
    files: Mapping[str, MediaFile],
    options: RequestOptions,
    on_upload: OnProgress | None = None,
) -> Generation:
    """Start a generation; large files go to storage first, once all has been checked.

    Args:
        caller: The way to the API.
        arguments: What is wanted.
        files: Files by kind: `video`, `image`, `audio`.
        options: What the caller wants otherwise for the create call.
        on_upload: Told of the bytes of large files that are sent.
    """
    more = options.additional_body_parameters
    form = arguments.to_form(files, more) if files else None
    if large := [kind for kind, file in files.items() if (file.source.size or 0) > LARGEST_FORM_FILE]:
        with imports.under_way():
            from sync_async.transfer.upload import address_of

        # by address and not as assets: adding to the library cannot be repeated, and nobody asked for it
        urls = {kind: await address_of(caller.transport, files[kind], on_upload) for kind in large}
        arguments = arguments.with_media(urls)
        files = {kind: file for kind, file in files.items() if kind not in urls}
        form = arguments.to_form(files, more) if files else None
    if form is None:
        request = make_request(CREATE, options, json_body=arguments.to_wire())
    else:
        request = make_request(CREATE, options, body=form)
    try:
        generation = await caller.fetch(request)
    except ApiError as error:
        made = error.generation_id
        if made is None or not _retry.names_its_generation(error.status_code or 0, error.error_code):
            raise
        # the server only knows which generation it made
        generation = await caller.fetch(make_request(GET, as_request_options(None), id=made))
    log.info("generation %s was started", generation.id)
    return attrs.evolve(generation, idempotency_key=request.idempotency_key)


@contextlib.contextmanager
def naming(job: Generation) -> Iterator[None]:
    """Tell the id of a generation that the very same call has started in each of its errors."""
    try:
        yield
    except SyncError as error:
        error.add_note(f"generation {job.id} was started; client.generations.wait({job.id!r}) goes on with it")
        raise
