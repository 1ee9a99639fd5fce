"""Rows as Celery tasks: each is bought once, however often its task runs.

A worker runs as many at once as your plan allows: `celery -A celery_tasks worker --concurrency 3`. Rows are handed
in with `python celery_tasks.py jobs.jsonl out`. CELERY_BROKER_URL names the broker, SYNC_API_KEY has the key.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import Celery

from sync_async.bulk import ManifestError
from sync_blocking import ArgumentError, GenerationFailedError, Sync, SyncError

app = Celery("lipsync")
app.conf.worker_prefetch_multiplier = 1  # no row waits behind one that takes long


@app.task(
    name="lipsync",
    acks_late=True,  # the task stays in the queue until it is over,
    reject_on_worker_lost=True,  # and runs again when its worker was killed
    autoretry_for=(SyncError,),
    dont_autoretry_for=(GenerationFailedError, ManifestError, ArgumentError),  # these would come again
    retry_backoff=True,
    max_retries=10,
)
def lipsync(name: str, row: dict[str, Any], folder: str, begun: str) -> None:
    """Buy a row, or go on with it. Its name is the key, so that to hand it in twice buys nothing, either."""
    with Sync() as client:
        client.bulk.run_one(row, key=name, output=folder, begun=datetime.fromisoformat(begun))


if __name__ == "__main__":
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        lipsync.delay(row.pop("item_id"), row, str(Path(sys.argv[2]).absolute()), datetime.now(UTC).isoformat())
