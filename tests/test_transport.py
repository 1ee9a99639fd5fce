"""Requests on real sockets, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
import inspect
import io
import logging
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web
from aioresponses import aioresponses

from sync_async import (
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    AsyncSync,
    Audio,
    BadRequestError,
    ClosedError,
    ConcurrencyLimitError,
    ConflictError,
    DecodeError,
    Generation,
    InternalServerError,
    RateLimitError,
    RequestOptions,
    SyncError,
    Timeout,
    Video,
)
from tests.conftest import GENERATION, Server


class Mocked(aiohttp.ClientResponse):
    """aioresponses 0.7 does not give the argument that aiohttp 3.14 began to ask for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
            kwargs.setdefault("stream_writer", Mock())
        super().__init__(*args, **kwargs)


INPUT = [Video(url="https://x/v.mp4"), Audio(url="https://x/a.wav")]


async def create(client: AsyncSync, **other: Any) -> Generation:
    return await client.generations.create(model="lipsync-2", input=INPUT, **other)


def keys(server: Server) -> set[str]:
    return {request.headers["Idempotency-Key"] for request in server.seen}


async def test_a_lost_answer_to_a_create_is_asked_for_again_with_the_same_key_and_bytes(
    server: Server, client: AsyncSync
) -> None:
    """The same video is not bought twice."""
    server.drop(times=2)
    server.answer(201, GENERATION)
    made = await create(client)
    assert made.id == GENERATION["id"]
    assert len(server.seen) == 3
    assert len(keys(server)) == 1
    assert len({request.body for request in server.seen}) == 1
    assert made.idempotency_key in keys(server)


async def test_max_retries_means_two_repeats_and_the_error_has_the_key(server: Server, client: AsyncSync) -> None:
    """After them the caller can go on with the same key."""
    server.drop()
    with pytest.raises(ApiConnectionError, match="idempotency_key=error.idempotency_key") as caught:
        await create(client)
    assert len(server.seen) == 3
    assert caught.value.attempts == 3
    assert caught.value.outcome_unknown
    assert {caught.value.idempotency_key} == keys(server)
    assert caught.value.__cause__ is not None
    server.answers[:] = []
    server.answer(200, {**GENERATION, "status": "COMPLETED"})
    again = await create(client, request_options=RequestOptions(idempotency_key=caught.value.idempotency_key))
    assert again.status == "COMPLETED"
    assert len(keys(server)) == 1


@pytest.mark.parametrize("max_retries", [0, 1, 5])
async def test_the_number_of_repeats_can_be_chosen_for_a_call(
    server: Server, client: AsyncSync, max_retries: int
) -> None:
    """0 sends once."""
    server.refuse(503)
    with pytest.raises(InternalServerError):
        await client.models.list(request_options={"max_retries": max_retries})
    assert len(server.seen) == max_retries + 1


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520])
async def test_passing_errors_of_a_read_are_repeated(server: Server, client: AsyncSync, status: int) -> None:
    """With waits that grow."""
    server.refuse(status, times=2)
    server.answer(200, [])
    assert await client.models.list() == []
    assert client.naps == [1.0, 2.0]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 418])
async def test_other_errors_are_not(server: Server, client: AsyncSync, status: int) -> None:
    """Asking again cannot help."""
    server.refuse(status)
    with pytest.raises(ApiError) as caught:
        await client.models.list()
    assert caught.value.status_code == status
    assert len(server.seen) == 1


async def test_a_batch_whose_answer_is_lost_is_not_sent_again(server: Server, client: AsyncSync) -> None:
    """It has no key, so a repeat could buy it twice; the error says to look first."""
    server.drop()
    lines = "\n".join(f'{{"request_id":"{n}","endpoint":"/v2/generate","payload":{{}}}}' for n in range(20))
    with pytest.raises(ApiConnectionError, match="look before you send it again") as caught:
        await client.batch.create(input=lines)
    assert len(server.seen) == 1
    assert caught.value.outcome_unknown
    server.answers[:] = []
    server.refuse(503)
    with pytest.raises(InternalServerError):
        await client.batch.create(input=lines)
    assert len(server.seen) == 2


