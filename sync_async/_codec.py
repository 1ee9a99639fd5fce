"""Between the wire and the data classes.

Decoding is strict where a wrong value would pass for a right one (a number where text belongs, a time that
is none) and open where the API may grow: unknown fields are kept, unknown words of an enumeration and
unknown kinds of input pass through. A second, slower converter explains what the fast one refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.cols import list_structure_factory
from cattrs.errors import AttributeValidationNote, BaseValidationError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from sync_async.types._model import ApiObject, JsonObject, is_wire_field, wire_name, wire_time
from sync_async.types.batches import BatchResponse, CreateBatchResponse, ValidationResponse
from sync_async.types.inputs import Audio, Image, Input, OtherInput, Tts, Video

T = TypeVar("T")

REFUSALS = (TypeError, ValueError, KeyError, BaseValidationError)
"""What a converter raises for a value that does not fit."""

INPUT_KINDS: dict[str, type[ApiObject]] = {"video": Video, "image": Image, "audio": Audio, "text": Tts}


class WrongShapeError(ValueError):
    """A JSON value that cannot be what it claims to be; `path` leads to it, as in `$.input[1].url`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def decode(value: Any, shape: type[T]) -> T:
    """Make a JSON value into `shape`: a data class, or a list of one.

    Raises:
        WrongShapeError: The value cannot be that; the error names the path to the first wrong field.
    """
    try:
        return _fast().structure(value, shape)
    except REFUSALS as refusal:
        raise explain(value, shape, refusal) from None


def encode(model: ApiObject) -> JsonObject:
    """Make a data class into its wire form, without the fields that are unset."""
    wire: JsonObject = _fast().unstructure(model)
    return wire


def explain(value: Any, shape: Any, refusal: Exception) -> WrongShapeError:
    """Find out which field made the fast converter refuse a value."""
    try:
        _explaining().structure(value, shape)
    except REFUSALS as error:
        path, cause = _first_fault(error, "$")
        return WrongShapeError(path, "is missing" if isinstance(cause, KeyError) else str(cause))
    return WrongShapeError("$", str(refusal))


@functools.cache
def _fast() -> Converter:
    return _make_converter(detailed=False)


@functools.cache
def _explaining() -> Converter:
    return _make_converter(detailed=True)


def _make_converter(*, detailed: bool) -> Converter:
    converter = Converter(detailed_validation=detailed)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(int, _whole_number)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(datetime, _time)
    converter.register_unstructure_hook(datetime, wire_time)
    converter.register_structure_hook_func(_is_word, _text)
    converter.register_structure_hook_func(_is_optional_word, _optional_text)
    converter.register_structure_hook_factory(_is_optional, lambda shape: _optional(shape, converter))
    converter.register_structure_hook_factory(lambda t: t == Input, lambda _: _input(converter))
    converter.register_structure_hook_func(
        lambda t: t == CreateBatchResponse, functools.partial(_batch_answer, converter)
    )
    converter.register_structure_hook_func(_is_list, _listing(converter))
    converter.register_structure_hook_factory(_is_api_object, lambda cls: _structure_object(cls, converter))
    converter.register_unstructure_hook_factory(_is_api_object, lambda cls: _unstructure_object(cls, converter))
    return converter


def _is_api_object(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, ApiObject)


def _is_list(shape: Any) -> bool:
    return get_origin(shape) is list


def _is_word(shape: Any) -> bool:
    """Tell whether a type is an enumeration: literals, alone or beside any other text."""
    parts = get_args(shape) if get_origin(shape) is not Literal else (shape,)
    return any(get_origin(part) is Literal for part in parts) and all(
        part is str or get_origin(part) is Literal for part in parts
    )


def _is_optional_word(shape: Any) -> bool:
    parts = get_args(shape)
    return type(None) in parts and all(part in (str, type(None)) or _is_word(part) for part in parts)


def _text(value: Any, _: Any) -> str:
    if type(value) is str:
        return value
    raise TypeError(_not("text", value))


