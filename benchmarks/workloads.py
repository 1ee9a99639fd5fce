"""What is measured: `workloads.py NAME OPPONENT URL COUNT IN_FLIGHT` prints wall and CPU seconds as JSON.

Each run is a process of its own, so that opponents with the same import name do not meet.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

ID = "6533643b-aceb-4c40-967e-d9ba9baac39e"


async def throughput(opponent: str, url: str, count: int, in_flight: int) -> dict[str, float]:
    """Read a generation `count` times, `in_flight` at once."""
    get, close = await OPPONENTS[opponent](url)

    async def worker(reads: int) -> None:
        for _ in range(reads):
            await get()

    await asyncio.gather(*(worker(1) for _ in range(in_flight)))
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker(count // in_flight) for _ in range(in_flight)))
    measured = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    await close()
    return measured


Opened = tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]


async def syncso(url: str) -> Opened:
    """Open our own client."""
    from sync_async import AsyncSync

    client = AsyncSync(api_key="sk", base_url=url, max_connections=1000)
    return lambda: client.generations.get(ID), client.close


async def syncsdk(url: str) -> Opened:
    """Open the vendor's."""
    from sync import AsyncSync

    client = AsyncSync(api_key="sk", base_url=url)

    async def close() -> None:
        await client._client_wrapper.httpx_client.httpx_client.aclose()  # type: ignore[attr-defined]

    return lambda: client.generations.get(ID), close


async def raw(url: str) -> Opened:
    """Open aiohttp itself: the same GET, and json.loads."""
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def get() -> Any:
        async with session.get(f"{url}/v2/generate/{ID}", headers={"x-api-key": "sk"}) as response:
            return json.loads(await response.read())

    return get, session.close


OPPONENTS: dict[str, Callable[[str], Awaitable[Opened]]] = {"syncso": syncso, "syncsdk": syncsdk, "raw": raw}


def decoding(opponent: str, count: int) -> dict[str, float]:
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
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        read()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def hop(opponent: str, count: int) -> dict[str, float]:
    """Cross into the private loop and back, `count` times; `bare` is run_coroutine_threadsafe on the same loop."""
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
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        if opponent == "syncso":
            portal.run(nothing())
        else:
            asyncio.run_coroutine_threadsafe(nothing(), loop).result()
    measured = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    portal.close()
    return measured


async def transfer(way: str, url: str, size: int) -> dict[str, float]:
    """Send or fetch a file of `size` bytes, and tell how many bytes of memory that took at most."""
    import resource
    import tempfile
    from pathlib import Path

    from sync_async import AsyncSync, Generation

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0  # Linux counts in KiB

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
            before, wall, cpu = peak(), time.perf_counter(), time.process_time()
            if way == "upload":
                moved = (await client.assets.upload(path)).size
            else:
                moved = (await client.generations.download(done, path)).stat().st_size
            assert moved == size
            return {
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "memory": peak() - before,
            }


def main() -> None:
    """Run one workload."""
    name, opponent, url, count, in_flight = sys.argv[1:]
    if name == "transfer":
        measured = asyncio.run(transfer(opponent, url, int(count)))
    elif name == "throughput":
        measured = asyncio.run(throughput(opponent, url, int(count), int(in_flight)))
    else:
        measured = {"decoding": decoding, "hop": hop}[name](opponent, int(count))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
