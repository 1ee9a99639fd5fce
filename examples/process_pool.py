"""Generations from a pool of processes: `python examples/process_pool.py out order-1 order-2 order-3`.

Each process makes a client of its own when it starts. SYNC_API_KEY has the key.
"""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from sync_blocking import Audio, GenerationFailedError, Sync, Video

VIDEO = "https://assets.sync.so/docs/example-video.mp4"
AUDIO = "https://assets.sync.so/docs/example-audio.wav"


def open_client() -> None:
    """Make the client of this process; clients are not pickled, since they hold connections and a key."""
    global client  # noqa: PLW0603  # the one thing that all tasks of the process share
    client = Sync()


def work(name: str, folder: Path) -> Path:
    """Make one video. Errors come back to the parent as they were raised: they can be pickled."""
    job = client.generations.create(
        model="lipsync-2",
        input=[Video(url=VIDEO), Audio(url=AUDIO)],
        request_options={"idempotency_key": name},  # the task may run again, and buys nothing again
    )
    client.generations.wait(job)
    return client.generations.download(job.id, folder / f"{name}.mp4", overwrite=True)


def main() -> None:
    """Spread names over three processes."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(exist_ok=True)
    context = multiprocessing.get_context("spawn")  # also safe where the parent has threads
    with ProcessPoolExecutor(3, mp_context=context, initializer=open_client) as pool:
        tasks = {pool.submit(work, name, folder): name for name in names}
        for task in as_completed(tasks):
            try:
                print("made", task.result().name)
            except GenerationFailedError as error:
                print("failed", tasks[task], error.error_code)


if __name__ == "__main__":
    main()
