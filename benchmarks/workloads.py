"""What is measured: `workloads.py NAME OPPONENT URL COUNT IN_FLIGHT` prints what it took as JSON.

Each run is a process of its own, so that opponents with the same import name do not meet, and none finds the
machine as another left it. Times are in seconds, memory in bytes.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opponents import ASYNC, BLOCKING

Measured = dict[str, float]


class Clock:
    """Wall and CPU time since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> Measured:
        """Give what has passed."""
        return {"wall": time.perf_counter() - self.wall, "cpu": time.process_time() - self.cpu}


async def throughput(opponent: str, url: str, count: int, in_flight: int) -> Measured:
    """Read a generation `count` times, `in_flight` at once, over connections that are there."""
    get, close = await ASYNC[opponent](url)

    async def worker(reads: int) -> None:
        for _ in range(reads):
            await get()

    await asyncio.gather(*(worker(1) for _ in range(in_flight)))
    clock = Clock()
    await asyncio.gather(*(worker(count // in_flight) for _ in range(in_flight)))
    measured = clock.read()
    await close()
    return measured


async def burst(opponent: str, url: str, _: int, in_flight: int) -> Measured:
    """Read so many generations at once, over connections that are still to be made, and tell the memory, too."""
    get, close = await ASYNC[opponent](url)
    await get()  # all is loaded
    before = _peak()
    clock = Clock()
    await asyncio.gather(*(get() for _ in range(in_flight)))
    measured = {**clock.read(), "memory": _peak() - before}
    await close()
    return measured


def sequential(opponent: str, url: str, count: int, _: int) -> Measured:
    """Read a generation `count` times, one after the other, with the blocking client."""
    get, close = BLOCKING[opponent](url)
    get()
    clock = Clock()
    for _ in range(count):
        get()
    measured = clock.read()
    close()
    return measured


def threads(opponent: str, url: str, count: int, in_flight: int) -> Measured:
    """Read a generation `count` times from `in_flight` threads that share a blocking client."""
    get, close = BLOCKING[opponent](url)
    start, stop = threading.Barrier(in_flight + 1), threading.Barrier(in_flight + 1)

    def work() -> None:
        get()
        start.wait()
        for _ in range(count // in_flight):
            get()
        stop.wait()

    workers = [threading.Thread(target=work) for _ in range(in_flight)]
    for worker in workers:
        worker.start()
    start.wait()
    clock = Clock()
    stop.wait()
    measured = clock.read()
    for worker in workers:
        worker.join()
    close()
    return measured


def first(opponent: str, url: str, _: int, __: int) -> Measured:
    """Import the blocking client and make its first request."""
    clock = Clock()
    get, close = BLOCKING[opponent](url)
    get()
    measured = clock.read()
    close()
    return measured


def importing(module: str, _: str, __: int, ___: int) -> Measured:
    """Import a module; one with a colon names what is asked of it: `sync_blocking:Sync`."""
    module, _, name = module.partition(":")
    clock = Clock()
    imported = __import__(module)
    if name:
        getattr(imported, name)
    return clock.read()


def decoding(opponent: str, _: str, count: int, __: int) -> Measured:
    """Decode a list of 1000 generations, `count` times."""
    from server import GENERATION

    text = json.dumps([GENERATION] * 1000)
    if opponent == "syncso":
        from sync_async import Generation
        from sync_async._codec import decode

        def read() -> Any:
            return decode(json.loads(text), list[Generation])
    else:
        from sync.core.unchecked_base_model import construct_type  # type: ignore[import-not-found]

        from sync import Generation as Theirs

        def read() -> Any:
            return construct_type(type_=list[Theirs], object_=json.loads(text))

    read()
    clock = Clock()
    for _ in range(count):
        read()
    return clock.read()


def hop(opponent: str, _: str, count: int, __: int) -> Measured:
    """Cross into the private loop and back, `count` times, or with asyncio's own way on the same loop."""
    from sync_blocking._loop import Portal

    class Client:
        async def close(self) -> None:
            """Close nothing."""

    async def nothing() -> None:
        pass

    async def running_loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    portal = Portal(Client())
    loop = portal.run(running_loop())
    clock = Clock()
    for _ in range(count):
        if opponent == "syncso":
            portal.run(nothing())
        else:
            asyncio.run_coroutine_threadsafe(nothing(), loop).result()
    measured = clock.read()
    portal.close()
    return measured


async def transfer(way: str, url: str, size: int, _: int) -> Measured:
    """Send or fetch a file of `size` bytes, and tell how many bytes of memory that took at most."""
    import tempfile

    from sync_async import AsyncSync, Generation

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.mp4"
        async with AsyncSync(api_key="sk", base_url=url) as client:
            with path.open("wb") as file:
                file.truncate(1024)
            await client.assets.upload(path)  # all is loaded
            path.unlink()
            done = Generation(id="g", status="COMPLETED", output_url=f"{url}/get/{size}")
            if way == "upload":
                with path.open("wb") as file:
                    file.truncate(size)
            before, clock = _peak(), Clock()
            if way == "upload":
                moved = (await client.assets.upload(path)).size
            else:
                moved = (await client.generations.download(done, path)).stat().st_size
            assert moved == size
            return {**clock.read(), "memory": _peak() - before}


def _peak() -> float:
    """Give the most memory that the process has ever had, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says begins with what the parent had
        (line,) = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
        return float(line.split()[1]) * 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # bytes on macOS


WORKLOADS: dict[str, Callable[[str, str, int, int], Any]] = {
    work.__name__: work
    for work in (throughput, burst, sequential, threads, first, importing, decoding, hop, transfer)
}


def main() -> None:
    """Run one workload."""
    name, opponent, url, count, in_flight = sys.argv[1:]
    measured = WORKLOADS[name](opponent, url, int(count), int(in_flight))
    print(json.dumps(asyncio.run(measured) if asyncio.iscoroutine(measured) else measured))


if __name__ == "__main__":
    main()
