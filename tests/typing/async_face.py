"""The public API as a user sees it, for the type checkers: asynchronous."""

from __future__ import annotations

from typing import assert_type

from sync_async import (
    ApiError,
    AsyncSync,
    Audio,
    BatchResponse,
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
        try:
            await client.assets.get(id="a")
        except ApiError as error:
            assert_type(error.status_code, int | None)
            assert_type(error.error_code, str | None)
