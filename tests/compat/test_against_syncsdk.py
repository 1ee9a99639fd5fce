"""Each request beside the one that syncsdk 0.3.0 sends for the same call.

`syncsdk_requests.json` was recorded by `record_syncsdk.py`. Every difference is one of the rules below, each of
which the API's own documentation asks for; `docs/migrating.md` lists them for people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat import calls
from tests.compat.echo import Echo

Request = dict[str, Any]

RECORDED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "syncsdk_requests.json").read_text())
DOCS = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text(encoding="utf-8")


def names_itself(request: Request) -> None:
    request["headers"].pop("X-Fern-Language")
    request["headers"] |= {"User-Agent": "syncso", "Accept": "application/json"}


def has_a_key(request: Request) -> None:
    if (request["method"], request["path"]) == ("POST", "/v2/generate"):
        request["headers"]["Idempotency-Key"] = "<a new key>"


def joins_lists(request: Request) -> None:
    joined: dict[str, list[str]] = {}
    for name, value in request["query"]:
        joined.setdefault(name, []).append(value)
    request["query"] = [[name, ",".join(values)] for name, values in joined.items()]


def says_times_in_utc(request: Request) -> None:
    for pair in request["query"]:
        times = {
            "2026-01-02T00:00:00Z": "2026-01-02T00:00:00.000Z",
            "2026-01-03T01:00:00+01:00": "2026-01-03T00:00:00.000Z",
        }
        pair[1] = times.get(pair[1], pair[1])


def encodes_ids(request: Request) -> None:
    if request["path"] == "/v2/assets/a%20b":
        request["path"] = "/v2/assets/a%20b%3Fc%23d%25e"


def uses_the_apis_media_types(request: Request) -> None:
    types = {"audio/x-wav": "audio/wav", "application/octet-stream": "application/jsonl"}
    for part in request.get("form", []):
        part["type"] = types.get(part["type"], part["type"])


RULES: list[Callable[[Request], None]] = [
    names_itself,
    has_a_key,
    joins_lists,
    says_times_in_utc,
    encodes_ids,
    uses_the_apis_media_types,
]

DIFFERENT_OUTCOMES = {
    # syncsdk raises a TypeError where files come with options or with other inputs
    "generations.create_with_files options": ("TypeError", None),
    "generations.create_with_files input": ("TypeError", None),
    # the id reaches the endpoint of batches, whose answer then breaks syncsdk
    "generations.get escaping id": ("TypeError", "ArgumentError"),
}


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    """A server that writes down what it is asked."""
    server = Echo()
    yield server
    server.close()


@pytest.mark.parametrize("name", calls.CALLS)
def test_the_request_is_syncsdks_but_for_the_rules(echo: Echo, name: str) -> None:
    """Method, path, query, headers, and JSON or form."""
    echo.seen.clear()
    error = calls.run(name, echo.url)
    theirs = RECORDED[name]
    assert (theirs["error"], error) == DIFFERENT_OUTCOMES.get(name, (None, None))
    if name in DIFFERENT_OUTCOMES:
        return
    expected = json.loads(json.dumps(theirs["sent"]))
    for rule in RULES:
        for request in expected:
            rule(request)
    assert json.loads(json.dumps(echo.seen)) == expected


def test_each_rule_changes_something_and_is_written_down() -> None:
    """No rule hides a difference that is not there, and none is kept from the reader."""
    for rule in RULES:
        requests = [request for record in RECORDED.values() for request in record["sent"]]
        changed = json.loads(json.dumps(requests))
        for request in changed:
            rule(request)
        assert changed != requests, rule.__name__
        assert f"`{rule.__name__}`" in DOCS


def test_what_syncsdk_could_not_send_is_sent_as_the_documentation_says(echo: Echo) -> None:
    """Nested fields of a form are JSON strings."""
    echo.seen.clear()
    calls.run("generations.create_with_files options", echo.url)
    form = {part["name"]: part["content"] for part in echo.seen[0]["form"]}
    assert form["options"] == '{"sync_mode":"loop"}'


def test_an_id_cannot_escape_any_more(echo: Echo) -> None:
    """syncsdk's own reached the batches."""
    assert RECORDED["generations.get escaping id"]["sent"][0]["path"] == "/v2/batch"
    echo.seen.clear()
    assert calls.run("generations.get escaping id", echo.url) == "ArgumentError"
    assert echo.seen == []
