"""From rows to jobs: what they ask for, and all that is wrong with them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sync_async.bulk.manifest import RawRow, read_manifest
from sync_async.bulk.rows import BulkRow, Problem, RowReader
from sync_async.sandbox.jobs import SAMPLES

FLAT: dict[str, Any] = {"model": "lipsync-2", "video": "https://x/v.mp4", "audio": "https://x/a.wav"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a video and a voice."""
    (tmp_path / "face.mp4").write_bytes((SAMPLES / "face.mp4").read_bytes())
    (tmp_path / "voice.wav").write_bytes((SAMPLES / "speech.wav").read_bytes())
    return tmp_path


def read(values: dict[str, Any], folder: Path = Path(), **more: Any) -> BulkRow:
    row = RowReader(folder).read(RawRow(number=1, values=values, **more))
    assert isinstance(row, BulkRow), row
    return row


def problems(values: dict[str, Any], folder: Path = Path(), **more: Any) -> list[Problem]:
    found = RowReader(folder).read(RawRow(number=7, values=values, **more))
    assert isinstance(found, list), found
    return found


def test_a_flat_row_is_the_body_of_a_create_call() -> None:
    row = read({**FLAT, "item_id": "one", "priority": 3, "output_name": "take_1", "webhook_url": "https://h/x"})
    assert (row.item_id, row.priority, row.files) == ("one", 3, {})
    assert row.body == {
        "model": "lipsync-2",
        "input": [{"type": "video", "url": "https://x/v.mp4"}, {"type": "audio", "url": "https://x/a.wav"}],
        "webhookUrl": "https://h/x",
        "outputFileName": "take_1",
    }


def test_a_medium_is_a_url_an_asset_or_a_path(folder: Path) -> None:
    """Paths are taken against the manifest's folder."""
    row = read({"model": "m", "video": "face.mp4", "audio": "asset:a-1"}, folder)
    assert row.files == {"video": folder / "face.mp4"}
    assert row.body["input"] == [{"type": "audio", "assetId": "a-1"}]
    row = read({"model": "m", "image": "https://x/i.png", "audio": str(folder / "voice.wav")}, folder)
    assert (list(row.files), row.body["input"][0]["type"]) == (["audio"], "image")


def test_a_text_with_its_voice_is_spoken() -> None:
    row = read({"model": "m", "video": "https://x/v.mp4", "text": "Hi.", "voice": "v-1"})
    assert row.body["input"][1] == {
        "type": "text",
        "provider": {"name": "elevenlabs", "voiceId": "v-1", "script": "Hi."},
    }


def test_the_body_of_a_create_call_is_a_row_in_either_spelling() -> None:
    inputs = [{"type": "video", "url": "https://x/v.mp4"}, {"type": "audio", "url": "https://x/a.wav"}]
    for name in ("outputFileName", "output_file_name", "output_name"):
        row = read({"model": "m", "input": inputs, "options": {"sync_mode": "loop"}, name: "t"})
        assert row.body == {"model": "m", "input": inputs, "options": {"sync_mode": "loop"}, "outputFileName": "t"}


def test_a_record_of_the_batch_api_is_a_row() -> None:
    """So that a file made for it runs unchanged."""
    payload = {
        "model": "m",
        "input": [{"type": "video", "url": "https://x/v.mp4"}, {"type": "audio", "url": "https://x/a.wav"}],
        "outputFileName": "t",
    }
    row = read({"request_id": "r-1", "endpoint": "/v2/generate", "payload": payload})
    assert (row.item_id, row.body) == ("r-1", payload)


def test_cells_of_text_are_read_as_their_columns_want(folder: Path) -> None:
    path = folder / "jobs.csv"
    path.write_text(
        "model,video,audio,options.sync_mode,options.temperature,options.occlusion_detection_enabled,"
        "options.active_speaker_detection.auto_detect,priority\n"
        "lipsync-2,face.mp4,voice.wav,loop,0.5,TRUE,false,4\n"
    )
    (raw,) = read_manifest(path)
    row = RowReader(folder).read(raw)
    assert isinstance(row, BulkRow), row
    assert row.body["options"] == {
        "sync_mode": "loop",
        "temperature": 0.5,
        "occlusion_detection_enabled": True,
        "active_speaker_detection": {"auto_detect": False},
    }
    assert row.priority == 4


def test_a_row_is_left_as_it_came() -> None:
    """A field with a column of its own goes into a copy of the object."""
    detection = {"auto_detect": False}
    values = {**FLAT, "options": {"active_speaker_detection": detection}}
    row = read({**values, "options.active_speaker_detection.auto_detect": True})
    assert row.body["options"] == {"active_speaker_detection": {"auto_detect": True}}
    assert detection == {"auto_detect": False}


def test_defaults_fill_what_a_row_leaves_out() -> None:
    reader = RowReader(Path(), {"model": "lipsync-2-pro", "options.sync_mode": "bounce"})
    row = reader.read(RawRow(number=1, values={"video": "https://x/v.mp4", "audio": "https://x/a.wav"}))
    assert isinstance(row, BulkRow)
    assert (row.body["model"], row.body["options"]) == ("lipsync-2-pro", {"sync_mode": "bounce"})


