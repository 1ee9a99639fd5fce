"""Working on a run from the command line: consent, progress, signals, and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import typer

from sync_async._errors import ArgumentError
from sync_async.bulk.budget import needs_consent, usd
from sync_async.bulk.listing import FAILED_ROWS, RESULTS
from sync_async.bulk.records import Item
from sync_async.bulk.results import WAITING, Report
from sync_async.bulk.states import State
from sync_async.cli import screen
from sync_async.cli.bulk.plan import duration_text, price_text
from sync_async.cli.bulk.progress import Events, is_asked_on_a_terminal, showing
from sync_async.resources.bulk_run import AsyncBulkRun

OK, FAILED, USAGE, BUDGET, BLOCKED, STOPPED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
HALTS = {"budget": BUDGET, "blocked": BLOCKED, "canary": STOPPED, "breaker": STOPPED, "stopped": INTERRUPTED}
WHY = {
    "budget": "the budget is used up",
    "blocked": "the account cannot buy",
    "canary": "the rows that went ahead failed",
    "breaker": "too many rows failed for one reason",
    "stopped": "it was stopped",
}
DRAIN_SECONDS = 25.0
"""Seconds for which a process that is told to end follows what runs; what sends SIGTERM often waits for 30."""


UNSENT = frozenset({State.NEW, State.READY, State.SKIPPED, State.REJECTED, State.CANCELLED})
"""States of rows of which none was bought, or needs to have been."""


class NoConsentError(Exception):
    """Nobody agreed to what the run costs."""


async def ask_consent(run: AsyncBulkRun, *, agreed: bool) -> None:
    """Let somebody agree to what the rows cost that are not bought yet, if it is much, or nobody knows what.

    Raises:
        ArgumentError: Nobody is there to agree.
        NoConsentError: They did not.
    """
    if agreed:
        return
    micro, unknown = await _left_to_buy(run)
    if not needs_consent(micro, unknown):
        return
    price = price_text(usd(micro), unknown)
    what = "the price" if await never_began(run) else "the price of what is not bought yet"
    if not is_asked_on_a_terminal():
        raise ArgumentError("--yes", f"{what} is {price}; agree with --yes, or set a --budget")
    ask(f"{what.capitalize()} is {price}. Buy it?")


async def _left_to_buy(run: AsyncBulkRun) -> tuple[int, int]:
    """Add up what the rows cost that are not bought yet, in micro-dollars, and count those of unknown price."""
    ledger = run._work.ledger  # noqa: SLF001  # the command is of the family
    micro = unknown = 0
    last: Item | None = None
    while page := await ledger.live(WAITING, last):
        micro += sum(item.est_micro or 0 for item in page)
        unknown += sum(item.est_micro is None for item in page)
        last = page[-1]
    return micro, unknown


def ask(question: str) -> None:
    """Ask somebody at the terminal; Ctrl-C answers, too, which asyncio would keep for later.

    Raises:
        NoConsentError: They do not want it.
        typer.Abort: They have interrupted it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        is_wanted = typer.confirm(question, err=True)
    finally:
        signal.signal(signal.SIGINT, before)
    if not is_wanted:
        raise NoConsentError


async def never_began(run: AsyncBulkRun) -> bool:
    """Tell whether no row of a run was ever sent."""
    return (await run.status()).count(*frozenset(State) - UNSENT) == 0


async def work_on(run: AsyncBulkRun, output: Path, ledger: Path | None, *, as_json: bool) -> int:
    """Work on a run until it ends, and tell what it has come to.

    Args:
        run: The run, open.
        output: Its folder.
        ledger: Its ledger, if that is elsewhere.
        as_json: Whether to print events instead of text.

    Returns:
        The exit code: 0 all done, 1 not all, 3 the budget, 4 the account, 5 it stopped itself, 130 interrupted.
    """
    stopping = _Stopping(run)
    events = stopping.events = Events(wanted=as_json, gone=stopping.lose_the_reader)
    run._work.listeners.append(events.tell)  # noqa: SLF001  # the command is of the family
    async with showing(run, quiet=as_json, gone=stopping.lose_the_reader) as stopping.say:
        working = asyncio.ensure_future(run.result())
        with _signals(stopping):
            report = await working
    stopping.is_over = True
    code, failed = exit_code(report), output / FAILED_ROWS
    paths = {"results": str(output / RESULTS), "failed": str(failed) if failed.exists() else None}
    command = next_command(report, output, ledger)
    events.tell("summary", {**report.to_wire(), "exit": code, "paths": paths, "next": command})
    if not as_json:
        show_summary(report, output, command, f"syncso bulk report {_folder(output, ledger)}")
    return code


def exit_code(report: Report) -> int:
    """Give the exit code that a report means."""
    if report.halt is not None:
        return HALTS[report.halt.reason]
    return OK if report.status.is_complete else FAILED


