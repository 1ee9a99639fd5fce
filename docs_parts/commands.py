"""The help of the `syncso` command as Markdown: what it prints itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main
from typer.testing import CliRunner

from sync_async.cli.app import app

WIDTH = 76
"""Columns of the help."""


def reference(path: str) -> list[str]:
    """Show the help of all commands of a group.

    Args:
        path: The words of the group, such as `syncso bulk`.

    Returns:
        Lines of Markdown: a heading for the group and for each command, with its help below it.
    """
    _, *words = path.split()
    group: Any = typer.main.get_command(app)
    for word in words:
        group = group.commands[word]
    commands = [name for name, one in group.commands.items() if not hasattr(one, "commands")]
    return [
        line for below in ([], *([name] for name in commands)) for line in _help([*words, *below], bool(below))
    ]


def _help(words: list[str], is_command: bool) -> Iterator[str]:  # noqa: FBT001  # a level of the heading
    shown = CliRunner().invoke(
        app, [*words, "--help"], prog_name="syncso", terminal_width=WIDTH, max_content_width=WIDTH
    )
    yield from (f"{'###' if is_command else '##'} `{' '.join(['syncso', *words])}`", "")
    yield from ("```text", *shown.stdout.strip().splitlines(), "```", "")
