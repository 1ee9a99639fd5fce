"""What reached the sandbox, for tests to look at."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

import attrs
from aiohttp import web

KEPT = 10_000
KEPT_BODY = 1024**2
"""Bytes of a body that are kept; its length and digest are those of the whole."""
SECRET_HEADERS = frozenset({"x-api-key", "authorization", "cookie"})


@attrs.define
class SeenRequest:
    """One request; the key is not kept."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    """What was read of the body, at most 1 MiB."""
    body_bytes: int = 0
    fault: str | None = None
    """The fault that met it."""
    _digest: Any = attrs.field(factory=hashlib.sha256, init=False, repr=False, eq=False)

    def add(self, data: bytes) -> None:
        """Note a piece of the body."""
        self._digest.update(data)
        self.body_bytes += len(data)
        if len(self.body) < KEPT_BODY:
            self.body += data[: KEPT_BODY - len(self.body)]

    @property
    def body_sha256(self) -> str:
        """The digest of the whole body as it was sent, in hexadecimal."""
        digest: str = self._digest.hexdigest()
        return digest

    def to_wire(self) -> dict[str, Any]:
        """Write it as JSON, the body as its hash."""
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "bodyBytes": self.body_bytes,
            "bodySha256": self.body_sha256,
            "fault": self.fault,
        }


class RequestLog:
    """The last requests, oldest first."""

    def __init__(self) -> None:
        self.seen: deque[SeenRequest] = deque(maxlen=KEPT)

    def note(self, request: web.Request) -> SeenRequest:
        """Keep a request; its body is noted by whoever reads it."""
        headers = {
            name: "…" if name.lower() in SECRET_HEADERS else value for name, value in request.headers.items()
        }
        seen = SeenRequest(request.method, request.path, request.query_string, headers)
        self.seen.append(seen)
        return seen
