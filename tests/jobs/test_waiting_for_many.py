"""Waiting for many generations, in virtual time: by list, in the order in which they end, and cheaply."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs

import attrs
import pytest
from aiohttp import web

from sync_async import (
    ArgumentError,
    AsyncItems,
    AsyncSync,
    DecodeError,
    Generation,
    NotFoundError,
    WaitTimeoutError,
)
from tests.conftest import GENERATION, Clock, Server


@attrs.define
class Jobs:
    """A server whose generations end at their times on the test's clock."""

    clock: Clock
    ends: dict[str, tuple[float, str]] = attrs.field(factory=dict)
    lists: list[list[str]] = attrs.field(factory=list)
    singles: list[str] = attrs.field(factory=list)
    trouble: Callable[[], web.Response | None] = lambda: None
    unlisted: set[str] = attrs.field(factory=set)
    pages: set[str] = attrs.field(factory=set)

    def state(self, id: str) -> dict[str, Any]:
        end, status = self.ends[id]
        return {**GENERATION, "id": id, "status": status if self.clock.now >= end else "PROCESSING"}

    async def respond(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/v2/generations":
            ids = parse_qs(request.query_string)["ids"][0].split(",")
            self.lists.append(ids)
            answer = self.trouble()
            known = [id for id in ids if id in self.ends and id not in self.unlisted]
            return answer or web.json_response([self.state(id) for id in reversed(known)])
        id = request.path.rpartition("/")[2]
        self.singles.append(id)
        if id in self.pages:
            return web.Response(text="<html>Log in</html>", content_type="text/html")
        if id not in self.ends:
            return web.json_response(
                {"message": "no such generation", "errorCode": "generation_not_found"}, status=404
            )
        return web.json_response(self.state(id))


@pytest.fixture
async def jobs(server: Server, clock: Clock) -> Jobs:
    made = Jobs(clock)
    server.answers = [made.respond]
    return made


@pytest.fixture
async def client(server: Server, clock: Clock) -> AsyncIterator[AsyncSync]:
    async with AsyncSync(api_key="k", base_url=server.url, max_retries=0) as made:
        made._transport.sleep = clock.sleep
        yield made


async def gather(items: AsyncItems[Generation], seen: list[str]) -> None:
    """Take all that comes before an error."""
    async for one in items:
        seen.append(one.id)  # noqa: PERF401  # a comprehension would lose them


async def test_they_come_as_they_end(jobs: Jobs, client: AsyncSync) -> None:
    """Failed ones among them, each once."""
    now = jobs.clock.now
    jobs.ends = {"a": (now + 90, "COMPLETED"), "b": (now + 30, "FAILED"), "c": (now + 60, "REJECTED")}
    seen = [(one.id, one.status) async for one in client.generations.wait_many(["a", "b", "c", "a"])]
    assert seen == [("b", "FAILED"), ("c", "REJECTED"), ("a", "COMPLETED")]
    assert jobs.singles == []


async def test_what_has_ended_is_not_asked_for_again(jobs: Jobs, client: AsyncSync) -> None:
    now = jobs.clock.now
    jobs.ends = {"a": (now, "COMPLETED"), "b": (now + 5, "COMPLETED")}
    assert [one.id async for one in client.generations.wait_many(["a", "b"])] == ["a", "b"]
    assert jobs.lists[0] == ["a", "b"]
    assert {tuple(ids) for ids in jobs.lists[1:]} == {("b",)}


async def test_a_thousand_jobs_cost_tens_of_requests_a_minute(jobs: Jobs, client: AsyncSync) -> None:
    """A hundred with each request, and one request a second at most in the mean."""
    now = jobs.clock.now
    jobs.ends = {f"job-{n}": (now + 100 + n % 60, "COMPLETED") for n in range(1000)}
    count = 0
    async for _ in client.generations.wait_many(list(jobs.ends)):
        count += 1
    assert count == 1000
    assert max(map(len, jobs.lists)) == 100
    minutes = (jobs.clock.now - now) / 60
    assert len(jobs.lists) / minutes < 65
    assert jobs.singles == []


async def test_the_end_of_a_job_is_seen_within_a_fiftieth_of_its_length(jobs: Jobs, client: AsyncSync) -> None:
    """A slot that stands empty is money: 2 % of two minutes are 2.4 s; short jobs are looked at each second."""
    now = jobs.clock.now
    jobs.ends = {"a": (now + 120, "COMPLETED")}
    async for _ in client.generations.wait_many(["a"]):
        assert jobs.clock.now - (now + 120) < 2.5
    assert min(jobs.clock.sleeps) == 1.0
    assert max(jobs.clock.sleeps) < 2.5


async def test_long_jobs_are_looked_at_every_15_seconds(jobs: Jobs, client: AsyncSync) -> None:
    now = jobs.clock.now
    jobs.ends = {"a": (now + 7200, "COMPLETED")}
    async for _ in client.generations.wait_many(["a"]):
        pass
    assert max(jobs.clock.sleeps) == 15.0


async def test_a_time_of_trouble_is_outlasted(jobs: Jobs, client: AsyncSync) -> None:
    """Lost looks and 5xx are looks like others, and a server that asks for time gets it."""
    now = jobs.clock.now
    jobs.ends = {"a": (now + 20, "COMPLETED")}
    answers = [
        web.json_response({"message": "later"}, status=503),
        web.json_response({"message": "slow down"}, status=429, headers={"Retry-After": "7"}),
        None,
    ]
    jobs.trouble = lambda: answers.pop(0) if answers else None
    assert [one.id async for one in client.generations.wait_many(["a"])] == ["a"]
    assert 7.0 in jobs.clock.sleeps


async def test_one_group_in_trouble_does_not_hold_up_the_others(jobs: Jobs, client: AsyncSync) -> None:
    now = jobs.clock.now
    jobs.ends = {f"job-{n}": (now, "COMPLETED") for n in range(300)}
    failures = [web.json_response({}, status=500)]
    jobs.trouble = lambda: failures.pop() if failures else None
    items = client.generations.wait_many(list(jobs.ends))
    assert len(await items.next_group()) == 200
    assert len(await items.next_group()) == 100
    assert list(await items.next_group()) == []


async def test_an_id_that_the_server_does_not_know_is_told_of_at_the_end(jobs: Jobs, client: AsyncSync) -> None:
    """It may be new to it, so it is asked for three times in a minute; the others come meanwhile."""
    now = jobs.clock.now
    jobs.ends = {"a": (now + 10, "COMPLETED"), "b": (now + 200, "COMPLETED")}
    seen: list[str] = []
    with pytest.raises(NotFoundError, match="generation_not_found.* at GET /v2/generate/ghost"):
        await gather(client.generations.wait_many(["ghost", "a", "b"]), seen)
    assert seen == ["a", "b"]
    assert jobs.singles == ["ghost"] * 3


async def test_one_that_is_not_listed_yet_is_found_alone(jobs: Jobs, client: AsyncSync) -> None:
    jobs.ends = {"a": (jobs.clock.now, "COMPLETED")}
    jobs.unlisted = {"a"}
    assert [one.id async for one in client.generations.wait_many(["a"])] == ["a"]


async def test_one_whose_answer_cannot_be_read_ends_the_wait_when_nothing_else_is_left(
    jobs: Jobs, client: AsyncSync
) -> None:
    """It is asked for again and again, for ten minutes in which nothing is learned."""
    now = jobs.clock.now
    jobs.ends = {"a": (now, "COMPLETED"), "b": (now, "COMPLETED")}
    jobs.unlisted = {"b"}
    jobs.pages = {"b"}
    seen: list[str] = []
    with pytest.raises(DecodeError, match="HTML page"):
        await gather(client.generations.wait_many(["a", "b"]), seen)
    assert seen == ["a"]
    assert 600 < jobs.clock.now - now < 700


async def test_a_timeout_names_all_that_still_run(jobs: Jobs, client: AsyncSync) -> None:
    """And tells to wait on, not to buy again."""
    now = jobs.clock.now
    jobs.ends = {"a": (now + 5, "COMPLETED"), "b": (math.inf, "COMPLETED"), "c": (math.inf, "COMPLETED")}
    seen: list[str] = []
    with pytest.raises(WaitTimeoutError, match="wait for the same ids again, do not create them again") as caught:
        await gather(client.generations.wait_many(["a", "b", "c"], timeout=30), seen)
    assert seen == ["a"]
    assert caught.value.ids == ("b", "c")
    assert jobs.clock.now - now == pytest.approx(30)


async def test_a_listener_sees_each_change(jobs: Jobs, client: AsyncSync) -> None:
    now = jobs.clock.now
    jobs.ends = {"a": (now + 3, "COMPLETED"), "b": (now + 6, "FAILED")}
    told: list[tuple[str, str]] = []

    async def note(one: Generation) -> None:
        told.append((one.id, one.status))

    async for _ in client.generations.wait_many(["a", "b"], on_update=note):
        pass
    assert sorted(told) == [("a", "COMPLETED"), ("a", "PROCESSING"), ("b", "FAILED"), ("b", "PROCESSING")]


async def test_a_listener_that_fails_loses_no_result(jobs: Jobs, client: AsyncSync) -> None:
    """What had ended comes with the next step."""
    jobs.ends = {"a": (jobs.clock.now, "COMPLETED")}

    def fail(_: Generation) -> None:
        raise LookupError

    items = client.generations.wait_many(["a"], on_update=fail)
    with pytest.raises(LookupError):
        await anext(items)
    assert (await anext(items)).id == "a"


async def test_a_consumer_that_takes_its_time_delays_no_look(jobs: Jobs, client: AsyncSync) -> None:
    """The time between two groups counts as waiting."""
    now = jobs.clock.now
    jobs.ends = {"a": (now, "COMPLETED"), "b": (now + 50, "COMPLETED")}
    items = client.generations.wait_many(["a", "b"])
    await anext(items)
    jobs.clock.now += 60
    sleeps = len(jobs.clock.sleeps)
    await anext(items)
    assert len(jobs.clock.sleeps) == sleeps


async def test_none_at_all_is_over_at_once(jobs: Jobs, client: AsyncSync) -> None:
    assert [one async for one in client.generations.wait_many([])] == []
    assert jobs.lists == []


@pytest.mark.parametrize(
    ("ids", "timeout", "argument"),
    [
        ("abc", None, "ids"),
        (["a", ""], None, r"ids\[1\]"),
        (["a/b"], None, r"ids\[0\]"),
        ([3], None, r"ids\[0\]"),
        (7, None, "ids"),
        (["a"], -1, "timeout"),
    ],
)
async def test_what_cannot_be_right_is_refused_at_once(
    server: Server, client: AsyncSync, ids: Any, timeout: Any, argument: str
) -> None:
    """By the call itself, not by the first step of the loop."""
    with pytest.raises(ArgumentError, match=f"^{argument}: "):
        client.generations.wait_many(ids, timeout=timeout)
    assert server.seen == []
