"""Whatever a storage host answers, a file is whole or is told as missing; so are links and notes that are none."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync_async import ArgumentError, AsyncSync, DownloadError, Generation, RequestOptions, UploadError
from sync_async._bodies import BytesSource
from sync_async._media import MediaFile
from sync_async._storage import MOST_REDIRECTS
from sync_async._transport import _target_below
from sync_async.bulk.expiry import expiry_of
from sync_async.transfer.download import Download, fetch, name_of_output
from sync_async.transfer.hosts import absolute, host_of
from sync_async.transfer.partial_file import PartialFile, Sent
from sync_async.transfer.upload import _Upload
from sync_async.types.assets import PresignedUpload
from tests.properties.effort import examples
from tests.properties.mutations import mutated
from tests.properties.shapes import JSON, TEXT

BODY = b"".join(number.to_bytes(2, "big") for number in range(500))
TAG = '"v1"'
NO_LINKS = [
    "", "x", "http://", "http://[", "http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://127.0.0.1:-1/",
    "mailto:a", "ftp://127.0.0.1/a", "//", "http:", "http:///a", "http://a..b/", "http://" + "a" * 300 + "/", "http://\ud800/",
    "\udcff", "javascript:1", "http://127.0.0.1:1/", "http://user:\ud800@127.0.0.1:1/", "\0", " ",
]  # fmt: skip
"""Links that lead nowhere, and no further than this machine."""
LINKS = st.sampled_from(NO_LINKS)


@attrs.define
class Host:
    """A host behind a real socket that answers with any bytes, or rightly, and a client on the same loop."""

    runner: asyncio.Runner
    client: AsyncSync
    folder: Path
    url: str = ""
    answers: list[bytes] = attrs.field(factory=list)
    """What is answered next, as it goes over the wire; then it answers rightly."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answers.pop(0) if self.answers else right_answer(head))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client has seen enough
        finally:
            writer.close()

    def download(self, **more: Any) -> Path | DownloadError | ArgumentError:
        """Fetch the file, and give its path or the error that a caller would get."""
        options = {"what": "a", "url": self.url, "fresh": None, "to": self.folder / "out.mp4", "overwrite": True}
        download = Download(transport=self.client._transport, **{**options, **more})
        try:
            return self.runner.run(download.run())
        except (DownloadError, ArgumentError) as error:
            return error


def right_answer(head: bytes) -> bytes:
    """Answer as a host does that gives parts of a file that has not changed."""
    wanted = re.search(rb"\r\nrange: bytes=(\d+)-\r\n", head, re.IGNORECASE)
    same = re.search(rb"\r\nif-range: (.*?)\r\n", head, re.IGNORECASE)
    if wanted is None or (same is not None and same[1].decode() != TAG):
        return answer_of(200, {"ETag": TAG}, BODY)
    start = int(wanted[1])
    if start >= len(BODY):
        return answer_of(416, {"Content-Range": f"bytes */{len(BODY)}"}, b"")
    told = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
    return answer_of(206, {"ETag": TAG, "Content-Range": told}, BODY[start:])


