"""The media library."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import attrs

from sync_async.types._model import ApiObject

AssetId = str
AssetType = Literal["AUDIO", "VIDEO", "IMAGE"] | str
AssetVisibility = Literal["USER", "ORGANIZATION"] | str
AssetInputType = Literal["UPLOAD", "URL", "RECORD", "TTS", "EXTRACT", "PLATFORM_IMPORT"] | str
AssetSort = (
    Literal[
        "nameAsc", "nameDesc", "dateAsc", "dateDesc", "durationAsc", "durationDesc",
        "sizeAsc", "sizeDesc", "kindAsc", "kindDesc",
    ]
    | str
)  # fmt: skip


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Asset(ApiObject):
    """A file of the organisation's media library.

    `size` is in bytes, `duration_seconds` in seconds, `width` and `height` in pixels.
    Source: https://sync.so/docs/api-reference/api/assets-api/get
    """

    id: AssetId
    type: AssetType
    created_at: datetime | None = None
    updated_at: datetime | None = None
    visibility: AssetVisibility | None = None
    name: str | None = None
    url: str | None = None
    size: int | None = None
    format: str | None = None
    input_type: AssetInputType | None = None
    duration_seconds: float | None = None
    thumbnail_url: str | None = None
    width: int | None = None
    height: int | None = None
    project_id: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class PaginatedAssetsResponse(ApiObject):
    """One page of assets; without `next_cursor` it is the last."""

    items: list[Asset]
    next_cursor: str | None = None
    total_count: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class PresignedUpload(ApiObject):
    """Where a file is to be sent, and its address from then on; `expires_in` is in seconds.

    Source: https://sync.so/docs/developer-guides/asset-uploads
    """

    upload_url: str
    url: str
    expires_in: float | None = None
