"""A receiver of webhooks with Flask: `python examples/webhook_flask.py 8080`.

SYNC_WEBHOOK_SECRET holds the secret of the dashboard, SYNC_API_KEY the key. Run so, it is Flask's own server for
development; in earnest it is `app`, behind a WSGI server.
"""

import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from flask import Flask, Response, request

from sync_blocking import BatchNotification, Sync, SyncError, WebhookError
from sync_blocking.webhooks import Notification, parse

SECRET = os.environ["SYNC_WEBHOOK_SECRET"]

app = Flask(__name__)
client = Sync(timeout=10)  # one for all threads; with several processes, one for each, made after the fork
workers = ThreadPoolExecutor(4)
lock = threading.Lock()
seen: set[tuple[str, str]] = set()  # a database in earnest, so that it survives a restart


@app.post("/webhook")
def receive() -> Response:
    """Take a delivery: check it, answer at once, and work on it afterwards."""
    body = request.get_data()  # the bytes as they came: the signature is over these
    try:
        notice = parse(body, request.headers.get("Sync-Signature"), SECRET)
    except WebhookError as error:
        app.logger.warning("refused: %s", error)
        return Response(status=400)
    workers.submit(handle, notice)
    return Response()


def handle(notice: Notification) -> None:
    """Work on a notice once; it may come twice, and a failed one may not say why."""
    if isinstance(notice, Mapping):  # of a kind that this version does not know
        return
    with lock:  # two threads may have the same notice
        if (notice.id, notice.status) in seen:
            return
        seen.add((notice.id, notice.status))
    if isinstance(notice, BatchNotification):
        print(f"{notice.status} {notice.id} {notice.metrics.failed_count} failed", flush=True)
        return
    reason = notice.error
    if notice.status == "FAILED" and not reason:
        reason = reason_of(notice.id)
    print(f"{notice.status} {notice.id} {notice.output_url or reason}", flush=True)


def reason_of(id: str) -> str | None:
    """Ask why a generation failed."""
    try:
        return client.generations.get(id).error
    except SyncError as error:  # that it failed is worth telling without the reason, too
        app.logger.warning("why %s failed is not known: %s", id, error)
        return None


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]))
