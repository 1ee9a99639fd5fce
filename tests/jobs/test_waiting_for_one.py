"""Waiting for a generation, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sync_async import (
    ArgumentError,
    AsyncSync,
    DecodeError,
    Generation,
    GenerationFailedError,
    InternalServerError,
    NotFoundError,
    WaitTimeoutError,
)
from sync_async.jobs.kinds import GENERATION as KIND
from tests.conftest import GENERATION, Clock, Server

ID = GENERATION["id"]


@pytest.fixture
async def waiting(server: Server, clock: Clock) -> AsyncIterator[AsyncSync]:
    """A client whose waits pass in virtual time."""
    async with AsyncSync(api_key="k", base_url=server.url) as client:
        client._transport.sleep = clock.sleep
        client._transport.chance = lambda: 1.0
        yield client


def state(status: str, **fields: Any) -> dict[str, Any]:
    return {**GENERATION, "status": status, **fields}


async def test_it_asks_the_server_to_answer_when_the_job_ends(
    server: Server, waiting: AsyncSync, clock: Clock
) -> None:
    """By long poll, and no sooner again than the server says."""
    server.answer(200, state("PENDING"), **{"Retry-After": "2"})
    server.answer(200, state("PROCESSING"), **{"Retry-After": "2"})
    server.answer(200, state("COMPLETED", outputUrl="https://x/o.mp4"))
    done = await waiting.generations.wait(ID)
    assert done.output_url == "https://x/o.mp4"
    assert [request.raw_path for request in server.seen] == [f"/v2/generate/{ID}?wait=true&timeout=10"] * 3
    assert clock.sleeps == [2.0, 2.0]


async def test_without_hints_the_pauses_grow_to_15_seconds(
    server: Server, waiting: AsyncSync, clock: Clock
) -> None:
    """A server without long poll is not hammered."""
    server.answer(200, state("PROCESSING"), times=15)
    server.answer(200, state("COMPLETED"))
    await waiting.generations.wait(ID)
    assert clock.sleeps[0] == 2.0
    assert clock.sleeps == sorted(clock.sleeps)
    assert clock.sleeps[-1] == 15.0


async def test_a_watcher_sees_each_change_once_with_progress(
    server: Server, waiting: AsyncSync, clock: Clock
) -> None:
    """Then the server is asked for the progress, which excludes the long poll."""
    for progress in (10, 10, 50):
        server.answer(200, state("PROCESSING", progress_percent=progress))
    server.answer(200, state("COMPLETED"))
    seen: list[tuple[str, float | None]] = []
    await waiting.generations.wait(ID, on_update=lambda g: seen.append((g.status, g.progress_percent)))
    assert seen == [("PROCESSING", 10), ("PROCESSING", 50), ("COMPLETED", None)]
    assert {request.query for request in server.seen} == {"include=progress"}
    assert max(clock.sleeps) <= 5.0


async def test_a_watcher_may_be_a_coroutine_function(server: Server, waiting: AsyncSync) -> None:
    """It is awaited before the next look."""
    server.answer(200, state("COMPLETED"))
    seen: list[str] = []

    async def watch(generation: Generation) -> None:
        seen.append(generation.status)

    await waiting.generations.wait(ID, on_update=watch)
    assert seen == ["COMPLETED"]


async def test_a_watcher_that_raises_ends_the_wait(server: Server, waiting: AsyncSync) -> None:
    """Its error is the caller's own."""
    server.answer(200, state("PROCESSING"))

    def watch(_: Generation) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await waiting.generations.wait(ID, on_update=watch)


async def test_time_running_out_is_an_error_that_has_the_id(
    server: Server, waiting: AsyncSync, clock: Clock
) -> None:
    """The job goes on, and the text says how to go on with it."""
    server.answer(200, state("PROCESSING"), **{"Retry-After": "2"})
    with pytest.raises(WaitTimeoutError, match="wait for the same id again, do not create it again") as caught:
        await waiting.generations.wait(ID, timeout=5)
    assert caught.value.id == ID
    assert caught.value.generation is not None
    assert caught.value.generation.status == "PROCESSING"
    assert isinstance(caught.value, TimeoutError)
    assert clock.now == 1005.0
    assert [request.query for request in server.seen] == [
        "wait=true&timeout=5",
        "wait=true&timeout=3",
        "wait=true&timeout=1",
        "",
    ]


@pytest.mark.parametrize("status", sorted(KIND.failure))
async def test_a_job_that_failed_raises_with_the_job(server: Server, waiting: AsyncSync, status: str) -> None:
    """Unless the caller asks for the object."""
    server.answer(200, state(status, error="no face", errorCode="generation_pipeline_failed"))
    with pytest.raises(
        GenerationFailedError, match=f"{ID} ended {status} .generation_pipeline_failed.: no face"
    ) as caught:
        await waiting.generations.wait(ID)
    assert caught.value.generation.error == "no face"
    assert (await waiting.generations.wait(ID, raise_on_failure=False)).status == status


