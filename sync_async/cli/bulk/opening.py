"""What the commands of a run have in common: opening it, the words for what went wrong, and the exit code."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from typer import Abort

from sync_async import ArgumentError, AsyncSync, ForbiddenError, PaymentRequiredError, UnauthorizedError
from sync_async.bulk.errors import LedgerError, ManifestError
from sync_async.cli import screen
from sync_async.cli.bulk.reading import read_manifest_path
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
    "to": "--to",
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
            except ManifestError as error:
                way_out = "--skip-bad"
                screen.fail(str(ManifestError(error.shown, error.problems, error.problems_file, way_out=way_out)))
                return USAGE
            except LedgerError as error:
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


def with_run_of(
    output: Path,
    ledger: Path | None,
    work: Callable[[AsyncBulkRun], Coroutine[Any, Any, int]],
    **wishes: Any,
) -> None:
    """Open the run that is in a folder, work on it, and end with its exit code.

    Args:
        output: The folder.
        ledger: Its ledger, if that is elsewhere.
        work: What is done.
        wishes: What is to be otherwise than before, as `open` has it.

    Raises:
        SystemExit: In the end.
        ArgumentError: An option cannot be right, or not all rows of the run were taken in.
        SyncError: It came to nothing.
    """

    async def open_run(client: AsyncSync) -> AsyncBulkRun:
        try:
            return await client.bulk.open(output, ledger=ledger, **wishes)
        except ArgumentError as error:
            if error.argument != "items":
                raise
            command = _beginning(await read_manifest_path(output, ledger), output, ledger)
            raise ArgumentError(
                "OUTPUT",
                f"not all rows of the run in {str(output)!r} were taken in; repeat what began it: {command}",
            ) from error

    with_run(open_run, work)


def _beginning(manifest: str | None, output: Path, ledger: Path | None) -> str:
    """Give the command that takes in the rows of a run."""
    is_file = manifest is not None and Path(manifest).is_file()  # rows may have come from a program
    parts = ["syncso", "bulk", "run", str(manifest) if is_file else "MANIFEST", "-o", str(output)]
    return shlex.join(parts if ledger is None else [*parts, "--ledger", str(ledger)])


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
