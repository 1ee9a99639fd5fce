"""Every public method that sends requests, how it is called, and the steps that it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

import attrs

from sync_async import AsyncSync
from tests.faults.house import FACE, INPUT, ROWS, SPEECH, Call, House

Step = Literal["read", "create", "never", "register", "look", "any", "text", "link", "put", "get", "fetch"]
"""
read      a request that may always be repeated
create    one with an idempotency key
never     one that costs money and has no key
register  one without a key whose outcome can be looked up
look      a read while a job is waited for
any       a read or a keyed request whose answer may be anything
text      the link to an output
link      the way to a file of results
put       a file to storage
get       an output from storage
fetch     a file of results from storage
"""

WAIT = 30.0
"""Seconds for which jobs are waited for."""


@attrs.frozen
class Case:
    """One way to call a method."""

    name: str
    """The method, and after a comma in which way."""
    call: Call
    steps: tuple[Step, ...]
    is_right: Callable[[House, Any], bool]

    @property
    def method(self) -> str:
        return self.name.partition(",")[0]


def _is_done(house: House, value: Any) -> bool:
    return bool(value.id == house.done.id and value.status == "COMPLETED")


def _is_new(house: House, value: Any) -> bool:
    return value.id in house.sandbox.generations and value.id != house.done.id


def _is_ended(house: House, value: Any) -> bool:
    return _is_new(house, value) and value.status == "COMPLETED"


def _is_fetched(house: House, value: Any) -> bool:
    return bool(value.read_bytes() == house.output())


def _has(*names: str) -> Callable[[House, Any], bool]:
    """Give what looks whether the things with these names in the house are among those that came."""
    return lambda house, value: {getattr(house, name) for name in names} <= {one.id for one in value}


def create(client: Any, house: House, **more: Any) -> Any:
    del house
    return client.generations.create(model="lipsync-2", input=INPUT, **more)


def lipsync(client: Any, house: House) -> Any:
    return client.lipsync(FACE, SPEECH, timeout=WAIT, output=house.new_path())


ROW = {"model": "lipsync-2", "video": INPUT[0]["url"], "audio": INPUT[1]["url"]}


def run_one(client: Any, house: House) -> Any:
    path = house.new_path()
    return client.bulk.run_one(ROW, key=path.name, output=path, timeout=WAIT)


def _is_one_row(house: House, value: Any) -> bool:
    return value.generation_id in house.sandbox.generations and value.path.read_bytes()[4:8] == b"ftyp"


CASES: list[Case] = [
    Case(
        "generations.create",
        create,
        ("create",),
        _is_new,
    ),
    Case(
        "generations.create_with_files",
        lambda c, _: c.generations.create_with_files(model="lipsync-2", video=FACE, audio=SPEECH),
        ("create",),
        _is_new,
    ),
    Case(
        "generations.run",
        lambda c, _: c.generations.run(model="lipsync-2", input=INPUT, timeout=WAIT),
        ("create", "look"),
        _is_ended,
    ),
    Case("generations.get", lambda c, h: c.generations.get(h.done.id), ("read",), _is_done),
    Case(
        "generations.list",
        lambda c, h: c.generations.list(ids=[h.done.id]),
        ("read",),
        lambda house, value: [one.id for one in value] == [house.done.id],
    ),
    Case(
        "generations.iter",
        lambda c, _: c.generations.iter(status=["FAILED"]),
        ("read",),
        lambda _, value: value == [],
    ),
    Case("generations.wait", lambda c, h: c.generations.wait(h.done.id, timeout=WAIT), ("look",), _is_done),
    Case(
        "generations.wait_many",
        lambda c, h: c.generations.wait_many([h.done.id], timeout=WAIT),
        ("look",),
        lambda house, value: [one.id for one in value] == [house.done.id],
    ),
    Case(
        "generations.download",
        lambda c, h: c.generations.download(h.done, h.new_path()),
        ("get",),
        _is_fetched,
    ),
    Case(
        "generations.download, by id",
        lambda c, h: c.generations.download(h.done.id, h.new_path()),
        ("text", "get"),
        _is_fetched,
    ),
    Case(
        "generations.estimate_cost",
        lambda c, _: c.generations.estimate_cost(model="lipsync-2", input=INPUT),
        ("read",),
        lambda _, value: len(value) == 1,
    ),
    Case("assets.list", lambda c, _: c.assets.list(limit=100), ("read",), lambda _, value: len(value.items) > 0),
    Case("assets.iter", lambda c, _: c.assets.iter(types=["IMAGE"]), ("read",), lambda _, value: value == []),
    Case(
        "assets.get",
        lambda c, h: c.assets.get(h.asset_id),
        ("read",),
        lambda house, value: bool(value.id == house.asset_id),
    ),
    Case(
        "assets.upload",
        lambda c, _: c.assets.upload(SPEECH),
        ("read", "put", "register"),
        lambda house, value: value.id in house.sandbox.world.assets and value.id != house.asset_id,
    ),
    Case(
        "batch.create",
        lambda c, _: c.batch.create(rows=ROWS),
        ("never",),
        lambda house, value: value.id in house.sandbox.world.batches and value.id != house.batch_id,
    ),
    Case(
        "batch.create, dry run",
        lambda c, _: c.batch.create(rows=ROWS, dry_run=True),
        ("read",),
        lambda _, value: value is not None,
    ),
    Case("batch.list", lambda c, _: c.batch.list(), ("read",), _has("batch_id")),
    Case(
        "batch.get",
        lambda c, h: c.batch.get(h.batch_id),
        ("read",),
        lambda house, value: bool(value.id == house.batch_id),
    ),
    Case(
        "batch.wait",
        lambda c, h: c.batch.wait(h.batch_id, timeout=WAIT),
        ("look",),
        lambda house, value: bool(value.id == house.batch_id and value.status == "COMPLETED"),
    ),
    Case(
        "batch.results",
        lambda c, h: c.batch.results(h.batch_id),
        ("read", "link", "fetch"),
        lambda _, value: len(value.succeeded) == len(ROWS),
    ),
    Case("models.list", lambda c, _: c.models.list(), ("read",), lambda _, value: len(value) > 0),
    Case("lipsync", lipsync, ("create", "look", "get"), _is_ended),
    Case("bulk.run_one", run_one, ("create", "look", "get"), _is_one_row),
    Case("request", lambda c, _: c.request("GET", "/v2/models"), ("any",), lambda _, value: True),
    Case(
        "request, a generation",
        lambda c, _: c.request("POST", "/v2/generate", json={"model": "lipsync-2", "input": INPUT}),
        ("any",),
        lambda _, value: True,
    ),
]

SENDS_NOTHING = {"with_options", "close"}
ELSEWHERE = {
    "bulk.plan": "it is `estimate_cost` and files of this machine",
    "bulk.open": "a run has rows and not an outcome: tests/bulk, benchmarks/kill_matrix.py",
}
"""Methods whose faults are met by other tests."""


def public_methods() -> set[str]:
    """Give the public methods of the client and its resources."""
    found = set()
    client = AsyncSync(api_key="sk")
    for name in inspect.get_annotations(AsyncSync):
        found |= {f"{name}.{method}" for method in _methods_of(type(getattr(client, name)))}
    return found | {method for method in _methods_of(AsyncSync) if method not in SENDS_NOTHING}


def _methods_of(cls: type) -> list[str]:
    return [name for name, value in vars(cls).items() if inspect.isfunction(value) and not name.startswith("_")]
