"""The client: settings, resources, opening and closing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import attrs

from sync_async._errors import ArgumentError
from sync_async._forks import imports
from sync_async._keywords import explains_keywords
from sync_async._on_demand import OnDemand
from sync_async._request import CREATE_PATH, Answer, Endpoint, Repeat, checked_headers, make_request
from sync_async._response import RawResponse, any_value, plain_headers
from sync_async._settings import (
    DEFAULT_MAX_RETRIES,
    ApiKey,
    RequestOptions,
    RequestOptionsDict,
    SyncEnvironment,
    Timeout,
    as_max_retries,
    as_request_options,
    as_timeout,
    checked_proxy,
    default_max_connections,
    find_api_key,
    find_base_url,
)
from sync_async._transport import ClientSettings, Pool, Transport, merge_headers
from sync_async.resources._resource import Caller

if TYPE_CHECKING:
    import aiohttp

    from sync_async._lipsync import Medium
    from sync_async._listeners import OnProgress, OnUpdate
    from sync_async.resources.assets import AsyncAssets
    from sync_async.resources.batch import AsyncBatch
    from sync_async.resources.bulk import AsyncBulk
    from sync_async.resources.generations import AsyncGenerations
    from sync_async.resources.models import AsyncModels
    from sync_async.types.generations import Generation
    from sync_async.types.options import GenerationOptions, Model

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")


class AsyncSync(OnDemand):
    """The sync.so API for asyncio programs.

    A client is cheap to make: it opens no connection before its first request. Use it in one event loop, for
    as many requests at once as you like, and close it: `async with AsyncSync() as client: …`.

    Args:
        api_key: The key, or a function that returns it, asked before each request. Else `SYNC_API_KEY` of the
            environment, read now.
        base_url: Where the API is. Else `SYNC_BASE_URL` of the environment, else that of `environment`.
        environment: Which of sync.so's servers.
        timeout: Seconds for a whole call, repeats included, or a `Timeout`; by default 10 s to connect and 60 s
            for the answer.
        max_retries: How often a failed attempt is repeated; 0 sends once.
        follow_redirects: Whether redirects are followed; only within the API's own origin in any case.
        headers: Sent with every request.
        session: An aiohttp session of yours, which is used and never closed.
        proxy: Address of an HTTP proxy, such as `http://user:password@proxy.example:3128`. Proxy variables of the
            environment are not read.
        max_connections: How many requests are under way at once; further ones queue. None: 512, or half of the
            files that the process may have open, if those are fewer.

    Raises:
        ArgumentError: There is no API key, or a setting cannot be right.

    Example:
        async with AsyncSync() as client:
            job = await client.generations.create_with_files(
                model="lipsync-2", video="face.mp4", audio="speech.wav"
            )
            done = await client.generations.wait(job.id)
            print(done.output_url)
    """

    assets: AsyncAssets
    batch: AsyncBatch
    bulk: AsyncBulk
    generations: AsyncGenerations
    models: AsyncModels

    @explains_keywords
    def __init__(
        self,
        *,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        environment: SyncEnvironment = SyncEnvironment.DEFAULT,
        timeout: float | Timeout | None = None,
        max_retries: int = DEFAULT_MAX_RETRIES,
        follow_redirects: bool = True,
        headers: Mapping[str, str] | None = None,
        session: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        max_connections: int | None = None,
    ) -> None:
        settings = ClientSettings(
            base_url=find_base_url(base_url, environment),
            key=find_api_key(api_key),
            timeout=as_timeout(timeout),
            max_retries=as_max_retries(max_retries),
            follow_redirects=bool(follow_redirects),
            headers=_checked_headers(headers or {}),
        )
        pool = Pool(
            session=_checked_session(session),
            proxy=checked_proxy(proxy),
            max_connections=_checked_connections(max_connections),
        )
        self._use(Transport(settings, pool))

    def _use(self, transport: Transport) -> None:
        self._transport = transport

    def _make_resource(self, cls: Any, name: str) -> object:  # noqa: ARG002  # the twin needs it
        return cls(Caller(self._transport))

    @explains_keywords
    def with_options(
        self,
        *,
        api_key: ApiKey | None = None,
        timeout: float | Timeout | None = None,
        max_retries: int | None = None,
        follow_redirects: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Give a cheap copy with other settings that shares the connections; closing one closes both.

        Args:
            api_key: Another key.
            timeout: Another timeout.
            max_retries: Another number of repeats.
            follow_redirects: Whether redirects within the API's origin are followed.
            headers: Sent besides, or instead of, the client's own.

        Raises:
            ArgumentError: A setting cannot be right.
        """
        settings = self._transport.settings
        changes: dict[str, Any] = {}
        if api_key is not None:
            changes["key"] = find_api_key(api_key)
        if timeout is not None:
            changes["timeout"] = as_timeout(timeout)
        if max_retries is not None:
            changes["max_retries"] = as_max_retries(max_retries)
        if follow_redirects is not None:
            changes["follow_redirects"] = follow_redirects
        if headers is not None:
            changes["headers"] = merge_headers(settings.headers, _checked_headers(headers))
        copy = object.__new__(type(self))
        copy._use(self._transport.with_settings(attrs.evolve(settings, **changes)))  # its own class
        return copy

    @explains_keywords
    async def lipsync(
        self,
        video: Medium,
        audio: Medium | None = None,
        *,
        text: str | None = None,
        voice_id: str | None = None,
        model: Model = "lipsync-2",
        options: GenerationOptions | Mapping[str, Any] | None = None,
        output: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        output_file_name: str | None = None,
        project_id: str | None = None,
        timeout: float | None = None,
        on_update: OnUpdate[Generation] | None = None,
        on_upload: OnProgress | None = None,
        on_download: OnProgress | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> Generation:
        """Make a video say something, from here to here: upload, start, wait, and fetch the result.

        Args:
            video: A video or a picture of a face: a path, a URL, bytes, an open file, an asset, or an input
                such as `Video(url=…)`.
            audio: The voice, in any of these forms.
            text: What is said, instead of `audio`.
            voice_id: Who says the text.
            model: The model's name.
            options: How the generation is made.
            output: The file to write the result to, or a folder that is there. Without it nothing is fetched.
            overwrite: Replace a file that is there.
            output_file_name: Base name of the output without extension: letters, digits, `_` and `-`.
            project_id: The project to file it under.
            timeout: Seconds to wait for the generation's end, None for no limit. It goes on in any case.
            on_update: Called with the generation when it is first seen and whenever it has changed.
            on_upload: Called with the bytes of a large file that are sent, and those that there are in all.
            on_download: Called with the bytes of the result that are here, and those that there are in all.
            request_options: What the create call does otherwise than its client.

        Returns:
            The generation as it ended.

        Raises:
            ArgumentError: Something cannot be right, with the destination too; nothing was sent.
            GenerationFailedError: The generation failed or was rejected; the error has it.
            WaitTimeoutError: Time ran out; wait for its `id` again, and fetch it with `generations.download`.
            DownloadError: The result did not arrive whole; `generations.download` with the error's
                `generation_id` goes on. It is paid for already.
            SyncError: As for `generations.create_with_files`; a note tells the id of what was started.

        Example:
            await client.lipsync("face.mp4", "speech.wav", output="talking.mp4")
        """
        with imports.under_way():
            from sync_async._arguments import checked_timeout
            from sync_async._generation_body import GenerationArguments
            from sync_async._lipsync import sort
            from sync_async.resources._starting import naming, start_generation
            from sync_async.transfer.partial_file import destination

        if output is not None:
            destination(output, None, overwrite=overwrite, argument="output")  # before anything is paid for
        timeout, call = checked_timeout(timeout), as_request_options(request_options)
        ingredients = await sort(video, audio, text, voice_id)
        arguments = GenerationArguments(
            model=model,
            input=ingredients.inputs or None,
            options=options,
            output_file_name=output_file_name,
            project_id=project_id,
        )
        job = await start_generation(Caller(self._transport), arguments, ingredients.files, call, on_upload)
        with naming(job):
            done = await self.generations.wait(job.id, timeout=timeout, on_update=on_update)
        if output is not None:
            await self.generations.download(done, output, overwrite=overwrite, on_progress=on_download)
        return done

    @explains_keywords
    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        request_options: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None = None,
    ) -> RawResponse[Any]:
        """Call an endpoint that has no method here.

        GET, HEAD, OPTIONS, PUT and DELETE are repeated like other safe requests. Others are repeated after a
        lost answer only with an `idempotency_key` in `request_options`; give one only where the endpoint
        honours it. `POST /v2/generate` always gets one.

        Args:
            method: The HTTP method.
            path: The path below the base URL, such as `/v2/voices`, percent-encoded where it needs to be.
            query: Query parameters; None ones are left out, lists are joined with commas.
            json: A JSON object to send.
            request_options: What this call does otherwise than its client.

        Returns:
            The answer; `data` is the JSON value, the text, or None when it is empty.

        Raises:
            ArgumentError: The path does not start with one slash, or is a URL.
            ApiError: The server answered with an error.

        Example:
            answer = await client.request("GET", "/v2/voices")
            print(answer.data)
        """
        options = as_request_options(request_options)
        request = make_request(_endpoint(method, path, options), options, query=query, json_body=json)
        response = await self._transport.send(request)
        return RawResponse(
            status_code=response.status,
            headers=plain_headers(response.headers),
            data=any_value(response),
            idempotency_key=request.idempotency_key,
        )

    async def close(self) -> None:
        """Close the connections; closing twice is fine. A session of yours stays open."""
        await self._transport.pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._transport.settings.base_url!r})"

    def __reduce__(self) -> Any:
        msg = f"{type(self).__name__} is not pickled: it has connections and a key; make one per process"
        raise TypeError(msg)


