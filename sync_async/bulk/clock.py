"""The time by which a run waits and measures: that of its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Clock = Callable[[], float]
"""Gives seconds from some moment on."""


def clock() -> Clock:
    """Give the clock of the running loop; to ask for the loop each time takes longer than to read its clock."""
    return asyncio.get_running_loop().time
