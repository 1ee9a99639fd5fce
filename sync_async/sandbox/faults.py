"""What can go wrong on the way, on order.

A fault is tied to requests by method and path, happens a number of times, and either answers instead of the
sandbox or spoils its answer. How each kind is carried out stands in `spoiling`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal, get_args

import attrs
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Kind = Literal[
    "reset", "lost", "cut", "close", "stall", "drip", "truncated", "length", "gzip", "html", "empty", "answer",
    "uncertain", "uncertain_unnamed", "uncertain_undone",
]  # fmt: skip
"""
reset              the connection is reset before the body is read; nothing is done
lost               the request is carried out, then the connection is closed without an answer
cut                the request is carried out, then half of its answer is sent
close              the answer is whole, but the connection is closed behind it instead of kept alive
stall              the request is carried out, then no answer comes for `seconds`
drip               the answer comes in small pieces, over `seconds`
truncated          the answer is half of its JSON, with a length that fits
length             the answer announces more bytes than it has
gzip               the answer says that it is gzip, and is none
html               a gateway's page with status 502; nothing is done
empty              200 with nothing; nothing is done
answer             `status`, `headers`, and `body` (text, bytes, JSON), or the error `code`; nothing is done
uncertain          the request is carried out; 503 IDEMPOTENCY_OUTCOME_UNKNOWN names the generation
uncertain_unnamed  the same without its id
uncertain_undone   the same answer, but nothing is done
"""
INSTEAD = frozenset({"reset", "html", "empty", "answer", "uncertain_undone"})
"""The kinds that do not let the request through."""
Origin = Literal["api", "storage", "any"]


def _is_pattern(_: Any, __: Any, value: str) -> None:
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        msg = f"path must be a regular expression: {error}"
        raise ValueError(msg) from error


@attrs.define(kw_only=True)
class Fault:
    """One fault and when it happens."""

    kind: Kind = attrs.field(validator=attrs.validators.in_(get_args(Kind)))
    method: str = "*"
    path: str = attrs.field(default=".*", validator=_is_pattern)
    """Regular expression for the whole path."""
    origin: Origin = attrs.field(default="any", validator=attrs.validators.in_(get_args(Origin)))
    """Whether it meets requests to the API, to the storage, or to both."""
    times: int | None = 1
    """How often it happens; None for always."""
    skip: int = 0
    """Requests that pass before; with 2 it meets the third."""
    seconds: float = 30.0
    status: int | None = None
    """Status of `answer`; that of the code, or 500, when unset."""
    code: str | None = None
    """Error code of `answer`, whose body is then the API's own."""
    body: Any = None
    headers: dict[str, str] = attrs.field(factory=dict)
    id: int = attrs.field(factory=itertools.count(1).__next__, init=False)
    hits: int = attrs.field(default=0, init=False)
    """How often it has happened."""

    def meets(self, request: web.Request, origin: str) -> bool:
        """Tell whether this request is hit, and count it."""
        if self.origin not in ("any", origin) or self.method not in ("*", request.method):
            return False
        if not re.fullmatch(self.path, request.path) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        if self.times is not None:
            self.times -= 1
        return True

    def to_wire(self) -> dict[str, Any]:
        """Write it as JSON."""
        return attrs.asdict(self, filter=lambda field, _: field.name != "body")


class Faults:
    """The faults that are to happen."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        """Go through the orders, those that are carried out among them."""
        return iter(list(self._faults))

    def add(self, kind: Kind, **settings: Any) -> Fault:
        """Order a fault; see `Fault` for the settings.

        Raises:
            ValueError: There is no such kind or origin, or the path is no regular expression.
            TypeError: There is no such setting.
        """
        fault = Fault(kind=kind, **settings)
        self._faults.append(fault)
        return fault

    def remove(self, id: int) -> None:
        """Cancel an order; one that is not there is fine."""
        self._faults = [fault for fault in self._faults if fault.id != id]

    def clear(self) -> None:
        """Cancel all orders."""
        self._faults.clear()

    def meeting(self, request: web.Request, origin: str) -> Fault | None:
        """Give the first fault that meets a request."""
        if not self._faults:
            return None
        return next((fault for fault in self._faults if fault.meets(request, origin)), None)
