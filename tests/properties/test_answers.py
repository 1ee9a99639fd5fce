"""Whatever a server answers, the outcome is a value of the right type or a `DecodeError` with the place."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync_async import DecodeError
from sync_async._codec import WrongShapeError, decode
from sync_async._headers import Headers
from sync_async._request import Answer, ApiRequest, Endpoint, Repeat
from sync_async._response import ApiResponse, value_of
from sync_async.types._model import ApiObject
from tests.properties.effort import examples
from tests.properties.mutations import leads_into, mutated
from tests.properties.shapes import JSON, data_classes, endpoints, is_of, wire_objects, wires_of

ENDPOINTS = endpoints()
JSON_HEADERS = Headers([("Content-Type", "application/json")])
DEEPEST = 1200
"""Nesting that no parser of JSON goes along with."""

every_endpoint = pytest.mark.parametrize("name", ENDPOINTS)


def outcome_of(endpoint: Endpoint[Any], body: bytes, headers: Headers = JSON_HEADERS) -> Any:
    """Give the value or the error that a caller would get."""
    request = ApiRequest(endpoint=endpoint, target=endpoint.path, path=endpoint.path, repeat=endpoint.repeat)
    try:
        return value_of(request, ApiResponse(200, headers, body))
    except DecodeError as error:
        return error


def check(endpoint: Endpoint[Any], body: bytes, value: Any = None) -> Any:
    """See that an answer was read as what it claims to be, or refused with a place that is in it."""
    outcome = outcome_of(endpoint, body)
    if isinstance(outcome, DecodeError):
        assert leads_into(outcome.path, [value] if endpoint.one_or_many and type(value) is dict else value)
        assert str(pickle.loads(pickle.dumps(outcome))) == str(outcome)
        assert len(str(outcome)) < 1000
    else:
        assert is_of(outcome, endpoint.shape)
    return outcome


@pytest.mark.parametrize("cls", data_classes(), ids=lambda cls: cls.__name__)
@examples(12)
@given(data=st.data())
def test_a_body_that_is_nearly_right_is_read_or_refused(cls: type[ApiObject], data: st.DataObject) -> None:
    value = data.draw(mutated(wire_objects(cls)))
    try:
        assert is_of(decode(value, cls), cls)
    except WrongShapeError as error:
        assert leads_into(error.path, value)


@every_endpoint
@examples(12)
@given(data=st.data())
def test_an_answer_that_is_nearly_right_is_read_or_refused(name: str, data: st.DataObject) -> None:
    value = data.draw(mutated(wires_of(ENDPOINTS[name].shape)) | JSON)
    check(ENDPOINTS[name], json.dumps(value).encode(), value)


@every_endpoint
@examples(12)
@given(body=st.binary(max_size=60), content_type=st.sampled_from(["application/json", "text/html", "", "\x80;=,"]))
def test_bytes_that_are_no_json_are_refused(name: str, body: bytes, content_type: str) -> None:
    outcome = outcome_of(ENDPOINTS[name], body, Headers([("Content-Type", content_type)]))
    assert isinstance(outcome, DecodeError) or is_of(outcome, ENDPOINTS[name].shape)


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda body: body[: len(body) // 2],
    "twice": lambda body: body + body,
    "bytes behind": lambda body: body + b"\0",
    "not UTF-8": lambda body: body[:-1] + b',"x":"\xff\xfe"' + body[-1:],
    "half a character": lambda body: body[:-1] + b',"x":"\xc3"' + body[-1:],
    "a bare control character": lambda body: body[:-1] + b',"x":"\x01"' + body[-1:],
    "a number of 5,000 digits": lambda body: body[:-1] + b',"x":' + b"9" * 5000 + body[-1:],
    "NaN": lambda body: body[:-1] + b',"outputDuration":NaN' + body[-1:],
    "Infinity": lambda body: body[:-1] + b',"outputDuration":Infinity' + body[-1:],
    "-Infinity": lambda body: body[:-1] + b',"outputDuration":-Infinity' + body[-1:],
    "a number beyond all floats": lambda body: body[:-1] + b',"outputDuration":1e999' + body[-1:],
    "a comment": lambda body: b"/* */" + body,
    "single quotes": lambda body: body.replace(b'"', b"'"),
    "a comma too many": lambda body: body[:-1] + b"," + body[-1:],
}
READ_ALL_THE_SAME: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda body: body,
    "space around": lambda body: b"\r\n\t " + body + b" \n",
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "UTF-32": lambda body: body.decode().encode("utf-32"),
    "a field twice": lambda body: body[:-1] + b',"status":"COMPLETED"}',
    "half of a surrogate pair": lambda body: body[:-1] + b',"x":"\\ud800"}',
    "a NUL that is spelled": lambda body: body[:-1] + b',"x":"\\u0000"}',
    "a large number": lambda body: body[:-1] + b',"x":' + b"9" * 4000 + b"}",
}
GENERATION = ENDPOINTS["GET /v2/generate/{id}"]
BODY = json.dumps({"id": "gen-1", "status": "PENDING", "model": "lipsync-2"}).encode()


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_answer_is_refused(how: str) -> None:
    """It is no JSON, or a number of it is not finite, which no field can be."""
    outcome = outcome_of(GENERATION, SPOILED[how](BODY))
    assert isinstance(outcome, DecodeError)
    assert outcome.path.startswith("$")


@pytest.mark.parametrize("how", READ_ALL_THE_SAME)
def test_what_is_odd_but_clear_is_read(how: str) -> None:
    outcome = outcome_of(GENERATION, READ_ALL_THE_SAME[how](BODY))
    assert outcome.id == "gen-1"
    assert outcome.status == ("COMPLETED" if how == "a field twice" else "PENDING")


@pytest.mark.parametrize("open_and_close", [(b"[", b"]"), (b'{"x":', b"}"), (b'[{"input":', b"}]")])
@pytest.mark.parametrize("known", [b'"x"', b'"input"', b'"id"', b'"options"'])
def test_any_nesting_is_read_or_refused(open_and_close: tuple[bytes, bytes], known: bytes) -> None:
    """At each depth, up to the deepest that a parser takes and beyond it."""
    start, end = open_and_close
    for depth in [*range(1, 50), *range(700, DEEPEST)]:
        nested = start * depth + b"1" + end * depth
        body = BODY[:-1] + b"," + known + b":" + nested + b"}"
        outcome = outcome_of(GENERATION, body)
        assert isinstance(outcome, DecodeError) or is_of(outcome, GENERATION.shape)
        if isinstance(outcome, DecodeError):
            assert outcome.path.startswith("$")


@pytest.mark.parametrize("form", [Answer.ANY, Answer.TEXT])
@examples(100)
@given(body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), html=st.booleans())
@example(body=b"[" * 100_000, html=False)
@example(body=b"9" * 5000, html=False)
def test_an_answer_of_open_form_is_always_read(form: Answer, body: bytes, html: bool) -> None:
    """As JSON where it is JSON, else as text; a path without a method may answer anything."""
    endpoint = Endpoint[Any]("GET", "/v2/any", Repeat.SAFE, answer=form)
    headers = Headers([("Content-Type", "text/html")]) if html else JSON_HEADERS
    outcome = outcome_of(endpoint, body, headers)
    assert not isinstance(outcome, DecodeError)
    if form is Answer.TEXT:
        assert isinstance(outcome, str)
