"""Generations: the lip-sync jobs."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from sync_async._arguments import checked_timeout
from sync_async._files import File
from sync_async._forks import imports
from sync_async._generation_body import GenerationArguments, media_files
from sync_async._items import AsyncItems
from sync_async._listeners import OnProgress, OnUpdate
from sync_async._request import make_request
from sync_async._settings import RequestOptions, RequestOptionsDict, as_request_options
from sync_async.resources._endpoints import ESTIMATE, GET, LIST
from sync_async.resources._output import output_of
from sync_async.resources._resource import Resource, WithRawResponse, raw
from sync_async.resources._starting import naming, start_generation
from sync_async.types.generations import (
    EstimatedGenerationCost,
    Generation,
    GenerationId,
    GenerationStatus,
)
from sync_async.types.inputs import InputItem
from sync_async.types.options import DialogueEdit, DubParams, GenerationOptions, GenerationSegment, Model


@attrs.frozen
class AsyncGenerations(Resource):
    """Lip-sync jobs: start, look at, wait for, fetch, price."""

    @property
    def with_raw_response(self) -> AsyncGenerationsWithRawResponse:
        """The same methods, returning the answer with its status and headers."""
        return AsyncGenerationsWithRawResponse(self._caller.transport, AsyncGenerations)

    async def create(
        self,
        *,
        model: Model,
        input: Sequence[InputItem | Mapping[str, Any]],
        options: GenerationOptions | Mapping[str, Any] | None = None,
        segments: Sequence[GenerationSegment | Mapping[str, Any]] | None = None,
        webhook_url: str | None = None,
        output_file_name: str | None = None,
        project_id: str | None = None,
        dub_params: DubParams | Mapping[str, Any] | None = None,
        dialogue_edit: DialogueEdit | Mapping[str, Any] | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> Generation:
        """Start a generation.

        The request carries an idempotency key, so that repeats after a lost answer do not buy it twice.

        Args:
            model: The model's name, such as `lipsync-2`.
            input: One video or image and one voice; several voices with `segments`.
            options: How the generation is made.
            segments: Stretches of the video with a voice of their own.
            webhook_url: Where the server sends a notice when the generation ends.
            output_file_name: Base name of the output without extension: letters, digits, `_` and `-`.
            project_id: The project to file it under.
            dub_params: Translate the speech of the video instead of giving a voice.
            dialogue_edit: Render a finished dialogue edit.
            request_options: What this call does otherwise than its client.

        Returns:
            The generation, usually `PENDING`, with the `idempotency_key` of the request.

        Raises:
            ArgumentError: Something cannot be right; nothing was sent.
            PaymentRequiredError: Billing or the plan stands against it.
            ConcurrencyLimitError: As many generations are running as the plan allows.
            RateLimitError: Too many requests, after all repeats.
            ApiConnectionError: The answer was lost. `idempotency_key` of the error lets you ask again.

        Example:
            job = await client.generations.create(
                model="lipsync-2",
                input=[Video(url="https://example.com/face.mp4"), Audio(url="https://example.com/voice.wav")],
                options=GenerationOptions(sync_mode="loop"),
            )

        Source: https://sync.so/docs/api-reference/api/generate-api/create
        """
        arguments = GenerationArguments(
            model=model,
            input=input,
            options=options,
            segments=segments,
            webhook_url=webhook_url,
            output_file_name=output_file_name,
            project_id=project_id,
            dub_params=dub_params,
            dialogue_edit=dialogue_edit,
        )
        return await start_generation(self._caller, arguments, {}, as_request_options(request_options))

    async def create_with_files(
        self,
        *,
        model: Model,
        video: File | None = None,
        audio: File | None = None,
        input: Sequence[InputItem | Mapping[str, Any]] | None = None,
        options: GenerationOptions | Mapping[str, Any] | None = None,
        webhook_url: str | None = None,
        image: File | None = None,
        segments: Sequence[GenerationSegment | Mapping[str, Any]] | None = None,
        output_file_name: str | None = None,
        project_id: str | None = None,
        dub_params: DubParams | Mapping[str, Any] | None = None,
        dialogue_edit: DialogueEdit | Mapping[str, Any] | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> Generation:
        """Start a generation from files on this machine.

        A file is a path, bytes, a file opened with `"rb"`, or a tuple `(name, content[, content type])`. It
        is streamed; an open file is sent from where it stands, is rewound for a repeat, and stays open. A file of
        more than 20 MB is uploaded to sync.so's storage first, and passed on by its address there.

        Args:
            model: The model's name, such as `lipsync-2`.
            video: The video file.
            audio: The voice file.
            input: Inputs that are not files: by URL, by asset, or as text.
            options: How the generation is made.
            webhook_url: Where the server sends a notice when the generation ends.
            image: A picture instead of a video, for `sync-3`.
            segments: Stretches of the video with a voice of their own.
            output_file_name: Base name of the output without extension: letters, digits, `_` and `-`.
            project_id: The project to file it under.
            dub_params: Translate the speech of the video instead of giving a voice.
            dialogue_edit: Render a finished dialogue edit.
            request_options: What this call does otherwise than its client.

        Returns:
            The generation, usually `PENDING`, with the `idempotency_key` of the request.

        Raises:
            ArgumentError: A file is missing, empty, unreadable or a directory, or something else cannot be
                right; nothing was sent.
            PayloadTooLargeError: A file is too large for the server.
            UploadError: The storage host did not take a large file; nothing was started.
            ApiError, ApiConnectionError: As for `create`.

        Example:
            job = await client.generations.create_with_files(
                model="lipsync-2", video="face.mp4", audio="speech.wav"
            )

        Source: https://sync.so/docs/api-reference/api/generate-api/create-with-files
        """
        arguments = GenerationArguments(
            model=model,
            input=input,
            options=options,
            segments=segments,
            webhook_url=webhook_url,
            output_file_name=output_file_name,
            project_id=project_id,
            dub_params=dub_params,
            dialogue_edit=dialogue_edit,
        )
        given = {"video": video, "image": image, "audio": audio}
        arguments.to_wire([kind for kind, file in given.items() if file is not None])  # before a file is touched
        files = await media_files(given)
        return await start_generation(self._caller, arguments, files, as_request_options(request_options))

    async def run(
        self,
        *,
        model: Model,
        input: Sequence[InputItem | Mapping[str, Any]],
        options: GenerationOptions | Mapping[str, Any] | None = None,
        segments: Sequence[GenerationSegment | Mapping[str, Any]] | None = None,
        webhook_url: str | None = None,
        output_file_name: str | None = None,
        project_id: str | None = None,
        dub_params: DubParams | Mapping[str, Any] | None = None,
        dialogue_edit: DialogueEdit | Mapping[str, Any] | None = None,
        timeout: float | None = None,
        on_update: OnUpdate[Generation] | None = None,
        raise_on_failure: bool = True,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> Generation:
        """Start a generation and wait until it has ended: `create` and `wait` in one.

        Args:
            model: As for `create`, and so are the next ones.
            input: One video or image and one voice; several voices with `segments`.
            options: How the generation is made.
            segments: Stretches of the video with a voice of their own.
            webhook_url: Where the server sends a notice when the generation ends.
            output_file_name: Base name of the output without extension.
            project_id: The project to file it under.
            dub_params: Translate the speech of the video instead of giving a voice.
            dialogue_edit: Render a finished dialogue edit.
            timeout: As for `wait`, and so are the next ones.
            on_update: Called with the generation when it is first seen and whenever it has changed.
            raise_on_failure: False returns a failed or rejected generation instead of raising.
            request_options: What the create call does otherwise than its client.

        Returns:
            The generation as it ended.

        Raises:
            WaitTimeoutError: Time ran out; the error has the id. Wait for it, do not run it again.
            SyncError: As for `create` and `wait`; an error of the wait names the id in a note.

        Example:
            done = await client.generations.run(
                model="lipsync-2",
                input=[Video(url="https://example.com/face.mp4"), Audio(url="https://example.com/voice.wav")],
                timeout=600,
            )
        """
        timeout = checked_timeout(timeout)
        job = await self.create(
            model=model,
            input=input,
            options=options,
            segments=segments,
            webhook_url=webhook_url,
            output_file_name=output_file_name,
            project_id=project_id,
            dub_params=dub_params,
            dialogue_edit=dialogue_edit,
            request_options=request_options,
        )
        with naming(job):
            return await self.wait(job.id, timeout=timeout, on_update=on_update, raise_on_failure=raise_on_failure)

    async def get(
        self,
        id: GenerationId,
        *,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> Generation:
        """Read a generation.

        Args:
            id: The generation's id.
            request_options: What this call does otherwise than its client.

        Raises:
            ArgumentError: The id is empty or has a slash.
            NotFoundError: There is no such generation.

        Example:
            job = await client.generations.get("6533643b-aceb-4c40-967e-d9ba9baac39e")

        Source: https://sync.so/docs/api-reference/api/generate-api/get
        """
        return await self._caller.fetch(make_request(GET, as_request_options(request_options), id=id))

    async def list(
        self,
        *,
        status: Sequence[GenerationStatus] | None = None,
        ids: Sequence[str] | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> builtins.list[Generation]:
        """List generations, in no particular order.

        Args:
            status: Only those with one of these statuses.
            ids: Only those with one of these ids.
            request_options: What this call does otherwise than its client.

        Returns:
            All that match, in one list.

        Example:
            running = await client.generations.list(status=["PENDING", "PROCESSING"])

        Source: https://sync.so/docs/api-reference/api/generate-api/list
        """
        query = {"status": status or None, "ids": ids or None}
        return await self._caller.fetch(make_request(LIST, as_request_options(request_options), query=query))

    def iter(
        self,
        *,
        status: Sequence[GenerationStatus] | None = None,
        project_id: str | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> AsyncItems[Generation]:
        """Go through generations, newest first, asking for a hundred at a time as they are needed.

        One that is created meanwhile is not seen, and none is seen twice.

        Args:
            status: Only those with one of these statuses.
            project_id: Only those of this project.
            request_options: What these requests do otherwise than their client.

        Example:
            async for generation in client.generations.iter(status=["FAILED"]):
                print(generation.id, generation.error_code)

        Source: https://sync.so/docs/api-reference/api/generate-api/list
        """
        with imports.under_way():
            from sync_async.resources._pages import Pages

        query = {"status": status or None, "projectId": project_id}
        return AsyncItems(Pages(self._caller, query, as_request_options(request_options)).next_page)

    async def estimate_cost(
        self,
        *,
        model: Model,
        input: Sequence[InputItem | Mapping[str, Any]],
        options: GenerationOptions | Mapping[str, Any] | None = None,
        segments: Sequence[GenerationSegment | Mapping[str, Any]] | None = None,
        webhook_url: str | None = None,
        output_file_name: str | None = None,
        project_id: str | None = None,
        dub_params: DubParams | Mapping[str, Any] | None = None,
        dialogue_edit: DialogueEdit | Mapping[str, Any] | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> builtins.list[EstimatedGenerationCost]:
        """Price a generation without starting it. The server measures the media, so it must be able to fetch them.

        Args:
            model: As for `create`, and so are all the others.
            input: One video or image and one voice; several voices with `segments`.
            options: How the generation is made.
            segments: Stretches of the video with a voice of their own.
            webhook_url: Where the server would send a notice.
            output_file_name: Base name of the output without extension.
            project_id: The project to file it under.
            dub_params: Translate the speech of the video instead of giving a voice.
            dialogue_edit: Render a finished dialogue edit.
            request_options: What this call does otherwise than its client.

        Returns:
            The parts of the price in USD, usually one; their sum is the whole.

        Raises:
            ArgumentError: Something cannot be right; nothing was sent.
            UnprocessableEntityError: The media cannot be fetched, or cannot be priced.

        Source: https://sync.so/docs/api-reference/api/generate-api/estimate-cost
        """
        arguments = GenerationArguments(
            model=model,
            input=input,
            options=options,
            segments=segments,
            webhook_url=webhook_url,
            output_file_name=output_file_name,
            project_id=project_id,
            dub_params=dub_params,
            dialogue_edit=dialogue_edit,
        )
        call = as_request_options(request_options)
        return await self._caller.fetch(make_request(ESTIMATE, call, json_body=arguments.to_wire()))

    async def wait(
        self,
        id: GenerationId | Generation,
        *,
        timeout: float | None = None,
        on_update: OnUpdate[Generation] | None = None,
        raise_on_failure: bool = True,
    ) -> Generation:
        """Wait until a generation has ended.

        Without `on_update` the server is asked to answer when the job ends (long poll, up to 10 s each);
        with it, the progress is read every 2 to 5 s. Lost connections, 429 and 5xx do not end the wait, nor do
        answers that cannot be read, unless nothing else comes for ten minutes.

        Args:
            id: The generation, or its id.
            timeout: Seconds until the wait ends, None for no limit. The generation goes on in any case.
            on_update: Called with the generation when it is first seen and whenever it has changed.
            raise_on_failure: False returns a failed or rejected generation instead of raising.

        Returns:
            The generation as it ended.

        Raises:
            WaitTimeoutError: Time ran out; the error has the id. Wait again, do not create again.
            GenerationFailedError: The generation failed or was rejected; the error has it.
            NotFoundError: There is no such generation.
            DecodeError: Nothing but answers that cannot be read came for ten minutes.

        Example:
            done = await client.generations.wait(job.id, timeout=600)
        """
        with imports.under_way():
            from sync_async.resources._waiting import check_success, waiter_for_one

        waiter = waiter_for_one(self._caller, id, timeout=timeout, on_update=on_update)
        (generation,) = await waiter.next_ended()
        if raise_on_failure:
            check_success(generation)
        return generation

    def wait_many(
        self,
        ids: Iterable[GenerationId | Generation],
        *,
        timeout: float | None = None,
        on_update: OnUpdate[Generation] | None = None,
    ) -> AsyncItems[Generation]:
        """Wait for many generations; they come as they end.

        All are followed by list, a hundred with one request, at most one request a second in the mean. What
        does not end `wait` does not end this. Failed generations come like the others: look at `status`.

        Args:
            ids: The generations, or their ids; each comes once.
            timeout: Seconds from the first look until the wait ends, None for no limit. The generations go on.
            on_update: Called with a generation when it is first seen and whenever it has changed.

        Returns:
            The generations as they ended, those first that ended first.

        Raises:
            WaitTimeoutError: Time ran out; `ids` of the error are those that still run.
            NotFoundError: All others have come, and there is no generation with this id.

        Example:
            async for done in client.generations.wait_many([job.id for job in jobs]):
                print(done.id, done.status)
        """
        with imports.under_way():
            from sync_async.resources._waiting import waiter_for_many

        return AsyncItems(waiter_for_many(self._caller, ids, timeout=timeout, on_update=on_update).next_ended)

    async def download(
        self,
        generation: GenerationId | Generation,
        to: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """Fetch the video of a generation; the file appears when it is whole.

        A connection that breaks is taken up where it broke, here and in a later call; a link that has ended is
        asked for anew. The API key is not sent along.

        Args:
            generation: The generation, or its id.
            to: The file to write, or a folder that is there.
            overwrite: Replace a file that is there.
            on_progress: Called with the bytes that are here, and those that there are in all.

        Returns:
            The path of the file; in a folder it is called by the generation's output name, else by its id.

        Raises:
            ArgumentError: The folder is missing, the file is there already, or the generation has no output.
            DownloadError: The file did not arrive whole; call it again to go on.
            DecodeError: The API gave no link.
            ConflictError: The generation has not ended.
            NotFoundError: There is no such generation.

        Example:
            path = await client.generations.download(done, "out.mp4")
        """
        with imports.under_way():
            from sync_async.transfer.partial_file import destination

        return await output_of(
            self._caller,
            generation,
            lambda name: destination(to, name, overwrite=overwrite),
            overwrite=overwrite,
            on_progress=on_progress,
        ).run()


class AsyncGenerationsWithRawResponse(WithRawResponse[AsyncGenerations]):
    """The methods of `AsyncGenerations`, each returning a `RawResponse`."""

    create = raw(AsyncGenerations.create)
    create_with_files = raw(AsyncGenerations.create_with_files)
    get = raw(AsyncGenerations.get)
    list = raw(AsyncGenerations.list)
    estimate_cost = raw(AsyncGenerations.estimate_cost)
