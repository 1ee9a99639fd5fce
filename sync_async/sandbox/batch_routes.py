"""The endpoints of batches.

Source: https://sync.so/docs/api-reference/guides/batch-processing
"""

from __future__ import annotations

import json
import random
import secrets
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from sync_async.sandbox.form import parse_json
from sync_async.sandbox.records import Batch
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.validation import check_create
from sync_async.sandbox.world import World

LARGEST_FILE = 5 * 1024**2
STATUSES = ("PENDING", "JOBS_CREATED", "PROCESSING", "COMPLETED", "FAILED")


class BatchRoutes:
    """Handlers over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the endpoints."""
        router.add_post("/v2/batch", self.create)
        router.add_get("/v2/batch", self.list_all)
        router.add_get("/v2/batch/{id}", self.get)
        router.add_get("/v2/batches/{id}/result", self.result)

    async def create(self, request: web.Request) -> web.Response:
        """POST /v2/batch, as a form or as JSON."""
        self._refuse_plan()
        fields, records = await self._received(request)
        bodies = self._checked(records)
        if fields.get("dry_run") in (True, "true"):
            return web.json_response({"status": "VALIDATED"}, status=self.world.settings.batch_status)
        running = sum(batch.status not in ("COMPLETED", "FAILED") for batch in self.world.batches.values())
        if running >= self.world.settings.batches:
            raise Refusal("concurrency_limit_reached", message="Too many batches are running.")
        batch = Batch(id=f"batch_{secrets.token_hex(6)}", rows=[], webhook_url=fields.get("webhook_url"))
        self.world.batches[batch.id] = batch
        for request_id, body in bodies:
            batch.rows.append((request_id, self.world.new_generation(body, {}, batch=batch.id).id))
        self.world.keep(batch)
        return web.json_response(self.world.batch_wire(batch), status=self.world.settings.batch_status)

    def _refuse_plan(self) -> None:
        if self.world.settings.batch_refusal == "402":
            raise Refusal("plan_feature_unavailable")
        if self.world.settings.batch_refusal == "403":
            raise Refusal("batch_plan_required")

    async def _received(self, request: web.Request) -> tuple[dict[str, Any], list[Any]]:
        if request.content_type != "multipart/form-data":
            body = parse_json(await request.read())
            if not isinstance(body, dict) or not isinstance(body.get("rows"), list):
                raise invalid("rows is required.", "rows")
            return body, body["rows"]
        fields: dict[str, Any] = {}
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, aiohttp.BodyPartReader) and part.name is not None:
                fields["input" if part.name == "file" else part.name] = bytes(await part.read(decode=True))
        if "input" not in fields:
            raise invalid("input is required.", "input")
        records = self._lines(fields.pop("input"))
        return {name: value.decode() for name, value in fields.items()}, records

    def _lines(self, raw: bytes) -> list[Any]:
        if len(raw) > LARGEST_FILE:
            raise Refusal("batch_file_too_large", field="input")
        records = []
        for number, line in enumerate(raw.decode("utf-8", "replace").split("\n"), start=1):
            if line.strip():
                try:
                    records.append(json.loads(line))
                except ValueError as error:
                    raise Refusal("batch_invalid_jsonl", lineNumber=number) from error
        return records

    def _checked(self, records: list[Any]) -> list[tuple[str, dict[str, Any]]]:
        least, most = self.world.settings.batch_rows
        if not least <= len(records) <= most:
            raise Refusal("batch_insufficient_records", message=f"{least} to {most} records are allowed.")
        checked: dict[str, dict[str, Any]] = {}
        for number, record in enumerate(records, start=1):
            if not isinstance(record, dict) or not isinstance(record.get("request_id"), str):
                raise Refusal("batch_invalid_jsonl", lineNumber=number)
            if record["request_id"] in checked:
                raise Refusal("batch_duplicate_request_id", lineNumber=number)
            if record.get("endpoint") != "/v2/generate":
                raise Refusal("batch_invalid_endpoint", lineNumber=number)
            try:
                checked[record["request_id"]] = check_create(
                    record.get("payload"), projects=self.world.settings.projects
                )
            except Refusal as refusal:
                raise Refusal(
                    refusal.body.get("errorCode"), message=f"line {number}: {refusal}", lineNumber=number
                ) from refusal
        return list(checked.items())

    def _found(self, request: web.Request) -> Batch:
        batch = self.world.batches.get(request.match_info["id"])
        if batch is None:
            raise Refusal(None, status=404, message="There is no such batch.")
        return batch

    async def get(self, request: web.Request) -> web.Response:
        """GET /v2/batch/{id}."""
        return web.json_response(self.world.batch_wire(self._found(request)))

    async def list_all(self, request: web.Request) -> web.Response:
        """GET /v2/batch, newest first."""
        status = request.query.get("status")
        if status is not None and status not in STATUSES:
            raise invalid("status is no status of a batch.", "status")
        after, before = _time(request, "created_after"), _time(request, "created_before")
        found = [
            batch
            for batch in self.world.batches.values()
            if (status is None or batch.status == status)
            and (after is None or batch.created > after)
            and (before is None or batch.created < before)
        ]
        found.sort(key=lambda batch: batch.created, reverse=True)
        return web.json_response([self.world.batch_wire(batch) for batch in found])

    async def result(self, request: web.Request) -> web.Response:
        """GET /v2/batches/{id}/result: a redirect to the file."""
        batch = self._found(request)
        if batch.status not in ("COMPLETED", "FAILED"):
            raise Refusal("generation_conflict", message="The batch has not ended yet.")
        text = "".join(line + "\n" for line in self._result_lines(batch))
        if not self.world.settings.batch_redirect:
            return web.Response(text=text, content_type="application/jsonl")
        path = self.world.storage.folder / "batches" / f"{batch.id}.jsonl"
        path.write_text(text, encoding="utf-8")
        return web.Response(status=302, headers={"Location": self.world.storage.link("batches", path.name)})

    def _result_lines(self, batch: Batch) -> list[str]:
        settings = self.world.settings
        lines = [json.dumps(self._result(request_id, id)) for request_id, id in batch.rows]
        lines = lines[settings.batch_missing_rows :]
        if settings.batch_broken_line:
            lines.insert(1, '{"request_id": "broken", ')
        if settings.batch_shuffled:
            random.Random(batch.id).shuffle(lines)  # noqa: S311  # no secret
        return lines

    def _result(self, request_id: str, id: str) -> dict[str, Any]:
        generation = self.world.generations[id]
        wire = self.world.generation_wire(generation)
        if generation.error is not None and self.world.settings.batch_failed_rows == "error":
            return {"request_id": request_id, "error": {"message": wire["error"], "code": wire["errorCode"]}}
        return {"request_id": request_id, "response": wire}


def _time(request: web.Request, name: str) -> float | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid(f"{name} must be an ISO 8601 time.", name) from error
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
