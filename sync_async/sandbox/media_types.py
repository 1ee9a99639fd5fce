"""The media that the API takes.

Source: https://sync.so/docs/compatibility-and-tips/media-formats-support
"""

from __future__ import annotations

MIME_TYPES = frozenset(
    {
        "video/mp4", "video/quicktime", "video/webm", "video/x-msvideo",
        "audio/wav", "audio/mpeg", "audio/ogg", "audio/flac", "audio/alac", "audio/mp4",
        "audio/x-m4a", "audio/x-ms-wma", "audio/x-m3a", "audio/aac",
        "image/jpeg", "image/png", "image/webp",
    }
)  # fmt: skip


def asset_type(mime_type: str) -> str:
    """Give the type of an asset with this MIME type."""
    return {"video": "VIDEO", "audio": "AUDIO", "image": "IMAGE"}.get(mime_type.partition("/")[0], "VIDEO")
