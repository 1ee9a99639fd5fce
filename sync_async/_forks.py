"""What a fork waits for, since the child would inherit it half done and never see its end."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator


class Gate:
    """Holds up forks of the program while something is under way in another thread."""

    def __init__(self, longest: float) -> None:
        """Make a gate.

        Args:
            longest: Seconds that a fork waits at most.
        """
        self._longest = longest
        self._begin_anew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._shut, after_in_parent=self._open, after_in_child=self._begin_anew)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Do what must not be forked in the middle."""
        condition = self._condition
        with condition:
            self._count += 1
        try:
            yield
        finally:
            with condition:
                if condition is self._condition:  # not a child's that was forked in here
                    self._count -= 1
                    condition.notify_all()

    def _shut(self) -> None:
        self._condition.acquire()
        self._condition.wait_for(lambda: not self._count, self._longest)

    def _open(self) -> None:
        self._condition.release()

    def _begin_anew(self) -> None:
        self._condition = threading.Condition()
        self._count = 0


imports = Gate(10.0)
"""A module that another thread was importing stays half done in a child, where nobody can import it any more."""
lookups = Gate(1.0)
"""The C library has locks of its own while it looks up a host; in a child nobody releases them."""
