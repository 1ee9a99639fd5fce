"""Signed deliveries to the callers' own servers.

Source: https://sync.so/docs/api-reference/guides/webhooks
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import logging
import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sync_async.sandbox.settings import SandboxSettings

log = logging.getLogger("syncso.sandbox")

DELIVERY_SECONDS = 10.0
STALE_SECONDS = 3600


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """Make the value of `Sync-Signature` for a body."""
    digest = hmac.new(secret.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine; nothing is sent to or fetched from others."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Webhooks:
    """Sends each notice as the settings say."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.deliveries: list[tuple[str, int | None]] = []
        """URL and status of each delivery; None when it did not arrive."""

    def notify(self, url: str, payload: dict[str, Any]) -> None:
        """Send a notice in the background; once only, without redelivery."""
        if not is_loopback(url):
            log.info("no webhook is sent to %s: the sandbox reaches this machine only", urlsplit(url).hostname)
            return
        if self._settings.webhook_empty_errors and payload.get("status") == "FAILED":
            payload = {**payload, "error": "", "error_code": ""}
        if self._settings.webhook_extra:
            payload = {**payload, "sandboxExtra": {"any": "thing"}}
        task = asyncio.create_task(self._send(url, json.dumps(payload, ensure_ascii=False).encode()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, url: str, body: bytes) -> None:
        await asyncio.sleep(self._settings.webhook_delay)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DELIVERY_SECONDS))
        headers = {"Content-Type": "application/json", "Sync-Signature": self._signature(body)}
        for _ in range(self._settings.webhook_copies):
            try:
                async with self._session.post(url, data=body, headers=headers) as response:
                    self.deliveries.append((url, response.status))
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("a webhook to %s did not arrive: %r", urlsplit(url).netloc, error)
                self.deliveries.append((url, None))

    def _signature(self, body: bytes) -> str:
        secret, now = self._settings.webhook_secret, int(time.time())
        match self._settings.webhook_signature:
            case "wrong":
                return sign(body, secret + "x", now)
            case "stale":
                return sign(body, secret, now - STALE_SECONDS)
            case "two":
                return sign(body, "whsec_retired", now) + "," + sign(body, secret, now).partition(",")[2]
            case _:
                return sign(body, secret, now)

    async def close(self) -> None:
        """End what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
