"""Batches from rows to results, against the sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sync_async import (
    ArgumentError,
    AsyncSync,
    Audio,
    BatchFailedError,
    BatchResponse,
    DecodeError,
    DownloadError,
    GenerationOptions,
    ValidationResponse,
    Video,
    WaitTimeoutError,
)
from sync_async.sandbox import AsyncSandbox

PAYLOAD: dict[str, Any] = {
    "model": "lipsync-2",
    "input": [Video(url="https://media.example/v.mp4"), Audio(url="https://media.example/a.wav")],
}


def rows(count: int = 20, **more: Any) -> list[dict[str, Any]]:
    return [{"request_id": f"row-{n}", "payload": {**PAYLOAD, **more}} for n in range(count)]


class Opener:
    """Opens sandboxes with settings of a test's own, and a client for each."""

    def __init__(self) -> None:
        self._opened: list[Any] = []

    async def __call__(self, **settings: Any) -> tuple[AsyncSandbox, AsyncSync]:
        sandbox = await AsyncSandbox(**{"latency": 0.0, "render": False, **settings}).start()
        client = AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key)
        client._transport.chance = lambda: 0.01
        client._transport.sleep = lambda seconds: asyncio.sleep(seconds / 50)
        self._opened += [sandbox, client]
        return sandbox, client

    async def close(self) -> None:
        for one in reversed(self._opened):
            if isinstance(one, AsyncSandbox):
                assert one.leaks == []  # the key never reaches the host that has the file
            await one.close()


@pytest.fixture
async def opened() -> AsyncIterator[Opener]:
    opener = Opener()
    yield opener
    await opener.close()


async def ended(client: AsyncSync, sandbox: AsyncSandbox, count: int = 20, **more: Any) -> BatchResponse:
    batch = await client.batch.create(rows=rows(count, **more))
    assert isinstance(batch, BatchResponse)
    for id in list(sandbox.generations):
        sandbox.finish(id)
    return await client.batch.wait(batch.id, timeout=20)


async def test_rows_become_results_by_their_request_id(opened: Opener) -> None:
    sandbox, client = await opened()
    batch = await ended(client, sandbox)
    results = await client.batch.results(batch.id)
    assert set(results) == {f"row-{n}" for n in range(20)}
    row = results["row-3"]
    assert row.succeeded
    assert row.generation is not None
    assert row.output_url == row.generation.output_url
    assert (len(results), len(results.failed), results.missing, results.unreadable) == (20, 0, 0, ())
    assert results.batch.metrics.success_count == 20


async def test_rows_travel_as_the_file_that_the_server_reads(opened: Opener) -> None:
    """Types of this library and Python's spelling become the API's JSON; the endpoint is filled in."""
    sandbox, client = await opened()
    given = rows(20, options=GenerationOptions(sync_mode="loop"), output_file_name="take", someNewField=7)
    await client.batch.create(rows=given)
    (seen,) = sandbox.requests
    lines = [line for line in seen.body.decode().splitlines() if line.startswith("{")]
    assert json.loads(lines[0]) == {
        "request_id": "row-0",
        "endpoint": "/v2/generate",
        "payload": {
            "model": "lipsync-2",
            "input": [
                {"type": "video", "url": "https://media.example/v.mp4"},
                {"type": "audio", "url": "https://media.example/a.wav"},
            ],
            "options": {"sync_mode": "loop"},
            "outputFileName": "take",
            "someNewField": 7,
        },
    }


async def test_a_dry_run_starts_nothing(opened: Opener) -> None:
    sandbox, client = await opened()
    assert isinstance(await client.batch.create(rows=rows(), dry_run=True), ValidationResponse)
    assert not sandbox.generations


@pytest.mark.parametrize("failed_rows", ["generation", "error"])
async def test_failed_rows_are_among_the_results(opened: Opener, failed_rows: str) -> None:
    """With their reason, wherever the server puts it."""
    sandbox, client = await opened(batch_failed_rows=failed_rows)
    sandbox.end_next("FAILED", "generation_pipeline_failed", "No face was found.")
    sandbox.end_next("REJECTED", "generation_unknown_error", "Rejected.")
    batch = await ended(client, sandbox)
    results = await client.batch.results(batch.id)
    assert [row.request_id for row in results.failed] == ["row-0", "row-1"]
    assert (results["row-0"].error, results["row-0"].error_code) == (
        "No face was found.",
        "generation_pipeline_failed",
    )
    assert not results["row-0"].succeeded
    assert results["row-0"].raw["request_id"] == "row-0"


