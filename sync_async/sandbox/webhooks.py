"""Signed deliveries to the callers' own servers.

Source: https://sync.so/docs/api-reference/guides/webhooks
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import ipaddress
import json
import logging
import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import attrs

from sync_async.sandbox.settings import SandboxSettings

log = logging.getLogger("syncso.sandbox")

DELIVERY_SECONDS = 10.0
STALE_SECONDS = 3600
SWAP_SECONDS = 1.0
"""How long a delivery that is to change places waits for another."""
RETIRED_SECRET = "whsec_retired"  # noqa: S105  # it protects nothing


@attrs.frozen
class Delivery:
    """One delivery and what came of it."""

    url: str
    payload: dict[str, Any]
    signature: str
    status: int | None
    """Status of the answer; None when there was none."""


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """Make the value of `Sync-Signature` for a body."""
    digest = hmac.new(secret.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine; nothing is sent to or fetched from others."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and _is_loopback_host(parts.hostname or "")


@functools.lru_cache(maxsize=1_000)
def _is_loopback_host(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name instead of an address
        return False


class Webhooks:
    """Sends each notice as the settings say."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._held: asyncio.Event | None = None
        self.deliveries: list[Delivery] = []
        """What was sent, in order."""

    def notify(self, url: str, payload: dict[str, Any]) -> None:
        """Send a notice in the background; once only, without redelivery."""
        if not is_loopback(url):
            log.info("no webhook is sent to %s: the sandbox reaches this machine only", urlsplit(url).hostname)
            return
        if self._settings.webhook_empty_errors and payload.get("status") == "FAILED":
            payload = {**payload, "error": "", "error_code": ""}
        if self._settings.webhook_extra:
            payload = {**payload, "sandboxExtra": {"any": "thing"}}
        task = asyncio.create_task(self._send(url, payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, url: str, payload: dict[str, Any]) -> None:
        await asyncio.sleep(self._settings.webhook_delay)
        release = await self._change_places() if self._settings.webhook_swapped else None
        body = json.dumps(payload, ensure_ascii=False).encode()
        signature = self._signature(body)
        for _ in range(self._settings.webhook_copies):
            status = await self._post(url, body, signature)
            self.deliveries.append(Delivery(url, payload, signature, status))
        if release is not None:
            release.set()

    async def _change_places(self) -> asyncio.Event | None:
        """Wait until the next delivery is out; the next does not wait, and gives what lets this one go."""
        if self._held is not None:
            held, self._held = self._held, None
            return held
        mine = self._held = asyncio.Event()
        try:
            async with asyncio.timeout(SWAP_SECONDS):
                await mine.wait()
        except TimeoutError:
            if self._held is mine:
                self._held = None
            else:  # another one has just come and is on its way
                await mine.wait()
        return None

    async def _post(self, url: str, body: bytes, signature: str) -> int | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DELIVERY_SECONDS))
        headers = {"Content-Type": "application/json", "Sync-Signature": signature}
        try:
            # Certificates of this machine are mostly self-signed; a redirect could lead to another one.
            async with self._session.post(
                url, data=body, headers=headers, ssl=False, allow_redirects=False
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("a webhook to %s did not arrive: %r", urlsplit(url).netloc, error)
            return None

    def _signature(self, body: bytes) -> str:
        secret, now = self._settings.webhook_secret, int(time.time())
        match self._settings.webhook_signature:
            case "wrong":
                return sign(body, secret + "x", now)
            case "stale":
                return sign(body, secret, now - STALE_SECONDS)
            case "two":
                return sign(body, RETIRED_SECRET, now) + "," + sign(body, secret, now).partition(",")[2]
            case _:
                return sign(body, secret, now)

    async def drop(self) -> None:
        """End the deliveries that are under way, and forget the others."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.deliveries.clear()
        self._held = None

    async def close(self) -> None:
        """End what is under way."""
        await self.drop()
        if self._session is not None:
            await self._session.close()
            self._session = None
