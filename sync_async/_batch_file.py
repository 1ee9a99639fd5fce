"""The JSON Lines file of a batch, checked before it is sent: a batch cannot be taken back.

Source: https://sync.so/docs/api-reference/guides/batch-processing
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from sync_async._errors import ArgumentError
from sync_async._generation_body import GenerationArguments
from sync_async._json import json_bytes, json_of_text

LARGEST_FILE = 5 * 1024 * 1024
RECORDS = range(20, 501)
ENDPOINT = "/v2/generate"


def check_batch_file(content: bytes) -> None:
    """Check each line of a batch's input.

    Raises:
        ArgumentError: The file is too large, or a line is no record; the message names the line.
    """
    _check_size("input", content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArgumentError("input", f"it is not UTF-8 text: {error}") from error
    seen: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            _check_record(f"input line {number}", _record(f"input line {number}", line), seen)
    _check_count("input", len(seen))


def batch_file_of(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Write records as the file that the server reads, each checked as its own create call would be.

    Raises:
        ArgumentError: A record is wrong; the message names it.
    """
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise ArgumentError("rows", f"{type(rows).__name__} is not a list of records; a file goes into input")
    lines: list[bytes] = []
    seen: dict[str, str] = {}
    for index, row in enumerate(rows):
        where = f"rows[{index}]"
        if not isinstance(row, Mapping):
            raise ArgumentError(where, f"{type(row).__name__} is not a dict with request_id and payload")
        record = {"request_id": row.get("request_id"), "endpoint": ENDPOINT, **row}
        _check_record(where, record, seen)
        record["payload"] = _payload(where, record["payload"])
        lines.append(json_bytes(record))
    _check_count("rows", len(lines))
    content = b"\n".join(lines) + b"\n"
    _check_size("rows", content)
    return content


def _payload(where: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Check the body of a generation, and write its known fields; others travel as they are."""
    known = {wire: name for name in attrs.fields_dict(GenerationArguments) for wire in (name, _camel(name))}
    arguments = {known[name]: value for name, value in payload.items() if name in known}
    if "model" not in arguments:
        raise ArgumentError(f"{where}.payload", "it names no model")
    try:
        body = GenerationArguments(**arguments).to_wire()
    except ArgumentError as error:
        problem = str(error).removeprefix(f"{error.argument}: ")
        raise ArgumentError(f"{where}.payload.{error.argument}", problem) from error
    return {**body, **{name: value for name, value in payload.items() if name not in known}}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _check_count(argument: str, count: int) -> None:
    if count not in RECORDS:
        raise ArgumentError(
            argument, f"a batch holds {RECORDS.start} to {RECORDS.stop - 1} records; this one has {count}"
        )


def _check_size(argument: str, content: bytes) -> None:
    if len(content) > LARGEST_FILE:
        raise ArgumentError(argument, f"it has {len(content):,} bytes; at most {LARGEST_FILE:,} are allowed")


def _record(where: str, line: str) -> dict[str, Any]:
    try:
        record = json_of_text(line)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(where, f"it is no JSON object on one line: {error}") from error
    if not isinstance(record, dict):
        raise ArgumentError(where, "it is no JSON object")
    return record


def _check_record(where: str, record: Mapping[str, Any], seen: dict[str, str]) -> None:
    request_id = record.get("request_id")
    if not isinstance(request_id, str) or not request_id:
        raise ArgumentError(where, "request_id is missing; each record needs one of its own")
    if request_id in seen:
        raise ArgumentError(where, f"request_id {request_id!r} is that of {seen[request_id]}, too")
    seen[request_id] = where
    if record.get("endpoint") != ENDPOINT:
        raise ArgumentError(where, f"endpoint is {record.get('endpoint')!r}; it must be {ENDPOINT!r}")
    if not isinstance(record.get("payload"), Mapping):
        raise ArgumentError(where, "payload is missing; it is the JSON body of a generation")
