"""What a client is told."""

from __future__ import annotations

import pickle
import sys
import traceback
from types import SimpleNamespace
from typing import Any

import pytest

from sync_async import ArgumentError, AsyncSync, RequestOptions, SyncEnvironment, Timeout
from sync_async._settings import Secret, as_request_options, as_timeout, default_max_connections, find_base_url


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNC_API_KEY", raising=False)
    monkeypatch.delenv("SYNC_BASE_URL", raising=False)


def test_a_missing_key_is_an_error_that_says_how_to_set_it() -> None:
    """The first thing a newcomer meets."""
    with pytest.raises(ArgumentError, match="SYNC_API_KEY.*api_key="):
        AsyncSync()


@pytest.mark.parametrize("key", ["", "  ", 3, "två\nrader"])
def test_a_key_that_cannot_be_one_is_refused(key: Any) -> None:
    """Empty, of another type, or with a line break that would end the header."""
    with pytest.raises(ArgumentError, match="api_key"):
        AsyncSync(api_key=key)


def test_the_environment_is_read_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at import, so that a program may set it first."""
    monkeypatch.setenv("SYNC_API_KEY", "sk-env")
    monkeypatch.setenv("SYNC_BASE_URL", "http://localhost:3001/")
    client = AsyncSync()
    assert client._transport.settings.key.reveal() == "sk-env"
    assert client._transport.settings.base_url == "http://localhost:3001"


def test_what_is_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explicit settings are the last word."""
    monkeypatch.setenv("SYNC_API_KEY", "sk-env")
    monkeypatch.setenv("SYNC_BASE_URL", "http://localhost:3001")
    client = AsyncSync(api_key="sk-given", base_url="https://proxy.example/sync/v2/")
    assert client._transport.settings.key.reveal() == "sk-given"
    assert client._transport.settings.base_url == "https://proxy.example/sync"


def test_the_servers_of_sync_so_can_be_chosen() -> None:
    """The default is the live one."""
    assert find_base_url(None, SyncEnvironment.DEFAULT) == "https://api.sync.so"
    assert find_base_url(None, SyncEnvironment.DEV) == "https://dev-api.sync.so"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "api.sync.so",
            "ftp://x",
            "https://",
            "https://x?y=1",
            "https://x#y",
            "https://[::1",
            "https://x:port",
        ),
        *("https://u:pass-secret@x", "u:pass-secret@x", 3),
    ],
)
def test_a_base_url_that_is_none_is_refused(url: Any) -> None:
    """Also one with credentials, which are not shown, or with a query in it."""
    with pytest.raises(ArgumentError, match="base_url") as caught:
        AsyncSync(api_key="k", base_url=url)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_a_key_shows_itself_to_nobody() -> None:
    """Not in a repr, not in vars, not in a pickle."""
    client = AsyncSync(api_key="sk-secret-1")
    assert "sk-secret-1" not in repr(client)
    assert "sk-secret-1" not in repr(vars(client))
    assert "sk-secret-1" not in repr(client._transport.settings)
    with pytest.raises(TypeError, match="one per process"):
        pickle.dumps(client)
    with pytest.raises(TypeError, match="SYNC_API_KEY"):
        pickle.dumps(Secret("sk-secret-1"))


def test_a_number_of_seconds_bounds_the_whole_call() -> None:
    """It is the short form of a Timeout."""
    assert as_timeout(30) == Timeout(connect=10, read=30, total=30)
    assert as_timeout(2.5) == Timeout(connect=2.5, read=2.5, total=2.5)
    assert as_timeout(None) == Timeout(connect=10, read=60, total=None)
    assert as_timeout(Timeout(read=None)).read is None


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "30"])
def test_a_timeout_that_is_none_is_refused(value: Any) -> None:
    """Zero, negative, endless, or no number."""
    with pytest.raises(ArgumentError, match="timeout"):
        AsyncSync(api_key="k", timeout=value)
    with pytest.raises(ArgumentError, match="timeout.read"):
        Timeout(read=value)