@pytest.mark.parametrize(
    "settings", [{"batch_shuffled": True}, {"batch_redirect": False}, {"batch_result_needs_key": True}]
)
async def test_results_are_read_however_they_are_given(opened: Opener, settings: dict[str, Any]) -> None:
    sandbox, client = await opened(**settings)
    batch = await ended(client, sandbox)
    assert len(await client.batch.results(batch.id)) == 20


async def test_what_is_missing_or_broken_is_told(opened: Opener) -> None:
    """It does not end the reading."""
    sandbox, client = await opened(batch_missing_rows=2, batch_broken_line=True)
    batch = await ended(client, sandbox)
    results = await client.batch.results(batch.id)
    assert (len(results), results.missing) == (18, 2)
    (broken,) = results.unreadable
    assert broken.number == 2
    assert "no JSON" in broken.problem


async def test_a_file_that_breaks_off_is_fetched_again(opened: Opener) -> None:
    sandbox, client = await opened()
    batch = await ended(client, sandbox)
    sandbox.faults.add("cut", origin="storage")
    assert len(await client.batch.results(batch.id)) == 20
    sandbox.faults.add("answer", origin="storage", status=403, times=None)
    with pytest.raises(DownloadError, match="did not give the file: it answers 403"):
        await client.batch.results(batch.id)


@pytest.mark.parametrize("body", ["", "<html>Log in</html>"])
async def test_a_page_or_nothing_is_no_file_of_results(opened: Opener, body: str) -> None:
    """It is no batch without rows: from storage it is asked for again, from the API it is an error."""
    sandbox, client = await opened()
    batch = await ended(client, sandbox)
    answer = {"status": 200, "body": body, "headers": {"Content-Type": "text/html"}}
    sandbox.faults.add("answer", origin="storage", **answer)
    assert len(await client.batch.results(batch.id)) == 20
    sandbox.faults.add("answer", path="/v2/batches/.*", **answer)
    with pytest.raises(DecodeError, match="neither a file of results nor a link to one"):
        await client.batch.results(batch.id)


async def test_a_batch_that_failed_as_a_whole_raises_unless_asked_not_to(opened: Opener) -> None:
    sandbox, client = await opened(batch_end="FAILED")
    with pytest.raises(BatchFailedError) as caught:
        await ended(client, sandbox)
    batch = await client.batch.wait(caught.value.id, raise_on_failure=False)
    assert batch.status == "FAILED"


async def test_what_has_not_ended_has_no_results(opened: Opener) -> None:
    _, client = await opened(latency=float("inf"))
    batch = await client.batch.create(rows=rows())
    assert isinstance(batch, BatchResponse)
    with pytest.raises(WaitTimeoutError, match=f"batch {batch.id} did not end within 0.2 s"):
        await client.batch.wait(batch.id, timeout=0.2)
    with pytest.raises(ArgumentError, match=f"^id: batch {batch.id} is .* has no results yet; wait for it first"):
        await client.batch.results(batch.id)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (rows(19), "rows: a batch holds 20 to 500 records; this one has 19"),
        (rows(501), "rows: a batch holds 20 to 500 records; this one has 501"),
        ([*rows(19), rows(1)[0]], r"rows\[19\]: request_id 'row-0' is that of rows\[0\], too"),
        ([*rows(19), {"payload": PAYLOAD}], r"rows\[19\]: request_id is missing"),
        ([*rows(19), {"request_id": "x"}], r"rows\[19\]: payload is missing"),
        (
            [*rows(19), {"request_id": "x", "endpoint": "/v2/tts", "payload": PAYLOAD}],
            r"rows\[19\]: endpoint is '/v2/tts'",
        ),
        ([*rows(19), {"request_id": "x", "payload": {"model": "m"}}], r"rows\[19\]\.payload\.input: "),
        ([*rows(19), {"request_id": "x", "payload": {"input": []}}], r"rows\[19\]\.payload: it names no model"),
        ([*rows(19), "x"], r"rows\[19\]: str is not a dict"),
        ("x", "rows: str is not a list of records"),
        (rows(20, someNewField="x" * 300_000), "rows: it has .* bytes; at most 5,242,880 are allowed"),
    ],
)
async def test_rows_that_cannot_be_right_are_refused_and_nothing_is_sent(
    opened: Opener, given: Any, problem: str
) -> None:
    sandbox, client = await opened()
    with pytest.raises(ArgumentError, match=f"^{problem}"):
        await client.batch.create(rows=given)
    assert not sandbox.requests


async def test_either_a_file_or_rows(opened: Opener) -> None:
    _, client = await opened()
    for both in ({}, {"input": b"x", "rows": rows()}):
        with pytest.raises(ArgumentError, match="^input: a batch needs either input"):
            await client.batch.create(**both)  # type: ignore[arg-type]
