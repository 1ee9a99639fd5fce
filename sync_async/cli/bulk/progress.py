"""How a run goes, while it does: two lines that change on a terminal, else a line each half minute, or JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import attrs
from rich.console import Console

from sync_async.bulk.budget import MICRO
from sync_async.bulk.pacer import Pace
from sync_async.bulk.results import RunStatus
from sync_async.bulk.states import State
from sync_async.cli import screen
from sync_async.cli.bulk.plan import duration_text
from sync_async.resources.bulk_run import AsyncBulkRun

EVENTS_VERSION = 1
"""Version of the events' form; further fields and events do not change it."""
REFRESH = 0.25
NAMES = {"halted": "paused"}
"""Events that are called otherwise outside."""


class Events:
    """Writes events to stdout, one JSON object a line.

    Args:
        wanted: Whether anything is written.
        gone: Called when it turns out that nobody reads them any more; without, that is an error.
    """

    def __init__(self, *, wanted: bool, gone: Callable[[], None] | None = None) -> None:
        self._wanted = wanted
        self._gone = gone

    def tell(self, event: str, fields: dict[str, Any]) -> None:
        """Write an event, if events are wanted.

        Raises:
            BrokenPipeError: Nobody reads them any more.
        """
        if not self._wanted:
            return
        if event == "progress":  # dollars outside
            fields = {**fields, "spent": fields["spent"] / MICRO}
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"v": EVENTS_VERSION, "t": now, "event": NAMES.get(event, event), **fields}
        try:
            print(json.dumps(line, ensure_ascii=False, default=str), flush=True)  # noqa: T201
        except BrokenPipeError:
            if self._gone is None:
                raise
            self._wanted = False
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())  # for what is left to be flushed when the process ends
            os.close(nowhere)
            self._gone()


class Lines(Console):
    """Says lines on stderr; when nobody reads them any more, it is silent.

    Args:
        gone: Called when that turns out.
    """

    def __init__(self, gone: Callable[[], None]) -> None:
        super().__init__(stderr=True)
        self._gone = gone

    def say(self, text: str) -> None:
        """Say a line."""
        self.print(text, highlight=False, markup=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Go on, where rich would end the process."""
        self.quiet = True
        self._gone()


@attrs.define
class Pulse:
    """How a run stands at a moment, in numbers that a person reads."""

    status: RunStatus
    level: int
    slots: int
    posts: int
    refused: int
    usual_seconds: float | None
    posts_a_minute: float | None

    @classmethod
    async def of(cls, run: AsyncBulkRun) -> Pulse:
        """Read it off a run."""
        runner, status = run._work.runner, await run.status()  # noqa: SLF001  # the command is of the family
        if runner is None or not runner.is_prepared:
            return cls(status, 0, 0, 0, 0, None, None)
        slots, traffic = runner.session.slots, runner.traffic()
        return cls(
            status=status,
            level=slots.seeker.level,
            slots=slots.held,
            posts=traffic["posts"],
            refused=traffic["refused"] + traffic["rate_refused"],
            usual_seconds=runner.poller.usual_seconds,
            posts_a_minute=runner.session.traffic.pacers[Pace.CREATE].rate,
        )

    @property
    def left_seconds(self) -> float | None:
        """Estimate how long the run goes on: by its slots, or by its rate."""
        left = self.status.waiting + self.status.count(State.SUBMITTING, State.SUBMITTED)
        if not left or self.usual_seconds is None or not self.level or not self.posts_a_minute:
            return None
        return max(left * self.usual_seconds / self.level, self.status.waiting * 60 / self.posts_a_minute)

    def rows_text(self) -> str:
        """Say how many rows stand where."""
        status = self.status
        parts = {
            "done": status.done,
            "failed": status.failed,
            "unknown": status.unknown,
            "running": status.count(State.SUBMITTING, State.SUBMITTED),
            "to fetch": status.not_downloaded,
            "queued": status.waiting,
        }
        always = ("done", "running", "queued")
        return " · ".join(f"{count:,} {what}" for what, count in parts.items() if count or what in always)

    def work_text(self) -> str:
        """Say what is used and what is spent."""
        status = self.status
        share = f"{100 * self.refused / self.posts:.1f} % refused" if self.posts else "nothing sent yet"
        reserved = f" + ${status.reserved:,.2f} reserved" if status.reserved else ""
        unpriced = f", {status.unpriced:,} of unknown price" if status.unpriced else ""
        budget = "" if status.budget is None else f" of ${status.budget:,.2f}"
        left = "" if self.left_seconds is None else f" · {duration_text(self.left_seconds)} left"
        money = f"${status.spent:,.2f}{reserved}{budget}{unpriced}"
        return f"{self.slots} of {self.level} slots · {share} · {money}{left}"


@contextlib.asynccontextmanager
async def showing(
    run: AsyncBulkRun, *, quiet: bool, gone: Callable[[], None]
) -> AsyncIterator[Callable[[str], None]]:
    """Show how a run goes while the block runs, and give what says something besides.

    Args:
        run: The run.
        quiet: Whether nothing is shown.
        gone: Called when nobody reads lines any more.
    """
    lines = Lines(gone)
    if quiet:
        yield lines.say
    elif lines.is_terminal:
        async with _live(run) as say:
            yield say
    else:
        listeners = run._work.listeners  # noqa: SLF001  # as above
        tasks: set[asyncio.Task[None]] = set()

        def listen(event: str, _: dict[str, Any]) -> None:
            if event == "progress":
                tasks.add(task := asyncio.create_task(_say_line(run, lines)))
                task.add_done_callback(tasks.discard)

        listeners.append(listen)
        try:
            yield lines.say
        finally:
            listeners.remove(listen)


async def _say_line(run: AsyncBulkRun, lines: Lines) -> None:
    pulse = await Pulse.of(run)
    lines.say(f"{datetime.now(UTC):%H:%M:%S}  {pulse.rows_text()} · {pulse.work_text()}")


@contextlib.asynccontextmanager
async def _live(run: AsyncBulkRun) -> AsyncIterator[Callable[[str], None]]:
    from rich.live import Live
    from rich.text import Text

    async def refresh(live: Live) -> None:
        while True:
            pulse = await Pulse.of(run)
            live.update(
                Text(f"{pulse.rows_text()}\n{pulse.work_text()}", no_wrap=True, overflow="ellipsis"), refresh=True
            )
            await asyncio.sleep(REFRESH)

    with Live(console=screen.err, auto_refresh=False, transient=True) as live:
        refreshing = asyncio.create_task(refresh(live))
        try:
            yield lambda text: live.console.print(text, highlight=False, markup=False)
        finally:
            refreshing.cancel()
            await asyncio.wait([refreshing])


def is_asked_on_a_terminal() -> bool:
    """Tell whether somebody is there to answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
