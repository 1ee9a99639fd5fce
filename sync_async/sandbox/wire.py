"""How the sandbox's things are written as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync_async.sandbox.records import RUNNING, Asset, Batch, Generation, wire_time
from sync_async.sandbox.validation import join_files

if TYPE_CHECKING:
    from sync_async.sandbox.world import World

POLLED_ONLY = ("outputFileName", "projectId", "segments", "synthesizedAudioUrl", "outputMediaUrl")
"""What a notification leaves out."""


class Wire:
    """Writes the things of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def generation(self, generation: Generation, *, progress: bool = False) -> dict[str, Any]:
        """Write a generation as the API answers it, its links signed anew."""
        body = generation.body
        wire: dict[str, Any] = {
            "id": generation.id,
            "createdAt": wire_time(generation.created),
            "status": generation.status,
            "model": body["model"],
            "input": self._inputs(generation),
            "options": body.get("options"),
            "webhookUrl": body.get("webhookUrl"),
            "outputFileName": body.get("outputFileName"),
        }
        wire |= {name: body[name] for name in ("segments", "projectId") if body.get(name) is not None}
        if generation.status == "COMPLETED":
            wire |= self._output(generation)
        if generation.error is not None:
            wire |= {"error": generation.error, "errorCode": generation.error_code}
        if progress:
            wire["progress_percent"] = self._world.jobs.progress(generation)
        return wire

    def _output(self, generation: Generation) -> dict[str, Any]:
        storage = self._world.storage
        link = storage.link("outputs", generation.output_name)
        wire: dict[str, Any] = {"outputUrl": link, "outputDuration": generation.seconds}
        if self._world.settings.output_media_url:
            wire["outputMediaUrl"] = link
        if generation.has_speech:
            wire["synthesizedAudioUrl"] = storage.link("outputs", generation.speech_name)
        return wire

    def _inputs(self, generation: Generation) -> list[dict[str, Any]]:
        entries = join_files(generation.body.get("input") or [], generation.files)
        return [
            {**entry.item, "url": self._file_url(generation, entry.kind)} if entry.is_file else entry.item
            for entry in entries
        ]

    def _file_url(self, generation: Generation, kind: str) -> str | None:
        asset = self._world.assets.get(generation.files[kind])
        return None if asset is None else self._world.storage.asset_link(asset.url)

    def notification(self, generation: Generation) -> dict[str, Any]:
        """Write a generation as its webhook brings it."""
        wire = self.generation(generation)
        if self._world.settings.webhook_payload == "generation":
            return wire
        if "errorCode" in wire:
            wire["error_code"] = wire.pop("errorCode")
        return {name: value for name, value in wire.items() if value is not None and name not in POLLED_ONLY}

    def asset(self, asset: Asset) -> dict[str, Any]:
        """Write an asset."""
        return asset.to_wire(self._world.storage.asset_link(asset.url))

    def batch(self, batch: Batch) -> dict[str, Any]:
        """Write a batch."""
        states = [self._world.status_of_row(id) for _, id in batch.rows]
        succeeded, pending = states.count("COMPLETED"), sum(state in RUNNING for state in states)
        return {
            "id": batch.id,
            "created_at": wire_time(batch.created),
            "status": batch.status,
            "metrics": {
                "total_generations": len(states),
                "success_count": succeeded,
                "failed_count": len(states) - succeeded - pending,
                "pending_count": pending,
            },
            "webhookUrl": batch.webhook_url,
            "outputUrl": "" if batch.is_running else f"{self._world.api_url}/v2/batches/{batch.id}/result",
        }
