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

from sync_async.sandbox.refusal import TOO_MANY, Refusal
from sync_async.sandbox.settings import SandboxSettings

GRAMMAR = re.compile(r"[A-Za-z0-9._~-]{1,128}")


@attrs.define
class _Entry:
    fingerprint: str
    outcome: asyncio.Future[str]
    """The id of the generation, once there is one."""
    made: float


class IdempotencyKeys:
    """The keys that were used, and what came of them; they belong to the organisation, not to an API key."""

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
        if entry is None or self._is_forgotten(entry):
            return await self._first(key, fingerprint, create), False
        return await self._replay(entry, fingerprint), True

    def _is_forgotten(self, entry: _Entry) -> bool:
        lifetime = self._settings.key_lifetime
        return lifetime is not None and entry.outcome.done() and self._clock() - entry.made > lifetime

    async def _replay(self, entry: _Entry, fingerprint: str) -> str:
        done = entry.outcome.done()
        if entry.fingerprint != fingerprint:
            known = done and entry.outcome.exception() is None
            more: dict[str, Any] = {"generationId": entry.outcome.result()} if known else {}
            raise Refusal("IDEMPOTENCY_PAYLOAD_MISMATCH", status=self._settings.conflict_status, **more)
        if not done and self._settings.twin == "refuse":
            raise Refusal("IDEMPOTENCY_REQUEST_IN_PROGRESS", headers={"Retry-After": "1"})
        return await asyncio.shield(entry.outcome)

    async def _first(self, key: str, fingerprint: str, create: Callable[[], Awaitable[str]]) -> str:
        entry = _Entry(fingerprint, asyncio.get_running_loop().create_future(), self._clock())
        self._entries[key] = entry
        try:
            made = await create()
        except asyncio.CancelledError:  # the sandbox is closing
            del self._entries[key]
            entry.outcome.cancel()
            raise
        except Exception as error:
            if not self._is_kept(error):
                del self._entries[key]
            entry.outcome.set_exception(error)
            entry.outcome.exception()  # nobody need be waiting for it
            raise
        entry.outcome.set_result(made)
        return made

    def _is_kept(self, error: Exception) -> bool:
        # A full plan is no verdict on the request: it is to be sent again.
        return self._settings.refusal_uses_key and isinstance(error, Refusal) and error.status != TOO_MANY

    def clear(self) -> None:
        """Forget all keys."""
        self._entries.clear()


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
