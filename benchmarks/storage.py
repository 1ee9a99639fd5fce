"""An API and a storage host in their own process, for files of any size: what is sent is counted and dropped."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

CHUNK = bytes(1024**2)


class Storage:
    """Takes a file, and gives one of as many bytes as its name says."""

    def __init__(self) -> None:
        self.url = ""
        self.taken = 0

    async def presign(self, _: web.Request) -> web.Response:
        """Tell where to send a file."""
        place = {"uploadUrl": f"{self.url}/put", "url": f"{self.url}/v.mp4", "expiresIn": 3600}
        return web.json_response(place, status=201)

    async def put(self, request: web.Request) -> web.Response:
        """Take a file."""
        self.taken = 0
        async for chunk in request.content.iter_any():
            self.taken += len(chunk)
        return web.Response()

    async def register(self, _: web.Request) -> web.Response:
        """Tell how much was taken."""
        return web.json_response({"id": "a-1", "type": "VIDEO", "size": self.taken}, status=201)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Give a file."""
        left = int(request.match_info["bytes"])
        answer = web.StreamResponse(headers={"ETag": '"it"', "Content-Length": str(left)})
        await answer.prepare(request)
        while left > 0:
            await answer.write(CHUNK[:left])
            left -= len(CHUNK)
        return answer


async def serve() -> None:
    """Print the URL and serve until the process is ended."""
    storage = Storage()
    app = web.Application(client_max_size=1 << 40)
    app.router.add_post("/v2/assets/upload", storage.presign)
    app.router.add_post("/v2/assets", storage.register)
    app.router.add_put("/put", storage.put)
    app.router.add_get("/get/{bytes}", storage.get)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    storage.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    print(storage.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
