"""The endpoints of batches.

Source: https://sync.so/docs/api-reference/guides/batch-processing
"""

from __future__ import annotations

import json
import random
import secrets
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sync_async.sandbox.form import FormReader, parse_json, read_object
from sync_async.sandbox.plans import PLANS
from sync_async.sandbox.records import Batch
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.validation import check_create, check_webhook
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
        settings = self.world.settings
        self._refuse_plan()
        is_form = request.content_type == "multipart/form-data"
        fields, records = await (self._from_form(request) if is_form else self._from_json(request))
        check_webhook(fields.get("webhook_url"), "webhook_url")
        bodies = self._checked(records)
        if fields.get("dry_run"):
            return web.json_response({"status": "VALIDATED"}, status=settings.batch_status)
        if sum(batch.is_running for batch in self.world.batches.values()) >= settings.batches:
            raise Refusal(settings.batch_limit_code, message="Too many batches are running.")
        batch = Batch(id=f"batch_{secrets.token_hex(6)}", rows=[], webhook_url=fields.get("webhook_url"))
        wire = self.world.wire.batch(batch)
        self.world.batches[batch.id] = batch
        for request_id, body in bodies:
            batch.rows.append((request_id, self.world.new_generation(body, {}, batch=batch.id).id))
        batch.status = "JOBS_CREATED"
        self.world.keep(batch)
        wire["metrics"] |= {"total_generations": len(bodies), "pending_count": len(bodies)}
        return web.json_response(wire, status=settings.batch_status)

    def _refuse_plan(self) -> None:
        settings = self.world.settings
        if settings.batch_refusal == "403":
            raise Refusal("batch_plan_required")
        has_batches = settings.plan is None or PLANS[settings.plan].has_batches
        if settings.batch_refusal == "402" or not has_batches:
            raise Refusal("plan_feature_unavailable")

    async def _from_json(self, request: web.Request) -> tuple[dict[str, Any], list[Any]]:
        body = await read_object(request)
        if not isinstance(body.get("rows"), list):
            raise invalid("rows is required.", "rows")
        if body.get("dry_run") is not None and not isinstance(body["dry_run"], bool):
            raise invalid("dry_run must be true or false.", "dry_run")
        return body, body["rows"]

    async def _from_form(self, request: web.Request) -> tuple[dict[str, Any], list[Any]]:
        form, fields = FormReader(request), dict[str, Any]()
        while (part := await form.next()) is not None:
            if part.name in ("input", "file"):
                fields["input"] = await form.field(part, 2 * LARGEST_FILE)
            else:
                fields[part.name or ""] = (await form.field(part)).decode("utf-8", "replace")
        if "input" not in fields:
            raise invalid("input is required.", "input")
        if fields.get("dry_run", "false") not in ("true", "false"):
            raise invalid("dry_run must be true or false.", "dry_run")
        fields["dry_run"] = fields.get("dry_run") == "true"
        return fields, _lines(fields.pop("input"))

    def _checked(self, records: list[Any]) -> list[tuple[str, dict[str, Any]]]:
        least, most = self.world.settings.batch_rows
        if len(records) < least:
            raise Refusal("batch_insufficient_records", message=f"{least} to {most} records are allowed.")
        if len(records) > most:
            raise invalid(f"{least} to {most} records are allowed.", "input")
        checked: dict[str, dict[str, Any]] = {}
        for number, record in enumerate(records, start=1):
            if not isinstance(record, dict) or not isinstance(record.get("request_id"), str):
                raise Refusal("batch_invalid_jsonl", lineNumber=number)
            if record["request_id"] in checked:
                raise Refusal("batch_duplicate_request_id", lineNumber=number)
            if record.get("endpoint") != "/v2/generate":
                raise Refusal("batch_invalid_endpoint", lineNumber=number)
            checked[record["request_id"]] = self._payload(record.get("payload"), number)
        return list(checked.items())

    def _payload(self, payload: Any, number: int) -> dict[str, Any]:
        try:
            return check_create(payload, self.world.settings)
        except Refusal as refusal:
            message = f"line {number}: {refusal}"
            field = refusal.body.get("field")
            raise Refusal(refusal.code, status=400, message=message, field=field, lineNumber=number) from refusal

    def _found(self, request: web.Request) -> Batch:
        batch = self.world.batches.get(request.match_info["id"])
        if batch is None:
            raise Refusal(None, status=404, message="There is no such batch.")
        return batch

    async def get(self, request: web.Request) -> web.Response:
        """GET /v2/batch/{id}."""
        return web.json_response(self.world.wire.batch(self._found(request)))

    async def list_all(self, request: web.Request) -> web.Response:
        """GET /v2/batch, newest first."""
        status = request.query.get("status")
        if status is not None and status not in STATUSES:
            raise invalid("status is no status of a batch.", "status")
        after, before = _time(request, "created_after"), _time(request, "created_before")
        found = [
            batch
            for batch in reversed(self.world.batches.values())
            if (status is None or batch.status == status)
            and (after is None or batch.created > after)
            and (before is None or batch.created < before)
        ]
        return web.json_response([self.world.wire.batch(batch) for batch in found])

    async def result(self, request: web.Request) -> web.Response:
        """GET /v2/batches/{id}/result: a redirect to the file."""
        batch = self._found(request)
        if batch.is_running:
            raise Refusal("generation_conflict", message="The batch has not ended yet.")
        text = "".join(line + "\n" for line in self._result_lines(batch))
        if not self.world.settings.batch_redirect:
            return web.Response(text=text, content_type="application/jsonl")
        path = self.world.storage.folder / "batches" / f"{batch.id}.jsonl"
        if not path.exists():  # the file stays the same, as its parts may be fetched one by one
            path.write_text(text, encoding="utf-8")
        return web.Response(status=302, headers={"Location": self.world.storage.link("batches", path.name)})

    def _result_lines(self, batch: Batch) -> list[str]:
        settings = self.world.settings
        rows = [row for row in batch.rows if row[1] in self.world.generations]  # the others were deleted
        lines = [json.dumps(self._result(request_id, id)) for request_id, id in rows]
        lines = lines[settings.batch_missing_rows :]
        if settings.batch_broken_line:
            lines.insert(1, '{"request_id": "broken", ')
        if settings.batch_shuffled:
            random.Random(batch.id).shuffle(lines)  # noqa: S311  # no secret
        return lines

    def _result(self, request_id: str, id: str) -> dict[str, Any]:
        generation = self.world.generations[id]
        wire = self.world.wire.generation(generation)
        if generation.error is not None and self.world.settings.batch_failed_rows == "error":
            return {"request_id": request_id, "error": {"message": wire["error"], "code": wire["errorCode"]}}
        return {"request_id": request_id, "response": wire}


def _lines(raw: bytes) -> list[Any]:
    if len(raw) > LARGEST_FILE:
        raise Refusal("batch_file_too_large", field="input")
    records = []
    for number, line in enumerate(raw.decode("utf-8", "replace").split("\n"), start=1):
        if line.strip():
            try:
                records.append(parse_json(line))
            except Refusal as error:
                raise Refusal("batch_invalid_jsonl", lineNumber=number) from error
    return records


def _time(request: web.Request, name: str) -> float | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise invalid(f"{name} must be an ISO 8601 time.", name) from error
