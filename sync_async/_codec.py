"""Between the wire and the data classes.

Decoding is strict where a wrong value would pass for a right one (a number where text belongs, a time that
is none) and open where the API may grow: unknown fields are kept, unknown words of an enumeration and
unknown kinds of input pass through. cattrs says how each type is read and written; the objects themselves are
read by a loop over what came, which knows the way to a wrong field and does nothing for a field that is absent.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from sync_async.types._model import ApiObject, JsonObject, is_wire_field, wire_name, wire_time
from sync_async.types.batches import BatchResponse, CreateBatchResponse, ValidationResponse
from sync_async.types.inputs import Audio, Image, Input, OtherInput, Tts, Video

T = TypeVar("T")

Read = Callable[[Any, Any], Any]
"""A hook of cattrs: a JSON value and the type that it is to become, to a value of that type."""

REFUSALS = (TypeError, ValueError)
"""What a reader raises for a value that does not fit."""

LARGEST = sys.float_info.max

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
        made: T = _reader(shape)(value, shape)  # type: ignore[arg-type]  # a type is hashable
    except REFUSALS as refusal:
        raise _at("$", refusal) from None
    return made


def encode(model: ApiObject) -> JsonObject:
    """Make a data class into its wire form, without the fields that are unset."""
    wire: JsonObject = _converter().unstructure(model)
    return wire


def _at(step: str, refusal: Exception) -> WrongShapeError:
    """Say in which part of a larger value a refusal arose."""
    if isinstance(refusal, WrongShapeError):
        return WrongShapeError(step + refusal.path, refusal.problem)
    return WrongShapeError(step, str(refusal))


@functools.cache
def _reader(shape: Any) -> Read:
    return _converter().get_structure_hook(shape)


@functools.cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(int, _whole_number)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(datetime, _time)
    converter.register_unstructure_hook(datetime, wire_time)
    converter.register_structure_hook_func(_is_word, _text)
    converter.register_structure_hook_factory(_is_optional, lambda shape: _optional(shape, converter))
    converter.register_structure_hook_factory(lambda t: t == Input, lambda _: _input(converter))
    converter.register_structure_hook_func(
        lambda t: t == CreateBatchResponse, functools.partial(_batch_answer, converter)
    )
    converter.register_structure_hook_factory(_is_list, lambda shape: _list_reader(shape, converter))
    converter.register_structure_hook_factory(_is_api_object, lambda cls: _object_reader(cls, converter))
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


def _text(value: Any, _: Any) -> str:
    if type(value) is str:
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
    if (type(value) is float or type(value) is int) and -LARGEST <= value <= LARGEST:  # 1e999 is read as infinity
        return value
    raise TypeError(_not("a finite number", value))


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
    return type(None) in get_args(shape)


def _present(shape: Any) -> Any:
    """Give the type that an optional one has when it is not None."""
    parts = tuple(part for part in get_args(shape) if part is not type(None))
    return functools.reduce(operator.or_, parts)


def _optional(shape: Any, converter: Converter) -> Read:
    """Look the hook of the present value up once, and not for each value."""
    part = _present(shape)
    read: Read = converter.get_structure_hook(part)
    return lambda value, _: None if value is None else read(value, part)


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


def _list_reader(shape: Any, converter: Converter) -> Read:
    (part,) = get_args(shape)
    read: Read = converter.get_structure_hook(part)

    def read_list(value: Any, _: Any) -> list[Any]:
        if type(value) is not list:  # text is iterable, too, and would become a list of letters
            raise TypeError(_not("a list", value))
        try:
            return [read(item, part) for item in value]
        except REFUSALS as refusal:
            raise _at(f"[{_first_refused(value, part, read)}]", refusal) from None

    return read_list


def _first_refused(items: list[Any], part: Any, read: Read) -> int:
    """Find the item that was refused by reading again: counting along would slow each good list down."""
    for index, item in enumerate(items):
        try:
            read(item, part)
        except REFUSALS:
            return index
    msg = "a list was refused of which no item is"
    raise AssertionError(msg)


class _Known(NamedTuple):
    """What there is to know about a field once its wire name was met."""

    put: Callable[[ApiObject, Any], None]
    name: str
    """The field's name in Python."""
    plain: frozenset[type]
    """Values of exactly these types stand as they came."""
    read: Read
    shape: Any


