"""What a client is told once, and what a single call may change."""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, TypedDict
from urllib.parse import urlsplit

import attrs

from sync_async._errors import ArgumentError

ApiKey = str | Callable[[], str]

DEFAULT_MAX_RETRIES = 2
DEFAULT_MAX_CONNECTIONS = 512


def default_max_connections() -> int:
    """Give how many connections a client may have: at most half of what the process may have open."""
    try:
        import resource
    except ImportError:  # Windows, where sockets are no files
        return DEFAULT_MAX_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return DEFAULT_MAX_CONNECTIONS
    return max(1, min(DEFAULT_MAX_CONNECTIONS, files // 2))


class SyncEnvironment(enum.Enum):
    """The servers of sync.so."""

    DEFAULT = "https://api.sync.so"
    DEV = "https://dev-api.sync.so"


def _seconds(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ArgumentError(
            f"timeout.{attribute.name}", f"{value!r} is not a number of seconds above 0; None means no limit"
        )


@attrs.frozen
class Timeout:
    """How long to wait, in seconds; None means no limit.

        Timeout()                        10 s to connect, 60 s for the answer
        Timeout(read=120)                a slow server
        Timeout(total=30)                the call ends within 30 s, repeats and the waits between included
        30.0                             anywhere a timeout is taken: the same as Timeout(10, 30, 30)

    Args:
        connect: To make a connection.
        read: For the answer, from the moment the request is sent to the last byte; large files may take as
            long as they need to be sent.
        total: For the whole call, with all attempts and the waits between them. Waiting for a free
            connection of this client does not count.
    """

    connect: float | None = attrs.field(default=10.0, validator=_seconds)
    read: float | None = attrs.field(default=60.0, validator=_seconds)
    total: float | None = attrs.field(default=None, validator=_seconds)


DEFAULT_TIMEOUT = Timeout()


def as_timeout(value: float | Timeout | None) -> Timeout:
    """Make what a caller gave into a Timeout; a number bounds the whole call."""
    if isinstance(value, Timeout):
        return value
    if value is None:
        return DEFAULT_TIMEOUT
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ArgumentError(
            "timeout",
            f"{value!r} is not a number of seconds above 0; to wait without limit pass Timeout(...)",
        )
    return Timeout(connect=min(10.0, value), read=value, total=value)


def as_max_retries(value: Any) -> int:
    """Check a number of retries."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ArgumentError("max_retries", f"{value!r} is not a whole number from 0")
    return value


class Secret:
    """An API key that shows itself to nobody: not in a repr, not in `vars()`, not in a pickle."""

    __slots__ = ("_give",)

    def __init__(self, key: ApiKey) -> None:
        self._give: Callable[[], str] = key if callable(key) else lambda: key

    def reveal(self) -> str:
        """Give the key; a callable is asked each time, so that keys can change."""
        key = self._give()
        if not isinstance(key, str) or not key.strip():
            raise ArgumentError("api_key", "the callable gave no key; it must return non-empty text")
        if not key.isascii() or not key.isprintable():
            raise ArgumentError("api_key", "the key holds characters that no key has; copy it again")
        return key

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> Any:
        msg = "an API key is not pickled; make one client per process, and let each read SYNC_API_KEY"
        raise TypeError(msg)


def find_api_key(given: ApiKey | None) -> Secret:
    """Take the given key, else that of the environment.

    Raises:
        ArgumentError: There is neither.
    """
    key = os.environ.get("SYNC_API_KEY") if given is None else given
    if key is None or (isinstance(key, str) and not key.strip()):
        raise ArgumentError(
            "api_key",
            "no API key: set the environment variable SYNC_API_KEY, or pass api_key=…; "
            "keys are made at https://sync.so/settings/api-keys",
        )
    if not isinstance(key, str) and not callable(key):
        raise ArgumentError("api_key", f"{type(key).__name__} is neither text nor a function that returns it")
    secret = Secret(key)
    if isinstance(key, str):
        secret.reveal()
    return secret


def find_base_url(given: str | None, environment: SyncEnvironment) -> str:
    """Take the given URL, else that of the environment variable, else that of the chosen server.

    Raises:
        ArgumentError: It is not an absolute http(s) URL without query and credentials, or there is no such server.
    """
    if not isinstance(environment, SyncEnvironment):
        names = ", ".join(str(known) for known in SyncEnvironment)
        raise ArgumentError("environment", f"{environment!r} is none of {names}; another address is a base_url")
    url = given if given is not None else os.environ.get("SYNC_BASE_URL") or environment.value
    if not isinstance(url, str):
        raise ArgumentError("base_url", f"{type(url).__name__} is not text such as 'https://api.sync.so'")
    if "@" in url:
        raise ArgumentError("base_url", "credentials do not belong in an address; pass api_key")
    if not _is_address(url) or "?" in url or "#" in url:
        raise ArgumentError("base_url", f"{url!r} is not an http(s) address such as 'https://api.sync.so'")
    return url.rstrip("/").removesuffix("/v2")


def checked_proxy(url: Any) -> str | None:
    """Check the address of a proxy.

    Raises:
        ArgumentError: It is none; what it is stays untold, since it may hold a password.
    """
    if url is None:
        return None
    if isinstance(url, str) and _is_address(url):
        return url
    raise ArgumentError(
        "proxy", "it is not the address of an HTTP proxy such as 'http://proxy.example:3128'; None means no proxy"
    )


def _is_address(url: str) -> bool:
    """Tell whether a text is the http(s) address of a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, or no port
        return False


class RequestOptionsDict(TypedDict, total=False):
    """The options of one call in the spelling of syncsdk."""

    timeout_in_seconds: float
    max_retries: int
    additional_headers: Mapping[str, Any]
    additional_query_parameters: Mapping[str, Any]
    additional_body_parameters: Mapping[str, Any]
    idempotency_key: str
    chunk_size: int


@attrs.frozen(kw_only=True)
class RequestOptions:
    """What one call does otherwise than its client.

    Args:
        timeout_in_seconds: Seconds for the whole call, or a Timeout.
        max_retries: How often a failed attempt is repeated; 0 sends once.
        additional_headers: Sent besides, or instead of, the client's own.
        additional_query_parameters: Added to the query; lists are joined with commas.
        additional_body_parameters: Set in the request body under the API's own names.
        idempotency_key: The key of a create call, 1 to 128 of `A-Z a-z 0-9 . _ ~ -`; one is made when unset.
        chunk_size: Taken for compatibility with syncsdk; nothing here is streamed in chunks.
    """

    timeout_in_seconds: float | Timeout | None = None
    max_retries: int | None = None
    additional_headers: Mapping[str, Any] | None = None
    additional_query_parameters: Mapping[str, Any] | None = None
    additional_body_parameters: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    chunk_size: int | None = None


NO_OPTIONS = RequestOptions()


def as_request_options(
    value: RequestOptions | RequestOptionsDict | Mapping[str, Any] | None,
) -> RequestOptions:
    """Make what a caller gave into RequestOptions.

    Raises:
        ArgumentError: It is no mapping, or has a key that no option is called.
    """
    if value is None:
        return NO_OPTIONS
    if isinstance(value, RequestOptions):
        return value
    if not isinstance(value, Mapping):
        raise ArgumentError("request_options", f"{type(value).__name__} is neither a dict nor RequestOptions")
    known = [field.name for field in attrs.fields(RequestOptions)]
    options: dict[str, Any] = dict(value)
    for name in options:
        if name not in known:
            raise ArgumentError("request_options", f"{name!r} is no option; there are {', '.join(known)}")
    return RequestOptions(**options)
