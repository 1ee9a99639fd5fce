"""The media library: uploads in three steps, and what is done with assets."""

from __future__ import annotations

from typing import Any

import pytest

from sync_async.sandbox.jobs import SAMPLES
from tests.sandbox.conftest import AUDIO, BODY, VIDEO, Api, Opener

INVALID = "generation_input_validation_failed"


async def register(api: Api, url: str, **more: Any) -> Any:
    return await api("POST", "/v2/assets", json={"url": url, "type": "VIDEO", **more})


@pytest.mark.parametrize("name", ["v.mp4", "my take/1 ü%.mp4", "..", "x" * 300 + ".mp4"])
async def test_a_file_is_presigned_sent_and_registered(api: Api, name: str) -> None:
    """The second step is on another origin, without the key; any file name will do."""
    place = await api.presign(b"bytes", name)
    assert place["expiresIn"] == 3600
    assert not place["uploadUrl"].startswith(api.sandbox.base_url)
    put = await api("PUT", place["uploadUrl"], data=b"bytes", headers={"Content-Type": "video/mp4"})
    assert put.status == 200
    asset = await register(api, place["url"], name=name)
    assert (asset.status, asset.json["size"], asset.json["inputType"]) == (201, 5, "UPLOAD")
    assert (asset.json["type"], asset.json["visibility"], asset.json["projectId"]) == ("VIDEO", "USER", None)
    assert (await api("GET", place["url"])).body == b"bytes"
    assert (await api("GET", f"/v2/assets/{asset.json['id']}")).json == asset.json
    link = await api("GET", f"/v2/assets/{asset.json['id']}/download")
    assert (link.body.decode(), link.headers["Content-Type"].partition(";")[0]) == (place["url"], "text/plain")
    assert api.sandbox.leaks == []


async def test_an_asset_is_an_input_of_its_own_type(api: Api) -> None:
    """Another type is refused, and an upload can be used without being registered."""
    url = await api.upload(b"bytes")
    id = (await register(api, url)).json["id"]
    assert (await api.create({**BODY, "input": [{"type": "video", "assetId": id}, AUDIO]})).status == 201
    assert (await api.create({**BODY, "input": [{"type": "video", "url": url}, AUDIO]})).status == 201
    mismatch = await api.create({**BODY, "input": [VIDEO, {"type": "audio", "assetId": id}]})
    assert (mismatch.status, mismatch.code) == (422, "generation_input_asset_type_mismatch")


async def test_an_upload_must_be_what_was_announced(api: Api) -> None:
    """Type, length, name and signature are checked, and the errors are the storage's own XML."""
    place = await api.presign(b"bytes")

    async def put(url: str, data: Any = b"bytes", kind: str = "video/mp4", **headers: str) -> tuple[int, bytes]:
        answer = await api("PUT", url, data=data, headers={"Content-Type": kind, **headers})
        assert answer.headers["Content-Type"].partition(";")[0] == "application/xml"
        return answer.status, answer.body.partition(b"<Code>")[2].partition(b"</Code>")[0]

    async def chunks() -> Any:
        yield b"bytes"

    url = place["uploadUrl"]
    assert await put(url, kind="audio/wav") == (403, b"SignatureDoesNotMatch")
    assert await put(url, data=b"byte") == (400, b"IncompleteBody")
    assert await put(url, data=chunks()) == (411, b"MissingContentLength")
    assert await put(url.replace("v.mp4", "w.mp4")) == (403, b"SignatureDoesNotMatch")
    assert await put(url.replace("sig=", "sig=é")) == (403, b"SignatureDoesNotMatch")
    assert await put(url.replace("expires=", "expires=9")) == (403, b"SignatureDoesNotMatch")
    assert await put(place["url"]) == (403, b"SignatureDoesNotMatch")
    early = await register(api, place["url"])
    assert (early.status, early.code) == (422, "uploaded_file_not_found")