async def test_a_refused_batch_and_a_dry_run_are_repeated(server: Server, client: AsyncSync) -> None:
    """A 429 started nothing, and a dry run starts nothing."""
    lines = "\n".join(f'{{"request_id":"{n}","endpoint":"/v2/generate","payload":{{}}}}' for n in range(20))
    server.refuse(429, "rate_limit_exceeded")
    server.answer(201, {"status": "VALIDATED"})
    await client.batch.create(input=lines)
    server.answers[:] = []
    server.drop()
    server.answer(200, {"status": "VALIDATED"})
    await client.batch.create(input=lines, dry_run=True)
    assert len(server.seen) == 4
    assert server.seen[2].body == server.seen[3].body


async def test_the_servers_wait_is_the_least(server: Server, client: AsyncSync) -> None:
    """In each of its forms; never undercut."""
    server.refuse(429, "rate_limit_exceeded", headers={"Retry-After": "7"})
    server.refuse(429, "rate_limit_exceeded", headers={"retry-after-ms": "8500"})
    server.answer(200, [])
    await client.models.list()
    assert client.naps == [7.0, 8.5]


async def test_a_wait_beyond_the_bound_is_an_error_with_the_hint(server: Server, client: AsyncSync) -> None:
    """The caller decides then."""
    server.refuse(429, "rate_limit_exceeded", headers={"Retry-After": "3600"})
    with pytest.raises(RateLimitError) as caught:
        await client.models.list()
    assert caught.value.retry_after == 3600
    assert len(server.seen) == 1


async def test_a_full_plan_is_waited_for_slowly_then_an_error_with_its_numbers(
    server: Server, client: AsyncSync
) -> None:
    """Without a deadline of the caller's the tries count like others."""
    server.refuse(429, "concurrency_limit_reached", activeGenerations=3, concurrencyLimit=3)
    with pytest.raises(ConcurrencyLimitError) as caught:
        await create(client)
    assert (caught.value.active_generations, caught.value.concurrency_limit) == (3, 3)
    assert len(server.seen) == 3
    assert all(nap >= 30 for nap in client.naps)
    assert len(keys(server)) == 1


async def test_a_full_plan_is_waited_for_until_the_callers_deadline(
    server: Server, client: AsyncSync, clock: Any
) -> None:
    """A timeout of the caller's bounds the wait for a slot, not the number of tries."""
    client._transport.sleep = clock.sleep
    server.refuse(429, "concurrency_limit_reached", retryAfterSeconds=30, times=5)
    server.answer(201, GENERATION)
    made = await create(client, request_options={"timeout_in_seconds": 600})
    assert made.id == GENERATION["id"]
    assert clock.sleeps == [33.0] * 5
    server.answers[:] = []
    server.refuse(429, "concurrency_limit_reached", retryAfterSeconds=30)
    with pytest.raises(ConcurrencyLimitError):
        await create(client, request_options={"timeout_in_seconds": 100})


async def test_an_unknown_outcome_with_its_generation_is_read(server: Server, client: AsyncSync) -> None:
    """The server says which generation the key made."""
    server.refuse(503, "IDEMPOTENCY_OUTCOME_UNKNOWN", generationId="g-7")
    server.answer(200, {**GENERATION, "id": "g-7"})
    made = await create(client)
    assert made.id == "g-7"
    assert [request.method for request in server.seen] == ["POST", "GET"]
    assert server.seen[1].path == "/v2/generate/g-7"
    assert {made.idempotency_key} == {server.seen[0].headers["Idempotency-Key"]}


