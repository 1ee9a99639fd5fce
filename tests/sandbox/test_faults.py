"""What goes wrong on order."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import Api


@pytest.mark.parametrize(("kind", "made"), [("reset", 0), ("lost", 1), ("cut", 1), ("length", 1), ("stall", 1)])
async def test_a_broken_connection_happens_once_and_is_logged(api: Api, kind: str, made: int) -> None:
    """Only a reset comes before the request is read and carried out."""
    fault = {"kind": kind, "method": "POST", "path": "/v2/generate", "seconds": 0.01}
    assert (await api("POST", "/_sandbox/faults", json=fault)).status == 201
    with pytest.raises(aiohttp.ClientError):
        await api.create()
    assert len(api.sandbox.generations) == made
    assert (api.sandbox.requests[-1].fault, api.sandbox.requests[-1].body_bytes > 0) == (kind, kind != "reset")
    assert (await api.create()).status == 201
    assert (await api("GET", "/_sandbox/faults")).json[0]["hits"] == 1


async def test_a_reset_is_a_reset(api: Api) -> None:
    """The client sees it as such, and not as an orderly end."""
    api.sandbox.faults.add("reset")
    host, port = api.sandbox.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_connection_may_be_closed_behind_a_whole_answer(api: Api) -> None:
    """The answer does not say so, and the next request needs a new connection."""
    api.sandbox.faults.add("close")
    host, port = api.sandbox.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer.endswith(b'{"status": "ok"}')
    assert b"close" not in answer


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [("html", 502, b"<html>"), ("empty", 200, b""), ("drip", 200, b'[{"id"'), ("close", 200, b'[{"id"')],
)
async def test_an_answer_may_be_another_one(api: Api, kind: Any, status: int, body: bytes) -> None:
    """A gateway's page, nothing at all, or the right one piece by piece."""
    api.sandbox.faults.add(kind, seconds=0.02)
    answer = await api("GET", "/v2/models")
    assert (answer.status, answer.body[:6]) == (status, body)


async def test_an_answer_may_be_unreadable(api: Api) -> None:
    """Half of its JSON, or bytes that are not gzip although they are said to be."""
    api.sandbox.faults.add("truncated")
    with pytest.raises(json.JSONDecodeError):
        await api("GET", "/v2/models")
    api.sandbox.faults.add("gzip")
    with pytest.raises(aiohttp.ClientError):
        await api("GET", "/v2/models")


@pytest.mark.parametrize(
    ("settings", "status", "body"),
    [
        ({"status": 503, "body": {"a": 1}}, 503, b'{"a": 1}'),
        ({"status": 418, "body": "tea"}, 418, b"tea"),
        ({"status": 200, "body": b"\xff"}, 200, b"\xff"),
        ({}, 500, b""),
    ],
)
async def test_an_answer_may_be_of_choice(api: Api, settings: dict[str, Any], status: int, body: bytes) -> None:
    """Status, headers, and a body that is JSON, text, bytes or nothing."""
    api.sandbox.faults.add("answer", headers={"Retry-After": "9"}, **settings)
    answer = await api("GET", "/v2/models")
    assert (answer.status, answer.body, answer.headers["Retry-After"]) == (status, body, "9")


async def test_an_answer_may_be_an_error_of_the_catalogue(api: Api) -> None:
    """Its code is enough."""
    api.sandbox.faults.add("answer", code="account_on_hold", headers={"Retry-After": "1"})
    answer = await api("GET", "/v2/models")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (402, "account_on_hold", "1")


