"""What every data class of the API shares: frozen fields, unknown fields kept, the wire form back."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from sync_async._keywords import unknown_keyword

JsonObject = dict[str, Any]


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ApiObject:
    """One object of the API.

    Fields are spelled in snake_case in Python and in the API's own casing on the wire. A field that this
    version does not know is kept in `extra` under its wire name, can be read as an attribute, and is sent
    back by `to_dict`.
    """

    SNAKE_CASE: ClassVar[bool] = False
    """True where the wire spells this object's fields in snake_case, too."""

    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False, metadata={"wire": None})
    _nulls: tuple[str, ...] = attrs.field(default=(), init=False, eq=False, metadata={"wire": None})

    def to_dict(self) -> JsonObject:
        """Give the wire form: the API's own field names, JSON values, unset fields left out."""
        from sync_async._encoding import encode

        return encode(self)

    def to_json(self) -> str:
        """Give the wire form as compact JSON text."""
        return json.dumps(self.to_dict(), separators=(",", ":"), ensure_ascii=False)

    if not TYPE_CHECKING:  # a type checker should still find misspelled attributes

        def __getattr__(self, name: str) -> Any:
            defaults = _defaults(type(self))
            if name in defaults:  # an answer is read without touching the fields that it lacks
                return defaults[name]
            if name == "extra":
                object.__setattr__(self, "extra", {})
                return self.extra
            if not name.startswith("_") and name in self.extra:
                return self.extra[name]
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg)

    # What attrs writes into a class is compiled at each import, a third of a millisecond per class; data classes
    # share these instead.

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = (field.name for field in attrs.fields(type(self)) if field.eq)
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __hash__(self) -> int:
        names = (field.name for field in attrs.fields(type(self)) if field.eq and field.hash is not False)
        return hash((type(self), *(getattr(self, name) for name in names)))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in self._known() if value is not None)
        more = "".join(f", {name}={_shown(value)}" for name, value in self.extra.items())
        return f"{type(self).__name__}({shown}{more})"

    def _known(self) -> Iterator[tuple[str, Any]]:
        for field in attrs.fields(type(self)):
            if is_wire_field(field):
                yield field.name, getattr(self, field.name)

    # The vendor's SDK returned pydantic models; programs written for it call these.

    def dict(self, **_: Any) -> JsonObject:
        """Give the set fields under their wire names, times as `datetime`, as pydantic models of syncsdk do."""
        return _plain_model(self, wire=True, unset=False)

    def json(self, **_: Any) -> str:
        """Give the set fields under their Python names as JSON text, as pydantic models of syncsdk do."""
        return _dumps(_plain(self, wire=False, unset=False))

    def model_dump(self, *, exclude_none: bool = False, **_: Any) -> JsonObject:
        """Give all fields, unset ones as None, under their Python names.

        Args:
            exclude_none: Leave out the fields that are None.
            _: Other options of pydantic change nothing; syncsdk's models have no aliases.
        """
        return _plain_model(self, wire=False, unset=not exclude_none)

    def model_dump_json(self, *, exclude_none: bool = False, **_: Any) -> str:
        """Give what `model_dump` gives as JSON text."""
        return _dumps(self.model_dump(exclude_none=exclude_none))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, **_: Any) -> Self:
        """Give a copy in which the named fields have other values."""
        return attrs.evolve(self, **(update or {}))


class RequestObject(ApiObject):
    """An object that callers make, so a misspelled field is answered with those that there are."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker reads the fields themselves

        def __new__(cls, *_: Any, **given: Any) -> Self:
            if not given.keys() <= _keywords(cls):
                raise unknown_keyword(f"{cls.__name__} has no field", given, sorted(_keywords(cls)))
            return object.__new__(cls)


@functools.cache
def _defaults(cls: type[ApiObject]) -> dict[str, Any]:
    """Give the value of each field that may stay unset."""
    return {
        field.name: field.default
        for field in attrs.fields(cls)
        if field.default is not attrs.NOTHING and not hasattr(field.default, "factory")
    }


_KEYWORDS: dict[type[RequestObject], frozenset[str]] = {}


def _keywords(cls: type[RequestObject]) -> frozenset[str]:
    known = _KEYWORDS.get(cls)
    if known is None:
        known = frozenset(field.alias for field in attrs.fields(cls) if field.init and field.alias is not None)
        _KEYWORDS[cls] = known
    return known


def is_wire_field(field: attrs.Attribute[Any]) -> bool:
    """Tell whether a field travels; those marked with wire=None are ours alone."""
    return field.metadata.get("wire", "") is not None


def wire_name(cls: type[ApiObject], field: attrs.Attribute[Any]) -> str:
    """Give the name that the wire uses for a field of a data class."""
    named: str | None = field.metadata.get("wire")
    if named:
        return named
    return field.name if cls.SNAKE_CASE else camel_case(field.name)


def camel_case(name: str) -> str:
    """Turn snake_case into camelCase."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def wire_time(value: datetime) -> str:
    """Write a time as the API does: UTC, milliseconds, a trailing Z; naive times are local ones."""
    try:
        utc = value.astimezone(UTC)
    except OverflowError:  # an end of the calendar, which UTC has not: the time keeps its own zone
        utc = value
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any, *, wire: bool, unset: bool) -> Any:
    if isinstance(value, ApiObject):
        return _plain_model(value, wire=wire, unset=unset)
    if isinstance(value, list | tuple):
        return [_plain(item, wire=wire, unset=unset) for item in value]
    return value


def _plain_model(model: ApiObject, *, wire: bool, unset: bool) -> JsonObject:
    cls = type(model)
    plain: JsonObject = {}
    for field in attrs.fields(cls):
        if not is_wire_field(field):
            continue
        value = getattr(model, field.name)
        if value is not None or unset or field.name in model._nulls:  # noqa: SLF001  # its own class
            name = wire_name(cls, field) if wire else field.name
            plain[name] = _plain(value, wire=wire, unset=unset)
    return plain | dict(model.extra)


def _dumps(plain: JsonObject) -> str:
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False, default=_json_time)


def _json_time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)


def _shown(value: object) -> str:
    """Show a value without the query of a URL: signed links must not end up in logs."""
    if isinstance(value, str) and value.startswith(("http://", "https://")) and "?" in value:
        return repr(value.partition("?")[0] + "?…")
    return repr(value)
