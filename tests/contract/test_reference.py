"""The reference of the vendor's SDK, line for line, in both styles."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

import sync
from sync_async import (
    ArgumentError,
    Asset,
    AsyncSync,
    BatchResponse,
    EstimatedGenerationCost,
    Generation,
    ModelInfo,
    PaginatedAssetsResponse,
)
from sync_async.sandbox.records import Asset as StoredAsset
from sync_async.sandbox.records import Batch as StoredBatch
from sync_async.sandbox.records import Generation as StoredGeneration
from sync_blocking import Sandbox, Sync

CLIENT = """
from sync import Sync

client = Sync(
    api_key="YOUR_API_KEY",
)
"""
CLIENT_AND_TYPES = """
from sync import Sync
from sync.common import Audio, GenerationOptions, Video

client = Sync(
    api_key="YOUR_API_KEY",
)
"""
BODY = """
    input=[
        Video(
            url="https://assets.sync.so/docs/example-video.mp4",
        ),
        Audio(
            url="https://assets.sync.so/docs/example-audio.wav",
        ),
    ],
    model="lipsync-2",
    options=GenerationOptions(
        sync_mode="loop",
    ),
)
"""
USAGE: dict[str, tuple[str, str, type]] = {
    "assets.list": (
        CLIENT,
        'client.assets.list(\n    limit=10,\n    sort_by="dateDesc",\n)',
        PaginatedAssetsResponse,
    ),
    "assets.get": (CLIENT, 'client.assets.get(\n    id="550e8400-e29b-41d4-a716-446655440000",\n)', Asset),
    "batch.create": (CLIENT, "client.batch.create(\n    dry_run=True,\n)", ArgumentError),
    "batch.get": (CLIENT, 'client.batch.get(\n    id="batch_abc123",\n)', BatchResponse),
    "batch.list": (CLIENT, "client.batch.list()", list),
    "generations.create": (CLIENT_AND_TYPES, "client.generations.create(" + BODY, Generation),
    "generations.create_with_files": (
        CLIENT,
        'client.generations.create_with_files(\n    model="lipsync-2",\n)',
        ArgumentError,
    ),
    "generations.get": (
        CLIENT,
        'client.generations.get(\n    id="6533643b-aceb-4c40-967e-d9ba9baac39e",\n)',
        Generation,
    ),
    "generations.list": (CLIENT, "client.generations.list()", list),
    "generations.estimate_cost": (CLIENT_AND_TYPES, "client.generations.estimate_cost(" + BODY, list),
    "models.list": (CLIENT, "client.models.list()", list),
}
"""The usage of each method, and what it gives; two leave out the files that their own text requires."""

PARAMETERS = {
    "assets.list": ["project_id", "limit", "cursor", "search_query", "sort_by", "types", "request_options"],
    "assets.get": ["id", "request_options"],
    "batch.create": ["input", "webhook_url", "dry_run", "request_options"],
    "batch.get": ["id", "request_options"],
    "batch.list": ["status", "created_after", "created_before", "request_options"],
    "generations.create": [
        "model", "input", "options", "segments", "webhook_url", "output_file_name", "request_options",
    ],
    "generations.create_with_files": [
        "model", "video", "audio", "input", "options", "webhook_url", "request_options",
    ],
    "generations.get": ["id", "request_options"],
    "generations.list": ["status", "ids", "request_options"],
    "generations.estimate_cost": [
        "model", "input", "options", "segments", "webhook_url", "output_file_name", "request_options",
    ],
    "models.list": ["request_options"],
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A server that knows the ids of the reference."""
    with Sandbox(latency=0.05, concurrency=None) as made:
        world = made._sandbox.world
        job = StoredGeneration(
            id="6533643b-aceb-4c40-967e-d9ba9baac39e", body={"model": "lipsync-2", "input": []}, status="COMPLETED"
        )
        world.generations[job.id] = job
        asset = StoredAsset(id="550e8400-e29b-41d4-a716-446655440000", type="VIDEO", url="https://x/v.mp4")
        world.assets[asset.id] = asset
        world.batches["batch_abc123"] = StoredBatch(id="batch_abc123", rows=[("r-1", job.id)])
        yield made


@pytest.fixture(autouse=True)
def _environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("SYNC_API_KEY", "sk-test")


def check(result: Any, wanted: type) -> None:
    assert isinstance(result, wanted)
    if wanted is list:
        assert result
        assert isinstance(result[0], Generation | BatchResponse | ModelInfo | EstimatedGenerationCost)


@pytest.mark.parametrize("method", USAGE)
def test_the_blocking_usage_runs_letter_for_letter(method: str) -> None:
    """Where it leaves out what its own text requires, the error names it."""
    setup, usage, wanted = USAGE[method]
    names: dict[str, Any] = {}
    exec(setup, names)
    with names["client"]:
        if issubclass(wanted, Exception):
            with pytest.raises(wanted, match="^input: "):
                exec(usage, names)
        else:
            check(eval(usage, names), wanted)


