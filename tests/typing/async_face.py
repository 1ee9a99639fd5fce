"""The public API as a user sees it, for the type checkers: asynchronous."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from sync_async import (
    ApiError,
    Asset,
    AsyncItems,
    AsyncSync,
    Audio,
    BatchResponse,
    BatchRow,
    EstimatedGenerationCost,
    Generation,
    GenerationOptions,
    ModelInfo,
    RawResponse,
    RequestOptions,
    Timeout,
    ValidationResponse,
    Video,
)


async def use() -> None:
    """Call everything once."""
    async with AsyncSync(api_key=lambda: "k", timeout=Timeout(read=1)) as client:
        assert_type(client, AsyncSync)
        inputs = [Video(url="https://x/v"), Audio(asset_id="a")]
        options = GenerationOptions(sync_mode="loop", extra={"i2v_prompt": "wave"})
        job = await client.generations.create(model="a-new-model", input=inputs, options=options)
        assert_type(job, Generation)
        assert_type(await client.generations.wait(job.id, on_update=lambda g: print(g.status)), Generation)
        assert_type(await client.generations.list(status=["PENDING"]), list[Generation])
        costs = await client.generations.estimate_cost(model="lipsync-2", input=inputs)
        assert_type(costs, list[EstimatedGenerationCost])
        assert_type(await client.models.list(request_options={"max_retries": 1}), list[ModelInfo])
        assert_type(await client.batch.create(input="in.jsonl", dry_run=True), BatchResponse | ValidationResponse)
        raw = await client.generations.with_raw_response.get("id", request_options=RequestOptions(max_retries=0))
        assert_type(raw, RawResponse[Generation])
        assert_type(raw.data, Generation)
        assert_type(client.with_options(max_retries=0), AsyncSync)
        assert_type(await client.lipsync("v.mp4", b"voice", output="out.mp4", on_download=print), Generation)
        assert_type(await client.generations.run(model="m", input=inputs, on_update=print), Generation)
        assert_type(client.generations.wait_many([job.id, job]), AsyncItems[Generation])
        async for one in client.generations.iter(status=["FAILED"]):
            assert_type(one, Generation)
        assert_type(await client.generations.download(job, "out.mp4"), Path)
        asset = await client.assets.upload("v.mp4", on_progress=print)
        assert_type(asset, Asset)
        assert_type([found async for found in client.assets.iter()], list[Asset])
        assert_type(await client.batch.wait("b"), BatchResponse)
        results = await client.batch.results("b")
        assert_type(results["r"], BatchRow)
        try:
            await client.assets.get(id="a")
        except ApiError as error:
            assert_type(error.status_code, int | None)
            assert_type(error.error_code, str | None)
