"""A call becomes a request: what to send, decided before anything is sent.

An endpoint declares its path, how it may be repeated and the shape of its answer. A call adds ids, query,
body and the caller's options; the result is an `ApiRequest`, which holds all that the transport needs.
"""

from __future__ import annotations

import enum
import math
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import attrs

from sync_async._errors import ArgumentError
from sync_async._json import json_bytes
from sync_async._settings import RequestOptions, Timeout, as_max_retries, as_timeout
from sync_async.types._model import wire_time

if TYPE_CHECKING:
    from sync_async._bodies import Body  # noqa: TC004  # attrs evaluates no annotation

T = TypeVar("T")

CREATE_PATH = "/v2/generate"
KEY_HEADER = "Idempotency-Key"
KEY_GRAMMAR = r"[A-Za-z0-9._~-]{1,128}"
NO_UNICODE = "it holds half of a surrogate pair, which has no bytes"
HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"


class Repeat(enum.Enum):
    """How a request may be repeated when its answer is lost or is a passing error."""

    SAFE = "safe"
    """It changes nothing, or the same each time."""
    KEYED = "keyed"
    """With its idempotency key and the same bytes."""
    NEVER = "never"
    """Only when it was refused, or never reached the server."""


class Answer(enum.Enum):
    """The form of an endpoint's answer."""

    JSON = "json"
    """A JSON value of the endpoint's shape."""
    ANY = "any"
    """Whatever comes: a JSON value, text, or nothing."""
    TEXT = "text"
    """Plain text."""
    LINK = "link"
    """A redirect, which is not followed since it leads to another host; or what it would lead to."""


@attrs.frozen(eq=False, repr=False)
class Endpoint(Generic[T]):
    """One operation of the API."""

    method: str
    path: str
    repeat: Repeat
    shape: Any = None
    answer: Answer = Answer.JSON
    one_or_many: bool = False
    """The server answers with a list, or with a single object that stands for a list of one."""


@attrs.define(kw_only=True, eq=False, repr=False)
class ApiRequest(Generic[T]):
    """A request with nothing left to decide: each attempt sends the same."""

    endpoint: Endpoint[T]
    target: str
    """Path and query, percent-encoded."""
    path: str
    """Path without query, for messages."""
    repeat: Repeat
    body: Body | None = None
    headers: Mapping[str, str] | None = None
    idempotency_key: str | None = None
    timeout: Timeout | None = None
    max_retries: int | None = None

    @property
    def name(self) -> str:
        """Method and path, for messages."""
        return f"{self.endpoint.method} {self.path}"


def make_request(
    endpoint: Endpoint[T],
    options: RequestOptions,
    *,
    id: str | None = None,
    query: Mapping[str, Any] | None = None,
    json_body: Mapping[str, Any] | None = None,
    body: Body | None = None,
    repeat: Repeat | None = None,
) -> ApiRequest[T]:
    """Turn a call into a request.

    Args:
        endpoint: What is asked for.
        options: What the caller wants otherwise for this call.
        id: Fills `{id}` of the endpoint's path.
        query: Query parameters; None ones are left out, lists are joined with commas.
        json_body: A JSON object to send.
        body: A body that is ready to send, instead of `json_body`.
        repeat: Instead of the endpoint's own.

    Raises:
        ArgumentError: An argument cannot be right.
    """
    path = endpoint.path if id is None else endpoint.path.replace("{id}", path_segment("id", id))
    target = path
    if query or options.additional_query_parameters:
        target += query_text({**(query or {}), **(options.additional_query_parameters or {})})
    extra_body = options.additional_body_parameters
    if json_body is not None or (extra_body and body is None):
        body = json_bytes({**(json_body or {}), **(extra_body or {})})
    headers, key = _headers_and_key(endpoint, options)
    return ApiRequest(
        endpoint=endpoint,
        target=target,
        path=path,
        repeat=repeat or endpoint.repeat,
        body=body,
        headers=headers,
        idempotency_key=key,
        timeout=None if options.timeout_in_seconds is None else as_timeout(options.timeout_in_seconds),
        max_retries=None if options.max_retries is None else as_max_retries(options.max_retries),
    )


