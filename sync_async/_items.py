"""Items that come in groups, each group asked for when it is needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class AsyncItems(Generic[T]):
    """An asynchronous iterator whose items come in groups: the pages of a list, jobs that ended together.

    Between two groups nothing is open, so it may be left early and dropped at any time. It is gone through once.

    Example:
        async for asset in client.assets.iter(types=["VIDEO"]):
            print(asset.name)
    """

    def __init__(self, next_group: Callable[[], Awaitable[Sequence[T]]]) -> None:
        self._fetch = next_group
        self._ready: deque[T] = deque()
        self._over = False

    async def next_group(self) -> Sequence[T]:
        """Give the items that are here already, or else ask for the next group.

        Returns:
            At least one item; none at the end.
        """
        if self._ready:
            group = list(self._ready)
            self._ready.clear()
            return group
        if self._over:
            return []
        group = list(await self._fetch())
        self._over = not group
        return group

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if not self._ready:
            self._ready.extend(await self.next_group())
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()
