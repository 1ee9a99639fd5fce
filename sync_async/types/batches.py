"""A batch of generations."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import attrs

from sync_async.types._model import ApiObject

BatchId = str
BatchStatus = Literal["PENDING", "JOBS_CREATED", "PROCESSING", "COMPLETED", "FAILED"] | str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class BatchMetrics(ApiObject):
    """How many generations of a batch are in which state."""

    SNAKE_CASE: ClassVar[bool] = True

    total_generations: int | None = None
    success_count: int | None = None
    failed_count: int | None = None
    pending_count: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class BatchResponse(ApiObject):
    """A batch. `output_url` is empty until the results are ready; COMPLETED may hold failed rows.

    Source: https://sync.so/docs/api-reference/api/batch-api/get
    """

    id: BatchId
    status: BatchStatus
    metrics: BatchMetrics
    created_at: datetime | None = attrs.field(default=None, metadata={"wire": "created_at"})
    output_url: str = ""
    webhook_url: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ValidationResponse(ApiObject):
    """The answer to a dry run that found nothing wrong."""

    status: Literal["VALIDATED"] | str = "VALIDATED"


CreateBatchResponse = BatchResponse | ValidationResponse
