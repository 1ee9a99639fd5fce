"""Client and sandbox against each other over a real socket, in both styles."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import pytest

from sync_async import (
    ApiError,
    AsyncSandbox,
    AsyncSync,
    Audio,
    BatchResponse,
    ConcurrencyLimitError,
    ElevenLabs,
    GenerationFailedError,
    GenerationOptions,
    GenerationSegment,
    Image,
    SegmentAudioInput,
    Tts,
    ValidationResponse,
    Video,
)
from sync_async.sandbox.jobs import SAMPLES
from sync_blocking import Sandbox, Sync

FACE, SPEECH, PICTURE = SAMPLES / "face.mp4", SAMPLES / "speech.wav", SAMPLES / "face.png"
INPUT = [Video(url="https://media.example/v.mp4"), Audio(url="https://media.example/a.wav")]
LINE = (
    '{{"request_id":"r-{}","endpoint":"/v2/generate","payload":{{"model":"lipsync-2","input":'
    '[{{"type":"video","url":"https://m/v.mp4"}},{{"type":"audio","url":"https://m/a.wav"}}]}}}}'
)


@pytest.fixture
async def sandbox() -> AsyncIterator[AsyncSandbox]:
    """A sandbox whose jobs end soon."""
    async with AsyncSandbox(latency=0.05, concurrency=None) as made:
        yield made


@pytest.fixture
async def client(sandbox: AsyncSandbox) -> AsyncIterator[AsyncSync]:
    """A client that does not wait long between attempts."""
    async with AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as made:
        made._transport.chance = lambda: 0.0
        yield made


@pytest.mark.parametrize("fault", ["lost", "cut", "reset", "html", "length", "gzip"])
async def test_whatever_happens_to_a_create_there_is_one_generation(
    sandbox: AsyncSandbox, client: AsyncSync, fault: str
) -> None:
    """Lost, cut and spoilt answers are asked for again with the same key."""
    sandbox.faults.add(fault, method="POST", path="/v2/generate", times=2)  # type: ignore[arg-type]
    made = await client.generations.create(model="lipsync-2", input=INPUT)
    assert list(sandbox.generations) == [made.id]
    keys = {request.headers["Idempotency-Key"] for request in sandbox.requests if request.method == "POST"}
    assert keys == {made.idempotency_key}


async def test_files_become_a_video_with_both_streams(
    sandbox: AsyncSandbox, client: AsyncSync, tmp_path: Path
) -> None:
    """Awaited, with a lost answer in between; the key reaches no other origin."""
    sandbox.faults.add("lost", method="POST", path="/v2/generate")
    with FACE.open("rb") as face:
        job = await client.generations.create_with_files(
            model="lipsync-2", video=face, audio=SPEECH, options=GenerationOptions(sync_mode="cut_off")
        )
    done = await client.generations.wait(job.id, timeout=20)
    path = await client.generations.download(done, tmp_path / "out.mp4")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert float(container.duration / av.time_base) == pytest.approx(3.0, abs=0.1)
    assert len(sandbox.generations) == 1
    assert sandbox.leaks == []


async def test_every_composition_is_taken_by_the_sandbox(client: AsyncSync) -> None:
    """What the client lets through, the server's own rules let through."""
    voice = Tts(ref_id="b", provider=ElevenLabs(voice_id="v", script="Hi.", stability=0.5))
    segment = GenerationSegment(start_time=0, end_time=1, audio_input=SegmentAudioInput(ref_id="a"))
    second = GenerationSegment(
        start_time=1, end_time=2, audio_input=SegmentAudioInput(ref_id="b", start_time=0, end_time=1)
    )
    named = Audio(url="https://media.example/a.wav", ref_id="a")
    jobs = [
        await client.generations.create(
            model="lipsync-2", input=[INPUT[0], named, voice], segments=[segment, second]
        ),
        await client.generations.create(
            model="sync-3", input=[Image(url="https://media.example/i.png"), INPUT[1]]
        ),
        await client.generations.create(model="lipsync-2", input=[INPUT[0]], dub_params={"targetLang": "es"}),
        await client.generations.create_with_files(model="sync-3", image=PICTURE, audio=SPEECH),
        await client.generations.create_with_files(
            model="lipsync-2", video=FACE, input=[named], segments=[segment], output_file_name="take_01"
        ),
    ]
    done = await asyncio.gather(*(client.generations.wait(job.id, timeout=20) for job in jobs))
    assert {generation.status for generation in done} == {"COMPLETED"}
    assert {generation.id for generation in await client.generations.list(ids=[job.id for job in jobs])} == {
        job.id for job in jobs
    }


