"""Connections that close with the loop that they were opened in, for clients whose end nobody can await."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from sync_async._client import AsyncSync
from sync_async._settings import default_max_connections
from sync_async._transport import Pool, Transport


class ClosingPool(Pool):
    """A pool that its loop closes.

    `asyncio.run`, `asyncio.Runner` and the plugins for pytest, which use it, end the async generators of a loop
    before the loop. One of them holds these connections.
    """

    def __init__(self) -> None:
        super().__init__(session=None, proxy=None, max_connections=default_max_connections())
        self._guard: AsyncGenerator[None, None] | None = None

    async def open(self) -> None:
        """Make the session on the running loop, and have it closed before the loop ends."""
        await super().open()
        if self._guard is None:
            self._guard = self._until_the_end()
            await anext(self._guard)

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.close()

    def close_now(self) -> None:
        """Close from outside the loop, while it rests; a loop that has ended has closed this already."""
        loop = self.loop
        if loop is not None and not loop.is_closed() and not loop.is_running():
            loop.run_until_complete(self.close())


def client_over(pool: ClosingPool, *, base_url: str, api_key: str) -> AsyncSync:
    """Make a client over these connections."""
    client = AsyncSync(base_url=base_url, api_key=api_key)
    client._use(Transport(client._transport.settings, pool))  # noqa: SLF001  # a client like any other, but for its pool
    return client
