"""One key, one generation.

Source: https://sync.so/docs/api-reference/guides/idempotency
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from multidict import CIMultiDictProxy

from sync_async.sandbox.refusal import Refusal
from sync_async.sandbox.settings import SandboxSettings

GRAMMAR = re.compile(r"[A-Za-z0-9._~-]{1,128}")


@attrs.define
class _Entry:
    fingerprint: str
    outcome: asyncio.Future[str]
    """The id of the generation, once there is one."""
    made: float


class IdempotencyKeys:
    """The keys that were used, and what came of them."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    async def once(
        self, key: str | None, fingerprint: str, create: Callable[[], Awaitable[str]]
    ) -> tuple[str, bool]:
        """Create a generation, unless this key already made one.

        Returns:
            The generation's id, and whether it is a replay.

        Raises:
            Refusal: The key was used with another body, or its first request is still under way.
        """
        if key is None:
            return await create(), False
        entry = self._entries.get(key)
        if entry is not None and self._is_forgotten(entry):
            entry = None
        if entry is not None:
            return await self._replay(entry, fingerprint), True
        return await self._first(key, fingerprint, create), False

    def _is_forgotten(self, entry: _Entry) -> bool:
        lifetime = self._settings.key_lifetime
        return lifetime is not None and self._clock() - entry.made > lifetime

    async def _replay(self, entry: _Entry, fingerprint: str) -> str:
        if entry.fingerprint != fingerprint:
            status = self._settings.conflict_status
            done = entry.outcome.done() and entry.outcome.exception() is None
            more: dict[str, Any] = {"generationId": entry.outcome.result()} if done else {}
            raise Refusal("IDEMPOTENCY_PAYLOAD_MISMATCH", status=status, **more)
        if not entry.outcome.done() and self._settings.twin == "refuse":
            raise Refusal("IDEMPOTENCY_REQUEST_IN_PROGRESS", headers={"Retry-After": "1"})
        return await asyncio.shield(entry.outcome)

    async def _first(self, key: str, fingerprint: str, create: Callable[[], Awaitable[str]]) -> str:
        entry = _Entry(fingerprint, asyncio.get_running_loop().create_future(), self._clock())
        self._entries[key] = entry
        try:
            made = await create()
        except BaseException as error:
            keeps = self._settings.refusal_uses_key and isinstance(error, Refusal)
            if not keeps:
                del self._entries[key]
            entry.outcome.set_exception(error)
            entry.outcome.exception()  # nobody need be waiting for it
            raise
        entry.outcome.set_result(made)
        return made


def key_of(headers: CIMultiDictProxy[str]) -> str | None:
    """Read the key of a request.

    Raises:
        Refusal: It is empty, malformed, or there are two.
    """
    keys = headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not GRAMMAR.fullmatch(keys[0]):
        raise Refusal("INVALID_IDEMPOTENCY_KEY")
    return keys[0]
