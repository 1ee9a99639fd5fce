"""Generations: the lip-sync jobs."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sync_async import _retry
from sync_async._bodies import File
from sync_async._errors import ApiError, GenerationFailedError
from sync_async._generation_body import GenerationArguments
from sync_async._request import ApiRequest, Endpoint, Repeat, make_request
from sync_async._response import value_of
from sync_async._settings import RequestOptions, RequestOptionsDict, as_request_options
from sync_async.jobs.kinds import GENERATION
from sync_async.jobs.waiter import Look, OnUpdate, Waiter, checked_timeout
from sync_async.resources._resource import Resource, WithRawResponse, raw
from sync_async.types.generations import (
    EstimatedGenerationCost,
    Generation,
    GenerationId,
    GenerationStatus,
)
from sync_async.types.inputs import InputItem
from sync_async.types.options import DialogueEdit, DubParams, GenerationOptions, GenerationSegment, Model

CREATE = Endpoint[Generation]("POST", "/v2/generate", Repeat.KEYED, Generation)
GET = Endpoint[Generation]("GET", "/v2/generate/{id}", Repeat.SAFE, Generation)
LIST = Endpoint[builtins.list[Generation]]("GET", "/v2/generations", Repeat.SAFE, builtins.list[Generation])
ESTIMATE = Endpoint[builtins.list[EstimatedGenerationCost]](
    "POST", "/v2/analyze/cost", Repeat.SAFE, builtins.list[EstimatedGenerationCost], one_or_many=True
)

LONG_POLL = (1, 10)
"""Seconds that the server holds a long poll, least and most."""


@attrs.frozen
class AsyncGenerations(Resource):
    """Lip-sync jobs: start, look at, wait for, price."""

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
        return await self._create(
            make_request(CREATE, as_request_options(request_options), json_body=arguments.to_wire())
        )

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
        is streamed; an open file is sent from where it stands, is rewound for a repeat, and stays open.

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
            ApiError, ApiConnectionError: As for `create`.

        Example:
            job = await client.generations.create_with_files(
                model="lipsync-2", video="face.mp4", audio="speech.wav"
            )

        Source: https://sync.so/docs/api-reference/api/generate-api/create-with-files
        """
        call = as_request_options(request_options)
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
        files = {"video": video, "image": image, "audio": audio}
        form = await arguments.to_form(files, call.additional_body_parameters)
        return await self._create(make_request(CREATE, call, body=form))

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
        id: GenerationId,
        *,
        timeout: float | None = None,
        on_update: OnUpdate[Generation] | None = None,
        raise_on_failure: bool = True,
    ) -> Generation:
        """Wait until a generation has ended.

        Without `on_update` the server is asked to answer when the job ends (long poll, up to 10 s each);
        with it, the progress is read every 2 to 5 s. Lost connections, 429 and 5xx do not end the wait.

        Args:
            id: The generation's id.
            timeout: Seconds until the wait ends, None for no limit. The generation goes on in any case.
            on_update: Called with the generation when it is first seen and whenever it has changed.
            raise_on_failure: False returns a failed or rejected generation instead of raising.

        Returns:
            The generation as it ended.

        Raises:
            WaitTimeoutError: Time ran out; the error has the id. Wait again, do not create again.
            GenerationFailedError: The generation failed or was rejected; the error has it.
            NotFoundError: There is no such generation.

        Example:
            done = await client.generations.wait(job.id, timeout=600)
        """
        poll = _Poll(self, id, with_progress=on_update is not None)
        waiter = Waiter(
            kind=GENERATION,
            id=id,
            look=poll.look,
            sleep=self._caller.transport.sleep,
            timeout=checked_timeout(timeout),
            on_update=on_update,
        )
        generation = await waiter.wait()
        if raise_on_failure and generation.status in GENERATION.failure:
            raise _failed(generation)
        return generation

    async def _create(self, request: ApiRequest[Generation]) -> Generation:
        """Send a create; when the server only knows which generation it made, read that one."""
        try:
            generation = await self._caller.fetch(request)
        except ApiError as error:
            made = error.generation_id
            if made is None or not _retry.names_its_generation(error.status_code or 0, error.error_code):
                raise
            generation = await self.get(made)
        return attrs.evolve(generation, idempotency_key=request.idempotency_key)


class AsyncGenerationsWithRawResponse(WithRawResponse[AsyncGenerations]):
    """The methods of `AsyncGenerations`, each returning a `RawResponse`."""

    create = raw(AsyncGenerations.create)
    create_with_files = raw(AsyncGenerations.create_with_files)
    get = raw(AsyncGenerations.get)
    list = raw(AsyncGenerations.list)
    estimate_cost = raw(AsyncGenerations.estimate_cost)


@attrs.define
class _Poll:
    """How the waiter looks at a generation: by long poll, or with progress when somebody watches."""

    generations: AsyncGenerations
    id: str
    with_progress: bool

    async def look(self, left: float | None) -> Look[Generation]:
        try:
            return await self._read(self._query(left))
        except ApiError as error:
            if error.status_code != 400 or self.with_progress:  # noqa: PLR2004
                raise
            self.with_progress = True  # a server without long poll
            return await self._read(self._query(left))

    async def _read(self, query: Mapping[str, Any]) -> Look[Generation]:
        caller = self.generations._caller  # noqa: SLF001  # the resource's own module
        request = make_request(GET, as_request_options(None), id=self.id, query=query)
        response = await caller.send(request)
        hint = _retry.hint_of(response.headers)
        return Look(value_of(request, response), hint)

    def _query(self, left: float | None) -> Mapping[str, Any]:
        least, most = LONG_POLL
        if self.with_progress:
            return {"include": "progress"}
        if left is not None and left < least:
            return {}
        return {"wait": True, "timeout": most if left is None else min(most, int(left))}


def _failed(generation: Generation) -> GenerationFailedError:
    code = f" ({generation.error_code})" if generation.error_code else ""
    why = generation.error or "the server gives no reason; read it again with generations.get"
    return GenerationFailedError(f"generation {generation.id} ended {generation.status}{code}: {why}", generation)
