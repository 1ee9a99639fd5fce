"""The examples in docstrings, which the reference and editors show: each is run, against the sandbox."""

from __future__ import annotations

import ast
import inspect
import os
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sync_async
import sync_blocking
from sync_async import webhooks
from sync_async.resources.bulk_run import AsyncBulkRun
from sync_async.sandbox import AsyncSandbox
from sync_async.sandbox.webhooks import sign
from sync_blocking.resources.bulk_run import BulkRun
from tests.docs.blocks import Block
from tests.docs.reader import Reader

EXAMPLE = re.compile(r"^Example:\n((?: +.*\n|\n)+)", re.MULTILINE)
RESOURCES = ("assets", "batch", "bulk", "generations", "models")
FUNCTIONS = (webhooks.parse, webhooks.verify)


def subjects(client: Any, *more: type[Any]) -> Iterator[tuple[str, Any]]:
    """Give what may have an example, by its name: the classes of a style, and their methods."""
    for cls in [type(client), *(type(getattr(client, name)) for name in RESOURCES), *more]:
        yield cls.__name__, cls
        for name, member in inspect.getmembers(cls):
            if not name.startswith("_"):
                yield f"{cls.__name__}.{name}", member


def examples_of(named: Iterator[tuple[str, Any]]) -> dict[str, str]:
    """Give the examples by the name of what they belong to."""
    found = {name: EXAMPLE.search((inspect.getdoc(subject) or "") + "\n") for name, subject in named}
    return {name: textwrap.dedent(one.group(1)) for name, one in found.items() if one is not None}


ASYNC = examples_of(
    subjects(
        sync_async.AsyncSync(api_key="sk-test"),
        AsyncBulkRun,
        AsyncSandbox,
        sync_async.AsyncItems,
        sync_async.BatchResults,
    )
)
BLOCKING = examples_of(
    subjects(sync_blocking.Sync(api_key="sk-test"), BulkRun, sync_blocking.Sandbox, sync_blocking.Items)
)
PLAIN = examples_of((function.__name__, function) for function in FUNCTIONS)


def words_of(code: str) -> set[str]:
    """Give the names that occur in an example."""
    tree = compile(code, "example", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def made(client: sync_blocking.Sync) -> sync_blocking.Generation:
    """Start a generation, which ends at once."""
    return client.generations.create_with_files(model="lipsync-2", video="face.mp4", audio="speech.wav")


def batched(client: sync_blocking.Sync) -> str:
    """Give the id of a batch that has ended, whose rows are called as those of the examples."""
    media = [sync_blocking.Video(url="https://e.com/v.mp4"), sync_blocking.Audio(url="https://e.com/a.wav")]
    rows = [
        {"request_id": f"row-{number}", "payload": {"model": "lipsync-2", "input": media}} for number in range(20)
    ]
    id = client.batch.create(rows=rows).id
    while client.batch.get(id).status != "COMPLETED":  # sooner than a wait would look again
        time.sleep(0.01)
    return id


IDS: dict[str, Callable[[sync_blocking.Sync], str]] = {
    "6533643b-aceb-4c40-967e-d9ba9baac39e": lambda client: made(client).id,
    "550e8400-e29b-41d4-a716-446655440000": lambda client: client.assets.upload("face.mp4").id,
    "batch_abc123": batched,
}
"""The ids that examples have, and how something is made that can stand for it."""
NAMES: dict[str, Callable[[sync_blocking.Sync], Any]] = {
    "job": made,
    "jobs": lambda client: [made(client), made(client)],
    "done": lambda client: client.generations.wait(made(client)),
    "face": lambda _: "https://example.com/face.mp4",
}
"""What examples take to be there."""


def prepare(reader: Reader, code: str) -> str:
    """Make what an example takes to be there, and give it with ids that there are."""
    words = words_of(code)
    # the API has an endpoint that the sandbox has not
    reader.sandbox.faults.add("answer", path="/v2/voices", status=200, body='[{"voiceId": "rachel"}]')
    with sync_blocking.Sync() as client:
        reader.names |= {name: make(client) for name, make in NAMES.items() if name in words}
        for id, make in IDS.items():
            code = code.replace(id, make(client)) if id in code else code
    return code


def read(reader: Reader, code: str) -> None:
    """Run an example."""
    reader.read(Block(Path(__file__), 1, "python", None, code))


CORE = {name: getattr(sync_async, name) for name in sync_async.__all__} | {"AsyncSandbox": AsyncSandbox}
TWIN = {name: getattr(sync_blocking, name) for name in sync_blocking.__all__}
EXAMPLES = [
    *(pytest.param(name, code, CORE, id=name) for name, code in ASYNC.items()),
    *(pytest.param(name, code, TWIN, id=name) for name, code in BLOCKING.items()),
]


@pytest.mark.parametrize(("name", "code", "names"), EXAMPLES)
def test_an_example_works(name: str, code: str, names: dict[str, Any], reader: Reader) -> None:
    """As its style has it: awaited with the core's names, or plain with the twin's."""
    code = prepare(reader, code)
    reader.names |= names
    client, wait = ("AsyncSync", "await ") if names is CORE else ("Sync", "")
    read(reader, f"client = {client}()")
    if "BulkRun." in name:
        read(reader, f"run = {wait}client.bulk.open('out', 'jobs.csv')")
        read(reader, f"{wait}run.result()" if "retry" in name else "")
    read(reader, code)
    read(reader, f"{wait}client.close()")


@pytest.mark.parametrize("name", PLAIN)
def test_an_example_of_a_function_works(name: str, reader: Reader) -> None:
    body = b'{"id": "g-1", "status": "COMPLETED"}'
    request = SimpleNamespace(
        headers={"Sync-Signature": sign(body, reader.sandbox.webhook_secret, int(time.time()))}
    )
    reader.names |= {**vars(webhooks), "body": body, "request": request, "os": os}
    reader.names["GenerationNotification"] = sync_async.GenerationNotification
    read(reader, PLAIN[name])


def test_both_styles_have_the_same_examples() -> None:
    """With `await` in one of them only."""
    assert {name.replace("Async", "") for name in ASYNC} == {*BLOCKING, "BatchResults"}
    assert len(BLOCKING) > 20
    assert [name for name, code in BLOCKING.items() if re.search(r"\b(await|async)\b", code)] == []
