"""The `syncso` command."""

from __future__ import annotations

import importlib.util
import sys


def main() -> int:
    """Run the command; without the extra `cli`, say how to get it."""
    if any(importlib.util.find_spec(name) is None for name in ("typer", "rich")):
        print("The command needs the extra 'cli': pip install 'syncso[cli]'", file=sys.stderr)  # noqa: T201
        return 1
    from sync_async.cli.app import run

    return run()
