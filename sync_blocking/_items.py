"""Items that come in groups, for plain loops: one hop a group, and nothing open between two."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Generic, Self, TypeVar

from sync_async._items import AsyncItems
from sync_blocking._loop import Portal

T = TypeVar("T")


class Items(Generic[T]):
    """An iterator whose items come in groups: the pages of a list, jobs that ended together.

    Between two groups nothing is open, so it may be left early and dropped at any time. It is gone through once.

    Example:
        for asset in client.assets.iter(types=["VIDEO"]):
            print(asset.name)
    """

    def __init__(self, items: AsyncItems[T], portal: Portal) -> None:
        self._async = items
        self._portal = portal
        self._ready: deque[T] = deque()
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        __tracebackhide__ = True
        if not self._ready and not self._closed:
            self._ready.extend(self._portal.run(self._async.next_group()))
        if not self._ready:
            raise StopIteration
        return self._ready.popleft()

    def close(self) -> None:
        """Ask for no more items, and forget those that are here; closing twice is fine."""
        self._closed = True
        self._ready.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
