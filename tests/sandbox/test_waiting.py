"""Generations from PENDING to their end, and how they are followed."""

from __future__ import annotations

import asyncio

import pytest

from tests.sandbox.conftest import BODY, Api, Later, Opener


async def status(api: Api, id: str) -> str:
    return str((await api("GET", f"/v2/generate/{id}")).json["status"])


async def until(api: Api, id: str, wanted: str) -> None:
    async with asyncio.timeout(5):
        while await status(api, id) != wanted:  # it is another program's state
            await asyncio.sleep(0.005)


async def test_a_generation_goes_through_its_statuses_when_told(held: Api) -> None:
    """With an infinite latency each step waits for the control endpoint or for `advance`."""
    id = (await held.create()).json["id"]
    assert await status(held, id) == "PENDING"
    assert (await held("POST", f"/_sandbox/generations/{id}/advance")).status == 200
    await until(held, id, "PROCESSING")
    held.sandbox.advance(id)
    done = await held.ended(id)
    assert done["status"] == "COMPLETED"
    assert (await held("GET", done["outputUrl"])).status == 200
    held.sandbox.advance(id)


async def test_a_generation_ends_at_its_time(opened: Opener, later: Later) -> None:
    """The latency is counted by the loop's clock, so that virtual time works."""
    api = await opened(latency=3600)
    id = (await api.create()).json["id"]
    assert await status(api, id) == "PENDING"
    later.by(400)
    await until(api, id, "PROCESSING")
    later.by(3300)
    assert (await api.ended(id))["status"] == "COMPLETED"


async def test_the_progress_rises_when_it_is_asked_for(opened: Opener, later: Later) -> None:
    """It is 0 while the job is PENDING, follows the time, and is 100 in the end."""
    api = await opened(latency=1000)
    id = (await api.create()).json["id"]

    async def progress() -> float:
        return float((await api("GET", f"/v2/generate/{id}?include=progress")).json["progress_percent"])

    assert "progress_percent" not in (await api("GET", f"/v2/generate/{id}")).json
    assert await progress() == 0
    later.by(500)
    await until(api, id, "PROCESSING")
    assert await progress() == pytest.approx(50, abs=1)
    later.by(250)
    assert await progress() == pytest.approx(75, abs=1)
    api.sandbox.finish(id)
    await api.ended(id)
    assert await progress() == 100


async def test_a_long_poll_answers_when_the_job_ends(held: Api) -> None:
    """The answer has the documented headers."""
    id = (await held.create()).json["id"]
    waiting = asyncio.create_task(held("GET", f"/v2/generate/{id}?wait=true&timeout=10"))
    async with asyncio.timeout(5):
        while held.sandbox.requests[-1].query != "wait=true&timeout=10":  # until it waits
            await asyncio.sleep(0.005)
    held.sandbox.finish(id)
    answer = await waiting
    assert answer.json["status"] == "COMPLETED"
    assert (answer.headers["Retry-After"], answer.headers["X-Sync-Wait-Mode"]) == ("2", "long_poll")
    assert answer.headers["X-Sync-Wait-Timeout-Seconds"] == "10"


async def test_a_long_poll_answers_when_its_time_is_up(held: Api) -> None:
    """The job is shown as it is then."""
    id = (await held.create()).json["id"]
    answer = await held("GET", f"/v2/generations/{id}?wait=true&timeout=1")
    assert (answer.status, answer.json["status"]) == (200, "PENDING")
    assert answer.headers["X-Sync-Wait-Timeout-Seconds"] == "1"


@pytest.mark.parametrize(
    "query",
    [
        "wait=maybe",
        "wait=true&timeout=0",
        "timeout=11",
        "timeout=nan",
        "include=all",
        "wait=true&include=progress",
    ],
)
async def test_a_long_poll_out_of_range_is_refused(api: Api, query: str) -> None:
    """The time is from 1 to 10 seconds, and progress and waiting exclude each other."""
    id = (await api.create()).json["id"]
    answer = await api("GET", f"/v2/generate/{id}?{query}")
    assert (answer.status, answer.code) == (400, "generation_input_validation_failed")


