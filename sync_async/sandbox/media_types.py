"""The media that the API takes, and what the sandbox calls its own files.

Source: https://sync.so/docs/compatibility-and-tips/media-formats-support
"""

from __future__ import annotations

from pathlib import Path

MIME_TYPES = frozenset(
    {
        "video/mp4", "video/quicktime", "video/webm", "video/x-msvideo",
        "audio/wav", "audio/mpeg", "audio/ogg", "audio/flac", "audio/alac", "audio/mp4",
        "audio/x-m4a", "audio/x-ms-wma", "audio/x-m3a", "audio/aac",
        "image/jpeg", "image/png", "image/webp",
    }
)  # fmt: skip

TYPES_BY_SUFFIX = {
    ".mp4": "video/mp4", ".mov": "video/quicktime", ".qt": "video/quicktime", ".webm": "video/webm",
    ".avi": "video/x-msvideo", ".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg",
    ".flac": "audio/flac", ".alac": "audio/alac", ".m4a": "audio/x-m4a", ".wma": "audio/x-ms-wma",
    ".m3a": "audio/x-m3a", ".aac": "audio/aac", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
    ".png": "image/png", ".webp": "image/webp", ".jsonl": "application/jsonl",
}  # fmt: skip


def asset_type(mime_type: str) -> str:
    """Give the type of an asset with this MIME type."""
    return {"video": "VIDEO", "audio": "AUDIO", "image": "IMAGE"}.get(mime_type.partition("/")[0], "VIDEO")


def served_type(path: Path) -> str:
    """Give the content type under which a file is served."""
    return TYPES_BY_SUFFIX.get(path.suffix.lower(), "application/octet-stream")