def show_summary(report: Report, output: Path, command: str | None, page: str) -> None:
    """Print what a run has come to: failures first, then counts, money, time, and how to go on."""
    status, facts = report.status, dict[str, str]()
    for failures in report.failures:
        facts[failures.code] = f"{failures.rows:,} rows, as {', '.join(failures.samples)}: {failures.error or ''}"
    facts["done"] = f"{status.done:,} of {status.total:,} rows"
    left = {
        "failed": status.failed,
        "unknown": status.unknown,
        "not fetched": status.not_downloaded,
        "not bought": status.waiting,
    }
    facts |= {name: f"{count:,} rows" for name, count in left.items() if count}
    if report.halt is not None:
        code = f" ({report.halt.code})" if report.halt.code else ""
        samples = f", as {', '.join(report.halt.samples)}" if report.halt.samples else ""
        facts["stopped, as"] = f"{WHY[report.halt.reason]}{code}{samples}"
    facts["spent"] = price_text(status.spent, status.unpriced)
    if status.saved:
        facts["saved"] = f"${status.saved:,.2f}, as doubles are bought once"
    facts["time"] = duration_text(report.seconds)
    if report.used is not None and report.posts:
        refused = report.refused + report.rate_refused
        facts["slots used"] = (
            f"{100 * report.used:.0f} %, {100 * refused / report.posts:.1f} % of requests refused"
        )
    facts["results"] = str(output / RESULTS)
    if (output / FAILED_ROWS).exists():
        facts["to be mended"] = f"{output / FAILED_ROWS}, a manifest"
    facts["as a page"] = page
    if command is not None:
        facts["go on with"] = command
    screen.show_facts(facts)


def next_command(report: Report, output: Path, ledger: Path | None) -> str | None:
    """Give the command that goes on with a run, None when nothing is left."""
    status, folder = report.status, _folder(output, ledger)
    if not status.is_complete and (report.halt is not None or status.unknown or status.not_downloaded):
        return f"syncso bulk resume {folder}"
    return f"syncso bulk retry {folder} --failed" if status.failed else None


def _folder(output: Path, ledger: Path | None) -> str:
    """Name a run on the command line."""
    return shlex.join([str(output)] if ledger is None else [str(output), "--ledger", str(ledger)])


@attrs.define(eq=False)
class _Stopping:
    """What signals do: the first drains, the second leaves, and one that ends the process drains for a while.

    A reader that has gone drains as well: nobody would see what is bought, and whoever closes a pipe wants an end.
    """

    run: AsyncBulkRun
    say: Callable[[str], None] = screen.say
    events: Events = attrs.field(factory=lambda: Events(wanted=False))
    is_over: bool = False
    """Whether there is nothing left to stop."""
    _asked: int = 0
    _is_unread: bool = False
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set)

    @property
    def is_asked(self) -> bool:
        """Whether anybody wanted the run to stop."""
        return self._asked > 0

    def interrupt(self) -> None:
        """Take note of a Ctrl-C."""
        self._asked += 1
        if self._asked == 1:
            self._spawn(self._drain("press Ctrl-C again to leave now; nothing is lost"))
        else:
            self._spawn(self.run.stop(drain=False))

    def terminate(self) -> None:
        """Take note of a SIGTERM."""
        self._asked = max(self._asked, 1)
        self._spawn(self._drain_for_a_while())

    def lose_the_reader(self) -> None:
        """Take note that nobody reads what is told; a Ctrl-C that ends the reader, too, is still the first one."""
        if not (self.is_asked or self.is_over or self._is_unread):
            self._is_unread = True
            self._spawn(self._drain("as nobody reads this any more; nothing is lost"))

    async def _drain(self, advice: str) -> None:
        running = (await self.run.status()).count(State.SUBMITTING, State.SUBMITTED)
        self.events.tell("stopping", {"running": running})
        self.say(f"nothing more is bought; waiting for {running:,} generations that run ({advice})")
        await self.run.stop(drain=True)

    async def _drain_for_a_while(self) -> None:
        await self._drain(f"at most {DRAIN_SECONDS:.0f} s; nothing is lost")
        await asyncio.sleep(DRAIN_SECONDS)
        await self.run.stop(drain=False)

    def _spawn(self, work: Any) -> None:
        self._tasks.add(task := asyncio.ensure_future(work))
        task.add_done_callback(self._tasks.discard)


@contextlib.contextmanager
def _signals(stopping: _Stopping) -> Iterator[None]:
    """Let signals stop a run instead of the process, while the block runs."""
    loop = asyncio.get_running_loop()
    if os.name == "nt":
        before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(stopping.interrupt))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        return
    loop.add_signal_handler(signal.SIGINT, stopping.interrupt)
    loop.add_signal_handler(signal.SIGTERM, stopping.terminate)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
        if stopping.is_asked:  # the process ends in a moment, by itself
            signal.signal(signal.SIGINT, signal.SIG_IGN)
