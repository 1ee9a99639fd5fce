"""Cells become what their columns hold: text, JSON, and objects whose fields have columns of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import attrs

from sync_async._errors import ArgumentError
from sync_async._json import json_of_text
from sync_async.types.options import GenerationOptions

OPTIONS = attrs.fields_dict(attrs.resolve_types(GenerationOptions))
"""The options with their types, which tell how a cell of text is to be read."""


def nested(name: str, values: Mapping[str, Any], *, is_text: bool) -> Any:
    """Put the columns of a nested object together: `options`, `options.sync_mode` and deeper ones.

    Args:
        name: The column of the object as a whole.
        values: The row.
        is_text: Whether its cells are yet to be read as numbers and the like.

    Raises:
        ArgumentError: A cell is no JSON, or is no object where another column has a field of it.
    """
    whole = values.get(name)
    if isinstance(whole, str):
        whole = json_cell(name, whole)
    parts = {path: value for path, value in values.items() if path.startswith(f"{name}.")}
    if not parts:
        return whole
    if whole is not None and not isinstance(whole, Mapping):
        raise ArgumentError(name, f"it is a {type(whole).__name__}, into which {min(parts)} cannot go")
    made: dict[str, Any] = dict(whole or {})
    for path, value in parts.items():
        _put(made, path, _typed_cell(path, value) if is_text and isinstance(value, str) else value)
    return made


def _put(made: dict[str, Any], path: str, value: Any) -> None:
    """Put a value into a nested object; what came from the caller stays as it is."""
    *way, last = path.split(".")[1:]
    for step in way:
        inner = made.get(step, {})
        if not isinstance(inner, Mapping):
            raise ArgumentError(path, f"there is a {type(inner).__name__} at {step!r}, into which nothing can go")
        made[step] = dict(inner)
        made = made[step]
    made[last] = value


def _typed_cell(path: str, text: str) -> Any:
    """Read a cell as what its column holds: text stays text, all else is JSON."""
    field = OPTIONS.get(path.split(".")[1]) if path.startswith("options.") else None
    if path.count(".") == 1 and field is not None and "str" in _names_of(field.type):
        return text
    try:
        return json_of_text(text.lower() if text.lower() in ("true", "false") else text)
    except (ValueError, RecursionError):
        if field is not None and path.count(".") == 1:
            raise ArgumentError(path, f"{text!r} is not a value of this column") from None
        return text


def _names_of(shape: Any) -> str:
    return f"{shape} {' '.join(str(part) for part in get_args(shape))}"


def listed(value: Any, *, is_text: bool) -> list[Any]:
    """Give the inputs of a row, which may be text.

    Raises:
        ArgumentError: They are no list.
    """
    if value is None:
        return []
    if is_text or isinstance(value, str):
        value = json_cell("input", value)
    if not isinstance(value, list | tuple):
        raise ArgumentError("input", f"{type(value).__name__} is not a list of inputs")
    return list(value)


def json_cell(column: str, text: str) -> Any:
    """Read a cell that is JSON.

    Raises:
        ArgumentError: It is none.
    """
    try:
        return json_of_text(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(column, f"it is no JSON: {error}") from None