@pytest.mark.parametrize("method", USAGE)
def test_the_same_usage_runs_awaited(method: str) -> None:
    """With AsyncSync and await, and nothing else changed."""
    setup, usage, wanted = USAGE[method]
    setup = re.sub(r"\bSync\b", "AsyncSync", setup)
    call = textwrap.indent(usage, "        ").strip()
    function = f"async def run():\n    async with client:\n        return await {call}\n"
    names: dict[str, Any] = {}
    exec(setup + function, names)
    if issubclass(wanted, Exception):
        with pytest.raises(wanted, match="^input: "):
            asyncio.run(names["run"]())
    else:
        check(asyncio.run(names["run"]()), wanted)


@pytest.mark.parametrize("method", PARAMETERS)
@pytest.mark.parametrize("client", [Sync, AsyncSync])
def test_every_parameter_of_the_reference_is_there(client: type, method: str) -> None:
    """By its name; ours besides are keyword-only and have defaults."""
    resource, _, name = method.partition(".")
    made = client(api_key="k")
    parameters = inspect.signature(getattr(getattr(made, resource), name)).parameters
    assert [p for p in parameters if p in PARAMETERS[method]] == PARAMETERS[method]
    for parameter in parameters.values():
        if parameter.name not in PARAMETERS[method]:
            assert parameter.kind is parameter.KEYWORD_ONLY
            assert parameter.default is None


def test_the_vendors_import_names_are_there() -> None:
    """And are the same objects as ours."""
    from sync import AsyncSync as TheirAsync
    from sync import Sync as TheirSync
    from sync import SyncEnvironment, Video
    from sync.client import Sync as ByModule
    from sync.common import GenerationOptions
    from sync.common.errors import NotFoundError
    from sync.core import File, RequestOptions
    from sync.core.api_error import ApiError
    from sync.environment import SyncEnvironment as ByEnvironment
    from sync.webhooks import GenerationNotification

    assert (TheirSync, TheirAsync, ByModule) == (Sync, AsyncSync, Sync)
    assert SyncEnvironment is ByEnvironment
    assert issubclass(NotFoundError, ApiError)
    assert RequestOptions(max_retries=1).max_retries == 1
    assert all((Video, GenerationOptions, GenerationNotification, File))


VENDOR_NAMES = """
ActiveSpeaker Asset AssetId AssetInputType AssetSort AssetType AssetVisibility AsyncSync Audio BadRequestError
BatchId BatchMetrics BatchResponse BatchStatus CreateBatchResponse CreateGenerationDto ElevenLabs Emotion
EstimatedGenerationCost Generation GenerationError GenerationErrorMessage GenerationId GenerationNotification
GenerationOptions GenerationSegment GenerationStatus Input InternalServerError Model ModelInfo ModelMode ModelType
NotFoundError PaginatedAssetsResponse PaymentRequiredError SegmentAudioInput SegmentFrames SegmentSecs Sync
SyncEnvironment SyncMode TooManyRequestsError Tts TtsProviderConfig UnauthorizedError ValidationResponse Video
WebhookStatus __version__ assets batch common generations models webhooks
"""


def test_every_public_name_of_syncsdk_is_there() -> None:
    """The __all__ of syncsdk 0.3.0."""
    assert set(VENDOR_NAMES.split()) <= set(sync.__all__)
    assert all(hasattr(sync, name) for name in sync.__all__)


def test_the_sync_package_defines_nothing() -> None:
    """It holds re-exports only."""
    import ast
    from pathlib import Path

    for path in Path(sync.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            assert isinstance(
                node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr
            )


def test_a_program_written_for_syncsdk_runs_unchanged() -> None:
    """Its ways with options, results and errors included."""
    program = """
import time
from sync import Sync
from sync.common import Audio, GenerationOptions, Video
from sync.core.api_error import ApiError

sync = Sync(base_url=BASE_URL, api_key="sk", timeout=60, follow_redirects=True).generations

try:
    response = sync.create(
        input=[Video(url="https://example.com/v.mp4"), Audio(url="https://example.com/a.wav")],
        model="lipsync-2",
        options=GenerationOptions(sync_mode="cut_off"),
        output_file_name="quickstart",
        request_options={"timeout_in_seconds": 30, "max_retries": 1, "additional_headers": {"X-Trace": "1"}},
    )
except ApiError as e:
    print(f"create generation request failed with status code {e.status_code} and error {e.body}")
    raise

job_id = response.id
generation = sync.get(job_id)
status = generation.status
while status not in ["COMPLETED", "FAILED", "REJECTED"]:
    time.sleep(0.05)
    generation = sync.get(job_id)
    status = generation.status
url = generation.output_url
as_dict, as_json, dumped = generation.dict(), generation.json(), generation.model_dump()

try:
    sync.get("nowhere")
except ApiError as e:
    failure = (e.status_code, e.body.message, e.body.status_code, str(e))
"""
    names: dict[str, Any] = {"BASE_URL": os.environ["SYNC_BASE_URL"]}
    exec(program, names)
    assert names["status"] == "COMPLETED"
    assert names["url"].startswith("http://127.0.0.1:")
    assert names["as_dict"]["outputUrl"].startswith("http://127.0.0.1:")
    assert '"output_file_name":"quickstart"' in names["as_json"]
    assert names["dumped"]["error"] is None
    assert names["failure"][:3] == (404, "There is no such generation.", 404)
