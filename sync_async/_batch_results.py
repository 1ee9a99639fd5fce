"""The result file of a batch, line by line.

The keys of failed rows are not documented, so each is looked for where servers have been seen to put it.
Source: https://sync.so/docs/api-reference/guides/batch-processing
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sync_async._codec import WrongShapeError, decode
from sync_async._json import json_of_text
from sync_async.types.batch_results import BatchResults, BatchRow, UnreadableLine
from sync_async.types.batches import BatchResponse
from sync_async.types.generations import Generation

KEPT_OF_A_LINE = 200


def read_results(batch: BatchResponse, content: bytes) -> BatchResults:
    """Read a whole file; what is no row is kept apart and does not end the reading."""
    rows: dict[str, BatchRow] = {}
    unreadable: list[UnreadableLine] = []
    for number, line in enumerate(content.decode("utf-8-sig", "replace").split("\n"), start=1):
        if not line.strip():
            continue
        found = _read_line(line)
        if isinstance(found, BatchRow):
            rows[found.request_id] = found
        else:
            unreadable.append(UnreadableLine(number=number, text=line[:KEPT_OF_A_LINE], problem=found))
    return BatchResults(batch=batch, rows=rows, unreadable=tuple(unreadable))


def _read_line(line: str) -> BatchRow | str:
    """Read a row, or say why the line is none."""
    try:
        raw = json_of_text(line)
    except (ValueError, RecursionError) as error:
        return f"it is no JSON: {error}"
    if not isinstance(raw, dict):
        return "it is no JSON object"
    request_id = _first(raw, "request_id", "requestId")
    if not isinstance(request_id, str):
        return "it has no request_id"
    made = _generation_of(raw)
    problem, code = _error_of(made, raw)
    status = _first(made, "status") or _first(raw, "status") or ("FAILED" if problem or code else "UNKNOWN")
    return BatchRow(
        request_id=request_id,
        status=str(status),
        generation=_decoded(made),
        output_url=_text(_first(made, "outputUrl", "outputMediaUrl")),
        error=problem,
        error_code=code,
        raw=raw,
    )


def _generation_of(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    response = raw.get("response")
    if isinstance(response, dict):
        body = response.get("body")
        return body if isinstance(body, dict) else response
    return raw if "id" in raw or "status" in raw else {}


def _error_of(made: Mapping[str, Any], raw: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Give message and code of a failure, wherever they stand."""
    code = _first(made, "errorCode", "error_code")
    if made.get("statusCode") and made.get("message"):  # a refused row holds an error body
        return _text(made["message"]), _text(code)
    if made.get("error"):
        return _text(made["error"]), _text(code)
    top = raw.get("error")
    if isinstance(top, dict):
        return _text(top.get("message")), _text(_first(top, "code", "errorCode", "error_code"))
    return _text(top), _text(code or _first(raw, "errorCode", "error_code"))


def _decoded(made: Mapping[str, Any]) -> Generation | None:
    if "id" not in made:
        return None
    try:
        generation: Generation = decode(made, Generation)
    except WrongShapeError:  # the raw line has it all
        return None
    return generation


def _first(values: Iterable[str], *names: str) -> Any:
    found = values if isinstance(values, Mapping) else {}
    return next((found[name] for name in names if found.get(name) is not None), None)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
