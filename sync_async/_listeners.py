"""Functions of the caller's that are told how things go: plain ones, or coroutine functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

JobT = TypeVar("JobT")

OnProgress = Callable[[int, int | None], object]
"""Called with the bytes that are done, and those that there are in all, None when the server does not say; may be
a coroutine function."""

OnUpdate = Callable[[JobT], object]
"""Called with the job when it is first seen and whenever it has changed; may be a coroutine function."""


async def tell(listener: Callable[..., object] | None, *news: Any) -> None:
    """Call a listener, if there is one, and await what it returns where that can be awaited."""
    if listener is None:
        return
    outcome = listener(*news)
    if inspect.isawaitable(outcome):
        await outcome
