"""What the commands of a run have in common: opening it, the words for what went wrong, and the exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from typer import Abort

from sync_async import ArgumentError, AsyncSync, ForbiddenError, PaymentRequiredError, UnauthorizedError
from sync_async.bulk.errors import LedgerError, ManifestError
from sync_async.cli import screen
from sync_async.cli.bulk.work import BLOCKED, INTERRUPTED, USAGE, NoConsentError
from sync_async.resources.bulk_run import AsyncBulkRun

T = TypeVar("T")

OPTIONS = {
    "budget": "--budget",
    "assume_price": "--assume-price",
    "max_concurrency": "--max-concurrency",
    "posts_per_minute": "--posts-per-minute",
    "attempts": "--attempts",
    "canary": "--canary",
    "downloads": "--downloads",
    "run_id": "--run-id",
    "ids": "--id",
    "adopt": "--adopt",
    "drop": "--drop",
}
"""What the library's arguments are called on the command line."""


def with_run(
    open_run: Callable[[AsyncSync], Coroutine[Any, Any, AsyncBulkRun]],
    work: Callable[[AsyncBulkRun], Coroutine[Any, Any, int]],
) -> None:
    """Open a run, work on it, and end with its exit code.

    Raises:
        SystemExit: In the end.
        ArgumentError: An option cannot be right.
        SyncError: It came to nothing.
    """

    async def whole() -> int:
        async with AsyncSync() as client:
            try:
                opened = await open_run(client)
            except (ManifestError, LedgerError) as error:
                screen.fail(str(error))
                return USAGE
            except (UnauthorizedError, PaymentRequiredError, ForbiddenError) as error:
                screen.fail(str(error))
                return BLOCKED
            try:
                return await work(opened)
            except NoConsentError:
                screen.say("nothing was bought")
                return USAGE

    raise SystemExit(awaited(whole()))


def looked_at(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await what only looks at a run.

    Raises:
        SystemExit: There is no run to look at.
    """
    try:
        return awaited(coroutine)
    except LedgerError as error:
        screen.fail(str(error))
        raise SystemExit(USAGE) from None


def awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await, with the words of the command line for what cannot be right.

    Raises:
        ArgumentError: An option cannot be right.
        SystemExit: Somebody has interrupted it, before or after the work, which has its own way to be stopped.
    """
    try:
        return asyncio.run(coroutine)
    except ArgumentError as error:
        problem = str(error).removeprefix(f"{error.argument}: ")
        raise ArgumentError(OPTIONS.get(error.argument, error.argument), problem) from error
    except (KeyboardInterrupt, Abort):
        screen.fail("interrupted; nothing is lost")
        raise SystemExit(INTERRUPTED) from None


def pairs(option: str, given: Sequence[str], form: str) -> dict[str, str]:
    """Read options like `name=value`.

    Raises:
        ArgumentError: One has no `=`.
    """
    parts = [text.partition("=") for text in given]
    if wrong := [name for name, sign, _ in parts if not sign]:
        raise ArgumentError(option, f"{wrong[0]!r} is not of the form {form}")
    return {name.strip(): value for name, _, value in parts}


def choice(option: str, given: str, known: Sequence[str]) -> None:
    """Check an option that has a few values.

    Raises:
        ArgumentError: It has another one.
    """
    if given not in known:
        raise ArgumentError(option, f"{given!r} is not one of {', '.join(known)}")
