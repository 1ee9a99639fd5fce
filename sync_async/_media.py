"""Which media the API takes: extensions, MIME types, and how files of each begin.

The table is the API's own, not the operating system's, which differs (`audio/x-wav` and the like).
Source: https://sync.so/docs/compatibility-and-tips/media-formats-support
"""

from __future__ import annotations

from pathlib import PurePath

import attrs

from sync_async._bodies import NamedFile, Source
from sync_async._errors import ArgumentError

MIME_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".qt": "video/quicktime",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
    ".alac": "audio/alac",
    ".m4a": "audio/x-m4a",
    ".wma": "audio/x-ms-wma",
    ".m3a": "audio/x-m3a",
    ".aac": "audio/aac",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


def mime_type(name: str, kind: str) -> str | None:
    """Give the MIME type for a file name sent as `video`, `audio` or `image`; None for one not in the table."""
    extension = PurePath(name).suffix.lower()
    if extension == ".mp4" and kind == "audio":
        return "audio/mp4"
    return MIME_TYPES.get(extension)


def extension_of_bytes(head: bytes) -> str | None:
    """Tell a format of the table from the first bytes of a file, for files that have no name."""
    if head[:4] == b"RIFF":
        return {b"WAVE": ".wav", b"AVI ": ".avi", b"WEBP": ".webp"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return {b"qt  ": ".mov", b"M4A ": ".m4a"}.get(head[8:12], ".mp4")
    beginnings = {
        b"ID3": ".mp3",
        b"\xff\xfb": ".mp3",
        b"OggS": ".ogg",
        b"fLaC": ".flac",
        b"\x1aE\xdf\xa3": ".webm",
        b"\x89PNG": ".png",
        b"\xff\xd8\xff": ".jpg",
    }
    return next((extension for start, extension in beginnings.items() if head.startswith(start)), None)


@attrs.frozen(kw_only=True)
class MediaFile:
    """A file with the name and type that the server is told: it decides by them."""

    argument: str
    source: Source
    name: str
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


def media_file(file: NamedFile, kind: str = "file") -> MediaFile:
    """Name a file and its type by the API's own table.

    Args:
        file: What the caller gave.
        kind: What it is sent as: `video`, `audio`, `image`, or `file` where the file decides.

    Raises:
        ArgumentError: Nothing tells the type.
    """
    name = file.name
    if name is None or not PurePath(name).suffix:
        name = (name or kind) + (extension_of_bytes(file.head) or "")
    content_type = file.content_type or mime_type(name, kind)
    if content_type is None:
        raise ArgumentError(
            file.argument,
            f"{name!r} does not tell a media type; give one as a tuple (name, file, content type), or use one "
            f"of {' '.join(sorted(MIME_TYPES))}",
        )
    return MediaFile(
        argument=file.argument, source=file.source, name=name, content_type=content_type, headers=file.headers
    )


def kind_of(content_type: str) -> str | None:
    """Tell whether a MIME type is a `video`, `audio` or `image`; None for others."""
    kind = content_type.partition("/")[0].strip().lower()
    return kind if kind in ("video", "audio", "image") else None