async def test_an_upload_url_expires(opened: Opener) -> None:
    """Its lifetime is a switch, and the storage says what is wrong."""
    api = await opened(presign_lifetime=-1)
    place = await api.presign(b"bytes")
    late = await api("PUT", place["uploadUrl"], data=b"bytes", headers={"Content-Type": "video/mp4"})
    assert (late.status, b"Request has expired" in late.body) == (403, True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"contentType": "text/plain"}, "contentType"),
        ({"contentType": []}, "contentType"),
        ({"size": 0}, "size"),
        ({"size": True}, "size"),
        ({"fileName": ""}, "fileName"),
    ],
)
async def test_a_presign_that_cannot_be_right_is_refused(api: Api, change: dict[str, Any], field: str) -> None:
    """The field is named."""
    asked = {"fileName": "v.mp4", "contentType": "video/mp4", "size": 5, **change}
    answer = await api("POST", "/v2/assets/upload", json=asked)
    assert (answer.status, answer.code, answer.json["field"]) == (400, INVALID, field)


@pytest.mark.parametrize("header", ["x-api-key", "Authorization"])
async def test_credentials_that_leak_to_the_storage_are_noted(api: Api, header: str) -> None:
    """The request goes through, as it would in reality."""
    place = await api.presign(b"bytes")
    headers = {"Content-Type": "video/mp4", header: "secret"}
    assert (await api("PUT", place["uploadUrl"], data=b"bytes", headers=headers)).status == 200
    assert [(leak.method, leak.header) for leak in api.sandbox.leaks] == [("PUT", header)]
    told = await api("GET", "/_sandbox/leaks")
    assert told.json[0]["header"] == header
    assert b"secret" not in told.body


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"url": None}, 400, INVALID),
        ({"url": "ftp://x/y"}, 400, INVALID),
        ({"type": "FILM"}, 400, INVALID),
        ({"visibility": "WORLD"}, 400, INVALID),
        ({"name": 1}, 400, INVALID),
        ({"projectId": "none"}, 422, "project_not_found"),
    ],
)
async def test_an_asset_that_cannot_be_right_is_not_registered(
    api: Api, change: dict[str, Any], status: int, code: str
) -> None:
    """Nothing is added to the library."""
    answer = await api("POST", "/v2/assets", json={"url": "https://x.example/v", "type": "VIDEO", **change})
    assert (answer.status, answer.code) == (status, code)
    assert (await api("GET", "/v2/assets/count")).json == 0


async def test_a_registered_file_is_measured_and_has_to_fit_the_plan(opened: Opener) -> None:
    """Length and size of the picture are told where they can be measured."""
    api = await opened(render=True, file_limit=100_000)
    url = await api.upload((SAMPLES / "face.mp4").read_bytes())
    asset = (await register(api, url)).json
    assert (asset["width"], asset["height"], round(asset["durationSeconds"])) == (320, 240, 3)
    large = await register(api, await api.upload((SAMPLES / "speech.wav").read_bytes(), "a.wav", "audio/wav"))
    assert (large.status, large.code) == (422, "file_size_exceeds_plan_limit")


async def library(api: Api) -> list[str]:
    ids = []
    for name, kind in (("b.mp4", "VIDEO"), ("a.wav", "AUDIO"), ("c.png", "IMAGE")):
        asset = await register(api, f"https://public.example/{name}", type=kind, name=name)
        assert asset.json["inputType"] == "URL"
        ids.append(asset.json["id"])
    return ids


