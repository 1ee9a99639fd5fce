"""All that one sandbox holds, and the rules that tie it together."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from sync_async.sandbox.faults import Faults
from sync_async.sandbox.idempotency import IdempotencyKeys
from sync_async.sandbox.jobs import Jobs
from sync_async.sandbox.journal import Journal
from sync_async.sandbox.limits import MinuteLimit
from sync_async.sandbox.outputs import Outputs
from sync_async.sandbox.plans import PLANS
from sync_async.sandbox.records import Asset, Batch, Generation
from sync_async.sandbox.refusal import Refusal
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.sources import Sources
from sync_async.sandbox.storage import Storage
from sync_async.sandbox.webhooks import Webhooks
from sync_async.sandbox.wire import Wire

SLOT_SECONDS = 30
"""What a full plan asks to wait."""
OWNER = "u-1"
"""The user that an API key belongs to."""


class World:
    """The organisation that the sandbox plays."""

    def __init__(self, settings: SandboxSettings, folder: Path) -> None:
        self.settings = settings
        self.faults = Faults()
        self.storage = Storage(settings, folder)
        self.webhooks = Webhooks(settings)
        self.sources = Sources(self.storage, self.asset_url)
        self.outputs = Outputs(settings, self.storage, self.sources)
        self.jobs = Jobs(settings, self.outputs, self._moved)
        self.keys = IdempotencyKeys(settings, asyncio.get_running_loop().time)
        self.journal = Journal(folder)
        self.generations: dict[str, Generation] = {}
        self.assets: dict[str, Asset] = {}
        self.batches: dict[str, Batch] = {}
        self.deleted_rows: dict[str, str] = {}
        """Status of the generations of batches that were deleted."""
        self.limits = {
            "create": MinuteLimit(settings.posts_per_minute),
            "poll": MinuteLimit(settings.polls_per_minute),
            "upload": MinuteLimit(settings.uploads_per_minute),
        }
        self.api_url = ""
        self.wire = Wire(self)

    def restore(self) -> None:
        """Take up what the folder knows from before; what had not ended is begun again."""
        kept = self.journal.kept
        former = kept.get("origin", {}).get("storage", {}).get("url", "")
        self.journal.write("origin", {"id": "storage", "url": self.storage.base_url})
        for id, record in kept.get("asset", {}).items():
            if not record.get("gone"):
                self.assets[id] = Asset(**{**record, "url": self._here(record["url"], former)})
        for id, record in kept.get("batch", {}).items():
            self.batches[id] = Batch(**{**record, "rows": [(row[0], row[1]) for row in record["rows"]]})
        for id, record in kept.get("generation", {}).items():
            if record.get("gone"):
                self.deleted_rows[id] = record["status"]
            else:
                self._restore_generation(record, former)
        for batch in self.batches.values():
            if batch.is_running:
                self._batch_moved(batch)

    def _restore_generation(self, record: dict[str, Any], former: str) -> None:
        for item in record["body"].get("input") or []:
            if isinstance(item.get("url"), str):
                item["url"] = self._here(item["url"], former)
        generation = self.generations[record["id"]] = Generation(**record)
        if generation.is_running:
            self.jobs.start(generation)

    def _here(self, url: str, former: str) -> str:
        """Give an address of the storage as it is now: it may have another port than before."""
        return self.storage.base_url + url.removeprefix(former) if former and url.startswith(former + "/") else url

    def new_generation(
        self, body: dict[str, Any], files: dict[str, str], *, batch: str | None = None
    ) -> Generation:
        """Create a generation and set it to work."""
        generation = Generation(id=str(uuid.uuid4()), body=body, files=files, batch=batch)
        self.generations[generation.id] = generation
        self.keep(generation)
        self.jobs.start(generation)
        return generation

    def check_plan(self) -> None:
        """Refuse another generation when the plan is used up.

        Raises:
            Refusal: As many are running, or were made this month, as the plan allows.
        """
        limit, taken = self.settings.concurrency, self.jobs.slots_taken()
        if limit is not None and taken >= limit:
            raise self._full(taken, limit)
        most = PLANS[self.settings.plan].generations_a_month if self.settings.plan else None
        if most is not None and self._made_this_month() >= most:
            raise Refusal("free_tier_generations_exhausted")

    def _made_this_month(self) -> int:
        now = datetime.now(UTC)
        start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
        return sum(made.created >= start and made.batch is None for made in self.generations.values())

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

    def check_size(self, size: int, field: str | None = None) -> None:
        """Refuse a file that the plan does not allow.

        Raises:
            Refusal: It is too large.
        """
        if self.settings.file_limit is not None and size > self.settings.file_limit:
            raise Refusal("file_size_exceeds_plan_limit", field=field)

    def new_asset(self, **fields: Any) -> Asset:
        """Add a file to the library."""
        asset = Asset(id=str(uuid.uuid4()), **fields)
        self.assets[asset.id] = asset
        self.keep(asset)
        return asset

    def find_asset(self, id: str, field: str | None = None) -> Asset:
        """Give an asset.

        Raises:
            Refusal: There is none, or it belongs to somebody else.
        """
        if id in self.settings.foreign_assets:
            raise Refusal("asset_forbidden", field=field)
        asset = self.assets.get(id)
        if asset is None:
            raise Refusal("asset_not_found", field=field)
        return asset

    def asset_url(self, id: str) -> str | None:
        """Give the address of an asset."""
        asset = self.assets.get(id)
        return None if asset is None else asset.url

    def keep(self, thing: Generation | Asset | Batch) -> None:
        """Write the state of a thing to the journal."""
        self.journal.write(type(thing).__name__.lower(), attrs.asdict(thing, recurse=False))

    def forget_asset(self, asset: Asset) -> None:
        """Delete an asset; its file stays, as generations may be using it."""
        del self.assets[asset.id]
        self.journal.write("asset", {"id": asset.id, "gone": True})

    def forget_generation(self, generation: Generation) -> None:
        """Delete a generation and its files."""
        del self.generations[generation.id]
        self.deleted_rows[generation.id] = generation.status
        self.journal.write("generation", {"id": generation.id, "gone": True, "status": generation.status})
        for name in (generation.output_name, generation.speech_name):
            (self.storage.folder / "outputs" / name).unlink(missing_ok=True)

    def status_of_row(self, id: str) -> str:
        """Give the status of a batch's generation, of a deleted one too."""
        generation = self.generations.get(id)
        return self.deleted_rows.get(id, "FAILED") if generation is None else generation.status

    def _moved(self, generation: Generation) -> None:
        batch = self.batches.get(generation.batch or "")
        if generation.is_running:
            if batch is not None and batch.is_running:
                batch.status = "PROCESSING"
            return
        self.keep(generation)
        webhook = generation.body.get("webhookUrl")
        told = generation.status != "REJECTED" or self.settings.rejected_webhook
        if webhook and told and generation.batch is None:
            self.webhooks.notify(webhook, self.wire.notification(generation))
        if batch is not None:
            self._batch_moved(batch)

    def _batch_moved(self, batch: Batch) -> None:
        if any(self.status_of_row(id) in ("PENDING", "PROCESSING") for _, id in batch.rows):
            return
        batch.status = self.settings.batch_end
        self.keep(batch)
        if batch.webhook_url:
            self.webhooks.notify(batch.webhook_url, self.wire.batch(batch))

    async def reset(self) -> None:
        """Forget everything, faults and files included."""
        await self.jobs.drop()
        await self.webhooks.drop()
        for things in (self.generations, self.assets, self.batches, self.deleted_rows):
            things.clear()
        for limit in self.limits.values():
            limit.forget()
        self.keys.clear()
        self.faults.clear()
        self.outputs.clear()
        self.storage.clear()
        self.journal.clear()

    async def close(self) -> None:
        """End all work and close all files."""
        await self.jobs.drop()
        await self.outputs.close()
        await self.sources.close()
        await self.webhooks.close()
        self.journal.close()