def _optional_text(value: Any, _: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    raise TypeError(_not("text", value))


def _boolean(value: Any, _: Any) -> bool:
    if type(value) is bool:
        return value
    raise TypeError(_not("true or false", value))


def _whole_number(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise TypeError(_not("a whole number", value))


def _number(value: Any, _: Any) -> float:
    if type(value) is float or type(value) is int:
        return value
    raise TypeError(_not("a number", value))


def _time(value: Any, _: Any) -> datetime:
    if type(value) is not str:
        raise TypeError(_not("an ISO 8601 time", value))
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(_not("an ISO 8601 time", value)) from None
    # the API always names a zone; a missing one is read as UTC, never as this machine's
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _is_optional(shape: Any) -> bool:
    parts = get_args(shape)
    return len(parts) == 2 and type(None) in parts and not _is_optional_word(shape)  # noqa: PLR2004


def _optional(shape: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    """Look the hook of the other part up once, and not for each value."""
    (part,) = (part for part in get_args(shape) if part is not type(None))
    structure = converter.get_structure_hook(part)
    return lambda value, _: None if value is None else structure(value, part)


def _input(converter: Converter) -> Callable[[Any, Any], ApiObject]:
    shapes: dict[str, type[ApiObject]] = {**INPUT_KINDS}
    hooks = {shape: converter.get_structure_hook(shape) for shape in (*shapes.values(), OtherInput)}

    def structure(value: Any, _: Any) -> ApiObject:
        if type(value) is not dict:
            raise TypeError(_not("an object", value))
        kind = value.get("type")
        if type(kind) is not str:
            msg = f"'type' is {_brief(kind)}, not the kind of input"
            raise TypeError(msg)
        shape = shapes.get(kind, OtherInput)
        made: ApiObject = hooks[shape](value, shape)
        return made

    return structure


def _batch_answer(converter: Converter, value: Any, _: Any) -> ApiObject:
    """Read the answer to a batch: a dry run answers with its status and nothing else."""
    dry_run = type(value) is dict and value.get("status") == "VALIDATED" and "id" not in value
    return converter.structure(value, ValidationResponse if dry_run else BatchResponse)


def _listing(converter: Converter) -> Callable[[Any, Any], list[Any]]:
    make = functools.cache(lambda shape: list_structure_factory(shape, converter))

    def structure(value: Any, shape: Any) -> list[Any]:
        if type(value) is not list:  # text is iterable, too, and would become a list of letters
            raise TypeError(_not("a list", value))
        items: list[Any] = make(shape)(value, shape)
        return items

    return structure


def _structure_object(cls: type[ApiObject], converter: Converter) -> Callable[[Any, Any], ApiObject]:
    fields = [field for field in attrs.fields(cls) if is_wire_field(field)]
    names = {wire_name(cls, field): field.name for field in fields}
    aliases = {field.metadata["also"]: wire_name(cls, field) for field in fields if "also" in field.metadata}
    known = frozenset(names)
    overrides: dict[str, Any] = {
        field.name: override(rename=wire_name(cls, field)) if is_wire_field(field) else override(omit=True)
        for field in attrs.fields(cls)
    }
    structure: Callable[[Any, Any], ApiObject] = make_dict_structure_fn(cls, converter, **overrides)

    def structure_object(value: Any, shape: Any) -> ApiObject:
        if type(value) is not dict:
            raise TypeError(_not("an object", value))
        unknown = None
        if not value.keys() <= known:
            if aliases:
                value = _with_aliases(value, aliases)
            unknown = {name: item for name, item in value.items() if name not in known}
        made = structure(value, shape)
        if unknown:
            object.__setattr__(made, "extra", unknown)
        if None in value.values():
            nulls = tuple(name for wire, name in names.items() if value.get(wire, ...) is None)
            object.__setattr__(made, "_nulls", nulls)
        return made

    return structure_object


def _with_aliases(value: JsonObject, aliases: dict[str, str]) -> JsonObject:
    """Move a field that came under its other name to the first; with both there, the other one stays extra."""
    moved = {
        name: item for name, item in value.items() if name not in aliases or value.get(aliases[name]) is not None
    }
    for alias, name in aliases.items():
        if alias in value and value.get(name) is None:
            moved[name] = value[alias]
    return moved


def _unstructure_object(cls: type[ApiObject], converter: Converter) -> Callable[[Any], JsonObject]:
    overrides: dict[str, Any] = {field.name: _written(cls, field) for field in attrs.fields(cls)}
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


def _first_fault(error: BaseException, path: str) -> tuple[str, BaseException]:
    """Follow the notes of a nested validation error down to its first leaf."""
    if not isinstance(error, BaseValidationError):
        return path, error
    inner = error.exceptions[0]
    for note in getattr(inner, "__notes__", ()):
        if isinstance(note, IterableValidationNote):
            return _first_fault(inner, f"{path}[{note.index}]")
        if isinstance(note, AttributeValidationNote):
            return _first_fault(inner, f"{path}.{_wire_name_of(error.cl, note.name)}")
    return _first_fault(inner, path)


def _wire_name_of(cls: Any, name: str) -> str:
    for field in attrs.fields(cls):
        if field.name == name:
            return wire_name(cls, field)
    return name


def _not(wanted: str, value: Any) -> str:
    return f"{_brief(value)} is not {wanted}"


def _brief(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004  # enough to recognise it
