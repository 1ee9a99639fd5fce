"""A server in its own process whose answers are made beforehand, so that the client is what is measured.

`python server.py [SECONDS [CERTIFICATE]]` prints its port, and answers each request that many seconds later, or at
once; with a file of a certificate and its key, over HTTPS.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import Any

GENERATION = {
    "id": "6533643b-aceb-4c40-967e-d9ba9baac39e",
    "createdAt": "2026-11-22T10:00:00.000Z",
    "status": "COMPLETED",
    "model": "lipsync-2",
    "input": [
        {"type": "video", "url": "https://media.example/v.mp4"},
        {"type": "audio", "url": "https://media.example/a.wav"},
    ],
    "options": {"sync_mode": "loop"},
    "outputUrl": "https://assets.sync.so/outputs/6533643b/take_01.mp4?sig=abc",
    "outputDuration": 9.04,
    "webhookUrl": None,
}
BODY = json.dumps(GENERATION).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    + str(len(BODY)).encode()
    + b"\r\n\r\n"
    + BODY
)


class Answering(asyncio.Protocol):
    """Answers each request of a connection after a fixed time; all requests here are GETs without a body."""

    transport: Any

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self.transport = transport
        self.left = b""

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        *requests, self.left = (self.left + data).split(b"\r\n\r\n")
        if self.seconds:
            asyncio.get_running_loop().call_later(self.seconds, self.transport.write, ANSWER * len(requests))
        else:
            self.transport.write(ANSWER * len(requests))


async def serve(seconds: float = 0.0, certificate: str | None = None) -> None:
    """Print the port and serve until the process is ended."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(seconds), "127.0.0.1", 0, backlog=4096, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(*map(float, sys.argv[1:2]), *sys.argv[2:])))