def answer_of(status: int, headers: dict[str, str], body: bytes) -> bytes:
    """Write an answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status} any", "Connection: close"]
    if not any(name.lower() == "content-length" for name in headers):
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + body


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    async def nap(_: float) -> None:
        await asyncio.sleep(0)

    with asyncio.Runner() as runner:
        made = Host(runner, runner.run(client()), tmp_path_factory.mktemp("hosts"))
        made.client._transport.sleep = nap
        server = runner.run(asyncio.start_server(made.serve, "127.0.0.1", 0))
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.mp4?signed=yes"
        yield made
        server.close()
        runner.run(server.wait_closed())
        runner.run(made.client.close())


async def client() -> AsyncSync:
    return AsyncSync(api_key="sk-test", base_url="http://127.0.0.1:1", max_retries=1)


MANY = "9" * 5000
VALUES: dict[str, st.SearchStrategy[str]] = {
    "Content-Length": st.sampled_from(["0", "3", "-1", "x", "1e3", MANY, "", "\u0661", "18446744073709551616"]),
    "Content-Range": st.sampled_from(
        [
            "bytes 3-999/1000",
            "bytes 0-999/1000",
            "bytes */1000",
            f"bytes {MANY}-{MANY}/{MANY}",
            f"bytes */{MANY}",
            "bytes \u0663-\u0669/\u0661\u0660",
            "bytes x",
            "",
            "items 0-1/2",
            "bytes -1--1/-1",
            "\udcff",
        ]
    ),
    "ETag": st.sampled_from([TAG, 'W/"v1"', '"v2"', "v1", "", '"\udcff"', '"é"', '"a b"', '"' + "x" * 4000 + '"']),
    "Content-Encoding": st.sampled_from(["identity", "gzip", "deflate", "br", "x", ""]),
    "Retry-After": st.sampled_from(["0", "1", "-1", MANY, "nan", "Wed, 21 Oct 2015 07:28:00 GMT", "\udcff"]),
    "Location": LINKS | st.sampled_from(["/b", "?b", "#b", "b", "..", "\udcff", "/\udcff"]),
    "Transfer-Encoding": st.sampled_from(["chunked", "gzip", "x"]),
    "X-\udcff": st.just("1"),
}
STATUSES = st.sampled_from(
    [200, 204, 206, 416, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 408, 429, 500, 503, 999]
)
ANSWERS = st.one_of(
    st.builds(
        answer_of,
        STATUSES,
        st.fixed_dictionaries({}, optional=VALUES),
        st.sampled_from([BODY, BODY[:3], b"", b"<Error><Code>ExpiredToken</Code></Error>", b"\xff" * 40]),
    ),
    st.binary(max_size=40),
    st.binary(max_size=40).map(lambda more: b"HTTP/1.1 200 OK\r\n" + more),
)  # fmt: skip


@examples(40)
@given(answers=st.lists(ANSWERS, min_size=1, max_size=4))
def test_any_answers_of_a_host_end_in_a_file_or_in_a_download_error(host: Host, answers: list[bytes]) -> None:
    """The error names the host and never the link, which is signed."""
    host.answers[:] = answers
    outcome = host.download()
    if isinstance(outcome, Path):
        assert outcome.stat().st_size > 0
    else:
        assert isinstance(outcome, DownloadError)
        assert outcome.host == "127.0.0.1"
        assert "signed=yes" not in str(outcome)
    host.answers.clear()
    assert isinstance(host.download(what="b", to=host.folder / "whole.mp4"), Path)
    assert (host.folder / "whole.mp4").read_bytes() == BODY


RIGHT_NOTES = st.fixed_dictionaries(
    {"of": st.just("a"), "tag": st.just(TAG) | TEXT, "total": st.just(len(BODY)) | st.integers()}
)
NOTES = st.one_of(
    RIGHT_NOTES.map(json.dumps).map(str.encode),
    mutated(RIGHT_NOTES).map(json.dumps).map(str.encode),
    JSON.map(json.dumps).map(str.encode),
    st.binary(max_size=40),
)
PARTS = st.integers(0, len(BODY)).map(lambda size: BODY[:size]) | st.just(BODY + b"more")


@examples(40)
@given(notes=NOTES, part=PARTS)
@example(notes=b"[" * 100_000, part=b"x")
@example(notes=b'{"of":"a","tag":5,"total":"x"}', part=BODY[:5])
@example(notes=b'{"of":"a","tag":"\\r\\nX: y","total":1000}', part=BODY[:5])
@example(notes=b'{"of":"a","tag":"\\ud800","total":1000}', part=BODY[:5])
def test_whatever_an_earlier_download_left_the_file_comes_to_be_whole(
    host: Host, notes: bytes, part: bytes
) -> None:
    to = host.folder / "gone-on-with.mp4"
    partial = PartialFile(to)
    partial.path.write_bytes(part)
    Path(f"{partial.path}.json").write_bytes(notes)
    host.answers.clear()
    assert host.download(to=to) == to
    assert to.read_bytes() == BODY
    assert not partial.path.exists()
    assert not Path(f"{partial.path}.json").exists()


@examples(100)
@given(notes=NOTES)
def test_notes_are_read_as_what_they_are_or_not_at_all(host: Host, notes: bytes) -> None:
    partial = PartialFile(host.folder / "noted.mp4")
    partial.path.write_bytes(BODY)
    Path(f"{partial.path}.json").write_bytes(notes)
    try:
        sent = partial.open("a").sent
    finally:
        partial.close()
    assert sent is None or (type(sent) is Sent and sent.of == "a")
    if sent is not None:
        assert sent.tag is None or (sent.tag.isascii() and sent.tag.isprintable() and " " not in sent.tag)
        assert sent.total is None or isinstance(sent.total, int)
        assert attrs.asdict(sent) == {"tag": None, "total": None, **json.loads(notes)}


@pytest.mark.parametrize("link", NO_LINKS)
def test_a_link_that_is_none_is_told_and_nothing_else_happens(host: Host, link: str) -> None:
    """As the first, as the one that a redirect leads to, and as that of a small file or of an upload."""
    host.answers.clear()
    assert isinstance(host.download(url=link, what="none"), DownloadError)
    host.answers[:] = [answer_of(302, {"Location": link}, b"")] * (MOST_REDIRECTS + 1) * 3
    outcome = host.download(what="none")
    host.answers.clear()
    assert isinstance(outcome, DownloadError)
    with pytest.raises(DownloadError):
        host.runner.run(fetch(host.client._transport, link, "a list"))
    media = MediaFile(argument="video", source=BytesSource(b"x"), name="a.mp4", content_type="video/mp4")
    with pytest.raises(UploadError):
        host.runner.run(Placed(host.client._transport, media, RequestOptions(), None, link).run())


@attrs.define
class Placed(_Upload):
    """An upload whose address is known."""

    link: str = ""

    async def _presign(self) -> PresignedUpload:
        return PresignedUpload(upload_url=self.link, url=self.link)


PIECES = ["http:", "https:", "//", "/", "?", "#", "[", "]", "@", ":", "a", "\ud800", "\n", "9" * 99]
SIGNED_BY = ["X-Amz-Date", "X-Amz-Expires", "x-goog-date", "X-Goog-Expires", "Expires", "se", "sig"]
TIMES = ["20260101T000000Z", "99991231T235959Z", "1e9", "-1", "9" * 20, MANY, "2026-01-01", "inf"]
ANY_LINKS = st.one_of(
    LINKS,
    TEXT,
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.lists(st.tuples(st.sampled_from(SIGNED_BY), TEXT | st.sampled_from(TIMES)), max_size=4).map(
        lambda query: "https://a/b?" + "&".join(map("=".join, query))
    ),
)


@examples(200)
@given(link=ANY_LINKS, page=ANY_LINKS)
def test_any_link_can_be_looked_at(link: str, page: str) -> None:
    """For its host, its expiry, where it leads from a page, and whether it leads to the API."""
    assert isinstance(host_of(link), str)
    assert isinstance(absolute(page, link), str)
    expiry = expiry_of(link)
    assert expiry is None or expiry.tzinfo is not None
    target = _target_below("https://api.example/v2", link, page)
    assert target is None or absolute(page, link).startswith("https://api.example/")


@examples(100)
@given(
    name=TEXT
    | st.sampled_from(["", ".", "..", "../a", "/etc/a", "a/../../b", "C:\\a", "a\0b", "\ud800", "é" * 300])
)
def test_an_output_stays_in_its_folder_whatever_the_server_calls_it(host: Host, name: str) -> None:
    for told in (
        name_of_output(Generation(id="a", status="COMPLETED", output_file_name=name)),
        name_of_output(Generation(id=name or "a", status="COMPLETED")),
        name_of_output(name or "a"),
    ):
        path = host.folder / told
        assert path.parent == host.folder
        assert path.resolve().parent == host.folder.resolve()
        path.write_bytes(b"x")
        path.unlink()
