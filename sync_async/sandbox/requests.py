"""What reached the API, for tests to look at."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

import attrs
from aiohttp import web

KEPT = 10_000
SECRET_HEADERS = frozenset({"x-api-key", "authorization", "cookie"})


@attrs.frozen
class SeenRequest:
    """One request; the key is not kept."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def to_wire(self) -> dict[str, Any]:
        """Write it as JSON, the body as its hash."""
        digest = hashlib.sha256(self.body).hexdigest()
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "bodyBytes": len(self.body),
            "bodySha256": digest,
        }


class RequestLog:
    """The last requests, oldest first."""

    def __init__(self) -> None:
        self.seen: deque[SeenRequest] = deque(maxlen=KEPT)

    async def note(self, request: web.Request) -> None:
        """Keep a request; the body of a form is kept by its files, not here."""
        body = b"" if request.content_type == "multipart/form-data" else await request.read()
        headers = {
            name: "…" if name.lower() in SECRET_HEADERS else value for name, value in request.headers.items()
        }
        self.seen.append(SeenRequest(request.method, request.path, request.query_string, headers, body))
