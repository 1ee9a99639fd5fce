"""The examples in docstrings, which the reference shows as code."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

import sync_async
import sync_blocking
from sync_async.resources import bulk_run as async_run
from sync_blocking.resources import bulk_run as blocking_run

EXAMPLE = re.compile(r"^Example:\n((?: +.*\n|\n)+)", re.MULTILINE)
RESOURCES = ("assets", "batch", "bulk", "generations", "models")


def examples_of(client: Any, run: type[Any]) -> Iterator[tuple[str, str]]:
    """Give all examples of a style by the name of what they belong to."""
    for cls in [type(client), *(type(getattr(client, name)) for name in RESOURCES), run]:
        for name, member in [("", cls), *inspect.getmembers(cls)]:
            found = EXAMPLE.search((inspect.getdoc(member) or "") + "\n") if not name.startswith("_") else None
            if found is not None:
                yield f"{cls.__name__}.{name}".rstrip("."), textwrap.dedent(found.group(1))


AWAITED = sync_async.AsyncSync(api_key="sk-test")
CLIENT = sync_blocking.Sync(api_key="sk-test")
ASYNC = dict(examples_of(AWAITED, async_run.AsyncBulkRun))
BLOCKING = dict(examples_of(CLIENT, blocking_run.BulkRun))


def calls_of(code: str) -> set[str]:
    """Name the methods that an example calls on a client or a run, as in `generations.wait`."""
    tree = compile(code, "example", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {call for call in calls if call.startswith(("client.", "run."))}


@pytest.mark.parametrize(
    ("examples", "client", "run"),
    [(ASYNC, AWAITED, async_run.AsyncBulkRun), (BLOCKING, CLIENT, blocking_run.BulkRun)],
    ids=["async", "blocking"],
)
def test_examples_call_what_there_is(examples: dict[str, str], client: Any, run: type[Any]) -> None:
    """Each of them is Python, and calls methods that the style has."""
    for name, code in examples.items():
        for call in calls_of(code):
            subject, _, path = call.partition(".")
            found: Any = client if subject == "client" else run
            for part in path.split("."):
                found = getattr(found, part, None)
            assert callable(found), f"{name}: {call}"


def test_both_styles_have_the_same_examples() -> None:
    """With `await` in one of them only."""
    assert {name.replace("Async", "") for name in ASYNC} == set(BLOCKING)
    assert len(BLOCKING) > 20
    assert [name for name, code in BLOCKING.items() if re.search(r"\b(await|async)\b", code)] == []