async def test_assets_are_listed_in_pages(api: Api) -> None:
    """The envelope has a cursor until the last page."""
    await library(api)
    page = (await api("GET", "/v2/assets?sortBy=nameAsc&limit=2")).json
    assert [asset["name"] for asset in page["items"]] == ["a.wav", "b.mp4"]
    assert page["totalCount"] == 3
    rest = (await api("GET", f"/v2/assets?sortBy=nameAsc&limit=2&cursor={page['nextCursor']}")).json
    assert [asset["name"] for asset in rest["items"]] == ["c.png"]
    assert "nextCursor" not in rest


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "c b a"),
        ("sortBy=dateAsc", "b a c"),
        ("sortBy=nameDesc", "c b a"),
        ("sortBy=kindAsc", "a c b"),
        ("types=AUDIO,IMAGE&sortBy=nameAsc", "a c"),
        ("types=VIDEO&types=AUDIO&sortBy=nameAsc", "a b"),
        ("searchQuery=B.", "b"),
        ("userId=u-1&limit=1", "c"),
        ("userId=u-2", ""),
        ("projectId=p", ""),
    ],
)
async def test_assets_are_filtered_and_sorted(api: Api, query: str, names: str) -> None:
    """The newest come first unless told, and the count goes by the same filters."""
    await library(api)
    found = (await api("GET", f"/v2/assets?{query}")).json["items"]
    expected = names.split()
    if not query:
        expected = ["c", "a", "b"]
    assert [asset["name"][0] for asset in found] == expected
    if "limit" not in query:
        assert (await api("GET", f"/v2/assets/count?{query}")).json == len(found)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "sortBy=sideways", "sortBy=nameUp", "types=FILM"])
async def test_an_asset_query_out_of_range_is_refused(api: Api, query: str) -> None:
    """Limits are from 1 to 100, and orders and types are those of the documentation."""
    assert (await api("GET", f"/v2/assets?{query}")).status == 400


async def test_many_assets_are_read_at_once(opened: Opener) -> None:
    """Those that are not there or belong to somebody else are left out."""
    api = await opened()
    ids = await library(api)
    many = await api("POST", "/v2/assets/batch", json={"ids": [*reversed(ids), "none"]})
    assert [asset["id"] for asset in many.json] == ids
    assert len((await api("POST", "/v2/assets/batch", json={"ids": ids[0]})).json) == 1
    for bad in ([], ["x"] * 101, [1], None):
        assert (await api("POST", "/v2/assets/batch", json={"ids": bad})).status == 400


async def test_an_asset_is_changed_wholly_or_not_at_all(opened: Opener) -> None:
    """The statuses of registering and changing are switches."""
    api = await opened(asset_status=200, asset_update_status=202)
    made = await register(api, "https://public.example/v.mp4")
    assert made.status == 200
    path = f"/v2/assets/{made.json['id']}"
    change = {"name": "z", "visibility": "ORGANIZATION", "durationSeconds": 1.5, "size": 3, "width": 640}
    changed = await api("PATCH", path, json=change)
    assert (changed.status, {name: changed.json[name] for name in change}) == (202, change)
    for bad in (
        {"color": "red"},
        {"width": True},
        {"visibility": "WORLD"},
        {"durationSeconds": "1"},
        {"type": "AUDIO"},
    ):
        assert (await api("PATCH", path, json={"name": "y", **bad})).status == 400
    assert (await api("GET", path)).json["name"] == "z"


async def test_a_deleted_asset_is_gone_and_a_foreign_one_is_forbidden(opened: Opener) -> None:
    """For reading, changing and deleting alike."""
    api = await opened(foreign_assets=["theirs"])
    id = (await register(api, "https://public.example/v.mp4")).json["id"]
    assert (await api("DELETE", f"/v2/assets/{id}")).json == {"id": id}
    for asset, status, code in ((id, 404, "asset_not_found"), ("theirs", 403, "asset_forbidden")):
        for method, path in (("GET", ""), ("GET", "/download"), ("PATCH", ""), ("DELETE", "")):
            answer = await api(method, f"/v2/assets/{asset}{path}", json={})
            assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(("lifetime", "status"), [(None, 200), (60, 200), (-1, 403)])
async def test_the_addresses_of_assets_live_for_ever_unless_told(
    opened: Opener, lifetime: int | None, status: int
) -> None:
    """Where they end, each read signs one anew, and generations take them all the same."""
    api = await opened(asset_lifetime=lifetime)
    asset = (await register(api, await api.upload(b"bytes"))).json
    assert ("sig=" in asset["url"]) is (lifetime is not None)
    assert (await api("GET", asset["url"])).status == status
    assert (await api("GET", asset["url"].partition("?")[0])).status == (200 if lifetime is None else 403)
    made = await api.made(input=[{"type": "video", "url": asset["url"]}, AUDIO])
    assert made["status"] == "COMPLETED"
