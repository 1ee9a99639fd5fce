"""`python -m sync_async.sandbox --port 3001 --latency 0.5`: serve a sandbox, with any of its settings."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

import attrs

from sync_async.sandbox.server import AsyncSandbox, PortInUseError, serve
from sync_async.sandbox.settings import SandboxSettings


def _value(text: str) -> Any:
    """Read a number, true, false, null or a list as JSON, and anything else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _given() -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="python -m sync_async.sandbox",
        description="Serve a sync.so API on this machine. It makes playable videos; it moves no lips.",
        argument_default=argparse.SUPPRESS,
    )
    for field in attrs.fields(SandboxSettings):
        is_text = field.name in ("host", "folder", "api_key", "webhook_secret", "batch_refusal")
        parser.add_argument(
            "--" + field.name.replace("_", "-"), type=str if is_text else _value, metavar="VALUE", dest=field.name
        )
    return vars(parser.parse_args())


def main() -> int:
    """Serve until Ctrl-C; give the exit code."""
    try:
        sandbox = AsyncSandbox(**_given())
        asyncio.run(serve(sandbox, announce=lambda served: print(served.base_url, flush=True)))  # noqa: T201
    except (PortInUseError, ValueError, TypeError) as error:
        print(error.args[0], file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
