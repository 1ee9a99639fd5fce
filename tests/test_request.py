"""A call becomes a request."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_async import ArgumentError, RequestOptions
from sync_async._request import Endpoint, Repeat, make_request, path_segment, query_text

GET = Endpoint[Any]("GET", "/v2/generate/{id}", Repeat.SAFE)
CREATE = Endpoint[Any]("POST", "/v2/generate", Repeat.KEYED)
BATCH = Endpoint[Any]("POST", "/v2/batch", Repeat.NEVER)
PLAIN = RequestOptions()


@pytest.mark.parametrize("id", ["", "  ", "../batch?x=1", "a/b", "/", "..", ".", "a\\b", "\ud800"])
def test_an_id_cannot_leave_its_endpoint(id: str) -> None:
    """Empty ids, slashes, steps of a path and what has no bytes are refused before anything is sent."""
    with pytest.raises(ArgumentError, match="^id: "):
        make_request(GET, PLAIN, id=id)


@pytest.mark.parametrize("id", [None, 3, b"x", ["x"], object()])
def test_an_id_is_text(id: Any) -> None:
    """Another type is a mistake of the caller's; a UUID is not."""
    with pytest.raises(ArgumentError, match="id"):
        path_segment("id", id)
    known = uuid.uuid4()
    assert path_segment("id", known) == str(known)


@pytest.mark.parametrize("query", [{"cursor": "a\ud800"}, {"a\udcff": "b"}, {"ids": ["a", "\ud800"]}])
def test_a_query_that_has_no_bytes_is_refused_under_its_name(query: dict[str, Any]) -> None:
    """Half of a surrogate pair, as a wrongly read file name may hold it, is no text that can be sent."""
    (name,) = query
    with pytest.raises(ArgumentError, match="surrogate") as caught:
        query_text(query)
    assert caught.value.argument == name


@pytest.mark.parametrize("hours", [-14, 14])
def test_a_time_that_utc_does_not_have_keeps_its_own_zone(hours: int) -> None:
    """The calendar of Python ends at the same words in each zone."""
    zone = timezone(timedelta(hours=hours))
    time = (datetime.max if hours < 0 else datetime.min).replace(microsecond=0, tzinfo=zone)
    (written,) = parse_qs(query_text({"created_after": time})[1:])["created_after"]
    assert datetime.fromisoformat(written) == time


@given(
    st.text(min_size=1)
    .filter(lambda t: t.strip() and not set("/\\") & set(t) and t not in (".", ".."))
    .filter(lambda t: t.isprintable())
)
def test_any_other_id_is_one_segment_of_the_path(id: str) -> None:
    """Whatever an id holds, it stays between its slashes."""
    target = make_request(GET, PLAIN, id=id).target
    parts = urlsplit("http://x" + target)
    assert (parts.query, parts.fragment) == ("", "")
    assert unquote(parts.path) == f"/v2/generate/{id}"
    assert target.count("/") == 3


def test_a_query_is_written_as_the_server_reads_it() -> None:
    """Lists are joined with commas, booleans are words, unset parameters are left out, times are UTC."""
    zone = timezone(timedelta(hours=2))
    assert query_text({"status": ["PENDING", "FAILED"], "wait": True, "limit": 3, "cursor": None}) == (
        "?status=PENDING,FAILED&wait=true&limit=3"
    )
    assert query_text({"created_after": datetime(2026, 1, 1, 2, tzinfo=zone)}) == (
        "?created_after=2026-01-01T00:00:00.000Z"
    )
    assert query_text({"searchQuery": "a b&c=d+é"}) == "?searchQuery=a%20b%26c%3Dd%2B%C3%A9"
    assert query_text({}) == query_text({"x": None}) == ""


@given(st.text())
def test_a_query_value_arrives_as_it_was(value: str) -> None:
    """Nothing in a value can become another parameter."""
    value = value.encode("utf-8", "ignore").decode()
    assert parse_qs(query_text({"q": value, "z": 1})[1:], keep_blank_values=True) == {"q": [value], "z": ["1"]}


def test_a_query_value_of_no_known_form_is_refused() -> None:
    """Rather than sending its repr."""
    with pytest.raises(ArgumentError, match="ids: dict"):
        query_text({"ids": {"a": 1}})


def test_a_time_without_zone_is_a_local_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The documented reading of naive times."""
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert query_text({"t": datetime(2026, 1, 1, 9)}) == "?t=2026-01-01T00:00:00.000Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_create_has_one_key_and_each_call_its_own() -> None:
    """The key is made with the request, not with the attempt."""
    first, second = make_request(CREATE, PLAIN, json_body={}), make_request(CREATE, PLAIN, json_body={})
    assert first.idempotency_key != second.idempotency_key
    assert first.headers == {"Idempotency-Key": first.idempotency_key}
    assert uuid.UUID(first.idempotency_key or "").version == 4


def test_a_given_key_is_used_wherever_it_was_put() -> None:
    """As an option, or among the headers as programs for syncsdk do; never twice."""
    assert make_request(CREATE, RequestOptions(idempotency_key="my-key")).idempotency_key == "my-key"
    by_header = make_request(CREATE, RequestOptions(additional_headers={"idempotency-key": "h", "A": "b"}))
    assert by_header.headers == {"A": "b", "Idempotency-Key": "h"}
    both = make_request(CREATE, RequestOptions(idempotency_key="o", additional_headers={"IDEMPOTENCY-KEY": "h"}))
    assert both.headers == {"Idempotency-Key": "o"}


@pytest.mark.parametrize("key", ["a b", "é", "x" * 129, "a\n", 3])
def test_a_key_outside_the_grammar_is_refused(key: Any) -> None:
    """The server would refuse it, too."""
    with pytest.raises(ArgumentError, match="idempotency_key"):
        make_request(CREATE, RequestOptions(idempotency_key=key))


def test_requests_without_a_key_get_none() -> None:
    """Only creates carry one by themselves."""
    assert make_request(GET, PLAIN, id="a").idempotency_key is None
    assert make_request(BATCH, PLAIN).headers is None


def test_a_body_is_frozen_bytes_with_the_callers_additions() -> None:
    """Compact UTF-8; additional parameters win."""
    request = make_request(
        CREATE, RequestOptions(additional_body_parameters={"b": 2, "ü": "é"}), json_body={"a": 1, "b": 1}
    )
    assert request.body == '{"a":1,"b":2,"ü":"é"}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, "\ud800"])
def test_a_body_without_json_form_is_refused(value: Any) -> None:
    """NaN is no JSON, whatever Python says."""
    with pytest.raises(ArgumentError, match="body"):
        make_request(CREATE, PLAIN, json_body={"a": value})


def test_additional_query_parameters_are_added() -> None:
    """They win over the call's own."""
    options = RequestOptions(additional_query_parameters={"limit": 5, "x": ["a", "b"]})
    assert make_request(GET, options, id="a", query={"limit": 1}).target == "/v2/generate/a?limit=5&x=a,b"
