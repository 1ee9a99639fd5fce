"""Files of lines, and notes of other processes: each line is read or told, whatever stands in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync_async import ArgumentError, BatchResponse, Generation
from sync_async._batch_file import batch_file_of, check_batch_file
from sync_async._batch_results import read_results
from sync_async._codec import decode
from sync_async.bulk.lock import holder
from sync_async.types.batch_results import BatchRow, UnreadableLine
from tests.properties.effort import examples
from tests.properties.mutations import mutated
from tests.properties.shapes import JSON, TEXT, is_of, wire_objects

METRICS = dict.fromkeys(["total_generations", "success_count", "failed_count", "pending_count"], 0)
BATCH = decode({"id": "batch_1", "status": "COMPLETED", "metrics": METRICS}, BatchResponse)
MADE = wire_objects(Generation)
REFUSED = st.fixed_dictionaries({"statusCode": st.just(400), "message": TEXT | JSON, "errorCode": TEXT | JSON})
ROWS = st.one_of(
    st.fixed_dictionaries(
        {"request_id": TEXT, "response": st.fixed_dictionaries({"body": MADE | REFUSED | JSON})}
    ),
    st.fixed_dictionaries(
        {"requestId": TEXT, "error": st.fixed_dictionaries({"code": TEXT, "message": TEXT}) | JSON}
    ),
    st.builds(lambda made, name: {**made, "request_id": name}, MADE, TEXT),
)
NO_ROWS = [b"[" * 5000, b'{"request_id":' * 2000, b"9" * 5000, b"NaN", b"\xff", b"\0", b" ", b"", b"\xef\xbb\xbf"]
LINES = st.one_of(
    ROWS.map(json.dumps).map(str.encode),
    mutated(ROWS).map(json.dumps).map(str.encode),
    JSON.map(json.dumps).map(str.encode),
    st.sampled_from(NO_ROWS),
    st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")),
)


@examples(40)
@given(lines=st.lists(LINES, max_size=5), end=st.sampled_from([b"\n", b"\r\n"]))
def test_each_line_of_a_result_file_is_a_row_or_is_told_to_be_none(lines: list[bytes], end: bytes) -> None:
    """Under its number, and every row that is right is found."""
    results = read_results(BATCH, end.join(lines))
    text = [line.decode("utf-8", "replace") for line in end.join(lines).split(b"\n")]
    assert all(type(row) is BatchRow and key == row.request_id for key, row in results.rows.items())
    for row in results.rows.values():
        assert row.generation is None or is_of(row.generation, Generation)
        assert all(type(word) in (str, type(None)) for word in (row.output_url, row.error, row.error_code))
        assert type(row.status) is str
    numbers = [line.number for line in results.unreadable]
    assert numbers == sorted(set(numbers))
    for line in results.unreadable:
        assert type(line) is UnreadableLine
        assert line.text.lstrip("\ufeff") == text[line.number - 1].lstrip("\ufeff")[: len(line.text)]
        assert line.problem
    wanted = {json.loads(line)["request_id"] for line in lines if is_right(line)}
    assert wanted <= results.rows.keys()


def is_right(line: bytes) -> bool:
    """Tell whether a line is a JSON object with the name of a row, for a reader that takes no NaN."""
    try:
        read = json.loads(line.decode(), parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return isinstance(read, dict) and isinstance(read.get("request_id"), str)


def refuse(name: str) -> None:
    raise ValueError(name)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_costs_no_row(mark: bytes) -> None:
    results = read_results(BATCH, mark + b'{"request_id":"a"}\n{"request_id":"b"}\n')
    assert (list(results.rows), results.unreadable) == (["a", "b"], ())


PAYLOAD = {"model": "lipsync-2", "input": [{"type": "video", "url": "https://e.com/v.mp4"}]}
RECORDS = st.fixed_dictionaries(
    {"request_id": TEXT, "endpoint": st.just("/v2/generate"), "payload": st.just(PAYLOAD) | JSON}
)


@examples(100)
@given(
    lines=st.lists(
        RECORDS.map(json.dumps).map(str.encode)
        | mutated(RECORDS).map(json.dumps).map(str.encode)
        | st.sampled_from(NO_ROWS)
        | st.binary(max_size=20),
        max_size=5,
    ),
    good=st.sampled_from([0, 20]),
)
@example(lines=[b"[" * 5000], good=20)
def test_any_batch_file_is_taken_or_refused_by_its_line(lines: list[bytes], good: int) -> None:
    records = [{"request_id": f"good-{n}", "endpoint": "/v2/generate", "payload": PAYLOAD} for n in range(good)]
    content = b"\n".join([*(json.dumps(record).encode() for record in records), *lines])
    try:
        check_batch_file(content)
    except ArgumentError as error:
        assert error.argument.startswith("input")
    else:
        read = [json.loads(line) for line in content.decode("utf-8-sig").split("\n") if line.strip()]
        assert len({record["request_id"] for record in read}) == len(read) >= 20


@examples(50)
@given(odd=st.lists(mutated(RECORDS) | JSON, max_size=2), place=st.integers(0, 20))
def test_any_records_are_written_or_refused_by_name(odd: list[Any], place: int) -> None:
    media = [*PAYLOAD["input"], {"type": "audio", "url": "https://e.com/a.wav"}]
    payload = {**PAYLOAD, "input": media}
    rows: list[Any] = [{"request_id": f"good-{number}", "payload": payload} for number in range(20)]
    rows[place:place] = odd
    try:
        content = batch_file_of(rows)
    except ArgumentError as error:
        assert odd
        assert error.argument.startswith(("rows", "body"))
    else:
        check_batch_file(content)
        assert content.count(b"\n") == len(rows)


HELD = st.fixed_dictionaries({"pid": st.integers(), "host": TEXT, "started": TEXT})


@examples(100)
@given(
    notes=HELD.map(json.dumps).map(str.encode)
    | mutated(HELD).map(json.dumps).map(str.encode)
    | JSON.map(json.dumps).map(str.encode)
    | st.binary(max_size=30)
)
@example(notes=b'{"pid":1e999,"host":"","started":""}')
@example(notes=b"[" * 100_000)
def test_who_holds_a_lock_is_told_or_not_known(tmp_path_factory: pytest.TempPathFactory, notes: bytes) -> None:
    path = Path(tmp_path_factory.getbasetemp(), "run.lock")
    path.write_bytes(notes)
    told = holder(path)
    assert told == {} or (type(told["pid"]) is int and type(told["host"]) is type(told["started"]) is str)
