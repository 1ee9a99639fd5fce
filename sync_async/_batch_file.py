"""The JSON Lines file of a batch, checked before it is sent: a batch cannot be taken back.

Source: https://sync.so/docs/api-reference/guides/batch-processing
"""

from __future__ import annotations

import json
import warnings
from typing import Any

from sync_async._errors import ArgumentError

LARGEST_FILE = 5 * 1024 * 1024
RECORDS = range(20, 501)
ENDPOINT = "/v2/generate"


def check_batch_file(content: bytes) -> None:
    """Check each line of a batch's input.

    A number of records outside 20 to 500 is a warning only, since plans and servers differ.

    Raises:
        ArgumentError: The file is too large, or a line is no record; the message names the line.
    """
    if len(content) > LARGEST_FILE:
        raise ArgumentError("input", f"it has {len(content):,} bytes; at most {LARGEST_FILE:,} are allowed")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArgumentError("input", f"it is not UTF-8 text: {error}") from error
    seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            _check_record(f"input line {number}", _record(f"input line {number}", line), seen, number)
    if not seen:
        raise ArgumentError("input", "it holds no record")
    if len(seen) not in RECORDS:
        warnings.warn(
            f"a batch holds {RECORDS.start} to {RECORDS.stop - 1} records; this one has {len(seen)}",
            stacklevel=2,
        )


def _record(where: str, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ArgumentError(where, f"it is no JSON object on one line: {error}") from error
    if not isinstance(record, dict):
        raise ArgumentError(where, "it is no JSON object")
    return record


def _refuse_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _check_record(where: str, record: dict[str, Any], seen: dict[str, int], number: int) -> None:
    request_id = record.get("request_id")
    if not isinstance(request_id, str) or not request_id:
        raise ArgumentError(where, "request_id is missing; each record needs one of its own")
    if request_id in seen:
        raise ArgumentError(where, f"request_id {request_id!r} stands on line {seen[request_id]}, too")
    seen[request_id] = number
    if record.get("endpoint") != ENDPOINT:
        raise ArgumentError(where, f"endpoint is {record.get('endpoint')!r}; it must be {ENDPOINT!r}")
    if not isinstance(record.get("payload"), dict):
        raise ArgumentError(where, "payload is missing; it is the JSON body of a generation")
