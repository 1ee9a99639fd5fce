"""How well a run used the concurrency that it had."""

from __future__ import annotations

import attrs


@attrs.define
class Usage:
    """Slots that were held, and those that there were, over the time in which rows waited for one."""

    _held: float = attrs.field(init=False, default=0.0)
    _level: float = attrs.field(init=False, default=0.0)
    _since: float | None = attrs.field(init=False, default=None)
    _before: tuple[int, int] = attrs.field(init=False, default=(0, 0))

    def note(self, now: float, held: int, level: int, *, is_waiting: bool) -> None:
        """Take note of how things stand from now on.

        Args:
            now: The time.
            held: Slots that are held.
            level: Slots believed ours.
            is_waiting: Whether rows wait for one.
        """
        if self._since is not None:
            seconds, (before, of) = now - self._since, self._before
            self._held += seconds * min(before, of)
            self._level += seconds * of
        self._since, self._before = (now, (held, level)) if is_waiting else (None, (0, 0))

    @property
    def share(self) -> float | None:
        """The part that was used, from 0 to 1; None when no row ever waited."""
        return self._held / self._level if self._level else None
