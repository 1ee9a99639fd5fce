"""JSON as the standard has it: NaN and Infinity, which Python's own reader takes, are none."""

from __future__ import annotations

import json
from typing import Any

from sync_async._errors import ArgumentError


def _refuse_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


_READER = json.JSONDecoder(parse_constant=_refuse_constant)  # once: making one takes longer than using it


def json_of_text(text: str) -> Any:
    """Decode JSON.

    Raises:
        ValueError: It is none.
        RecursionError: It is nested too deeply.
    """
    try:
        value, end = _READER.raw_decode(text)
    except ValueError:  # it begins with a blank, or is none
        return _READER.decode(text)
    return value if end == len(text) else _READER.decode(text)


def json_of_bytes(data: bytes) -> Any:
    """Decode JSON in UTF-8, or in what else a reader can tell it is in.

    Raises:
        ValueError: It is none.
        RecursionError: It is nested too deeply.
    """
    try:
        return json_of_text(data.decode())
    except ValueError:
        # looks for other encodings, which takes longer than most answers do
        return json.loads(data, parse_constant=_refuse_constant)


def json_bytes(value: Any) -> bytes:
    """Write a request body: compact UTF-8, no NaN.

    Raises:
        ArgumentError: Something in it has no JSON form.
    """
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError("body", f"it has no JSON form: {error}") from error
