"""Who works on a run, told without a touch of its lock."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Literal

import attrs

from sync_async.bulk.lock import holder
from sync_async.bulk.sqlite import FOLDER, LOCK

Alive = Literal["yes", "no", "unknown"]


@attrs.frozen(kw_only=True)
class Holding:
    """A process that took a run.

    Attributes:
        pid: Its number.
        host: Its machine.
        started: When it took the run.
        is_alive: Whether there still is a process with this number; nobody knows of another machine's.
    """

    pid: int
    host: str
    started: str
    is_alive: Alive

    def __str__(self) -> str:
        who = f"process {self.pid} on {self.host}"
        match self.is_alive:
            case "yes":
                return f"{who}, since {self.started}"
            case "no":
                return f"nobody; {who} has ended"
            case _:
                return f"perhaps {who}, since {self.started}"


def holding(output: Path) -> Holding | None:
    """Tell which process took a run last, None when none has told."""
    told = holder(output / FOLDER / LOCK)
    return Holding(**told, is_alive=_is_alive(told["pid"], told["host"])) if told else None


def _is_alive(pid: int, host: str) -> Alive:
    if host != platform.node() or sys.platform == "win32":  # there, signal 0 would be Ctrl-C
        return "unknown"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "no"
    except PermissionError:  # somebody else's
        return "yes"
    return "yes"
