"""What the sandbox remembers: generations, assets, batches."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import attrs

RUNNING = ("PENDING", "PROCESSING")


def wire_time(seconds: float) -> str:
    """Write a time as the API does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@attrs.define(kw_only=True)
class Generation:
    """One job: the body that asked for it, and what became of it."""

    id: str
    body: dict[str, Any]
    files: dict[str, str] = attrs.field(factory=dict)
    """Files of the form, by kind, as asset ids."""
    created: float = attrs.field(factory=time.time)
    status: str = "PENDING"
    progress: float = 0.0
    """Percent at its end; while it runs, its job knows."""
    error: str | None = None
    error_code: str | None = None
    seconds: float | None = None
    """Length of the output."""
    has_speech: bool = False
    """Whether speech was made from a text."""
    batch: str | None = None
    """The batch that it belongs to; it then takes no slot."""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.status in RUNNING

    @property
    def output_name(self) -> str:
        """The name of its output file."""
        return f"{self.id}.mp4"

    @property
    def speech_name(self) -> str:
        """The name of the file with its synthesised speech."""
        return f"{self.id}-speech.wav"


@attrs.define(kw_only=True)
class Asset:
    """One file of the library."""

    id: str
    type: str
    url: str
    name: str | None = None
    visibility: str = "USER"
    size: int | None = None
    format: str | None = None
    input_type: str = "UPLOAD"
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    project_id: str | None = None
    created: float = attrs.field(factory=time.time)
    updated: float = attrs.field(factory=time.time)

    def to_wire(self, url: str | None = None) -> dict[str, Any]:
        """Write it as the API does, under another address if one is given."""
        wire = {
            "id": self.id,
            "createdAt": wire_time(self.created),
            "updatedAt": wire_time(self.updated),
            "type": self.type,
            "visibility": self.visibility,
            "name": self.name,
            "url": url or self.url,
            "size": self.size,
            "format": self.format,
            "inputType": self.input_type,
            "durationSeconds": self.duration,
            "width": self.width,
            "height": self.height,
            "projectId": self.project_id,
        }
        return {name: value for name, value in wire.items() if value is not None or name == "projectId"}


@attrs.define(kw_only=True)
class Batch:
    """One batch and its rows: the record's id, and the generation made for it."""

    id: str
    rows: list[tuple[str, str]]
    webhook_url: str | None = None
    created: float = attrs.field(factory=time.time)
    status: str = "PENDING"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.status not in ("COMPLETED", "FAILED")
