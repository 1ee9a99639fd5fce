"""What can go wrong on the way, on order.

A fault is tied to requests by method and path, happens a number of times, and either answers instead of the
sandbox or spoils its answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import attrs
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Kind = Literal[
    "reset", "lost", "cut", "stall", "drip", "truncated", "html", "length", "gzip", "empty", "answer"
]  # fmt: skip
"""
reset      the connection is closed before anything is done
lost       the request is carried out, then the connection is closed without an answer
cut        the request is carried out, then half of its answer is sent
stall      the request is carried out, then no answer comes for `seconds`
drip       the answer comes a byte at a time, over `seconds`
truncated  the answer is half of its JSON, with a length that fits
html       a gateway's page with status 502; nothing is done
length     the answer announces more bytes than it has
gzip       the answer says that it is gzip, and is none
empty      200 with nothing; nothing is done
answer     `status`, `body` and `headers`; nothing is done
"""


@attrs.define(kw_only=True)
class Fault:
    """One fault and when it happens."""

    kind: Kind
    method: str = "*"
    path: str = ".*"
    """Regular expression for the whole path."""
    times: int | None = 1
    """How often it happens; None for always."""
    skip: int = 0
    """Requests that pass before."""
    seconds: float = 30.0
    status: int = 500
    body: Any = None
    headers: dict[str, str] = attrs.field(factory=dict)

    def meets(self, request: web.Request) -> bool:
        """Tell whether this request is hit, and count it."""
        if self.method not in ("*", request.method) or not re.fullmatch(self.path, request.path):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            if not self.times:
                return False
            self.times -= 1
        return True


class Faults:
    """The faults that are to happen."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, kind: Kind, **settings: Any) -> Fault:
        """Order a fault; see `Fault` for the settings."""
        fault = Fault(kind=kind, **settings)
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Cancel all orders."""
        self._faults.clear()

    async def apply(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, as the first fault that meets it wants."""
        fault = next((fault for fault in self._faults if fault.meets(request)), None)
        if fault is None:
            return await handler(request)
        if fault.kind in INSTEAD:
            return INSTEAD[fault.kind](fault, request)
        answer = await handler(request)
        return await SPOILERS[fault.kind](fault, request, answer)


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _body(answer: web.StreamResponse) -> bytes:
    body = answer.body if isinstance(answer, web.Response) else b""
    return body if isinstance(body, bytes) else b""


def _answer(fault: Fault, _: web.Request) -> web.Response:
    if isinstance(fault.body, str):
        return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
    return web.json_response(fault.body, status=fault.status, headers=fault.headers)


def _html(*_: Any) -> web.Response:
    page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    return web.Response(status=502, text=page, content_type="text/html")


async def _lost(_: Fault, request: web.Request, __: web.StreamResponse) -> web.StreamResponse:
    return _drop(request)


async def _stall(fault: Fault, request: web.Request, _: web.StreamResponse) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds)
    return _drop(request)


async def _cut(_: Fault, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    body = _body(answer)
    cut = web.StreamResponse(status=answer.status, headers={"Content-Length": str(len(body))})
    cut.content_type = "application/json"
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    _drop(request)
    return cut


async def _drip(fault: Fault, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    body = _body(answer)
    drip = web.StreamResponse(status=answer.status, headers={"Content-Length": str(len(body))})
    drip.content_type = "application/json"
    await drip.prepare(request)
    for index in range(len(body)):
        await drip.write(body[index : index + 1])
        await asyncio.sleep(fault.seconds / len(body))
    return drip


async def _truncated(_: Fault, __: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    body = _body(answer)
    return web.Response(status=answer.status, body=body[: len(body) // 2], content_type="application/json")


async def _length(_: Fault, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    body = _body(answer)
    longer = web.StreamResponse(status=answer.status, headers={"Content-Length": str(len(body) + 100)})
    longer.content_type = "application/json"
    await longer.prepare(request)
    await longer.write(body)
    _drop(request)
    return longer


async def _gzip(_: Fault, __: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    return web.Response(
        status=answer.status,
        body=_body(answer),
        headers={"Content-Encoding": "gzip"},
        content_type="application/json",
    )


INSTEAD: dict[str, Callable[[Fault, web.Request], web.Response]] = {
    "reset": lambda _, request: _drop(request),
    "html": _html,
    "empty": lambda *_: web.Response(),
    "answer": _answer,
}
SPOILERS: dict[str, Callable[[Fault, web.Request, web.StreamResponse], Awaitable[web.StreamResponse]]] = {
    "lost": _lost,
    "cut": _cut,
    "stall": _stall,
    "drip": _drip,
    "truncated": _truncated,
    "length": _length,
    "gzip": _gzip,
}
