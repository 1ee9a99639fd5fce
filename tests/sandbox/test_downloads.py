"""Downloads from the storage origin: parts, tags, ends."""

from __future__ import annotations

import aiohttp
import pytest

from tests.sandbox.conftest import Answer, Api, Opener


async def fetch(api: Api, **headers: str) -> tuple[bytes, Answer]:
    """Give the whole output and the answer with these headers."""
    done = await api.made()
    whole = await api("GET", done["outputUrl"])
    named = {name.replace("_", "-"): value.format_map(whole.headers) for name, value in headers.items()}
    return whole.body, await api("GET", done["outputUrl"], headers=named)


async def test_an_output_says_what_it_is(api: Api) -> None:
    """Type, length, a strong tag and the time of its last change."""
    body, answer = await fetch(api)
    assert (answer.status, answer.headers["Content-Type"], len(answer.body)) == (200, "video/mp4", len(body))
    assert answer.headers["ETag"].startswith('"')
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Last-Modified"].endswith("GMT")


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=100-", 100, None),
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=-7", -7, None),
        ("bytes=9-99999999", 9, None),
    ],
)
async def test_a_part_is_given_as_asked(api: Api, asked: str, start: int, end: int | None) -> None:
    """The answer is 206 and says which part it is."""
    body, answer = await fetch(api, Range=asked)
    assert (answer.status, answer.body) == (206, body[start:end])
    first = start % len(body)
    expected = f"bytes {first}-{first + len(answer.body) - 1}/{len(body)}"
    assert answer.headers["Content-Range"] == expected


@pytest.mark.parametrize("asked", ["bytes=9-5", "bytes=1-2,4-5", "lines=1-2", "bytes=-", "bytes=x"])
async def test_a_range_that_is_not_understood_is_ignored(api: Api, asked: str) -> None:
    """The whole file comes with 200."""
    body, answer = await fetch(api, Range=asked)
    assert (answer.status, answer.body) == (200, body)
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
async def test_a_range_outside_of_the_file_is_416(api: Api, asked: str) -> None:
    """The answer tells the length."""
    body, answer = await fetch(api, Range=asked)
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(body)}")


@pytest.mark.parametrize(
    ("etag", "condition", "status"),
    [
        ("strong", "{ETag}", 206),
        ("strong", '"other"', 200),
        ("strong", "{Last-Modified}", 206),
        ("weak", "{ETag}", 200),
        ("none", '"x"', 200),
    ],
)
async def test_a_part_is_given_only_of_the_same_file(
    opened: Opener, etag: str, condition: str, status: int
) -> None:
    """A weak tag does not promise the same bytes, and so never fits."""
    api = await opened(etag=etag)
    _, answer = await fetch(api, Range="bytes=1-", If_Range=condition)
    assert answer.status == status
    assert answer.headers.get("ETag", "none")[:2].startswith({"strong": '"', "weak": "W/", "none": "no"}[etag])


async def test_ranges_can_be_turned_off(opened: Opener) -> None:
    """The whole file comes, without a promise of parts."""
    body, answer = await fetch(await opened(ranges=False), Range="bytes=1-")
    assert (answer.status, answer.body) == (200, body)
    assert "Accept-Ranges" not in answer.headers


async def test_a_download_can_end_too_early(opened: Opener) -> None:
    """The length that was announced is not reached."""
    api = await opened(short_body=True)
    done = await api.made()
    with pytest.raises(aiohttp.ClientPayloadError):
        await api("GET", done["outputUrl"])


async def test_the_head_of_an_output_is_told(api: Api) -> None:
    """HEAD has the same headers and no body."""
    done = await api.made()
    head = await api("HEAD", done["outputUrl"])
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) > 1000


async def test_an_address_must_be_used_as_given(opened: Opener) -> None:
    """Changed, expired and unknown addresses have the storage's own errors."""
    api = await opened(output_lifetime=-1)
    done = await api.made()
    late = await api("GET", done["outputUrl"])
    assert (late.status, b"Request has expired" in late.body) == (403, True)
    changed = await api("GET", done["outputUrl"].replace("sig=", "sig=0"))
    assert (changed.status, b"SignatureDoesNotMatch" in changed.body) == (403, True)
    for path in ("/nothing", "/uploads/x/y"):
        missing = await api("GET", api.sandbox.storage_url + path)
        assert (missing.status, b"NoSuchKey" in missing.body) == (404, True)
    assert (await api("POST", api.sandbox.storage_url + "/uploads/x/y")).status == 405
