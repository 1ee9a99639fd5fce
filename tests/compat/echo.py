"""A server that writes down what it is asked and answers what is expected.

Standard library only, so that it runs beside any SDK.
"""

from __future__ import annotations

import json
import re
import threading
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

GENERATION = {
    "id": "g",
    "createdAt": "2026-11-22T10:00:00Z",
    "status": "PENDING",
    "model": "lipsync-2",
    "input": [],
}
METRICS = {"total_generations": 1, "success_count": 0, "failed_count": 0, "pending_count": 1}
BATCH = {"id": "b", "created_at": "2026-11-22T10:00:00Z", "status": "PENDING", "metrics": METRICS, "outputUrl": ""}
ASSET = {
    "id": "a",
    "createdAt": "2026-11-22T10:00:00Z",
    "updatedAt": "2026-11-22T10:00:00Z",
    "type": "VIDEO",
    "visibility": "USER",
}
ANSWERS: list[tuple[str, Any]] = [
    ("GET /v2/generations", [GENERATION]),
    ("GET /v2/models", []),
    ("GET /v2/batch", [BATCH]),
    ("POST /v2/batch", BATCH),
    ("GET /v2/batch/.*", BATCH),
    ("GET /v2/assets", {"items": [ASSET]}),
    ("GET /v2/assets/.*", ASSET),
    ("POST /v2/analyze/cost", [{"estimatedFrameCount": 1, "estimatedGenerationCost": 0.1}]),
    (".*", GENERATION),
]


class Echo:
    """The server, and what it was asked last."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        echo = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                echo.seen.append(described(self.command, self.path, dict(self.headers.items()), body))
                asked = f"{self.command} {urlsplit(self.path).path}"
                answer = json.dumps(next(a for pattern, a in ANSWERS if re.fullmatch(pattern, asked))).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = respond  # noqa: N815  # the standard library's own names

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


OF_INTEREST = (
    "Accept",
    "Content-Type",
    "Idempotency-Key",
    "User-Agent",
    "X-Api-Key",
    "X-Trace",
    "X-Fern-Language",
)


def described(method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Describe a request so that two SDKs can be compared."""
    named = {name.title(): value for name, value in headers.items()}
    kind = named.get("Content-Type", "")
    request: dict[str, Any] = {
        "method": method,
        "path": urlsplit(target).path,
        "query": parse_qsl(urlsplit(target).query),
        "headers": {name: _stable(name, named[name]) for name in OF_INTEREST if name in named},
    }
    if kind.startswith("multipart/"):
        request["form"] = _form(kind, body)
    elif body:
        request["json"] = json.loads(body)
    return request


def _stable(name: str, value: str) -> str:
    if name == "Idempotency-Key":
        return "<a new key>"
    if name == "User-Agent":
        return value.partition("/")[0]
    return value.partition(";")[0]


def _form(kind: str, body: bytes) -> list[dict[str, Any]]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    parts = []
    for part in message.iter_parts():
        raw = part.get_payload(decode=True)
        parts.append(
            {
                "name": part.get_param("name", header="content-disposition"),
                "file": part.get_filename(),
                "type": part["Content-Type"],
                "content": raw.decode("utf-8", "replace") if isinstance(raw, bytes) else "",
            }
        )
    return sorted(parts, key=lambda part: str(part["name"]))
