"""Data classes become what travels: cattrs writes the function for each class."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from sync_async.types._model import ApiObject, JsonObject, is_wire_field, wire_name, wire_time


def encode(model: ApiObject) -> JsonObject:
    """Make a data class into its wire form, without the fields that are unset."""
    wire: JsonObject = _converter().unstructure(model)
    return wire


@functools.cache
def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(datetime, wire_time)
    converter.register_unstructure_hook_factory(_is_api_object, lambda cls: _unstructure_object(cls, converter))
    return converter


def _is_api_object(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, ApiObject)


def _unstructure_object(cls: type[ApiObject], converter: Converter) -> Callable[[Any], JsonObject]:
    overrides: dict[str, Any] = {
        field.name: _written(cls, field) for field in attrs.fields(attrs.resolve_types(cls))
    }
    unstructure: Callable[[Any], JsonObject] = make_dict_unstructure_fn(cls, converter, **overrides)

    def unstructure_object(model: ApiObject) -> JsonObject:
        wire = unstructure(model)
        if None in wire.values():  # a field whose default is a value was unset on purpose
            wire = {name: value for name, value in wire.items() if value is not None}
        for name, value in model.extra.items():
            wire.setdefault(name, value)
        return wire

    return unstructure_object


def _written(cls: type[ApiObject], field: attrs.Attribute[Any]) -> Any:
    if not is_wire_field(field):
        return override(omit=True)
    return override(rename=wire_name(cls, field), omit_if_default=field.default is None)