async def test_an_unknown_outcome_without_a_generation_is_asked_again(server: Server, client: AsyncSync) -> None:
    """With the same key, within the repeats."""
    server.refuse(503, "IDEMPOTENCY_OUTCOME_UNKNOWN")
    server.refuse(409, "IDEMPOTENCY_REQUEST_IN_PROGRESS", headers={"Retry-After": "4"})
    server.answer(200, GENERATION)
    await create(client)
    assert len(server.seen) == 3
    assert len(keys(server)) == 1
    assert client.naps == [1.0, 4.0]


async def test_a_key_used_for_something_else_is_a_conflict(server: Server, client: AsyncSync) -> None:
    """The generation in the answer is the other request's: it is told, not returned."""
    server.refuse(409, "IDEMPOTENCY_PAYLOAD_MISMATCH", generationId="g-other")
    with pytest.raises(ConflictError) as caught:
        await create(client, request_options={"idempotency_key": "mine"})
    assert caught.value.generation_id == "g-other"
    assert caught.value.idempotency_key == "mine"
    assert len(server.seen) == 1


async def test_a_connection_that_cannot_be_made_is_tried_again_for_any_request() -> None:
    """Nothing can have reached the server."""
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    async with AsyncSync(api_key="k", base_url="http://127.0.0.1:9", max_retries=3) as client:
        client._transport.sleep = nap
        with pytest.raises(ApiConnectionError, match=r"no connection to 127\.0\.0\.1:9") as caught:
            await client.request("POST", "/v2/anything", json={})
    assert len(naps) == 3
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("timeout", [0.2, Timeout(read=0.2)])
async def test_a_stalled_answer_ends_in_a_timeout_error(server: Server, client: AsyncSync, timeout: Any) -> None:
    """Never a hang past the timeout."""

    async def stall(_: web.Request) -> web.Response:
        await asyncio.sleep(20)
        return web.Response()

    server.answers.append(stall)
    with pytest.raises(ApiTimeoutError) as caught:
        await client.with_options(timeout=timeout, max_retries=0).models.list()
    assert isinstance(caught.value, TimeoutError)


