"""Batches and their result files."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import AUDIO, BODY, Answer, Api, Opener


def record(number: int, **payload: Any) -> dict[str, Any]:
    return {"request_id": f"r-{number}", "endpoint": "/v2/generate", "payload": {**BODY, **payload}}


RECORDS = [record(number) for number in range(20)]


async def send(api: Api, records: list[Any], part: str = "input", **fields: str) -> Answer:
    form = aiohttp.FormData()
    raw = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in records)
    form.add_field(part, raw.encode(), filename="in.jsonl")
    for name, value in fields.items():
        form.add_field(name, value)
    return await api("POST", "/v2/batch", data=form)


async def ended(api: Api, made: Answer) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            batch = (await api("GET", f"/v2/batch/{made.json['id']}")).json
            if batch["status"] in ("COMPLETED", "FAILED"):
                return dict(batch)
            await asyncio.sleep(0.01)


async def test_a_batch_runs_beside_the_slots_and_has_a_line_for_each_row(opened: Opener) -> None:
    """The link answers 302 to a signed file on another origin, failed rows included."""
    api = await opened(concurrency=0)
    made = await send(api, [*RECORDS[:19], record(19, outputFileName="sandbox_fail")])
    assert (made.status, made.json["status"], made.json["outputUrl"]) == (201, "PENDING", "")
    assert made.json["metrics"]["pending_count"] == 20
    batch = await ended(api, made)
    assert batch["metrics"] == {
        "total_generations": 20,
        "success_count": 19,
        "failed_count": 1,
        "pending_count": 0,
    }
    hop = await api("GET", batch["outputUrl"], headers={"x-api-key": "k"})
    assert hop.status == 302
    assert hop.headers["Location"].startswith(api.sandbox.storage_url)
    text = (await api("GET", hop.headers["Location"])).body.decode()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["request_id"] for row in rows] == [f"r-{number}" for number in range(20)]
    assert rows[19]["response"]["errorCode"] == "generation_pipeline_failed"
    assert (await api("GET", rows[0]["response"]["outputUrl"])).status == 200


async def test_a_batch_goes_through_its_statuses(held: Api) -> None:
    """PENDING, JOBS_CREATED, PROCESSING and its end; its result is refused before."""
    made = await send(held, RECORDS)
    path = f"/v2/batch/{made.json['id']}"
    assert (made.json["status"], (await held("GET", path)).json["status"]) == ("PENDING", "JOBS_CREATED")
    early = await held("GET", f"/v2/batches/{made.json['id']}/result")
    assert (early.status, early.code) == (409, "generation_conflict")
    ids = list(held.sandbox.generations)
    held.sandbox.finish(ids[0])
    await held.ended(ids[0])
    assert (await held("GET", path)).json["status"] == "PROCESSING"
    for id in ids:
        held.sandbox.finish(id)
    assert (await ended(held, made))["status"] == "COMPLETED"


async def test_a_batch_can_be_sent_as_json_or_under_the_other_name(api: Api) -> None:
    """The file part is called `input` or `file`."""
    assert (await api("POST", "/v2/batch", json={"rows": RECORDS, "dry_run": True})).json == {
        "status": "VALIDATED"
    }
    assert (await send(api, RECORDS, part="file")).status == 201


async def test_a_dry_run_starts_nothing(opened: Opener) -> None:
    """It is validated, has no id, and its success has the status of choice."""
    api = await opened(batch_status=200)
    dry = await send(api, RECORDS, dry_run="true")
    assert (dry.status, dry.json) == (200, {"status": "VALIDATED"})
    assert (await send(api, [*RECORDS[:19], record(19, model="x")], dry_run="true")).status == 400
    assert (api.sandbox.generations, (await api("GET", "/v2/batch")).json) == ({}, [])


@pytest.mark.parametrize(
    ("records", "code", "line"),
    [
        (RECORDS[:19], "batch_insufficient_records", None),
        ([record(number) for number in range(501)], "generation_input_validation_failed", None),
        ([*RECORDS, RECORDS[0]], "batch_duplicate_request_id", 21),
        ([*RECORDS[:19], {**RECORDS[19], "endpoint": "/v2/x"}], "batch_invalid_endpoint", 20),
        (["1", *RECORDS], "batch_invalid_jsonl", 1),
        ([*RECORDS, "{"], "batch_invalid_jsonl", 21),
        ([*RECORDS, '{"request_id": NaN}'], "batch_invalid_jsonl", 21),
        ([*RECORDS, {"request_id": "x", "endpoint": "/v2/generate"}], "generation_input_validation_failed", 21),
        ([*RECORDS, record(20, model="x")], "generation_unsupported_model", 21),
        ([*RECORDS, record(20, projectId="x")], "project_not_found", 21),
        ([*RECORDS, " " * (5 * 1024**2)], "batch_file_too_large", None),
    ],
)
@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_a_batch_with_a_bad_record_is_refused(
    api: Api, records: list[Any], code: str, line: int | None
) -> None:
    """The answer is 400 and names the line."""
    answer = await send(api, records)
    assert (answer.status, answer.code, answer.json.get("lineNumber")) == (400, code, line)
    assert api.sandbox.generations == {}


@pytest.mark.parametrize(
    "body",
    [{}, {"rows": {}}, {"rows": RECORDS, "dry_run": "yes"}, {"rows": RECORDS, "webhook_url": "http://x.example"}],
)
async def test_a_batch_with_a_bad_field_is_refused(api: Api, body: dict[str, Any]) -> None:
    """In JSON and in a form alike."""
    assert (await api("POST", "/v2/batch", json=body)).status == 400
    assert (await send(api, RECORDS, dry_run="yes")).status == 400
    assert (await send(api, RECORDS, part="other")).status == 400


async def test_a_second_batch_has_to_wait(opened: Opener) -> None:
    """How many run at once, and the code of the refusal, are switches."""
    for code in ("concurrency_limit_reached", "batch_concurrency_limit_reached"):
        api = await opened(latency=float("inf"), batches=2, batch_limit_code=code)
        statuses = [(await send(api, RECORDS)).status for _ in range(2)]
        refused = await send(api, RECORDS)
        assert (statuses, refused.status, refused.code) == ([201, 201], 429, code)


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    [
        ({"batch_refusal": "402"}, 402, "plan_feature_unavailable"),
        ({"batch_refusal": "403"}, 403, "batch_plan_required"),
        ({"plan": "growth"}, 402, "plan_feature_unavailable"),
        ({"plan": "scale"}, 201, None),
    ],
)
async def test_a_plan_may_have_no_batches(
    opened: Opener, settings: dict[str, Any], status: int, code: str
) -> None:
    """Public sources name two refusals."""
    answer = await send(await opened(**settings), RECORDS)
    assert (answer.status, answer.code) == (status, code)


async def test_batches_are_listed_newest_first(opened: Opener) -> None:
    """By status and by time, with any offset."""
    api = await opened(batches=9)
    made = [(await send(api, RECORDS)) for _ in range(2)]
    for one in made:
        await ended(api, one)
    ids = [one.json["id"] for one in reversed(made)]

    async def listed(query: str) -> list[str]:
        return [batch["id"] for batch in (await api("GET", f"/v2/batch?{query}")).json]

    assert await listed("status=COMPLETED") == ids
    assert await listed("status=FAILED") == []
    assert await listed("created_after=2020-01-01T00:00:00%2B02:00&created_before=2100-01-01T00:00:00Z") == ids
    assert await listed("created_after=2100-01-01T00:00:00Z") == []
    for query in ("status=DONE", "created_after=yesterday"):
        assert (await api("GET", f"/v2/batch?{query}")).status == 400
    for path in ("/v2/batch/none", "/v2/batches/none/result"):
        assert (await api("GET", path)).status == 404


async def test_results_may_be_as_strange_as_reality(opened: Opener) -> None:
    """Shuffled, broken, incomplete, with top-level errors, no redirect, behind the key, of a failed batch."""
    api = await opened(
        batch_shuffled=True,
        batch_broken_line=True,
        batch_missing_rows=2,
        batch_failed_rows="error",
        batch_redirect=False,
        batch_result_needs_key=True,
        batch_end="FAILED",
    )
    batch = await ended(
        api, await send(api, [record(number, outputFileName="sandbox_fail") for number in range(20)])
    )
    assert batch["status"] == "FAILED"
    path = batch["outputUrl"].removeprefix(api.sandbox.base_url)
    assert (await api("GET", path, key=None)).status == 401
    answer = await api("GET", path)
    found = answer.body.decode().splitlines()
    assert (answer.status, len(found)) == (200, 19)
    assert '{"request_id": "broken", ' in found
    rows = [json.loads(line) for line in found if "broken" not in line]
    assert all(set(row["error"]) == {"message", "code"} for row in rows)
    assert [row["request_id"] for row in rows] != sorted(row["request_id"] for row in rows)


async def test_a_deleted_generation_of_a_batch_still_counts(api: Api) -> None:
    """Its line is missing from the result."""
    made = await send(api, RECORDS)
    await ended(api, made)
    await api("DELETE", f"/v2/generations/{next(iter(api.sandbox.generations))}")
    batch = await ended(api, made)
    assert batch["metrics"]["success_count"] == 20
    hop = await api("GET", batch["outputUrl"])
    assert len((await api("GET", hop.headers["Location"])).body.splitlines()) == 19


async def test_long_media_fail_their_row_only(opened: Opener) -> None:
    """Inputs of batches may have thirty seconds, or as many as the switch says."""
    api = await opened(render=True, batch_seconds=3.5)
    video_only = record(0, input=[BODY["input"][0]], dubParams={"targetLang": "es"})
    made = await send(api, [video_only, *RECORDS[1:]])
    assert (await ended(api, made))["metrics"]["failed_count"] == 19
    job = (await api("GET", "/v2/generations?status=FAILED&limit=1")).json[0]
    assert job["errorCode"] == "generation_input_duration_greater_than_max_duration"
    assert AUDIO in job["input"]