async def test_an_unknown_generation_is_404_and_a_malformed_id_may_be_400(opened: Opener) -> None:
    """Ids are opaque by default; `strict_ids` makes those that are no UUIDs malformed."""
    for strict, expected in ((False, (404, "generation_not_found")), (True, (400, "invalid_generation_id"))):
        api = await opened(strict_ids=strict)
        answer = await api("GET", "/v2/generate/no%20uuid")
        assert (answer.status, answer.code) == expected
        unknown = await api("GET", "/v2/generate/6533643b-aceb-4c40-967e-d9ba9baac39e")
        assert unknown.status == 404


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sandbox_fail_1", ("FAILED", "generation_pipeline_failed")),
        ("sandbox_reject", ("REJECTED", "generation_unknown_error")),
    ],
)
async def test_an_output_name_orders_a_failure(api: Api, name: str, expected: tuple[str, str]) -> None:
    """The job has an error and a code, and no output."""
    ended = await api.made(outputFileName=name)
    assert (ended["status"], ended["errorCode"]) == expected
    assert ended["error"]
    assert "outputUrl" not in ended


async def test_endings_are_ordered_for_the_next_jobs(held: Api) -> None:
    """In Python or over HTTP, in the order of creation; a job that runs already keeps its own."""
    before = (await held.create()).json["id"]
    held.sandbox.end_next("FAILED", "controller_timeout", "Slow.")
    await held(
        "POST", "/_sandbox/endings", json={"status": "REJECTED", "code": "account_on_hold", "message": "No."}
    )
    ids = [before, *[(await held.create()).json["id"] for _ in range(3)]]
    for id in reversed(ids):
        await held("POST", f"/_sandbox/generations/{id}/finish")
    ended = [await held.ended(id) for id in ids]
    assert [job["status"] for job in ended] == ["COMPLETED", "FAILED", "REJECTED", "COMPLETED"]
    assert [job.get("errorCode") for job in ended] == [None, "controller_timeout", "account_on_hold", None]


async def test_a_running_job_can_be_ended_in_another_way(held: Api) -> None:
    """`finish` takes a status, a code and a message."""
    ids = [(await held.create()).json["id"] for _ in range(2)]
    held.sandbox.finish(ids[0], "FAILED", "internal_error", "Ouch.")
    ending = {"status": "REJECTED", "code": "account_on_hold", "message": "No."}
    await held("POST", f"/_sandbox/generations/{ids[1]}/finish", json=ending)
    assert [(await held.ended(id))["error"] for id in ids] == ["Ouch.", "No."]
    assert (await held("POST", "/_sandbox/generations/none/finish")).status == 404
    assert (await held("POST", "/_sandbox/endings", json={"status": "GONE"})).status == 400


async def test_a_thousand_jobs_run_at_once(opened: Opener) -> None:
    """Each has an output of its own, which was made once."""
    api = await opened(latency=0.05)
    answers = await asyncio.gather(*(api.create() for _ in range(1000)))
    ended = await asyncio.gather(*(api.ended(answer.json["id"]) for answer in answers))
    assert {job["status"] for job in ended} == {"COMPLETED"}
    assert len({job["outputUrl"].partition("?")[0] for job in ended}) == 1000
    assert len(list((api.sandbox.world.storage.folder / "renders").iterdir())) == 1


async def test_links_are_fresh_on_every_read_unless_told(opened: Opener) -> None:
    """The output is on another origin than the API, under a signed address."""
    for fresh in (True, False):
        api = await opened(fresh_links=fresh, output_media_url=True)
        first = await api.made()
        again = (await api("GET", f"/v2/generations/{first['id']}")).json
        assert (first["outputUrl"] != again["outputUrl"]) is fresh
        assert again["outputMediaUrl"] == again["outputUrl"]
        assert not first["outputUrl"].startswith(api.sandbox.base_url)
        assert "sig=" in first["outputUrl"]


async def test_the_links_of_a_pending_job_are_not_there(held: Api) -> None:
    """A download link is refused with a status of choice, and a delete with 409."""
    id = (await held.create(BODY)).json["id"]
    link = await held("GET", f"/v2/generations/{id}/download")
    assert (link.status, link.code) == (409, "generation_conflict")
    deleted = await held("DELETE", f"/v2/generations/{id}")
    assert (deleted.status, deleted.code) == (409, "generation_not_deletable_while_processing")
