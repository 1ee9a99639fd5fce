"""A receiver of webhooks with FastAPI: `python examples/webhook_fastapi.py 8080`.

SYNC_WEBHOOK_SECRET holds the secret of the dashboard, SYNC_API_KEY the key.
"""

import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import uvicorn
from fastapi import BackgroundTasks, FastAPI, Request, Response

from sync_async import AsyncSync, BatchNotification, SyncError, WebhookError
from sync_async.webhooks import Notification, parse

log = logging.getLogger("receiver")
SECRET = os.environ["SYNC_WEBHOOK_SECRET"]

seen: set[tuple[str, str]] = set()  # a database in earnest, so that it survives a restart


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open a client with the server, and close it with it."""
    async with AsyncSync(timeout=10) as app.state.client:  # the server does not end sooner than its look-ups
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/webhook")
async def receive(request: Request, tasks: BackgroundTasks) -> Response:
    """Take a delivery: check it, answer at once, and work on it afterwards."""
    body = await request.body()  # the bytes as they came: the signature is over these
    try:
        notice = parse(body, request.headers.get("Sync-Signature"), SECRET)
    except WebhookError as error:
        log.warning("refused: %s", error)
        return Response(status_code=400)
    tasks.add_task(handle, request.app.state.client, notice)
    return Response()


async def handle(client: AsyncSync, notice: Notification) -> None:
    """Work on a notice once; it may come twice, and a failed one may not say why."""
    if isinstance(notice, Mapping):  # of a kind that this version does not know
        return
    if (notice.id, notice.status) in seen:
        return
    seen.add((notice.id, notice.status))
    if isinstance(notice, BatchNotification):
        print(f"{notice.status} {notice.id} {notice.metrics.failed_count} failed", flush=True)
        return
    reason = notice.error
    if notice.status == "FAILED" and not reason:
        reason = await reason_of(client, notice.id)
    print(f"{notice.status} {notice.id} {notice.output_url or reason}", flush=True)


async def reason_of(client: AsyncSync, id: str) -> str | None:
    """Ask why a generation failed."""
    try:
        return (await client.generations.get(id)).error
    except SyncError as error:  # that it failed is worth telling without the reason, too
        log.warning("why %s failed is not known: %s", id, error)
        return None


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