def _endpoint(method: str, path: str, options: RequestOptions) -> Endpoint[Any]:
    if not isinstance(method, str) or not method.isalpha():
        raise ArgumentError("method", f"{method!r} is not an HTTP method such as 'GET'")
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise ArgumentError("path", f"{path!r} is not a path below the base URL, such as '/v2/voices'")
    if any(character.isspace() or not character.isprintable() for character in path):
        raise ArgumentError("path", f"{path!r} holds a blank or a control character; percent-encode it")
    if method.upper() in SAFE_METHODS:
        return Endpoint(method.upper(), path, Repeat.SAFE, answer=Answer.ANY)
    is_create = (method.upper(), path) == ("POST", CREATE_PATH)  # never sent without a key, by whatever way
    repeat = Repeat.KEYED if is_create or options.idempotency_key is not None else Repeat.NEVER
    return Endpoint(method.upper(), path, repeat, answer=Answer.ANY)


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    checked = checked_headers("headers", headers)
    if any(name.lower() == "x-api-key" for name in checked):
        raise ArgumentError("headers", "the key does not belong among them; pass api_key")
    return checked


def _checked_session(session: Any) -> aiohttp.ClientSession | None:
    if session is None:
        return None
    known = sys.modules.get("aiohttp")  # who has a session has imported it
    if known is None or not isinstance(session, known.ClientSession):
        raise ArgumentError("session", f"{type(session).__name__} is not an aiohttp.ClientSession")
    return cast("aiohttp.ClientSession", session)


def _checked_connections(value: int | None) -> int:
    if value is None:
        return default_max_connections()
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError("max_connections", f"{value!r} is not a whole number from 1")
    return value
