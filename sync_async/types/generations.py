"""A generation, its price, and the notice that a webhook brings."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import attrs

from sync_async.types._model import ApiObject
from sync_async.types.inputs import Input
from sync_async.types.options import GenerationOptions, GenerationSegment, Model

GenerationId = str
GenerationStatus = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED", "REJECTED"] | str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Generation(ApiObject):
    """One lip-sync job.

    `output_url` is a signed link that is set when the status is COMPLETED and ends after some days; use it
    exactly as given. `error` and `error_code` are set when the job failed or was rejected.
    Only `id` and `status` are sure to be set. Source: https://sync.so/docs/api-reference/api/generate-api/get
    """

    id: GenerationId
    status: GenerationStatus
    created_at: datetime | None = None
    model: Model | None = None
    input: list[Input] = attrs.field(factory=list)
    options: GenerationOptions | None = None
    segments: list[GenerationSegment] | None = None
    webhook_url: str | None = None
    output_url: str | None = attrs.field(default=None, metadata={"also": "outputMediaUrl"})
    output_duration: float | None = None
    output_file_name: str | None = None
    segment_output_url: str | None = None
    synthesized_audio_url: str | None = None
    project_id: str | None = None
    progress_percent: float | None = attrs.field(default=None, metadata={"wire": "progress_percent"})
    error: str | None = None
    error_code: str | None = attrs.field(default=None, metadata={"also": "error_code"})
    idempotency_key: str | None = attrs.field(default=None, eq=False, metadata={"wire": None})
    """The key of the request that made this generation; only on what a create call returned."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class EstimatedGenerationCost(ApiObject):
    """What a generation would cost, in USD."""

    estimated_frame_count: float
    estimated_generation_cost: float
    estimated_credits: float | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class CreateGenerationDto(ApiObject):
    """The body of `POST /v2/generate`, as syncsdk names it."""

    model: Model
    input: list[Input]
    options: GenerationOptions | None = None
    segments: list[GenerationSegment] | None = None
    webhook_url: str | None = None
    output_file_name: str | None = None
    project_id: str | None = None