def test_a_row_without_a_name_gets_one_that_does_not_depend_on_its_place() -> None:
    """And the second one that asks for the same gets another."""
    reader = RowReader(Path())
    other = {**FLAT, "model": "other"}
    names = [reader.read(RawRow(number=n, values=v)) for n, v in enumerate([FLAT, other, FLAT])]
    assert all(isinstance(row, BulkRow) for row in names)
    first, second, third = (row.item_id for row in names if isinstance(row, BulkRow))
    assert first.startswith("p-")
    assert third == f"{first}-2"
    assert read(other).item_id == second


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"vidoe": "x"}, "vidoe", "there is no such column; did you mean 'video'?"),
        ({"options.sinc_mode": "x"}, "options.sinc_mode", "did you mean 'options.sync_mode'?"),
        ({"model": None}, "model", "no model's name"),
        ({"audio": None}, "input", "exactly one voice"),
        ({"text": "Hi."}, "voice", "text and voice belong together"),
        ({"image": "https://x/i.png"}, "input", "exactly one video or image"),
        ({"video": "no.mp4"}, "video", "there is no file"),
        ({"video": "fase.mp4"}, "video", "did you mean 'face.mp4'?"),
        ({"video": "."}, "video", "is a directory"),
        ({"video": "a\0.mp4"}, "video", "embedded null"),
        ({"video": "empty.mp4"}, "video", "is empty"),
        ({"video": "data:video/mp4;base64," + "A" * 9000}, "video", "AAA…' cannot be read: File name too long"),
        ({"video": "notes.txt"}, "video", "is of no known type"),
        ({"video": "voice.wav"}, "video", "it belongs into the column audio"),
        ({"video": 7}, "video", "7 is no URL, no asset:ID and no path"),
        ({"video": "asset:"}, "input[0].asset_id", "is not an asset's id"),
        ({"priority": "high"}, "priority", "'high' is not a whole number"),
        ({"priority": 1.5}, "priority", "1.5 is not a whole number"),
        ({"priority": float("inf")}, "priority", "inf is not a whole number"),
        ({"priority": Decimal("1.5")}, "priority", "is not a whole number"),
        ({"output_name": "a/b"}, "output_name", "'a/b'"),
        ({"options.temperature": 7}, "options.temperature", "not a number from 0 to 1"),
        ({"options": "no json"}, "options", "it is no JSON"),
        ({"options": "[" * 5000}, "options", "it is no JSON"),
        ({"options": [], "options.sync_mode": "loop"}, "options", "it is a list, into which options.sync_mode"),
        (
            {"dub_params.a": "x", "dub_params.a.b": 1},
            "dub_params.a.b",
            "there is a str at 'a', into which nothing can go",
        ),
        ({"options": {"new": float("nan")}}, "options", "it has no JSON form"),
        ({"project_id": "\ud800"}, "project_id", "it has no JSON form"),
        ({"\ud800": 1}, "\\ud800", "there is no such column"),
        ({"item_id": ""}, "item_id", "is not a name"),
        ({"item_id": "x" * 201}, "item_id", "is not a name"),
        ({"item_id": "a\nb"}, "item_id", "is not a name"),
        ({"webhook_url": "x"}, "webhook_url", "is not an http(s) URL"),
    ],
)
def test_what_is_wrong_is_told_with_its_column_and_the_way_out(
    folder: Path, change: dict[str, Any], column: str, reason: str
) -> None:
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "notes.txt").write_text("notes")
    values = {name: value for name, value in {**FLAT, **change}.items() if value is not None}
    (problem,) = problems(values, folder)
    assert (problem.number, problem.column) == (7, column)
    assert reason in problem.reason


def test_all_unknown_columns_of_a_row_are_told_at_once() -> None:
    assert {problem.column for problem in problems({**FLAT, "vidoe": "x", "adio": "y"})} == {"vidoe", "adio"}


@pytest.mark.parametrize(
    ("record", "column"),
    [
        ({"request_id": "r", "payload": FLAT, "x": 1}, "x"),
        ({"request_id": "r", "payload": FLAT, "x": 1, 2: 3}, "2"),
        ({"request_id": "r", "payload": {4: 5}}, "4"),
        ({"request_id": "r", "endpoint": "/v2/tts", "payload": {}}, "endpoint"),
        ({"request_id": "r"}, "payload"),
        ({"payload": {}}, "request_id"),
    ],
)
def test_a_record_that_is_none_is_told(record: dict[str, Any], column: str) -> None:
    assert [problem.column for problem in problems(record)] == [column]


@pytest.mark.parametrize("other", ["one", "ONE", " one "])
def test_names_that_would_give_the_same_file_are_refused(other: str) -> None:
    """Case does not tell files apart everywhere."""
    reader = RowReader(Path())
    reader.read(RawRow(number=1, values={**FLAT, "item_id": "one"}))
    found = reader.read(RawRow(number=2, values={**FLAT, "item_id": other}))
    assert isinstance(found, list)
    assert found[0].column == "item_id"
    assert str(found[0]).startswith("row 2, item_id: ")


def test_a_row_that_could_not_be_read_is_a_problem() -> None:
    (problem,) = problems({}, problem="it is no JSON object on one line")
    assert str(problem) == "row 7: it is no JSON object on one line"