@pytest.mark.parametrize("timeout", [0.3, Timeout(read=0.3)])
async def test_an_answer_that_drips_ends_in_a_timeout_error(
    server: Server, client: AsyncSync, timeout: Any
) -> None:
    """Each byte keeps the socket busy; the clock of the whole answer runs on."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(200):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    server.answers.append(drip)
    with pytest.raises(ApiTimeoutError):
        await client.with_options(timeout=timeout, max_retries=0).models.list()


async def test_queueing_for_a_connection_is_no_network_time(server: Server) -> None:
    """With one connection and a slow server, all three calls succeed within their own timeouts."""

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.json_response([])

    server.answers.append(slow)
    async with AsyncSync(
        api_key="k", base_url=server.url, timeout=0.5, max_retries=0, max_connections=1
    ) as client:
        assert await asyncio.gather(*(client.models.list() for _ in range(3))) == [[], [], []]


async def test_a_call_that_waits_between_attempts_holds_no_connection(server: Server) -> None:
    """Others go on meanwhile."""
    server.refuse(503)
    server.answer(200, [])
    asleep = asyncio.Event()
    go_on = asyncio.Event()

    async def nap(_: float) -> None:
        asleep.set()
        await go_on.wait()

    async with AsyncSync(api_key="k", base_url=server.url, max_connections=1) as client:
        client._transport.sleep = nap
        waiting = asyncio.create_task(client.models.list())
        await asleep.wait()
        assert await client.models.list() == []
        go_on.set()
        assert await waiting == []


@pytest.mark.parametrize(
    ("body", "headers", "problem"),
    [
        (b"", {}, "it is empty"),
        (b"<html>login</html>", {"Content-Type": "text/html"}, "HTML page"),
        (b'{"id": "a", "sta', {"Content-Type": "application/json"}, "no JSON"),
        (b'{"id": "a"}', {"Content-Type": "application/json"}, "status: is missing"),
        (b"[1]", {"Content-Type": "application/json"}, r"\$: a list is not an object"),
        (b"null", {"Content-Type": "application/json"}, "None is not an object"),
        (b"\xff\xfe\x00", {"Content-Type": "application/json"}, "no JSON"),
        (b"[" * 100_000, {"Content-Type": "application/json"}, "no JSON"),
    ],
)
async def test_an_answer_that_is_no_generation_is_a_decode_error(
    server: Server, client: AsyncSync, body: bytes, headers: dict[str, str], problem: str
) -> None:
    """It carries status, headers and the beginning of the text, and the key that lets the caller ask again."""
    server.answer(201, body=body, **headers)
    with pytest.raises(DecodeError, match=problem) as caught:
        await create(client)
    assert caught.value.status_code == 201
    assert caught.value.idempotency_key in keys(server)
    assert len(caught.value.body) <= 4096


@pytest.mark.parametrize(
    "body", [b"", b"<html>bad gateway</html>", b"[]", b"3", b'{"message": {"a": 1}, "errorCode": 4}', b"\xff"]
)
async def test_an_error_of_any_form_is_an_api_error(server: Server, client: AsyncSync, body: bytes) -> None:
    """Proxies answer, too."""
    server.answer(400, body=body, **{"Content-Type": "application/json"})
    with pytest.raises(BadRequestError) as caught:
        await client.models.list()
    assert caught.value.status_code == 400
    assert caught.value.error_code is None


async def test_a_broken_answer_to_a_read_is_asked_for_again(server: Server, client: AsyncSync) -> None:
    """Cut off in the middle, or in a gzip that is none."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"id": ')
        assert request.transport is not None
        request.transport.close()
        return response

    server.answers.append(cut)
    server.answer(200, body=b"no gzip at all", **{"Content-Encoding": "gzip"})
    server.answer(200, [])
    assert await client.models.list() == []
    assert len(server.seen) == 3


async def test_a_dropped_keep_alive_connection_is_a_counted_attempt(server: Server, client: AsyncSync) -> None:
    """aiohttp's own hidden repeat is off: what the server sees is what we count."""
    server.answer(200, [])
    server.drop()
    await client.models.list()
    with pytest.raises(ApiConnectionError):
        await client.models.list(request_options={"max_retries": 0})
    assert len(server.seen) == 2
    server.seen.clear()
    with pytest.raises(ApiConnectionError):
        await client.models.list()
    assert len(server.seen) == 3


async def test_a_session_of_the_callers_is_used_counted_and_never_closed(server: Server) -> None:
    """Also with it, aiohttp's hidden repeat does not add requests."""
    server.answer(200, [])
    server.drop()
    async with aiohttp.ClientSession(headers={"X-Mine": "1"}) as session:
        async with AsyncSync(api_key="k", base_url=server.url, session=session, max_retries=0) as client:
            assert await client.models.list() == []
            with pytest.raises(ApiConnectionError):
                await client.models.list()
        assert not session.closed
        assert len(server.seen) == 2
        assert server.seen[0].headers["X-Mine"] == "1"
    client = AsyncSync(api_key="k", base_url=server.url, session=session)
    with pytest.raises(ClosedError):
        await client.models.list()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_key_never_follows_a_redirect_to_another_origin(
    server: Server, client: AsyncSync, status: int
) -> None:
    """Neither the key nor the body."""
    async with AsyncSync(api_key="k", base_url=server.url.replace("127.0.0.1", "localhost")) as elsewhere:
        server.answer(status, {}, Location=server.url + "/v2/stolen")
        with pytest.raises(ApiError) as caught:
            await create(elsewhere)
    assert caught.value.status_code == status
    assert len(server.seen) == 1


