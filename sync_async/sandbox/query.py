"""Reading query parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from aiohttp import web

from sync_async.sandbox.refusal import invalid

MOST_A_PAGE = 100


class HasId(Protocol):
    """What pages are made of."""

    id: str


ItemT = TypeVar("ItemT", bound=HasId)


def words(request: web.Request, name: str) -> list[str]:
    """Read a list: joined with commas, or the parameter repeated."""
    return [word for value in request.query.getall(name, []) for word in value.split(",") if word]


def boolean(request: web.Request, name: str) -> bool:
    """Read true or false; false when unset."""
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise invalid(f"{name} must be true or false.", name)
    return value == "true"


def number(request: web.Request, name: str, default: float) -> float:
    """Read a number."""
    try:
        return float(request.query.get(name, default))
    except ValueError as error:
        raise invalid(f"{name} must be a number.", name) from error


def limit_of(request: web.Request, default: int | None) -> int | None:
    """Read the size of a page, 1 to 100."""
    text = request.query.get("limit")
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MOST_A_PAGE:
        raise invalid(f"limit must be from 1 to {MOST_A_PAGE}.", "limit")
    return int(text)


def page_after(items: Iterable[ItemT], cursor: str) -> Iterator[ItemT]:
    """Give the items behind the one that the cursor names; none behind an unknown one."""
    rest = iter(items)
    for item in rest:
        if item.id == cursor:
            break
    return rest
