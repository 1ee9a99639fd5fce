"""How often a transfer is tried again: by the rules of every request, and anew after each progress."""

from __future__ import annotations

import logging

import attrs

from sync_async import _retry
from sync_async._request import Repeat
from sync_async._retry import Failure
from sync_async._transport import Transport

log = logging.getLogger("syncso")


@attrs.define
class Patience:
    """Decides on the repeats of one transfer, and waits before each."""

    transport: Transport
    what: str
    """The transfer, for the log."""
    _repeats: int = attrs.field(default=0, init=False)

    def renew(self) -> None:
        """Take note of progress: what failed before does not count any more."""
        self._repeats = 0

    async def wait(self, failure: Failure, problem: str, hint: float | None = None) -> bool:
        """Wait until the transfer may be tried again, or tell that it should not be.

        Args:
            failure: What became of the last try.
            problem: The same in words.
            hint: Seconds that the host asks to wait.
        """
        attempt = _retry.Attempt(failure=failure, repeats=self._repeats, hint=hint)
        seconds = _retry.wait_before_repeat(
            attempt,
            repeat=Repeat.SAFE,
            keyed=False,
            replayable=True,
            max_retries=self.transport.settings.max_retries,
            chance=self.transport.chance(),
        )
        if seconds is None:
            return False
        log.info("%s: %s; tried again in %.2f s", self.what, problem, seconds)
        await self.transport.sleep(seconds)
        self._repeats += 1
        return True
