"""What webhooks bring."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import attrs

from sync_async.types._model import ApiObject
from sync_async.types.batches import BatchResponse
from sync_async.types.generations import GenerationId
from sync_async.types.inputs import Input
from sync_async.types.options import GenerationOptions, Model

WebhookStatus = Literal["COMPLETED", "FAILED"] | str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class GenerationNotification(ApiObject):
    """What the webhook of a generation brings: fewer fields than the polled object.

    Source: https://sync.so/docs/api-reference/api/webhooks-payload-reference/webhooks
    """

    id: GenerationId
    status: WebhookStatus
    created_at: datetime | None = None
    model: Model | None = None
    input: list[Input] = attrs.field(factory=list)
    options: GenerationOptions | None = None
    output_url: str | None = attrs.field(default=None, metadata={"also": "outputMediaUrl"})
    output_duration: float | None = None
    segment_output_url: str | None = None
    webhook_url: str | None = None
    error: str | None = None
    error_code: str | None = attrs.field(default=None, metadata={"wire": "error_code", "also": "errorCode"})


@attrs.frozen(kw_only=True, repr=False, eq=False)
class BatchNotification(BatchResponse):
    """What the webhook of a batch brings: the batch as it ended.

    Source: https://sync.so/docs/api-reference/api/webhooks-payload-reference/batch-status-update
    """
