"""JSON as the standard has it: NaN and Infinity, which Python's own reader takes, are none."""

from __future__ import annotations

import json
from typing import Any


def _refuse_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


_parse = json.JSONDecoder(
    parse_constant=_refuse_constant
).decode  # once: a reader takes longer to make than to use


def json_of_text(text: str) -> Any:
    """Decode JSON.

    Raises:
        ValueError: It is none.
        RecursionError: It is nested too deeply.
    """
    return _parse(text)


def json_of_bytes(data: bytes) -> Any:
    """Decode JSON in UTF-8, or in what else a reader can tell it is in.

    Raises:
        ValueError: It is none.
        RecursionError: It is nested too deeply.
    """
    try:
        return _parse(data.decode())
    except ValueError:
        # looks for other encodings, which takes longer than most answers do
        return json.loads(data, parse_constant=_refuse_constant)