@pytest.mark.parametrize(
    ("kind", "made", "is_named"),
    [("uncertain", 1, True), ("uncertain_unnamed", 1, False), ("uncertain_undone", 0, False)],
)
async def test_the_outcome_of_a_create_may_be_unknown(api: Api, kind: Any, made: int, is_named: bool) -> None:
    """The generation may exist, with or without being named; a repeat of the key finds or makes it."""
    api.sandbox.faults.add(kind, method="POST")
    answer = await api.create(headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.code) == (503, "IDEMPOTENCY_OUTCOME_UNKNOWN")
    assert ("generationId" in answer.json) is is_named
    assert len(api.sandbox.generations) == made
    again = await api.create(headers={"Idempotency-Key": "k"})
    assert again.json["id"] == answer.json.get("generationId", again.json["id"])
    assert len(api.sandbox.generations) == 1


async def test_a_fault_meets_the_requests_that_it_names(api: Api) -> None:
    """Method, path, the number of requests before, and how often it happens."""
    api.sandbox.faults.add("answer", method="GET", path="/v2/(models|account)", skip=1, times=2, status=503)
    statuses = [(await api("GET", path)).status for path in ("/v2/errors", *["/v2/models", "/v2/account"] * 2)]
    assert statuses == [200, 200, 503, 503, 200]


async def test_faults_are_listed_and_cancelled(api: Api) -> None:
    """One by one or all together."""
    one = (await api("POST", "/_sandbox/faults", json={"kind": "html", "times": None})).json
    api.sandbox.faults.add("empty", times=None)
    assert (await api("GET", "/v2/models")).status == 502
    await api("DELETE", f"/_sandbox/faults/{one['id']}")
    assert (await api("GET", "/v2/models")).body == b""
    await api("DELETE", "/_sandbox/faults")
    assert (await api("GET", "/_sandbox/faults")).json == []
    assert (await api("GET", "/v2/models")).status == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "earthquake"},
        {},
        {"kind": "lost", "path": "("},
        {"kind": "lost", "color": 1},
        {"kind": "lost", "origin": "x"},
    ],
)
async def test_a_fault_that_there_is_not_is_refused(api: Api, fault: dict[str, Any]) -> None:
    """Over HTTP with 400, in Python with an exception."""
    assert (await api("POST", "/_sandbox/faults", json=fault)).status == 400
    with pytest.raises((TypeError, ValueError)):
        api.sandbox.faults.add(**{"kind": None, **fault})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["cut", "length", "gzip", "lost", "reset"])
async def test_downloads_are_spoilt_like_answers(api: Api, kind: Any) -> None:
    """The file is whole afterwards."""
    done = await api.made()
    whole = (await api("GET", done["outputUrl"])).body
    api.sandbox.faults.add(kind, origin="storage", times=None)  # aiohttp repeats a GET by itself
    assert (await api("GET", "/v2/models")).status == 200
    with pytest.raises(aiohttp.ClientError):
        await api("GET", done["outputUrl"])
    assert api.sandbox.storage_requests[-1].fault == kind
    api.sandbox.faults.clear()
    assert (await api("GET", done["outputUrl"])).body == whole


async def test_a_download_may_be_half_and_drip(api: Api) -> None:
    """A spoilt answer keeps its headers."""
    done = await api.made()
    whole = await api("GET", done["outputUrl"])
    api.sandbox.faults.add("truncated")
    half = await api("GET", done["outputUrl"])
    assert (half.body, half.headers["ETag"]) == (whole.body[: len(whole.body) // 2], whole.headers["ETag"])
    api.sandbox.faults.add("drip", seconds=0.05)
    part = await api("GET", done["outputUrl"], headers={"Range": "bytes=9-"})
    assert (part.status, part.body) == (206, whole.body[9:])


async def test_an_upload_may_be_lost(api: Api) -> None:
    """The bytes are there all the same."""
    place = await api.presign(b"bytes")
    api.sandbox.faults.add("lost", method="PUT", times=None)  # aiohttp repeats a PUT by itself
    with pytest.raises(aiohttp.ClientError):
        await api("PUT", place["uploadUrl"], data=b"bytes", headers={"Content-Type": "video/mp4"})
    assert (await api("GET", place["url"])).body == b"bytes"
