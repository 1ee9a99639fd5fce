"""What is measured beside each other: how each is installed, and how each reads a generation.

syncso, the vendor's syncsdk and httpx are used as they come, with their own limits of connections; aiohttp has
none. aiohttp and httpx are bare: the same GET and `json.loads`, without data classes, retries or errors.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
FOLDERS = HERE / ".opponents"
ID = "6533643b-aceb-4c40-967e-d9ba9baac39e"
PATH = f"/v2/generate/{ID}"
KEY = {"x-api-key": "sk"}

REQUIREMENTS = {
    "syncsdk": "syncsdk==0.3.0",
    "aiohttp": f"aiohttp=={importlib.metadata.version('aiohttp')}",  # the very version that syncso stands on
    "httpx": "httpx",
}

Versions = dict[str, str]
Async = tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]
Blocking = tuple[Callable[[], Any], Callable[[], Any]]


def install() -> Versions:
    """Install each opponent with all that it needs into a folder of its own, once, and tell the versions.

    So is syncso as it is now, since a checkout may be read without compiled files; what it needs is here already.
    """
    for name, requirement in REQUIREMENTS.items():
        if not _version(name):
            print(f"installing {requirement} for comparison …", flush=True)
            _install(name, requirement)
    _install("syncso", "--no-deps", str(ROOT))
    return {name: _version(name) or "" for name in ("syncso", *REQUIREMENTS)}


def _install(name: str, *what: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(FOLDERS / name)]
    subprocess.run([*command, *what], check=True)


def _version(name: str) -> str | None:
    """Tell which version of an opponent lies in its folder, if it is one that is wanted."""
    found = importlib.metadata.distributions(name=name, path=[str(FOLDERS / name)])
    version = next((one.version for one in found), None)
    wanted = REQUIREMENTS.get(name, "").partition("==")[2]
    return version if version == (wanted or version) else None


def import_path(opponent: str) -> str:
    """Give the PYTHONPATH with which an opponent, and no other, is found."""
    place = FOLDERS / (opponent if opponent in REQUIREMENTS else "syncso")
    return f"{place}{os.pathsep}{HERE}"


async def _syncso(url: str) -> Async:
    from sync_async import AsyncSync

    client = AsyncSync(api_key="sk", base_url=url)
    return lambda: client.generations.get(ID), client.close


async def _syncsdk(url: str) -> Async:
    from sync import AsyncSync

    client = AsyncSync(api_key="sk", base_url=url)
    # it has no way to be closed
    return lambda: client.generations.get(ID), client._client_wrapper.httpx_client.httpx_client.aclose  # type: ignore[attr-defined]


async def _aiohttp(url: str) -> Async:
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def get() -> Any:
        async with session.get(url + PATH, headers=KEY) as response:
            return json.loads(await response.read())

    return get, session.close


async def _httpx(url: str) -> Async:
    import httpx  # type: ignore[import-not-found]

    client = httpx.AsyncClient(timeout=60)

    async def get() -> Any:
        return json.loads((await client.get(url + PATH, headers=KEY)).content)

    return get, client.aclose


def _blocking_syncso(url: str) -> Blocking:
    from sync_blocking import Sync

    client = Sync(api_key="sk", base_url=url)
    return lambda: client.generations.get(ID), client.close


def _blocking_syncsdk(url: str) -> Blocking:
    from sync import Sync

    client = Sync(api_key="sk", base_url=url)
    return lambda: client.generations.get(ID), client._client_wrapper.httpx_client.httpx_client.close  # type: ignore[attr-defined]


def _blocking_httpx(url: str) -> Blocking:
    import httpx

    client = httpx.Client(timeout=60)
    return lambda: json.loads(client.get(url + PATH, headers=KEY).content), client.close


ASYNC: dict[str, Callable[[str], Awaitable[Async]]] = {
    "syncso": _syncso,
    "syncsdk": _syncsdk,
    "aiohttp": _aiohttp,
    "httpx": _httpx,
}
"""Opens an opponent, and gives how it reads a generation and how it is closed."""
BLOCKING: dict[str, Callable[[str], Blocking]] = {
    "syncso": _blocking_syncso,
    "syncsdk": _blocking_syncsdk,
    "httpx": _blocking_httpx,
}
