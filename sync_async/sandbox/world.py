"""All that one sandbox holds, and the rules that tie it together."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import attrs

from sync_async.sandbox.faults import Faults
from sync_async.sandbox.idempotency import IdempotencyKeys
from sync_async.sandbox.jobs import Jobs
from sync_async.sandbox.journal import Journal
from sync_async.sandbox.limits import MinuteLimit
from sync_async.sandbox.records import Asset, Batch, Generation, wire_time
from sync_async.sandbox.refusal import Refusal
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.storage import Storage
from sync_async.sandbox.webhooks import Webhooks

SLOT_SECONDS = 30
"""What a full plan asks to wait."""


class World:
    """The organisation that the sandbox plays."""

    def __init__(self, settings: SandboxSettings, folder: Path) -> None:
        self.settings = settings
        self.faults = Faults()
        self.storage = Storage(settings, folder, self.faults)
        self.webhooks = Webhooks(settings)
        self.jobs = Jobs(settings, self.storage, self.asset_path, self._ended)
        self.keys = IdempotencyKeys(settings, time.monotonic)
        self.journal = Journal(folder)
        self.generations: dict[str, Generation] = {}
        self.assets: dict[str, Asset] = {}
        self.batches: dict[str, Batch] = {}
        self.limits = {
            "create": MinuteLimit(settings.posts_per_minute),
            "poll": MinuteLimit(settings.polls_per_minute),
            "upload": MinuteLimit(settings.uploads_per_minute),
        }
        self.api_url = ""

    def restore(self) -> None:
        """Take up what the folder knows from before; what had not ended is begun again."""
        kept = self.journal.read()
        self.assets = {
            id: Asset(**record) for id, record in kept.get("asset", {}).items() if not record.get("gone")
        }
        for asset in self.assets.values():  # the storage may have another port now
            asset.url = self._moved(asset.url)
        rows = kept.get("batch", {})
        self.batches = {id: Batch(**{**r, "rows": [tuple(row) for row in r["rows"]]}) for id, r in rows.items()}
        for id, record in kept.get("generation", {}).items():
            if not record.get("gone"):
                self.generations[id] = Generation(**record)
        for generation in self.generations.values():
            if generation.is_running:
                self.jobs.start(generation)

    def _moved(self, url: str) -> str:
        place = url.find("/uploads/")
        return url if place < 0 else self.storage.base_url + url[place:]

    def new_generation(
        self, body: dict[str, Any], files: dict[str, str], *, batch: str | None = None
    ) -> Generation:
        """Create a generation and set it to work.

        Raises:
            Refusal: As many are running as the plan allows.
        """
        limit, taken = self.settings.concurrency, self.jobs.slots_taken()
        if batch is None and limit is not None and taken >= limit:
            raise self._full(taken, limit)
        generation = Generation(id=str(uuid.uuid4()), body=body, files=files, batch=batch)
        self.generations[generation.id] = generation
        self.keep(generation)
        self.jobs.start(generation)
        return generation

    def _full(self, taken: int, limit: int) -> Refusal:
        more: dict[str, Any] = {}
        if self.settings.tell_limits:
            more = {
                "activeGenerations": taken,
                "concurrencyLimit": limit,
                "retryAfterSeconds": SLOT_SECONDS,
                "upgradeUrl": "https://sync.so/billing",
            }
        headers = {"Retry-After": str(SLOT_SECONDS)} if self.settings.tell_retry_after else {}
        return Refusal("concurrency_limit_reached", headers=headers, **more)

    def new_asset(self, **fields: Any) -> Asset:
        """Add a file to the library."""
        asset = Asset(id=str(uuid.uuid4()), **fields)
        self.assets[asset.id] = asset
        self.keep(asset)
        return asset

    def asset_path(self, id: str) -> Path | None:
        """Give the file of an asset."""
        asset = self.assets.get(id)
        return None if asset is None else self.storage.path_of(asset.url)

    def keep(self, thing: Generation | Asset | Batch) -> None:
        """Write the state of a thing to the journal."""
        self.journal.write(type(thing).__name__.lower(), attrs.asdict(thing))

    def forget(self, thing: Generation | Asset) -> None:
        """Delete a thing."""
        self.journal.write(type(thing).__name__.lower(), {"id": thing.id, "gone": True})

    def generation_wire(self, generation: Generation, *, progress: bool = False) -> dict[str, Any]:
        """Write a generation as the API answers it, its link signed anew."""
        body = generation.body
        wire: dict[str, Any] = {
            "id": generation.id,
            "createdAt": wire_time(generation.created),
            "status": generation.status,
            "model": body["model"],
            "input": self._inputs_wire(generation),
            "options": body.get("options"),
            "webhookUrl": body.get("webhookUrl"),
            "outputFileName": body.get("outputFileName"),
        }
        wire |= {name: body[name] for name in ("segments", "projectId") if body.get(name) is not None}
        if generation.status == "COMPLETED":
            wire["outputUrl"] = self.storage.link("outputs", f"{generation.id}.mp4")
            wire["outputDuration"] = generation.seconds
            if self.settings.output_media_url:
                wire["outputMediaUrl"] = wire["outputUrl"]
        if generation.error is not None:
            wire |= {"error": generation.error, "errorCode": generation.error_code}
        if progress:
            wire["progress_percent"] = generation.progress
        return wire

    def _inputs_wire(self, generation: Generation) -> list[dict[str, Any]]:
        items = [dict(item) for item in generation.body.get("input") or []]
        for kind, id in generation.files.items():
            url = self.assets[id].url if id in self.assets else None
            named = next((item for item in items if item["type"] == kind and not item.get("url")), None)
            if named is not None:
                named["url"] = url
            else:
                items.append({"type": kind, "url": url})
        return items

    def notification_wire(self, generation: Generation) -> dict[str, Any]:
        """Write a generation as its webhook brings it."""
        wire = self.generation_wire(generation)
        for name in ("outputFileName", "projectId", "segments"):
            wire.pop(name, None)
        if "errorCode" in wire:
            wire["error_code"] = wire.pop("errorCode")
        return {name: value for name, value in wire.items() if value is not None}

    def batch_wire(self, batch: Batch) -> dict[str, Any]:
        """Write a batch as the API answers it."""
        states = [self.generations[id].status for _, id in batch.rows]
        succeeded = states.count("COMPLETED")
        pending = sum(state in ("PENDING", "PROCESSING") for state in states)
        ended = batch.status in ("COMPLETED", "FAILED")
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
            "outputUrl": f"{self.api_url}/v2/batches/{batch.id}/result" if ended else "",
        }

    def _ended(self, generation: Generation) -> None:
        self.keep(generation)
        webhook = generation.body.get("webhookUrl")
        told = generation.status != "REJECTED" or self.settings.rejected_webhook
        if webhook and told and generation.batch is None:
            self.webhooks.notify(webhook, self.notification_wire(generation))
        if generation.batch is not None:
            self._batch_moved(self.batches[generation.batch])

    def _batch_moved(self, batch: Batch) -> None:
        if any(self.generations[id].is_running for _, id in batch.rows):
            batch.status = "PROCESSING"
            return
        batch.status = "COMPLETED"
        self.keep(batch)
        if batch.webhook_url:
            self.webhooks.notify(batch.webhook_url, self.batch_wire(batch))

    async def close(self) -> None:
        """End all work and close all files."""
        await self.jobs.close()
        await self.webhooks.close()
        self.journal.close()
