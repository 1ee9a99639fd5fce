"""What the command shows: results on stdout, all else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from sync_async._listeners import OnProgress
from sync_async.types._model import ApiObject
from sync_async.types.generations import Generation

PIPED_WIDTH = 200
"""Columns of a table that another program reads."""

out = Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
err = Console(stderr=True)


def show_json(value: Any) -> None:
    """Print a result as JSON, in the API's own form."""
    print(json.dumps(_wire(value), ensure_ascii=False, indent=2))  # noqa: T201


def _wire(value: Any) -> Any:
    if isinstance(value, ApiObject):
        return value.to_dict()
    if isinstance(value, list):
        return [_wire(item) for item in value]
    return value


def show_table(rows: Sequence[ApiObject], columns: Sequence[str]) -> None:
    """Print results as a table."""
    cells = [[_cell(getattr(row, column)) for column in columns] for row in rows]
    filled = [index for index in range(len(columns)) if any(row[index] for row in cells)]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for index in filled:
        # ids are copied, so they stay in one piece
        widest = max(len(row[index]) for row in cells) if columns[index] == "id" else None
        table.add_column(columns[index].replace("_", " "), overflow="fold", min_width=widest)
    for row in cells:
        table.add_row(*(row[index] for index in filled))
    out.print(table if rows else "none")


def show_fields(thing: ApiObject) -> None:
    """Print one result, a field a line, signed links cut to what they lead to."""
    show_facts(
        {name: value if isinstance(value, str) else _json(value) for name, value in thing.to_dict().items()}
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def show_facts(facts: Mapping[str, str], console: Console = out) -> None:
    """Print names and what belongs to them, a line each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return "" if value is None else str(value)


def show_line(text: str) -> None:
    """Print a line that is a result."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a line that is no result."""
    err.print(text, highlight=False, markup=False, soft_wrap=True)


def fail(text: str) -> None:
    """Print why nothing came of it."""
    err.print(f"[bold red]error[/]: {_escaped(text)}", highlight=False, soft_wrap=True)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


class Watch:
    """Shows how work goes on: bars on a terminal, a line for each change elsewhere."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._status = ""

    def note(self, generation: Generation) -> None:
        """Take note of a change of a generation."""
        self.note_status(generation.id, generation.status, generation.progress_percent)

    def note_status(self, id: str, status: str, percent: float | None = None) -> None:
        """Take note of how far a job is."""
        if status != self._status and (self._progress is None or not self._status):
            say(f"{id}: {status.lower()}")
        self._status = status
        self._show("job", status.lower(), percent or 0, 100, f"{percent or 0:.0f} %")

    def bytes_of(self, what: str) -> OnProgress:
        """Make a listener that shows how much of a file has travelled."""

        def listen(done: int, total: int | None) -> None:
            self._show(what, what, done, total, f"{decimal(done)} of {decimal(total)}" if total else decimal(done))

        return listen

    def _show(self, bar: str, description: str, done: float, total: float | None, figure: str) -> None:
        if self._progress is None:
            return
        if bar not in self._tasks:
            self._tasks[bar] = self._progress.add_task(description, total=total, figure=figure)
        self._progress.update(
            self._tasks[bar], description=description, completed=done, total=total, figure=figure
        )


@contextmanager
def watching() -> Iterator[Watch]:
    """Show progress while the block runs."""
    if not err.is_terminal:
        yield Watch(None)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figure]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        yield Watch(progress)