async def test_failures_full_plans_and_wrong_keys_are_their_errors(
    sandbox: AsyncSandbox, client: AsyncSync
) -> None:
    """With what the server said."""
    sandbox.end_next("REJECTED", "generation_unknown_error", "Not allowed.")
    job = await client.generations.create(model="lipsync-2", input=INPUT)
    with pytest.raises(GenerationFailedError, match="REJECTED .generation_unknown_error.: Not allowed") as failed:
        await client.generations.wait(job.id)
    assert failed.value.generation.error == "Not allowed."
    async with AsyncSandbox(latency=30, concurrency=1) as full:
        impatient = AsyncSync(base_url=full.base_url, api_key="k", max_retries=0)
        async with impatient:
            await impatient.generations.create(model="lipsync-2", input=INPUT)
            with pytest.raises(ConcurrencyLimitError) as refused:
                await impatient.generations.create(model="lipsync-2", input=INPUT)
            assert (refused.value.active_generations, refused.value.concurrency_limit) == (1, 1)
            assert refused.value.retry_after == 30
    with pytest.raises(ApiError, match="project_not_found") as wrong:
        await client.generations.create(model="lipsync-2", input=INPUT, project_id="nowhere")
    assert (wrong.value.status_code, wrong.value.field) == (422, "projectId")


async def test_a_batch_is_checked_started_and_listed(client: AsyncSync) -> None:
    """The file that passes here passes there."""
    lines = "\n".join(LINE.format(number) for number in range(20))
    assert isinstance(await client.batch.create(input=lines, dry_run=True), ValidationResponse)
    batch = await client.batch.create(input=lines)
    assert isinstance(batch, BatchResponse)
    while (batch := await client.batch.get(batch.id)).status != "COMPLETED":
        await asyncio.sleep(0.02)
    assert batch.metrics.success_count == 20
    assert [listed.id for listed in await client.batch.list(status="COMPLETED")] == [batch.id]


@pytest.fixture
def blocking() -> Iterator[tuple[Sandbox, Sync]]:
    """A sandbox and a blocking client."""
    with (
        Sandbox(latency=0.05, concurrency=None) as sandbox,
        Sync(base_url=sandbox.base_url, api_key=sandbox.api_key) as client,
    ):
        client._async._transport.chance = lambda: 0.0
        yield sandbox, client


def test_the_blocking_client_does_the_same(blocking: tuple[Sandbox, Sync]) -> None:
    """With callbacks in the caller's thread, and one generation whatever happens."""
    sandbox, client = blocking
    sandbox.faults.add("lost", method="POST", path="/v2/generate", times=2)
    threads: list[str] = []
    job = client.generations.create_with_files(model="lipsync-2", video=FACE, audio=SPEECH)
    done = client.generations.wait(job.id, on_update=lambda _: threads.append(threading.current_thread().name))
    assert done.status == "COMPLETED"
    assert set(threads) == {threading.current_thread().name}
    assert len(sandbox.generations) == 1
    assert sandbox.leaks == []
    sandbox.end_next()
    with pytest.raises(GenerationFailedError):
        client.generations.wait(client.generations.create(model="lipsync-2", input=INPUT).id)


def test_many_threads_share_a_blocking_client(blocking: tuple[Sandbox, Sync]) -> None:
    """Each gets its own generation."""
    sandbox, client = blocking
    made: list[str] = []

    def work() -> None:
        made.extend(client.generations.create(model="lipsync-2", input=INPUT).id for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 48
    assert set(made) == set(sandbox.generations)
