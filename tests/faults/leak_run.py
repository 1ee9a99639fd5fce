"""Thousands of calls in a process of their own, which tells what it holds after each part: see `test_leaks`.

    python -m tests.faults.leak_run CALLS

Calls of both styles succeed, fail, time out and are cancelled, over clients that live long and clients that are
opened and closed. A server in another process answers them. A line of JSON a part is written.
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web

from sync_async import ApiConnectionError, ApiError, ApiTimeoutError, AsyncSync, DecodeError
from sync_blocking import Sync
from tests.conftest import GENERATION

PARTS = 9
AT_ONCE = 50
CALLS_A_CLIENT = 100
"""Calls of a short-lived client."""
KIND = ("good", "missing", "torn", "wrong", "good", "refused", "good", "stalled", "good", "cancelled")
"""What becomes of the calls, in turn."""
STALL = 0.005
"""Seconds after which a call that is not answered gives up."""


async def answer(request: web.Request) -> web.StreamResponse:
    """Answer as the id of the generation says."""
    kind = request.match_info["id"]
    if kind == "missing":
        return web.json_response({"statusCode": 404, "message": "no"}, status=404)
    if kind == "wrong":
        return web.Response(body=b'{"id": 7', content_type="application/json")
    if kind == "refused":
        return web.json_response({"statusCode": 503, "message": "no"}, status=503)
    if kind in ("stalled", "cancelled"):
        await asyncio.Event().wait()
    if kind == "torn":
        assert request.transport is not None
        request.transport.abort()
    return web.json_response({**GENERATION, "id": kind})


def serve(port: Connection) -> None:
    """Answer until the other process ends."""

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/v2/generate/{id}", answer)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


EXPECTED: dict[str, type[BaseException] | None] = {
    "good": None,
    "missing": ApiError,
    "torn": ApiConnectionError,
    "wrong": DecodeError,
    "refused": ApiError,
    "stalled": ApiTimeoutError,
    "cancelled": asyncio.CancelledError,
}


def check(kind: str, error: BaseException | None) -> None:
    """Fail when a call came to something else than it should."""
    expected = EXPECTED[kind]
    if not (error is None if expected is None else isinstance(error, expected)):
        raise AssertionError(f"a call that should be {kind} came to {error!r}")


def options(kind: str) -> dict[str, Any]:
    """Give the options of a call."""
    return {"max_retries": 0, **({"timeout_in_seconds": STALL} if kind == "stalled" else {})}


async def await_one(client: AsyncSync, kind: str) -> None:
    call = asyncio.ensure_future(client.generations.get(kind, request_options=options(kind)))
    if kind == "cancelled":
        await asyncio.sleep(0)
        call.cancel()
    (outcome,) = await asyncio.gather(call, return_exceptions=True)
    check(kind, outcome if isinstance(outcome, BaseException) else None)


async def await_some(base_url: str, lasting: AsyncSync, count: int) -> None:
    """Make calls, some of them with clients that come and go."""
    for start in range(0, count, CALLS_A_CLIENT):
        kinds = [KIND[number % len(KIND)] for number in range(start, min(start + CALLS_A_CLIENT, count))]
        half = len(kinds) // 2
        async with AsyncSync(api_key="k", base_url=base_url) as passing:
            for client, part in ((lasting, kinds[:half]), (passing, kinds[half:])):
                for first in range(0, len(part), AT_ONCE):
                    await asyncio.gather(*(await_one(client, kind) for kind in part[first : first + AT_ONCE]))


def call_one(client: Sync, kind: str) -> None:
    if kind == "cancelled":  # a blocking call is cancelled by a signal: tests/process/test_interrupts.py
        kind = "good"
    try:
        client.generations.get(kind, request_options=options(kind))
    except Exception as error:  # noqa: BLE001  # it is looked at
        check(kind, error)
    else:
        check(kind, None)


def call_some(base_url: str, lasting: Sync, count: int) -> None:
    """The same, blocking."""
    for start in range(0, count, CALLS_A_CLIENT):
        with Sync(api_key="k", base_url=base_url) as passing:
            for number in range(start, min(start + CALLS_A_CLIENT, count)):
                call_one(passing if number % 2 else lasting, KIND[number % len(KIND)])


def tell(runner: asyncio.Runner) -> None:
    """Tell what this process holds."""
    gc.collect()
    held = {
        "blocks": sys.getallocatedblocks(),
        "pages": int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]),
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208  # of the system
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks(runner.get_loop())),
    }
    sys.stdout.write(json.dumps(held) + "\n")


def main() -> None:
    """Make the calls, and tell what is held before them, after each part, and when all is closed."""
    each = int(sys.argv[1]) // (2 * PARTS)
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    base_url = f"http://127.0.0.1:{here.recv()}"
    there.close()
    with asyncio.Runner() as runner, Sync(api_key="k", base_url=base_url) as blocking:
        tell(runner)
        awaited = AsyncSync(api_key="k", base_url=base_url)
        for _ in range(PARTS):
            runner.run(await_some(base_url, awaited, each))
            call_some(base_url, blocking, each)
            tell(runner)
        runner.run(awaited.close())
        blocking.close()
        tell(runner)
    server.terminate()
    server.join()


if __name__ == "__main__":
    main()
