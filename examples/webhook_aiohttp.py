"""A receiver of webhooks with aiohttp: `python examples/webhook_aiohttp.py 8080`.

SYNC_WEBHOOK_SECRET holds the secret of the dashboard, SYNC_API_KEY the key.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from sync_async import AsyncSync, BatchNotification, SyncError, WebhookError
from sync_async.webhooks import Notification, parse

log = logging.getLogger("receiver")
SECRET = os.environ["SYNC_WEBHOOK_SECRET"]

CLIENT = web.AppKey("client", AsyncSync)
SEEN = web.AppKey("seen", set)
TASKS = web.AppKey("tasks", set)


async def receive(request: web.Request) -> web.Response:
    """Take a delivery: check it, answer at once, and work on it afterwards."""
    body = await request.read()  # the bytes as they came: the signature is over these
    try:
        notice = parse(body, request.headers.get("Sync-Signature"), SECRET)
    except WebhookError as error:
        log.warning("refused: %s", error)
        return web.Response(status=400)
    task = asyncio.create_task(handle(request.app, notice))
    request.app[TASKS].add(task)  # or else it could be collected while it runs
    task.add_done_callback(request.app[TASKS].discard)
    return web.Response()


async def handle(app: web.Application, notice: Notification) -> None:
    """Work on a notice once; it may come twice, and a failed one may not say why."""
    if isinstance(notice, Mapping):  # of a kind that this version does not know
        return
    if (notice.id, notice.status) in app[SEEN]:
        return
    app[SEEN].add((notice.id, notice.status))  # a database in earnest, so that it survives a restart
    if isinstance(notice, BatchNotification):
        print(f"{notice.status} {notice.id} {notice.metrics.failed_count} failed", flush=True)
        return
    reason = notice.error
    if notice.status == "FAILED" and not reason:
        reason = await reason_of(app[CLIENT], notice.id)
    print(f"{notice.status} {notice.id} {notice.output_url or reason}", flush=True)


async def reason_of(client: AsyncSync, id: str) -> str | None:
    """Ask why a generation failed."""
    try:
        return (await client.generations.get(id)).error
    except SyncError as error:  # that it failed is worth telling without the reason, too
        log.warning("why %s failed is not known: %s", id, error)
        return None


async def client(app: web.Application) -> AsyncIterator[None]:
    """Open a client with the server; close it when the last notice was worked on."""
    async with AsyncSync(timeout=10) as app[CLIENT]:  # the server does not end sooner than its look-ups
        yield
        await asyncio.gather(*app[TASKS], return_exceptions=True)


def make_app() -> web.Application:
    """Put the parts together."""
    app = web.Application()
    app[SEEN], app[TASKS] = set(), set()
    app.cleanup_ctx.append(client)
    app.router.add_post("/webhook", receive)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]))
