"""The data classes of the API as strategies, made from their fields: a new class or field is covered by itself."""

from __future__ import annotations

import importlib
import math
import pkgutil
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, Union, get_args, get_origin

import attrs
from hypothesis import strategies as st

import sync_async
from sync_async import types as api_types
from sync_async._request import Answer, Endpoint
from sync_async.types._model import ApiObject, RequestObject, is_wire_field, wire_name
from sync_async.types.batches import ValidationResponse
from sync_async.types.error_body import GenerationError
from sync_async.types.inputs import Audio, Image, InputItem, OtherInput, Tts, Video

KNOWN_KINDS = {"video": Video, "image": Image, "audio": Audio, "text": Tts}
BASES = (ApiObject, RequestObject, InputItem)
READ_LENIENTLY = (GenerationError,)
"""Not read by the codec: see `test_error_answers`."""

TEXT = st.text(st.characters(), max_size=12)
"""Any text, lone surrogates as well: JSON can spell them."""
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(
    min_value=datetime(1, 1, 2),  # the zone is drawn
    max_value=datetime(9999, 12, 30),
    timezones=ZONES,
).map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000))
"""Times as exact as the API writes them, in any zone."""


def json_values(names: st.SearchStrategy[str] = TEXT, *, leaves: int = 12) -> st.SearchStrategy[Any]:
    """Give JSON values of any form, whose objects have such names."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | NUMBERS | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=leaves,
    )


JSON = json_values()


def data_classes() -> list[type[ApiObject]]:
    """Find all data classes of the API that the codec reads."""
    found: dict[type[ApiObject], None] = {}
    for module in _modules(api_types):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, ApiObject) and value not in BASES + READ_LENIENTLY:
                found[value] = None
    return list(found)


def endpoints() -> dict[str, Endpoint[Any]]:
    """Find all operations of the API that have a typed answer, by method and path."""
    found = {
        f"{value.method} {value.path}": value
        for module in _modules(sync_async, without=("sandbox", "cli"))
        for value in vars(module).values()
        if isinstance(value, Endpoint) and value.answer is Answer.JSON
    }
    return dict(sorted(found.items()))


def _modules(package: types.ModuleType, without: tuple[str, ...] = ()) -> Iterator[types.ModuleType]:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not any(f".{name}" in info.name for name in without):
            yield importlib.import_module(info.name)


def fields_of(cls: type[ApiObject]) -> list[attrs.Attribute[Any]]:
    """Give the fields of a data class that travel, with their types resolved."""
    return [field for field in attrs.fields(attrs.resolve_types(cls)) if is_wire_field(field)]


def taken_names(cls: type[ApiObject]) -> set[str]:
    """Give the names on the wire that a data class knows."""
    fields = fields_of(cls)
    return {wire_name(cls, field) for field in fields} | {
        field.metadata["also"] for field in fields if "also" in field.metadata
    }


def is_union(shape: Any) -> bool:
    """Tell whether a type is a choice between several."""
    return get_origin(shape) in (Union, types.UnionType)


def parts_of(shape: Any) -> list[Any]:
    """Give the types that a choice is between."""
    return [part for one in get_args(shape) for part in (parts_of(one) if is_union(one) else [one])]


def values_of(shape: Any) -> st.SearchStrategy[Any]:
    """Give Python values of a type."""
    if is_union(shape):
        return st.one_of([values_of(part) for part in parts_of(shape)])
    if get_origin(shape) is Literal:
        return st.sampled_from(get_args(shape))
    if get_origin(shape) is list:
        return st.lists(values_of(get_args(shape)[0]), max_size=3)
    if isinstance(shape, type) and issubclass(shape, ApiObject):
        return objects(shape)
    plain = {
        str: TEXT,
        bool: st.booleans(),
        int: st.integers(-(2**53), 2**53),
        float: NUMBERS,
        datetime: TIMES,
        type(None): st.none(),
    }
    return plain[shape]


@st.composite
def objects(draw: st.DrawFn, cls: type[ApiObject]) -> Any:
    """Make an object of a data class through its constructor, with fields that this version does not know."""
    given = {}
    for field in fields_of(cls):
        if field.default is attrs.NOTHING or draw(st.booleans()):
            given[field.alias] = draw(_field_values(cls, field))
    if draw(st.booleans()):
        given["extra"] = draw(extras(cls))
    return cls(**given)


def extras(cls: type[ApiObject]) -> st.SearchStrategy[dict[str, Any]]:
    """Give fields of the wire that a data class does not know."""
    taken = taken_names(cls)
    return st.dictionaries(TEXT.filter(lambda name: name not in taken), JSON, max_size=3)


def _field_values(cls: type[ApiObject], field: attrs.Attribute[Any]) -> st.SearchStrategy[Any]:
    if cls is OtherInput and field.name == "type":
        return TEXT.filter(lambda kind: kind not in KNOWN_KINDS)
    values = values_of(field.type)
    if isinstance(field.default, str):  # None leaves such a field out, and it is then read as its default
        return values.filter(lambda value: value is not None)
    return values


def wires_of(shape: Any) -> st.SearchStrategy[Any]:
    """Give JSON values as a server may write a type: whole numbers as 5.0, times in any zone, null fields."""
    if is_union(shape):
        return st.one_of([wires_of(part) for part in parts_of(shape)])
    if get_origin(shape) is list:
        return st.lists(wires_of(get_args(shape)[0]), max_size=3)
    if shape is datetime:
        return st.one_of(TIMES.map(datetime.isoformat), TIMES.map(lambda time: _utc(time) + "Z"))
    if shape is int:
        return st.integers(-(2**53), 2**53) | st.integers(-(2**53), 2**53).map(float)
    if isinstance(shape, type) and issubclass(shape, ApiObject):
        return wire_objects(shape)
    return values_of(shape)


@st.composite
def wire_objects(draw: st.DrawFn, cls: type[ApiObject]) -> dict[str, Any]:
    """Make the JSON object of a data class, its fields in any order."""
    made: dict[str, Any] = draw(extras(cls)) if draw(st.booleans()) else {}
    for field in fields_of(cls):
        tells_kind = isinstance(field.default, str) and field.name in ("type", "status")
        if field.default is attrs.NOTHING or tells_kind or draw(st.booleans()):
            made[draw(_names_of(cls, field))] = draw(_wire_values(cls, field))
    return dict(draw(st.permutations(list(made.items()))))


def _names_of(cls: type[ApiObject], field: attrs.Attribute[Any]) -> st.SearchStrategy[str]:
    return st.sampled_from([wire_name(cls, field), field.metadata.get("also", wire_name(cls, field))])


def _wire_values(cls: type[ApiObject], field: attrs.Attribute[Any]) -> st.SearchStrategy[Any]:
    if cls is OtherInput:
        return _field_values(cls, field)
    if cls is ValidationResponse:  # by this word it is told from a batch
        return st.just(field.default)
    return wires_of(field.type)


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def normal(wire: Any, shape: Any) -> Any:  # noqa: PLR0911  # one for each kind of type
    """Say what JSON of a type comes to when it is read and written again, by rules of this test's own.

    Known fields that are null go, missing ones with a default come, a field under its other name gets its first
    one, whole numbers are ints, and times are UTC with milliseconds.
    """
    if wire is None:
        return None
    if is_union(shape):
        return normal(wire, _part_for(wire, shape))
    if get_origin(shape) is list:
        return [normal(item, get_args(shape)[0]) for item in wire]
    if shape is datetime:
        return _utc(datetime.fromisoformat(wire)) + "Z"
    if shape is int:
        return int(wire)
    if isinstance(shape, type) and issubclass(shape, ApiObject):
        return _normal_object(wire, shape)
    return wire


def _normal_object(wire: dict[str, Any], cls: type[ApiObject]) -> dict[str, Any]:
    left = dict(wire)
    made = {}
    for field in fields_of(cls):
        name, other = wire_name(cls, field), field.metadata.get("also")
        if other in left and left.get(name) is None:
            left[name] = left.pop(other)
        value = normal(left.pop(name, _default(field)), field.type)
        if value is not None:
            made[name] = value
    return {**left, **made}


def _default(field: attrs.Attribute[Any]) -> Any:
    return field.default.factory() if hasattr(field.default, "factory") else field.default


def _part_for(value: Any, shape: Any) -> Any:
    """Choose the type of several that a JSON value is read as."""
    parts = [part for part in parts_of(shape) if part is not type(None)]
    if OtherInput in parts:
        return KNOWN_KINDS.get(value["type"], OtherInput)
    if get_origin(parts[0]) is Literal:
        return str
    (part,) = parts if len(parts) == 1 else [part for part in parts if _is_form_of(value, part)][:1]
    return part


def _is_form_of(value: Any, shape: Any) -> bool:
    """Tell the forms apart that the answers of one endpoint have."""
    return isinstance(value, dict) and (value.get("status") == "VALIDATED" and "id" not in value) == (
        shape is ValidationResponse
    )


def is_of(value: Any, shape: Any) -> bool:  # noqa: PLR0911  # one for each kind of type
    """Tell whether a Python value really is of a type, down to its last field."""
    if is_union(shape):
        return any(is_of(value, part) for part in parts_of(shape))
    if get_origin(shape) is Literal:
        return type(value) is str  # a word of a later version
    if get_origin(shape) is list:
        return type(value) is list and all(is_of(item, get_args(shape)[0]) for item in value)
    if shape is float:
        return type(value) in (int, float) and math.isfinite(value)
    if shape is datetime:
        return type(value) is datetime and value.tzinfo is not None
    if isinstance(shape, type) and issubclass(shape, ApiObject):
        return type(value) is shape and all(is_of(getattr(value, f.name), f.type) for f in fields_of(shape))
    return type(value) is (type(None) if shape is None else shape)
