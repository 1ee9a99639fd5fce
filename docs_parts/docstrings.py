"""The source as the site shows it: examples become code, a source becomes a link, attrs classes have a signature.

In docstrings examples and sources stand as `Example:` and `Source:`, plain as a reader of the code wants them.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from griffe import (
    Attribute,
    Class,
    Docstring,
    ExprCall,
    ExprKeyword,
    Extension,
    Function,
    Module,
    Object,
    Parameter,
    ParameterKind,
    Parameters,
)

EXAMPLE = re.compile(r"^( *)Example:\n((?:\1 +.*\n|\n)+)", re.MULTILINE)
SOURCE = re.compile(r"\bSource: (https://\S+[^\s.,])")
ATTRS = ("attrs.frozen", "attrs.define")


class Docstrings(Extension):
    """Rewrites docstrings when they are read from the source."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of a class, a function, an attribute or a module."""
        if obj.docstring is not None:
            _rewrite(obj.docstring)


class AttrsClasses(Extension):
    """Gives attrs classes the `__init__` that they have when they run."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Go through all classes of a package."""
        for one in _classes(pkg):
            if _is_attrs(one) and "__init__" not in one.members:
                one.set_member("__init__", _init(one))


def _rewrite(docstring: Docstring) -> None:
    text = EXAMPLE.sub(_as_code, docstring.value + "\n")
    docstring.value = SOURCE.sub(r"Source: [\1](\1)", text).rstrip()


def _as_code(found: re.Match[str]) -> str:
    indent, code = found.groups()
    fenced = f"Examples:\n    ```python\n{textwrap.indent(textwrap.dedent(code).strip(), '    ')}\n    ```\n\n"
    return textwrap.indent(fenced, indent)


def _classes(within: Module | Class) -> Iterator[Class]:
    for member in within.members.values():
        if not member.is_alias and isinstance(member, Module | Class):
            if isinstance(member, Class):
                yield member
            yield from _classes(member)


def _is_attrs(one: Class) -> bool:
    return any(str(decorator.value).startswith(ATTRS) for decorator in one.decorators)


def _init(one: Class) -> Function:
    """Make the `__init__` of an attrs class from its own fields and those of its bases."""
    owners = [base for base in reversed(one.mro()) if _is_attrs(base)]
    found = {found.name: found for owner in [*owners, one] for found in _fields(owner)}
    needed_first = sorted(found.values(), key=lambda field: field.default is not None)
    self_ = Parameter("self", kind=ParameterKind.positional_or_keyword)
    return Function("__init__", parent=one, parameters=Parameters(self_, *needed_first), returns="None")


def _fields(one: Class) -> Iterator[Parameter]:
    keyword_only = any("kw_only=True" in str(decorator.value) for decorator in one.decorators)
    kind = ParameterKind.keyword_only if keyword_only else ParameterKind.positional_or_keyword
    for member in one.members.values():
        is_field = isinstance(member, Attribute) and member.annotation and "instance-attribute" in member.labels
        if is_field and not member.name.startswith("_"):
            yield Parameter(member.name, annotation=member.annotation, kind=kind, default=_default(member))


def _default(field: Attribute) -> Any:
    """Give the default of a field; that of a factory is what it makes."""
    value = field.value
    if not (isinstance(value, ExprCall) and str(value.function) == "attrs.field"):
        return value
    given = {one.name: one.value for one in value.arguments if isinstance(one, ExprKeyword)}
    return ExprCall(given["factory"], []) if "factory" in given else given.get("default")