def path_segment(argument: str, value: Any) -> str:
    """Make an id into one segment of a path, so that no id can reach another endpoint.

    Raises:
        ArgumentError: It is no text, empty, has a slash or is a step of a path.
    """
    if isinstance(value, uuid.UUID):
        return str(value)
    if not isinstance(value, str):
        raise ArgumentError(argument, f"{type(value).__name__} is not an id; pass the text in .id")
    if value.isascii() and value.replace("-", "").replace("_", "").isalnum():  # as all that the server makes
        return value
    if not value.strip():
        raise ArgumentError(argument, "an id is needed; this one is empty")
    if "/" in value or "\\" in value or value in (".", ".."):
        raise ArgumentError(argument, f"{value!r} is not an id: an id has no slash and is no step of a path")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ArgumentError(argument, f"{value!r} is not an id: {NO_UNICODE}") from None


def query_text(parameters: Mapping[str, Any]) -> str:
    """Write a query with its question mark, or nothing when no parameter is set."""
    pairs = [(name, _query_value(name, value)) for name, value in parameters.items() if value is not None]
    try:
        return "?" + urlencode(pairs, quote_via=quote, safe=",:") if pairs else ""
    except UnicodeEncodeError:
        name = next(name for name, value in pairs if not (_is_unicode(name) and _is_unicode(value)))
        raise ArgumentError(name, NO_UNICODE) from None


def _is_unicode(text: str) -> bool:
    """Tell whether a text has bytes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _query_value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    if isinstance(value, datetime):
        return _query_time(name, value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes | bytearray):
        return ",".join(_query_value(name, item) for item in value)
    raise ArgumentError(name, f"{type(value).__name__} cannot be written into a query")


def _query_time(name: str, value: datetime) -> str:
    try:
        return wire_time(value)
    except ValueError:
        raise ArgumentError(name, f"{value} has no zone, and lies outside the calendar in UTC") from None


def _headers_and_key(
    endpoint: Endpoint[Any], options: RequestOptions
) -> tuple[Mapping[str, str] | None, str | None]:
    """Collect the call's own headers; exactly one idempotency key, wherever the caller put it."""
    extra = options.additional_headers
    if extra is None and options.idempotency_key is None:
        if endpoint.repeat is not Repeat.KEYED:
            return None, None
        key = str(uuid.uuid4())
        return {KEY_HEADER: key}, key
    headers = checked_headers("additional_headers", extra or {})
    given = next((value for name, value in headers.items() if name.lower() == KEY_HEADER.lower()), None)
    headers = {name: value for name, value in headers.items() if name.lower() != KEY_HEADER.lower()}
    chosen = options.idempotency_key or given
    if chosen is None and endpoint.repeat is Repeat.KEYED:
        chosen = str(uuid.uuid4())
    if chosen is not None:
        headers[KEY_HEADER] = checked_key(chosen)
    return headers, chosen


def checked_key(key: Any) -> str:
    """Check an idempotency key against the server's grammar.

    Source: https://sync.so/docs/api-reference/guides/idempotency
    """
    if not isinstance(key, str) or not re.fullmatch(KEY_GRAMMAR, key):
        raise ArgumentError("idempotency_key", f"{key!r} is not 1 to 128 characters of A-Z a-z 0-9 . _ ~ -")
    return key


def checked_headers(argument: str, headers: Mapping[str, Any]) -> dict[str, str]:
    """Check header names and values; those with the value None are left out.

    Raises:
        ArgumentError: A name is no header name, or a value would end the header.
    """
    if not isinstance(headers, Mapping):
        raise ArgumentError(argument, f"{type(headers).__name__} is not a dict of header names and values")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not re.fullmatch(HEADER_NAME, name):
            raise ArgumentError(argument, f"{name!r} is not a header name")
        if value is None:
            continue
        text = str(value)
        if any(character in text for character in "\r\n\0"):
            raise ArgumentError(argument, f"the value of {name!r} holds a line break")
        if not _is_unicode(text):
            raise ArgumentError(argument, f"the value of {name!r} is no header: {NO_UNICODE}")
        checked[name] = text
    return checked
