"""Rows as Ray tasks: each is bought once, however often its task runs.

`python ray_tasks.py jobs.jsonl out`, where SYNC_API_KEY has the key. On a cluster, whose head was started with
`--resources '{"generation": 3}'` and whose machines share the folder, leave `resources` out of `ray.init`.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ray

from sync_blocking import ApiConnectionError, ApiError, GenerationFailedError, Sync, TransferError


@ray.remote(
    num_cpus=0,  # it waits, for the most part
    resources={"generation": 1},
    max_retries=10,  # when its worker was killed,
    retry_exceptions=[ApiError, ApiConnectionError, TransferError],  # or for one of these
)
def lipsync(name: str, row: dict[str, Any], folder: Path, begun: datetime) -> None:
    """Buy a row, or go on with it. Its name is the key, so that to run all again buys nothing, either."""
    with Sync() as client:
        client.bulk.run_one(row, key=name, output=folder, begun=begun)


if __name__ == "__main__":
    ray.init(resources={"generation": 3})  # as many at once as your plan allows
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    folder, begun = Path(sys.argv[2]).absolute(), datetime.now(UTC)
    tasks = [(name := row.pop("item_id"), lipsync.remote(name, row, folder, begun)) for row in rows]
    for name, task in tasks:
        try:
            ray.get(task)
        except GenerationFailedError as error:
            print(f"{name}: {error}")
