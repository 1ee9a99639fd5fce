"""Answers become data classes.

Reading is strict where a wrong value would pass for a right one (a number where text belongs, a time that is
none) and open where the API may grow: unknown fields are kept, unknown words of an enumeration and unknown
kinds of input pass through. Objects are read by a loop over what came, which knows the way to a wrong field and
does nothing for a field that is absent; what reads a field is made when the field first comes.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import attrs

from sync_async.types._model import ApiObject, JsonObject, is_wire_field, wire_name
from sync_async.types.inputs import Audio, Image, Input, OtherInput, Tts, Video

T = TypeVar("T")

Read = Callable[[Any, Any], Any]
"""Makes a JSON value of the type that is told along, or raises one of `REFUSALS`."""

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
        return _read(value, shape)
    except REFUSALS as refusal:
        raise _at("$", refusal) from None


def _read(value: Any, shape: type[T]) -> T:
    made: T = _reader(shape)(value, shape)  # type: ignore[arg-type]  # a type is hashable
    return made


def _at(step: str, refusal: Exception) -> WrongShapeError:
    """Say in which part of a larger value a refusal arose."""
    if isinstance(refusal, WrongShapeError):
        return WrongShapeError(step + refusal.path, refusal.problem)
    return WrongShapeError(step, str(refusal))


@functools.cache
def _reader(shape: Any) -> Read:
    """Give what reads values of a type: one that a field of ours has, or an endpoint's answer."""
    for applies, make in _READERS:
        if applies(shape):
            return make(shape)
    msg = f"nothing here reads {shape}"
    raise AssertionError(msg)


def _is_api_object(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, ApiObject)


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


_SCALARS: dict[Any, Read] = {str: _text, bool: _boolean, int: _whole_number, float: _number, datetime: _time}


def _is_optional(shape: Any) -> bool:
    return type(None) in get_args(shape)


def _present(shape: Any) -> Any:
    """Give the type that an optional one has when it is not None."""
    parts = tuple(part for part in get_args(shape) if part is not type(None))
    return functools.reduce(operator.or_, parts)


def _optional(shape: Any) -> Read:
    part = _present(shape)
    read = _reader(part)
    return lambda value, _: None if value is None else read(value, part)


def _first_that_fits(shape: Any) -> Read:
    """Read a value that may be one of several things, none of which looks like another."""
    *parts, last = get_args(shape)

    def read_any(value: Any, _: Any) -> Any:
        for part in parts:
            try:
                return _reader(part)(value, part)
            except REFUSALS:
                continue
        return _reader(last)(value, last)

    return read_any


def _input(value: Any, _: Any) -> ApiObject:
    if type(value) is not dict:
        raise TypeError(_not("an object", value))
    kind = value.get("type")
    if type(kind) is not str:
        msg = f"'type' is {_brief(kind)}, not the kind of input"
        raise TypeError(msg)
    shape = INPUT_KINDS.get(kind, OtherInput)
    return _read(value, shape)


def _is_batch_answer(shape: Any) -> bool:
    return bool(get_args(shape)) and all(_is_api_object(part) for part in get_args(shape))


def _batch_answer(value: Any, _: Any) -> ApiObject:
    """Read the answer to a batch: a dry run answers with its status and nothing else."""
    from sync_async.types.batches import (  # there already: the shape is made of them
        BatchResponse,
        ValidationResponse,
    )

    dry_run = type(value) is dict and value.get("status") == "VALIDATED" and "id" not in value
    return _read(value, ValidationResponse if dry_run else BatchResponse)


def _list_reader(shape: Any) -> Read:
    (part,) = get_args(shape)
    read = _reader(part)

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


class _Fields(dict[str, _Known | None]):
    """The fields of a class by their wire names, each made ready when it first comes."""

    def __init__(self, cls: type[ApiObject]) -> None:
        self._cls = cls
        fields = attrs.fields(attrs.resolve_types(cls))
        self.wire = {wire_name(cls, field): field for field in fields if is_wire_field(field)}

    def __missing__(self, name: str) -> _Known | None:
        field = self.wire.get(name)
        if field is None:
            return None
        known = self[name] = _known(self._cls, field)
        return known


class _Owed(NamedTuple):
    """A field that must come, or whose default is made anew for each object."""

    put: Callable[[ApiObject, Any], None]
    name: str
    """The field's name on the wire."""
    factory: Callable[[], Any] | None


def _object_reader(cls: type[ApiObject]) -> Read:
    """Make the function that reads objects of a class.

    It puts what came into the slots of a blank object and leaves those of all other fields empty, as
    `ApiObject` allows: the constructor of a frozen class takes longer than all the rest, most of it for fields
    that a server never sends.
    """
    fields = _Fields(cls)
    wire = fields.wire
    aliases = {field.metadata["also"]: name for name, field in wire.items() if "also" in field.metadata}
    owed = _owed(cls, wire)
    blank = functools.partial(object.__new__, cls)
    put_extra, put_nulls = (_setter(cls, getattr(attrs.fields(cls), name)) for name in ("extra", "_nulls"))

    def read_object(value: Any, shape: Any) -> ApiObject:
        if type(value) is not dict:
            raise TypeError(_not("an object", value))
        made: ApiObject = blank()
        unknown: JsonObject = {}
        nulls: tuple[str, ...] = ()
        name = ""
        try:
            for name, item in value.items():
                field = fields[name]
                if field is None:
                    unknown[name] = item
                    continue
                put, attribute, plain, read, part = field
                put(made, item if type(item) in plain else read(item, part))
                if item is None:
                    nulls = (*nulls, attribute)
                    put_nulls(made, nulls)
        except REFUSALS as refusal:
            raise _at(f".{name}", refusal) from None
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


def _known(cls: type[ApiObject], field: attrs.Attribute[Any]) -> _Known:
    plain = _plain_types(field.type)
    part: Any = _present(field.type) if type(None) in plain else field.type  # what is plain is not read
    return _Known(_setter(cls, field), field.name, plain, _reader(part), part)


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


_READERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Read]], ...] = (
    (_SCALARS.__contains__, _SCALARS.__getitem__),
    (_is_word, lambda _: _text),
    (_is_optional, _optional),
    (lambda shape: get_origin(shape) is list, _list_reader),
    (_is_api_object, _object_reader),
    (lambda shape: shape == Input, lambda _: _input),
    (_is_batch_answer, lambda _: _batch_answer),
    (lambda shape: bool(get_args(shape)), _first_that_fits),
)
"""What reads a type, by what the type is; the first that applies."""


def _not(wanted: str, value: Any) -> str:
    return f"{_brief(value)} is not {wanted}"


def _brief(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004  # enough to recognise it
