"""The sync.so lip-sync API for asyncio programs.

from sync_async import AsyncSync

async with AsyncSync() as client:
    job = await client.generations.create_with_files(model="lipsync-2", video="face.mp4", audio="speech.wav")
    done = await client.generations.wait(job.id)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sync_async.sandbox import AsyncSandbox

from sync_async._bodies import File
from sync_async._client import AsyncSync
from sync_async._errors import (
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    ArgumentError,
    BadRequestError,
    BatchFailedError,
    ClosedError,
    ConcurrencyLimitError,
    ConflictError,
    DecodeError,
    DownloadError,
    ForbiddenError,
    GenerationFailedError,
    InternalServerError,
    MalformedSignatureError,
    MissingSignatureError,
    NotFoundError,
    PayloadTooLargeError,
    PaymentRequiredError,
    RateLimitError,
    StaleSignatureError,
    SyncError,
    TooManyRequestsError,
    TransferError,
    UnauthorizedError,
    UnprocessableEntityError,
    UnreadableNotificationError,
    UploadError,
    WaitTimeoutError,
    WebhookError,
    WrongSignatureError,
)
from sync_async._items import AsyncItems
from sync_async._lipsync import Medium
from sync_async._listeners import OnProgress
from sync_async._response import RawResponse
from sync_async._settings import RequestOptions, SyncEnvironment, Timeout
from sync_async._version import __version__
from sync_async.jobs.waiter import OnUpdate
from sync_async.types.assets import (
    Asset,
    AssetId,
    AssetInputType,
    AssetSort,
    AssetType,
    AssetVisibility,
    PaginatedAssetsResponse,
)
from sync_async.types.batch_results import BatchResults, BatchRow, UnreadableLine
from sync_async.types.batches import (
    BatchId,
    BatchMetrics,
    BatchNotification,
    BatchResponse,
    BatchStatus,
    CreateBatchResponse,
    ValidationResponse,
)
from sync_async.types.error_body import GenerationError, GenerationErrorMessage
from sync_async.types.generations import (
    CreateGenerationDto,
    EstimatedGenerationCost,
    Generation,
    GenerationId,
    GenerationNotification,
    GenerationStatus,
    WebhookStatus,
)
from sync_async.types.inputs import (
    Audio,
    ElevenLabs,
    Image,
    Input,
    OtherInput,
    SegmentFrames,
    SegmentSecs,
    Tts,
    TtsProviderConfig,
    Video,
)
from sync_async.types.models import ModelInfo, ModelType
from sync_async.types.options import (
    ActiveSpeaker,
    DialogueEdit,
    DubParams,
    Emotion,
    GenerationOptions,
    GenerationSegment,
    Model,
    ModelMode,
    SegmentAudioInput,
    SyncMode,
)

__all__ = [
    "ActiveSpeaker",
    "ApiConnectionError",
    "ApiError",
    "ApiTimeoutError",
    "ArgumentError",
    "Asset",
    "AssetId",
    "AssetInputType",
    "AssetSort",
    "AssetType",
    "AssetVisibility",
    "AsyncItems",
    "AsyncSandbox",
    "AsyncSync",
    "Audio",
    "BadRequestError",
    "BatchFailedError",
    "BatchId",
    "BatchMetrics",
    "BatchNotification",
    "BatchResponse",
    "BatchResults",
    "BatchRow",
    "BatchStatus",
    "ClosedError",
    "ConcurrencyLimitError",
    "ConflictError",
    "CreateBatchResponse",
    "CreateGenerationDto",
    "DecodeError",
    "DialogueEdit",
    "DownloadError",
    "DubParams",
    "ElevenLabs",
    "Emotion",
    "EstimatedGenerationCost",
    "File",
    "ForbiddenError",
    "Generation",
    "GenerationError",
    "GenerationErrorMessage",
    "GenerationFailedError",
    "GenerationId",
    "GenerationNotification",
    "GenerationOptions",
    "GenerationSegment",
    "GenerationStatus",
    "Image",
    "Input",
    "InternalServerError",
    "MalformedSignatureError",
    "Medium",
    "MissingSignatureError",
    "Model",
    "ModelInfo",
    "ModelMode",
    "ModelType",
    "NotFoundError",
    "OnProgress",
    "OnUpdate",
    "OtherInput",
    "PaginatedAssetsResponse",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "RateLimitError",
    "RawResponse",
    "RequestOptions",
    "SegmentAudioInput",
    "SegmentFrames",
    "SegmentSecs",
    "StaleSignatureError",
    "SyncEnvironment",
    "SyncError",
    "SyncMode",
    "Timeout",
    "TooManyRequestsError",
    "TransferError",
    "Tts",
    "TtsProviderConfig",
    "UnauthorizedError",
    "UnprocessableEntityError",
    "UnreadableLine",
    "UnreadableNotificationError",
    "UploadError",
    "ValidationResponse",
    "Video",
    "WaitTimeoutError",
    "WebhookError",
    "WebhookStatus",
    "WrongSignatureError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Load the sandbox when it is first asked for: it brings a web server, which few programs need."""
    if name == "AsyncSandbox":
        from sync_async.sandbox import AsyncSandbox

        return AsyncSandbox
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