async def test_redirects_within_the_origin_are_followed_for_reads(server: Server, client: AsyncSync) -> None:
    """A loop of them ends."""
    server.answer(302, {}, Location="/v2/models?moved=1")
    server.answer(200, [])
    assert await client.models.list() == []
    assert server.seen[1].raw_path == "/v2/models?moved=1"
    server.answers[:] = []
    server.answer(302, {}, Location="/v2/models")
    with pytest.raises(ApiError):
        await client.models.list()
    with pytest.raises(ApiError):
        await client.with_options(follow_redirects=False).models.list()


async def test_a_redirected_create_keeps_method_key_and_body_or_is_not_followed(
    server: Server, client: AsyncSync
) -> None:
    """307 and 308 keep them; the others would turn it into a read."""
    server.answer(307, {}, Location="/v2/generate?moved=1")
    server.answer(201, GENERATION)
    await create(client)
    assert server.seen[0].body == server.seen[1].body
    assert len(keys(server)) == 1
    server.answers[:] = []
    server.answer(302, {}, Location="/v2/generate")
    with pytest.raises(ApiError):
        await create(client)


async def test_cookies_are_not_kept(server: Server, client: AsyncSync) -> None:
    """The API uses none, so nothing may be carried from call to call."""
    server.answer(200, [], **{"Set-Cookie": "a=b"})
    await client.models.list()
    await client.models.list()
    assert "Cookie" not in server.seen[1].headers


async def test_a_file_is_sent_again_from_where_it_stood(server: Server, client: AsyncSync) -> None:
    """The bodies of all attempts are equal, and the file stays open."""
    file = io.BytesIO(b"junk" + b"\0\0\0\x18ftypmp42" + b"v" * 600_000)
    file.seek(4)
    server.refuse(503)
    server.drop()
    server.answer(201, GENERATION)
    await client.generations.create_with_files(model="lipsync-2", video=file, audio=("a.wav", b"sound"))
    first, second, third = (request.body for request in server.seen)
    assert first == second == third
    assert b"junk" not in first
    assert not file.closed
    assert int(server.seen[0].headers["Content-Length"]) == len(first)


async def test_a_stream_that_cannot_be_rewound_is_sent_once(server: Server, client: AsyncSync) -> None:
    """In chunks, since nobody knows its length; a refusal is then the caller's to handle."""

    class Pipe(io.RawIOBase):
        left = [b"one", b"two"]  # noqa: RUF012

        def read(self, _: int = -1) -> bytes:
            return self.left.pop(0) if self.left else b""

    server.refuse(503)
    with pytest.raises(InternalServerError):
        await client.generations.create_with_files(
            model="lipsync-2", video=("v.mp4", Pipe()), audio=("a.wav", b"sound")
        )
    assert len(server.seen) == 1
    assert b"onetwo" in server.seen[0].body
    assert server.seen[0].headers["Transfer-Encoding"] == "chunked"


async def test_a_file_that_fails_while_it_is_sent_says_so(
    server: Server, client: AsyncSync, tmp_path: Any
) -> None:
    """The file's error is raised, not one of the connection's."""
    path = tmp_path / "v.mp4"
    path.write_bytes(b"x" * 1_000_000)
    server.answer(201, GENERATION)
    naps: list[float] = []
    server.refuse(503)
    server.answers.reverse()

    async def shrink(_: float) -> None:
        naps.append(0)
        path.write_bytes(b"x")

    client._transport.sleep = shrink
    from sync_async import ArgumentError

    with pytest.raises(ArgumentError, match="video: the file became shorter"):
        await client.generations.create_with_files(model="lipsync-2", video=path, audio=("a.wav", b"sound"))
    assert len(naps) == 1


async def test_the_key_is_asked_for_before_each_request(server: Server) -> None:
    """A callable may change it; it is in no log record and no error."""
    given = iter(["sk-one", "sk-two", ""])
    server.answer(200, [])
    async with AsyncSync(api_key=lambda: next(given), base_url=server.url) as client:
        await client.models.list()
        await client.models.list()
        with pytest.raises(SyncError, match="api_key"):
            await client.models.list()
    assert [request.headers["x-api-key"] for request in server.seen] == ["sk-one", "sk-two"]


