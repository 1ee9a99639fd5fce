"""How a fault is carried out: instead of the sandbox's answer, or upon it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from sync_async.sandbox.faults import INSTEAD, Fault, Handler
from sync_async.sandbox.refusal import Refusal

NO_LINGER = struct.pack("ii", 1, 0)
"""Closing a socket with this resets the connection instead of ending it."""
EXCESS = 100
"""Bytes that `length` announces and does not send."""
PIECES = 100
"""Pieces of an answer that drips."""
wants_whole: ContextVar[bool] = ContextVar("wants_whole", default=False)
"""Whether the answer to the present request will be spoilt, so that it has to be in memory and unsent."""


async def answer_with(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request as a fault wants."""
    if fault.kind in INSTEAD:
        return _instead(fault, request)
    token = wants_whole.set(True)
    try:
        answer = await handler(request)
    finally:
        wants_whole.reset(token)
    return await SPOILERS[fault.kind](fault, request, answer)


def _instead(fault: Fault, request: web.Request) -> web.StreamResponse:
    match fault.kind:
        case "reset":
            return _drop(request, reset=True)
        case "html":
            page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
            return web.Response(status=502, text=page, content_type="text/html")
        case "empty":
            return web.Response()
        case "uncertain_undone":
            return Refusal("IDEMPOTENCY_OUTCOME_UNKNOWN").response()
        case _:
            return _ordered(fault)


def _ordered(fault: Fault) -> web.Response:
    if fault.body is None and fault.code is not None:
        answer = Refusal(fault.code, status=fault.status).response()
        answer.headers.update(fault.headers)
        return answer
    status = fault.status or 500
    if fault.body is None:
        return web.Response(status=status, headers=fault.headers)
    if isinstance(fault.body, str):
        return web.Response(status=status, text=fault.body, headers=fault.headers)
    if isinstance(fault.body, bytes):
        return web.Response(status=status, body=fault.body, headers=fault.headers)
    return web.json_response(fault.body, status=status, headers=fault.headers)


def _drop(request: web.Request, *, reset: bool = False) -> web.Response:
    """Close the connection; the response that is returned has nowhere to go."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if reset and connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        transport.abort()
    return web.Response()


def _body(answer: web.StreamResponse) -> bytes:
    body = answer.body if isinstance(answer, web.Response) else b""
    return body if isinstance(body, bytes) else b""


def _headers(answer: web.StreamResponse) -> CIMultiDict[str]:
    headers = CIMultiDict(answer.headers)
    headers.popall("Content-Length", None)
    return headers


async def _stream(request: web.Request, answer: web.StreamResponse, length: int) -> web.StreamResponse:
    """Send the head of an answer, with a length of choice."""
    stream = web.StreamResponse(status=answer.status, headers=_headers(answer))
    stream.content_length = length
    await stream.prepare(request)
    return stream


async def _lost(_: Fault, request: web.Request, __: web.StreamResponse) -> web.StreamResponse:
    return _drop(request)


async def _stall(fault: Fault, request: web.Request, _: web.StreamResponse) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds)
    return _drop(request)


async def _cut(_: Fault, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    body = _body(answer)
    stream = await _stream(request, answer, len(body))
    await stream.write(body[: len(body) // 2])
    await asyncio.sleep(0)  # the half leaves before the connection does
    _close(request)
    return stream


async def _length(_: Fault, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    body = _body(answer)
    stream = await _stream(request, answer, len(body) + EXCESS)
    await stream.write(body)
    _close(request)
    return stream


async def _shut(_: Fault, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    await answer.prepare(request)
    await answer.write_eof()
    _close(request)
    return answer


def _close(request: web.Request) -> None:
    """Close the connection behind what was written."""
    if request.transport is not None:
        request.transport.close()


async def _drip(fault: Fault, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    body = _body(answer)
    stream = await _stream(request, answer, len(body))
    size = max(1, -(-len(body) // PIECES))
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    for piece in pieces:
        await stream.write(piece)
        await asyncio.sleep(fault.seconds / len(pieces))
    return stream


async def _truncated(_: Fault, __: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    body = _body(answer)
    return web.Response(status=answer.status, body=body[: len(body) // 2], headers=_headers(answer))


async def _gzip(_: Fault, __: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    headers = _headers(answer)
    headers["Content-Encoding"] = "gzip"
    return web.Response(status=answer.status, body=_body(answer), headers=headers)


async def _uncertain(_: Fault, __: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    return Refusal("IDEMPOTENCY_OUTCOME_UNKNOWN", generationId=_id_of(answer)).response()


async def _unnamed(_: Fault, __: web.Request, ___: web.StreamResponse) -> web.StreamResponse:
    return Refusal("IDEMPOTENCY_OUTCOME_UNKNOWN").response()


def _id_of(answer: web.StreamResponse) -> str | None:
    body: Any = json.loads(_body(answer) or b"null") if answer.content_type == "application/json" else None
    return body.get("id") if isinstance(body, dict) else None


SPOILERS: dict[str, Callable[[Fault, web.Request, web.StreamResponse], Awaitable[web.StreamResponse]]] = {
    "lost": _lost,
    "cut": _cut,
    "close": _shut,
    "stall": _stall,
    "drip": _drip,
    "truncated": _truncated,
    "length": _length,
    "gzip": _gzip,
    "uncertain": _uncertain,
    "uncertain_unnamed": _unnamed,
}