async def test_lost_looks_do_not_end_the_wait(server: Server, waiting: AsyncSync, clock: Clock) -> None:
    """Broken connections, 429 and 5xx say nothing about the job."""
    server.answer(200, state("PROCESSING"))
    server.drop(times=3)
    server.refuse(503, times=3)
    server.refuse(429, "rate_limit_exceeded", times=3, headers={"Retry-After": "20"})
    server.answer(200, state("COMPLETED"))
    assert (await waiting.generations.wait(ID)).status == "COMPLETED"
    assert clock.sleeps.count(20.0) >= 3


async def test_an_answer_that_cannot_be_read_does_not_end_the_wait(
    server: Server, waiting: AsyncSync, clock: Clock
) -> None:
    """A proxy's page says nothing about a job that is paid for."""
    server.answer(200, body=b"<html>Log in</html>", **{"Content-Type": "text/html"})
    server.answer(200, {"id": ID})
    server.answer(200, state("COMPLETED"))
    assert (await waiting.generations.wait(ID)).status == "COMPLETED"


@pytest.mark.parametrize("timeout", [None, 86_400])
async def test_nothing_but_unreadable_answers_ends_any_wait_at_last(
    server: Server, waiting: AsyncSync, clock: Clock, timeout: float | None
) -> None:
    """After ten minutes the API itself must have changed, and waiting for a day would not help."""
    server.answer(200, body=b"<html>Log in</html>", **{"Content-Type": "text/html"})
    with pytest.raises(DecodeError, match="HTML page"):
        await waiting.generations.wait(ID, timeout=timeout)
    assert 600 < clock.now - 1000 < 700


async def test_nothing_but_lost_looks_ends_an_endless_wait_at_last(
    server: Server, waiting: AsyncSync, clock: Clock
) -> None:
    """After ten minutes of them, with the last error."""
    server.refuse(500)
    with pytest.raises(InternalServerError):
        await waiting.generations.wait(ID)
    assert 600 < clock.now - 1000 < 700


async def test_a_timeout_during_lost_looks_names_their_cause(server: Server, waiting: AsyncSync) -> None:
    """The error chain tells why no look succeeded."""
    server.refuse(500)
    with pytest.raises(WaitTimeoutError, match="no look succeeded") as caught:
        await waiting.generations.wait(ID, timeout=10)
    assert isinstance(caught.value.__cause__, InternalServerError)
    assert caught.value.generation is None


async def test_a_job_that_is_not_there_ends_the_wait(server: Server, waiting: AsyncSync) -> None:
    """A lasting error is the caller's to know at once."""
    server.refuse(404, "generation_not_found")
    with pytest.raises(NotFoundError):
        await waiting.generations.wait(ID)
    assert len(server.seen) == 1


async def test_a_server_without_long_poll_is_polled(server: Server, waiting: AsyncSync) -> None:
    """Its 400 to the long poll is not an error of the caller's."""
    server.refuse(400)
    server.answer(200, state("PROCESSING"))
    server.answer(200, state("COMPLETED"))
    assert (await waiting.generations.wait(ID)).status == "COMPLETED"
    assert [request.query for request in server.seen] == [
        "wait=true&timeout=10",
        "include=progress",
        "include=progress",
    ]


async def test_an_unknown_status_is_waited_on_and_reported_once(
    server: Server, waiting: AsyncSync, caplog: pytest.LogCaptureFixture
) -> None:
    """The server may learn new words; the log says that we did not."""
    server.answer(200, state("QUEUED_AGAIN"), times=3)
    server.answer(200, state("COMPLETED"))
    assert (await waiting.generations.wait(ID)).status == "COMPLETED"
    assert caplog.text.count("QUEUED_AGAIN") == 1


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "5", True])
async def test_a_timeout_that_is_none_is_refused(server: Server, waiting: AsyncSync, timeout: Any) -> None:
    """Before any look."""
    with pytest.raises(ArgumentError, match="timeout"):
        await waiting.generations.wait(ID, timeout=timeout)
    assert server.seen == []


async def test_a_generation_may_stand_for_its_id(server: Server, waiting: AsyncSync) -> None:
    """It is at hand after `create`."""
    server.answer(200, state("COMPLETED"))
    await waiting.generations.wait(Generation(id="a", status="PENDING"))
    assert server.seen[0].path == "/v2/generate/a"


async def test_an_id_of_another_kind_is_refused(server: Server, waiting: AsyncSync) -> None:
    """Nothing is asked, and the message tells where it belongs."""
    job = Generation(id="a", status="PENDING")
    for call in (
        lambda: waiting.generations.wait("batch_1"),
        lambda: waiting.generations.download("batch_1", "out.mp4"),
        lambda: waiting.generations.wait_many(["a", "batch_1"]).next_group(),
        lambda: waiting.batch.wait(job),  # type: ignore[arg-type]
        lambda: waiting.batch.results(job),  # type: ignore[arg-type]
    ):
        with pytest.raises(ArgumentError, match=r"is the id of a (batch; client\.batch|generation; client\.gen)"):
            await call()
    assert server.seen == []
