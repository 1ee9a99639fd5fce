"""Batches of generations."""

from __future__ import annotations

import builtins
import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import attrs

from sync_async._arguments import checked_timeout, checked_webhook_url
from sync_async._batch_file import batch_file_of, check_batch_file
from sync_async._bodies import BytesSource, MultipartBody, Part, field_part, form_fields, open_file
from sync_async._errors import ArgumentError, BatchFailedError
from sync_async._files import File
from sync_async._forks import imports
from sync_async._listeners import OnUpdate
from sync_async._request import Answer, Endpoint, Repeat, make_request, path_segment
from sync_async._response import is_page, unreadable, value_of
from sync_async._retry import hint_of
from sync_async._settings import RequestOptions, RequestOptionsDict, as_request_options
from sync_async.jobs.kinds import BATCH
from sync_async.jobs.pace import GrowingPace
from sync_async.jobs.waiter import Look, Waiter
from sync_async.resources._resource import Resource, WithRawResponse, raw
from sync_async.types.batch_results import BatchResults
from sync_async.types.batches import BatchId, BatchResponse, BatchStatus, CreateBatchResponse
from sync_async.types.generations import Generation

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
        rows: Iterable[Mapping[str, Any]] | None = None,
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
            rows: The records themselves, instead of `input`. A `payload` holds what `generations.create` takes,
                as JSON or as this library's types; `endpoint` may be left out.
            webhook_url: Where the server sends a notice when the batch ends.
            dry_run: Have the server check the file and start nothing.
            request_options: What this call does otherwise than its client.

        Returns:
            The batch, or a `ValidationResponse` for a dry run.

        Raises:
            ArgumentError: There are no records or more than 500, fewer than 20, more than 5 MB, or one is wrong;
                the message names it.
            PaymentRequiredError: The plan has no batches.
            TooManyRequestsError: Another batch is still running.
            ApiConnectionError: The answer was lost; the batch may exist.

        Example:
            batch = await client.batch.create(
                rows=[
                    {
                        "request_id": f"row-{number}",
                        "payload": {
                            "model": "lipsync-2",
                            "input": [Video(url=face), Audio(url=f"https://example.com/voice-{number}.wav")],
                        },
                    }
                    for number in range(20)
                ]
            )

        Source: https://sync.so/docs/api-reference/api/batch-api/create
        """
        options = as_request_options(request_options)
        part = await _input_part(input, rows)
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

    async def wait(
        self,
        id: BatchId,
        *,
        timeout: float | None = None,
        on_update: OnUpdate[BatchResponse] | None = None,
        raise_on_failure: bool = True,
    ) -> BatchResponse:
        """Wait until a batch has ended, looking every 5 to 60 s; a batch may take a day.

        Lost connections, 429, 5xx and unreadable answers do not end the wait.

        Args:
            id: The batch's id.
            timeout: Seconds until the wait ends, None for no limit. The batch goes on in any case.
            on_update: Called with the batch when it is first seen and whenever it has changed.
            raise_on_failure: False returns a batch that failed as a whole instead of raising.

        Returns:
            The batch as it ended; rows may have failed all the same, see `metrics` and `results`.

        Raises:
            WaitTimeoutError: Time ran out; the error has the id. Wait again, do not create again.
            BatchFailedError: The batch failed as a whole; the error has it.
            NotFoundError: There is no such batch.

        Example:
            ended = await client.batch.wait("batch_abc123")
        """
        id = _checked_id(id)
        waiter = Waiter(
            kind=BATCH,
            ids=[id],
            look=self._look,
            sleep=self._caller.transport.sleep,
            pace=GrowingPace.of(BATCH, watched=False),
            timeout=checked_timeout(timeout),
            on_update=on_update,
        )
        (batch,) = await waiter.next_ended()
        if raise_on_failure and batch.status in BATCH.failure:
            raise BatchFailedError(
                f"batch {id} failed as a whole; batch.results tells of rows that did not", batch
            )
        return batch

    async def _look(self, ids: Collection[str], left: float | None) -> Look[BatchResponse]:  # noqa: ARG002
        (id,) = ids
        request = make_request(GET, as_request_options(None), id=id)
        response = await self._caller.send(request)
        return Look({id: value_of(request, response)}, hint_of(response.headers))

    async def results(
        self,
        id: BatchId,
        *,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> BatchResults:
        """Read what became of each row of a batch that has ended.

        The API key goes to the API only, not to the host that has the file.

        Args:
            id: The batch's id.
            request_options: What the requests to the API do otherwise than their client.

        Returns:
            The rows by their `request_id`, failed ones among them; see `succeeded`, `failed`, `missing` and
            `unreadable`.

        Raises:
            ArgumentError: The batch has no results yet.
            DownloadError: The host did not give the file.
            DecodeError: The API gave neither the file nor a link to it.
            NotFoundError: There is no such batch.

        Example:
            results = await client.batch.results("batch_abc123")
            print(results["row-1"].output_url, len(results.failed))

        Source: https://sync.so/docs/api-reference/guides/batch-processing
        """
        options = as_request_options(request_options)
        batch = await self._caller.fetch(make_request(GET, options, id=_checked_id(id)))
        if not batch.output_url:
            raise ArgumentError(
                "id", f"batch {batch.id} is {batch.status} and has no results yet; wait for it first"
            )
        with imports.under_way():
            from sync_async._batch_results import read_results

        return read_results(batch, await self._result_file(batch, options))

    async def _result_file(self, batch: BatchResponse, options: RequestOptions) -> bytes:
        """Fetch the file: the API knows where it is, and the host that has it must not see the key."""
        with imports.under_way():
            from sync_async.transfer.download import fetch
            from sync_async.transfer.hosts import absolute

        transport, url = self._caller.transport, batch.output_url
        target = transport.target_of(url)
        if target is not None:
            path, _, query = target.partition("?")
            endpoint = Endpoint[None]("GET", path, Repeat.SAFE, answer=Answer.LINK)
            request = make_request(endpoint, options, query=dict(parse_qsl(query)))
            response = await self._caller.send(request)
            location = response.headers.get("Location")
            if response.status < 300 or not location:  # noqa: PLR2004
                if not response.body or is_page(response.headers):
                    raise unreadable(request, response, "it is neither a file of results nor a link to one")
                return response.body
            url = absolute(url, location)
        return await fetch(transport, url, f"results of batch {batch.id}")


class AsyncBatchWithRawResponse(WithRawResponse[AsyncBatch]):
    """The methods of `AsyncBatch`, each returning a `RawResponse`."""

    create = raw(AsyncBatch.create)
    get = raw(AsyncBatch.get)
    list = raw(AsyncBatch.list)


async def _input_part(input: File | None, rows: Iterable[Mapping[str, Any]] | None) -> Part:
    if (input is None) == (rows is None):
        raise ArgumentError("input", "a batch needs either input, a JSON Lines file, or rows, a list of records")
    if rows is not None:
        content = batch_file_of(rows)
        return Part(
            name="input", source=BytesSource(content), file_name="batch.jsonl", content_type="application/jsonl"
        )
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


def _checked_id(batch: Any) -> str:
    """Take the id of a batch that is given as such or by its id.

    Raises:
        ArgumentError: It is something else's.
    """
    if isinstance(batch, Generation):
        raise ArgumentError("id", f"{batch.id!r} is the id of a generation; client.generations has methods for it")
    id = batch.id if isinstance(batch, BatchResponse) else batch
    path_segment("id", id)
    return str(id)