async def test_logs_and_errors_hold_no_key(
    server: Server, client: AsyncSync, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor the query of a URL."""
    caplog.set_level(logging.DEBUG)
    server.refuse(500)
    with pytest.raises(InternalServerError) as caught:
        await client.assets.list(search_query="private")
    text = caplog.text + str(caught.value) + repr(caught.value) + repr(vars(caught.value))
    assert "GET /v2/assets" in text
    assert "sk-test" not in text
    assert "private" not in text


async def test_an_answer_that_is_not_http_is_not_quoted(server: Server, client: AsyncSync) -> None:
    """It may hold a signed link."""

    async def garble(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"https://host/file?sig=secret\r\n\r\n")  # type: ignore[attr-defined]
        return web.Response()

    server.answers.append(garble)
    with pytest.raises(ApiConnectionError, match="the answer is not HTTP") as caught:
        await client.models.list()
    assert "secret" not in str(caught.value)


async def test_client_headers_are_sent_and_may_replace_ours(server: Server) -> None:
    """In whatever case; a call's own win over the client's."""
    server.answer(200, [])
    async with AsyncSync(api_key="k", base_url=server.url, headers={"user-agent": "mine/1", "X-A": "1"}) as client:
        await client.models.list(request_options={"additional_headers": {"x-a": "2", "X-B": 3}})
    sent = server.seen[0].headers
    assert (sent["user-agent"], sent["x-a"], sent["X-B"]) == ("mine/1", "2", "3")
    assert len(sent.getall("User-Agent")) == len(sent.getall("X-A")) == 1


async def test_a_closed_client_says_so(server: Server, client: AsyncSync) -> None:
    """Closing twice is fine; its copies are closed with it."""
    copy = client.with_options(max_retries=0)
    server.answer(200, [])
    await copy.models.list()
    await client.close()
    await client.close()
    with pytest.raises(ClosedError, match="make a new one"):
        await client.models.list()
    with pytest.raises(ClosedError):
        await copy.models.list()


def test_a_client_on_a_second_loop_says_so() -> None:
    """Rather than hang on sockets of a loop that has ended."""
    client = AsyncSync(api_key="k", base_url="http://127.0.0.1:9", max_retries=0)

    async def use() -> None:
        with pytest.raises(ApiConnectionError):
            await client.models.list()

    asyncio.run(use())
    with pytest.raises(SyncError, match="another event loop"):
        asyncio.run(client.models.list())
    client._transport.pool.forget()  # its loop is gone, so nobody can close it politely


async def test_requests_go_through_a_mocked_aiohttp(client: AsyncSync) -> None:
    """Users' tests may use aioresponses: each attempt is one call of the session."""
    with aioresponses() as mocked:
        url = client._transport.settings.base_url + "/v2/models"
        mocked.get(url, status=500, response_class=Mocked)
        mocked.get(url, exception=aiohttp.ServerDisconnectedError())
        models = [{"id": "m", "name": "lipsync-2", "type": "lipsync", "version": "2"}]
        mocked.get(url, payload=models, response_class=Mocked)
        listed = await client.models.list()
    assert [model.name for model in listed] == ["lipsync-2"]
    assert client.naps == [1.0, 2.0]


async def test_many_requests_at_once_share_the_connections(server: Server, client: AsyncSync) -> None:
    """Five hundred calls, each with its own answer."""

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"id": request.path.rpartition("/")[2], "status": "PENDING"})

    server.answers.append(echo)
    made = await asyncio.gather(*(client.generations.get(f"g-{n}") for n in range(500)))
    assert [generation.id for generation in made] == [f"g-{n}" for n in range(500)]
