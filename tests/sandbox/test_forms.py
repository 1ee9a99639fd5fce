"""Create requests with files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import AUDIO, VIDEO, Api, Opener

INVALID = "generation_input_validation_failed"
VIDEO_FILE, AUDIO_FILE = ("video", "v.mp4", "video/mp4", b"video"), ("audio", "a.wav", "audio/wav", b"audio")


def form(*files: tuple[str, str, str, bytes], **fields: Any) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, value in {"model": "lipsync-2", **fields}.items():
        made.add_field(name, value if isinstance(value, str) else json.dumps(value))
    for kind, name, mime, content in files:
        made.add_field(kind, content, filename=name, content_type=mime)
    return made


async def send(api: Api, *files: tuple[str, str, str, bytes], **fields: Any) -> Any:
    return await api("POST", "/v2/generate", data=form(*files, **fields))


async def test_the_files_of_a_form_become_assets(api: Api) -> None:
    """Nested fields are JSON strings, and the inputs of the answer have the assets' addresses."""
    made = await send(api, VIDEO_FILE, AUDIO_FILE, options={"sync_mode": "loop"}, outputFileName="take")
    assert made.status == 201
    assert (made.json["options"], made.json["outputFileName"]) == ({"sync_mode": "loop"}, "take")
    assert [item["type"] for item in made.json["input"]] == ["video", "audio"]
    assets = (await api("GET", "/v2/assets?sortBy=nameAsc")).json["items"]
    assert [(asset["name"], asset["type"], asset["size"]) for asset in assets] == [
        ("a.wav", "AUDIO", 5),
        ("v.mp4", "VIDEO", 5),
    ]
    assert (await api("GET", made.json["input"][0]["url"])).body == b"video"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"type": "audio", "refId": "a"}], ["audio:a", "video:None"]),
        ([AUDIO], ["audio:None", "video:None"]),
        ([{**VIDEO, "refId": "v"}], ["video:v", "audio:None"]),
    ],
)
async def test_an_entry_of_the_same_kind_stands_for_the_file(
    api: Api, entries: list[Any], expected: list[str]
) -> None:
    """An entry without a URL names the file; where it has one, the file wins."""
    made = await send(api, VIDEO_FILE, AUDIO_FILE, input=entries)
    assert made.status == 201
    assert [f"{item['type']}:{item.get('refId')}" for item in made.json["input"]] == expected
    assert all(item["url"].startswith(api.sandbox.storage_url) for item in made.json["input"])


async def test_a_file_and_links_can_be_mixed(api: Api) -> None:
    """What is not sent as a file is named in `input`."""
    assert (await send(api, VIDEO_FILE, input=[AUDIO])).status == 201
    assert (await send(api, AUDIO_FILE)).code == INVALID
    assert (await send(api, VIDEO_FILE, input=[{"type": "audio"}])).code == INVALID


async def test_entries_without_a_url_can_be_refused(opened: Opener) -> None:
    """Whether they may stand for a file is not documented, and therefore a switch."""
    api = await opened(form_entries_need_url=True)
    assert (await send(api, VIDEO_FILE, AUDIO_FILE, input=[{"type": "audio", "refId": "a"}])).status == 400
    assert (await send(api, VIDEO_FILE, AUDIO_FILE)).status == 201


@pytest.mark.parametrize(
    ("files", "fields", "status"),
    [
        ([("video", "v.exe", "application/x-exe", b"x"), AUDIO_FILE], {}, 400),
        ([VIDEO_FILE, VIDEO_FILE, AUDIO_FILE], {}, 400),
        ([VIDEO_FILE, AUDIO_FILE, ("film", "f.mp4", "video/mp4", b"x")], {}, 400),
        ([AUDIO_FILE], {"video": "text"}, 400),
        ([VIDEO_FILE, AUDIO_FILE], {"options": "{sync_mode: loop}"}, 400),
        ([VIDEO_FILE, AUDIO_FILE], {"projectId": "nowhere"}, 422),
        ([VIDEO_FILE, ("audio", "a.wav", "audio/wav", b"x" * 1001)], {}, 413),
        ([VIDEO_FILE, AUDIO_FILE], {"options": json.dumps({"x": "y" * 1024**2})}, 413),
        ([VIDEO_FILE, AUDIO_FILE], {f"field{n}": "x" for n in range(32)}, 413),
    ],
)
@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_a_refused_form_leaves_no_files(
    opened: Opener, tmp_path: Path, files: list[Any], fields: dict[str, str], status: int
) -> None:
    """Wrong types, kinds, structures and sizes are refused, and what was received of them is deleted."""
    api = await opened(multipart_limit=1000, folder=tmp_path)
    assert (await send(api, *files, **fields)).status == status
    assert list((tmp_path / "uploads").iterdir()) == []
    assert api.sandbox.world.assets == {}


async def test_a_file_above_the_plans_size_is_422(opened: Opener) -> None:
    """This is another limit than that of the parser, with a code of its own."""
    api = await opened(file_limit=3)
    answer = await send(api, VIDEO_FILE, AUDIO_FILE)
    assert (answer.status, answer.code, answer.json["field"]) == (422, "file_size_exceeds_plan_limit", "video")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nlip'),
    ],
)
async def test_a_form_that_is_none_is_refused(api: Api, kind: str, body: bytes) -> None:
    """A missing boundary, other bytes, a part without a name and one without an end are no crashes."""
    answer = await api("POST", "/v2/generate", data=body, headers={"Content-Type": kind})
    assert (answer.status, answer.code) == (400, INVALID)
