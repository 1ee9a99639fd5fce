"""No id and no query value can reach another endpoint, and each arrives as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs
import pytest
from aiohttp import web
from hypothesis import assume, example, given
from hypothesis import strategies as st
from yarl import URL

from sync_async import ArgumentError, AsyncSync
from sync_async._request import make_request, query_text
from sync_async._settings import as_request_options
from tests.conftest import GENERATION
from tests.properties.effort import examples
from tests.properties.shapes import TEXT, ZONES, endpoints

BASE = "http://api.example"
PLAIN = as_request_options(None)
WITH_ID = {name: endpoint for name, endpoint in endpoints().items() if "{id}" in endpoint.path}
TRICKS = [
    "..", ".", "../..", "%2e%2e", "%2E%2E/", "..%2f", "%2e%2e%2fassets", "..;", "..;/", "a/../b", "a\\b", "%5c..",
    "\\", "?", "a?wait=true", "#", "a#b", "a&b=c", "%", "%00", "\0", "\r\nX-Evil: 1", "a\nb", "\t", " a", "a ",
    "//evil.example", "@evil.example", ":80", "http://evil.example", "\u2025", "\uff0e\uff0e", "\u2215", "\uff0f",
    "\u29f5", "\u202e", "\x7f", "\x85", "\u2028", "\ud800", "a\udcff", "\udcff/..", "\U0010ffff", "{id}", "+", "~",
    "*", "a=b", ";", ",", "e\u0301", "\xe9",
]  # fmt: skip
IDS = st.sampled_from(TRICKS) | st.lists(st.sampled_from([*TRICKS, "gen", "1"]), max_size=3).map("".join) | TEXT


def segments(path: str) -> list[str]:
    """Take a path apart as a server does, once it has undone the encoding."""
    return [unquote(segment, errors="strict") for segment in path.split("/")]


@pytest.mark.parametrize("name", WITH_ID)
@examples(100)
@given(id=IDS)
def test_any_id_is_refused_or_is_one_segment_of_its_own_path(name: str, id: str) -> None:
    """For a strict reader, for yarl, which sends it, and after the clean-up that proxies do."""
    endpoint = WITH_ID[name]
    before, after = (segments(part) for part in endpoint.path.split("{id}"))
    try:
        request = make_request(endpoint, PLAIN, id=id, query={"limit": 3})
    except ArgumentError as error:
        assert error.argument == "id"
        assert not id.strip() or set(id) & set("/\\") or id in (".", "..") or not is_text(id)
        return
    assert request.target.isascii()
    assert request.target.isprintable()
    url = BASE + request.target
    parts = urlsplit(url)
    assert (parts.netloc, parts.query, parts.fragment) == ("api.example", "limit=3", "")
    assert segments(parts.path) == [*before[:-1], id, *after[1:]]
    sent = URL(url, encoded=True)
    assert (sent.raw_path, sent.host, sent.raw_query_string) == (parts.path, "api.example", "limit=3")
    assert URL(url).parts == ("/", *before[1:-1], id, *after[1:])  # yarl resolves dots, encoded or not


def is_text(value: str) -> bool:
    """Tell whether text has bytes; half of a surrogate pair has none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


VALUES = st.one_of(
    IDS, st.integers(), st.floats(), st.booleans(), st.none(), st.dates(), st.datetimes(timezones=st.just(UTC))
)
NAMES = st.sampled_from(["status", "ids", "projectId", "a&b", "a=b", "\xe9", "#", ""]) | TEXT


@examples(200)
@given(query=st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=3), max_size=4))
def test_a_query_is_refused_or_arrives_with_each_value_under_its_name(query: dict[str, Any]) -> None:
    try:
        text = query_text(query)
    except ArgumentError as error:
        assert error.argument in query
        return
    assert text.isascii()
    assert text.isprintable()
    assert not set(text[1:]) & set("?#")
    pairs = parse_qsl(text[1:], keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    assert [name for name, _ in pairs] == [name for name, value in query.items() if value is not None]
    for name, value in pairs:
        if isinstance(query[name], str):
            assert value == query[name]


@examples(100)
@given(time=st.datetimes(timezones=ZONES) | st.dates())
@example(time=datetime.max.replace(tzinfo=UTC))
@example(time=datetime.min)
def test_any_time_in_a_query_is_refused_or_written(time: datetime | date) -> None:
    """Those at the ends of the calendar among them."""
    try:
        text = query_text({"created_after": time})
    except ArgumentError as error:
        assert error.argument == "created_after"
    else:
        written = unquote(text.partition("=")[2])
        if isinstance(time, datetime):
            to_the_millisecond = time.replace(microsecond=time.microsecond // 1000 * 1000)
            assert datetime.fromisoformat(written) == to_the_millisecond.astimezone(time.tzinfo)
        else:
            assert date.fromisoformat(written) == time


@attrs.define
class Echo:
    """A server that tells which route a request took, and a client of it on the same loop."""

    runner: asyncio.Runner
    client: AsyncSync
    seen: list[tuple[str, str, dict[str, str]]]

    def get(self, id: str, query: dict[str, str]) -> tuple[str, str, dict[str, str]]:
        """Ask for a generation, and say what the server understood: route, id and query."""
        self.seen.clear()
        options = {"additional_query_parameters": query}
        self.runner.run(self.client.generations.get(id, request_options=options))
        (understood,) = self.seen
        return understood


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    seen: list[tuple[str, str, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(
            (str(request.match_info.route.resource.canonical), request.match_info["id"], dict(request.query))
        )
        return web.json_response(GENERATION)

    async def start() -> tuple[web.AppRunner, AsyncSync]:
        app = web.Application()
        app.router.add_route("*", "/v2/generate/{id:[^/]+}", answer)
        app.router.add_route("*", "/{id:.*}", answer)
        server = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", 0).start()
        host, port = server.addresses[0][:2]
        return server, AsyncSync(api_key="sk-test", base_url=f"http://{host}:{port}", max_retries=0)

    with asyncio.Runner() as runner:
        server, client = runner.run(start())
        yield Echo(runner, client, seen)
        runner.run(client.close())
        runner.run(server.cleanup())


@examples(80)
@given(id=IDS, query=st.dictionaries(st.sampled_from(["a", "b c", "\xe9", "wait"]), IDS, max_size=2))
def test_a_real_server_understands_the_id_and_the_query_that_were_given(
    echo: Echo, id: str, query: dict[str, str]
) -> None:
    try:
        make_request(WITH_ID["GET /v2/generate/{id}"], PLAIN, id=id, query=query)
    except ArgumentError:
        assume(False)
    assert echo.get(id, query) == ("/v2/generate/{id}", id, query)
