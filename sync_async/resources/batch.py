"""Batches of generations."""

from __future__ import annotations

import builtins
import datetime as dt
from collections.abc import Mapping
from typing import Any

import attrs

from sync_async._arguments import checked_webhook_url
from sync_async._batch_file import check_batch_file
from sync_async._bodies import BytesSource, File, MultipartBody, Part, field_part, form_fields, open_file
from sync_async._errors import ArgumentError
from sync_async._request import Endpoint, Repeat, make_request
from sync_async._settings import RequestOptions, RequestOptionsDict, as_request_options
from sync_async.resources._resource import Resource, WithRawResponse, raw
from sync_async.types.batches import BatchId, BatchResponse, BatchStatus, CreateBatchResponse

CREATE = Endpoint[CreateBatchResponse]("POST", "/v2/batch", Repeat.NEVER, CreateBatchResponse)
GET = Endpoint[BatchResponse]("GET", "/v2/batch/{id}", Repeat.SAFE, BatchResponse)
LIST = Endpoint[builtins.list[BatchResponse]]("GET", "/v2/batch", Repeat.SAFE, builtins.list[BatchResponse])


@attrs.frozen
class AsyncBatch(Resource):
    """Batches: 20 to 500 generations in one request, done within a day. For Scale and Enterprise plans."""

    @property
    def with_raw_response(self) -> AsyncBatchWithRawResponse:
        """The same methods, returning the answer with its status and headers."""
        return AsyncBatchWithRawResponse(self._caller.transport, AsyncBatch)

    async def create(
        self,
        *,
        input: File | None = None,
        webhook_url: str | None = None,
        dry_run: bool | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> CreateBatchResponse:
        """Start a batch, or only have its file checked.

        The file is checked here first. A batch has no idempotency key: when the answer is lost, the request
        is not repeated, and `batch.list(created_after=…)` tells whether the batch exists.

        Args:
            input: The JSON Lines file, one record a line: `request_id`, `endpoint` (`/v2/generate`) and
                `payload` (the JSON body of a generation). A path, bytes, an open file, or the text itself.
            webhook_url: Where the server sends a notice when the batch ends.
            dry_run: Have the server check the file and start nothing.
            request_options: What this call does otherwise than its client.

        Returns:
            The batch, or a `ValidationResponse` for a dry run.

        Raises:
            ArgumentError: There is no file, or a line of it is no record; the message names the line.
            PaymentRequiredError: The plan has no batches.
            TooManyRequestsError: Another batch is still running.
            ApiConnectionError: The answer was lost; the batch may exist.

        Source: https://sync.so/docs/api-reference/api/batch-api/create
        """
        options = as_request_options(request_options)
        part = await _input_part(input)
        fields = {"webhook_url": checked_webhook_url(webhook_url), "dry_run": dry_run}
        form = form_fields({**fields, **(options.additional_body_parameters or {})})
        request = make_request(
            CREATE,
            options,
            body=MultipartBody([part, *(field_part(name, value) for name, value in form.items())]),
            repeat=Repeat.SAFE if dry_run else Repeat.NEVER,
        )
        return await self._caller.fetch(request)

    async def get(
        self,
        id: BatchId,
        *,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> BatchResponse:
        """Read a batch: its status, how many generations are done, and where the results are.

        Args:
            id: The batch's id.
            request_options: What this call does otherwise than its client.

        Raises:
            ArgumentError: The id is empty or has a slash.
            NotFoundError: There is no such batch.

        Example:
            batch = await client.batch.get("batch_abc123")

        Source: https://sync.so/docs/api-reference/api/batch-api/get
        """
        return await self._caller.fetch(make_request(GET, as_request_options(request_options), id=id))

    async def list(
        self,
        *,
        status: BatchStatus | None = None,
        created_after: dt.datetime | None = None,
        created_before: dt.datetime | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> builtins.list[BatchResponse]:
        """List the organisation's batches, newest first.

        Args:
            status: Only those with this status.
            created_after: Only those made after this time; a time without zone is a local one.
            created_before: Only those made before this time.
            request_options: What this call does otherwise than its client.

        Returns:
            The whole list.

        Source: https://sync.so/docs/api-reference/api/batch-api/list
        """
        query = {"status": status, "created_after": created_after, "created_before": created_before}
        return await self._caller.fetch(make_request(LIST, as_request_options(request_options), query=query))


class AsyncBatchWithRawResponse(WithRawResponse[AsyncBatch]):
    """The methods of `AsyncBatch`, each returning a `RawResponse`."""

    create = raw(AsyncBatch.create)
    get = raw(AsyncBatch.get)
    list = raw(AsyncBatch.list)


async def _input_part(input: File | None) -> Part:
    if input is None:
        raise ArgumentError("input", "a JSON Lines file is needed: a path, bytes, or a file opened with 'rb'")
    file = await open_file("input", input, is_text=_is_json)
    content = b"".join([chunk async for chunk in file.source.chunks()])
    check_batch_file(content)
    return Part(
        name="input",
        source=BytesSource(content),
        file_name=file.name or "batch.jsonl",
        content_type=file.content_type or "application/jsonl",
        more_headers=file.headers,
    )


def _is_json(text: str) -> bool:
    return text.lstrip().startswith("{")