class _Owed(NamedTuple):
    """A field that must come, or whose default is made anew for each object."""

    put: Callable[[ApiObject, Any], None]
    name: str
    """The field's name on the wire."""
    factory: Callable[[], Any] | None


def _object_reader(cls: type[ApiObject], converter: Converter) -> Read:
    """Make the function that reads objects of a class.

    It puts what came into the slots of a blank object and leaves those of all other fields empty, as
    `ApiObject` allows: the constructor of a frozen class takes longer than all the rest, most of it for fields
    that a server never sends.
    """
    fields = attrs.fields_dict(attrs.resolve_types(cls))
    wire = {wire_name(cls, field): field for field in fields.values() if is_wire_field(field)}
    field_of = {name: _known(cls, field, converter) for name, field in wire.items()}.get
    aliases = {field.metadata["also"]: name for name, field in wire.items() if "also" in field.metadata}
    owed = _owed(cls, wire)
    blank = functools.partial(object.__new__, cls)
    put_extra, put_nulls = (_setter(cls, fields[name]) for name in ("extra", "_nulls"))

    def read_object(value: Any, shape: Any) -> ApiObject:
        if type(value) is not dict:
            raise TypeError(_not("an object", value))
        made: ApiObject = blank()
        unknown: JsonObject = {}
        nulls: tuple[str, ...] = ()
        wire = ""
        try:
            for wire, item in value.items():
                field = field_of(wire)
                if field is None:
                    unknown[wire] = item
                    continue
                put, name, plain, read, part = field
                put(made, item if type(item) in plain else read(item, part))
                if item is None:
                    nulls = (*nulls, name)
                    put_nulls(made, nulls)
        except REFUSALS as refusal:
            raise _at(f".{wire}", refusal) from None
        if unknown and (moved := _with_aliases(value, unknown, aliases)) is not value:
            return read_object(moved, shape)
        if unknown:
            put_extra(made, unknown)
        if owed:
            _pay(made, value, owed)
        return made

    return read_object


def _owed(cls: type[ApiObject], wire: dict[str, attrs.Attribute[Any]]) -> list[_Owed]:
    return [
        _Owed(_setter(cls, field), name, _factory(field))
        for name, field in wire.items()
        if field.default is attrs.NOTHING or _factory(field) is not None
    ]


def _known(cls: type[ApiObject], field: attrs.Attribute[Any], converter: Converter) -> _Known:
    plain = _plain_types(field.type)
    part = _present(field.type) if type(None) in plain else field.type  # what is plain is not read
    return _Known(_setter(cls, field), field.name, plain, converter.get_structure_hook(part), part)


def _setter(cls: type[ApiObject], field: attrs.Attribute[Any]) -> Callable[[ApiObject, Any], None]:
    """Give the way past the lock of a frozen class."""
    put: Callable[[ApiObject, Any], None] = getattr(cls, field.name).__set__
    return put


def _pay(made: ApiObject, value: JsonObject, owed: list[_Owed]) -> None:
    """Fill the fields that did not come and have no plain default."""
    for put, name, factory in owed:
        if name not in value:
            if factory is None:
                raise WrongShapeError(f".{name}", "is missing")
            put(made, factory())


def _plain_types(shape: Any) -> frozenset[type]:
    """Tell of which types a JSON value may be that needs neither a check nor a change to become `shape`."""
    if _is_optional(shape):
        return _plain_types(_present(shape)) | {type(None)}
    if _is_word(shape):
        return frozenset({str})
    return frozenset({shape} & {str, bool, int})  # and no float, which may be infinite


def _factory(field: attrs.Attribute[Any]) -> Callable[[], Any] | None:
    return getattr(field.default, "factory", None)


def _with_aliases(value: JsonObject, unknown: JsonObject, aliases: dict[str, str]) -> JsonObject:
    """Move a field that came under its other name to the first; with both there, the other one stays extra."""
    moved = value
    for alias, name in aliases.items():
        if alias in unknown and value.get(name) is None:
            moved = dict(moved)
            moved[name] = moved.pop(alias)
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


def _not(wanted: str, value: Any) -> str:
    return f"{_brief(value)} is not {wanted}"


def _brief(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004  # enough to recognise it