@pytest.mark.parametrize("value", [-1, 1.5, True, "2", None])
def test_a_number_of_retries_that_is_none_is_refused(value: Any) -> None:
    """It is a whole number from 0."""
    with pytest.raises(ArgumentError, match="max_retries"):
        AsyncSync(api_key="k", max_retries=value)


def test_request_options_are_taken_as_a_dict_or_as_an_object() -> None:
    """The dict has syncsdk's spelling, chunk_size included."""
    given = {"timeout_in_seconds": 5, "max_retries": 0, "additional_headers": {"A": "b"}, "chunk_size": 1024}
    assert as_request_options(given) == RequestOptions(
        timeout_in_seconds=5, max_retries=0, additional_headers={"A": "b"}, chunk_size=1024
    )
    assert as_request_options(None) == RequestOptions()


@pytest.mark.parametrize("options", [{"timeout": 5}, {"retries": 1}, "fast", [("max_retries", 1)]])
def test_an_unknown_request_option_is_refused_by_name(options: Any) -> None:
    """With the names that there are."""
    with pytest.raises(ArgumentError, match="request_options"):
        as_request_options(options)
    with pytest.raises(ArgumentError, match="'timeout'.*timeout_in_seconds"):
        as_request_options({"timeout": 5})


def test_the_key_does_not_belong_among_the_headers() -> None:
    """It would stand there twice."""
    with pytest.raises(ArgumentError, match="headers: the key does not belong"):
        AsyncSync(api_key="k", headers={"X-API-Key": "other"})


@pytest.mark.parametrize("headers", [{"A\r\nB": "c"}, {"A": "b\nc"}, {"": "x"}, {"A B": "x"}, "A: b"])
def test_headers_that_would_break_the_request_are_refused(headers: Any) -> None:
    """No value can smuggle in another header."""
    with pytest.raises(ArgumentError, match="headers"):
        AsyncSync(api_key="k", headers=headers)


@pytest.mark.parametrize(("files", "connections"), [(1_000_000, 512), (256, 128), (1, 1), (-1, 512)])
def test_a_client_has_as_many_connections_as_files_allow(
    files: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-1 is how systems tell that there is no limit."""
    limits = SimpleNamespace(RLIMIT_NOFILE=7, RLIM_INFINITY=-1, getrlimit=lambda _: (files, files))
    monkeypatch.setitem(sys.modules, "resource", limits)
    assert default_max_connections() == connections


def test_a_client_has_its_usual_number_of_connections_where_sockets_are_no_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert default_max_connections() == 512


@pytest.mark.parametrize("environment", ["DEV", "https://dev-api.sync.so", None])
def test_a_server_that_is_none_of_sync_so_is_refused(environment: Any) -> None:
    """With those that there are."""
    with pytest.raises(ArgumentError, match=r"^environment: .*SyncEnvironment\.DEV; another .* base_url$"):
        AsyncSync(api_key="k", environment=environment)


@pytest.mark.parametrize("session", [object(), "session", 3])
def test_what_is_no_session_is_refused_at_once(session: Any) -> None:
    """And not at the first request."""
    with pytest.raises(ArgumentError, match=r"^session: (object|str|int) is not an aiohttp\.ClientSession$"):
        AsyncSync(api_key="k", session=session)


@pytest.mark.parametrize(
    "proxy",
    [
        "",
        "proxy.example:3128",
        "user:pass-secret@proxy.example:3128",
        "socks5://user:pass-secret@proxy.example:1080",
        "http://",
        "http://user:pass-secret@[::1",
        "http://user:pass-secret@proxy.example:port",
        b"http://proxy.example:3128",
    ],
)
def test_what_is_no_address_of_a_proxy_is_refused_at_once(proxy: Any) -> None:
    """Nothing is sent past a proxy by mistake, and no password is shown."""
    with pytest.raises(ArgumentError, match=r"^proxy: .*'http://proxy\.example:3128'") as caught:
        AsyncSync(api_key="k", proxy=proxy)
    assert "secret" not in "".join(traceback.format_exception(caught.value))
