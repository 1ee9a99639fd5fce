"""Files on their way to storage: three steps, none of them with the key where it does not belong."""

from __future__ import annotations

import asyncio
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sync_async import (
    ArgumentError,
    AsyncSync,
    Audio,
    GenerationSegment,
    InternalServerError,
    SegmentAudioInput,
    Timeout,
    UnauthorizedError,
    UploadError,
)
from sync_async.resources import _starting
from tests.transfer.conftest import FACE, SPEECH, House, Opener


async def test_a_file_is_asked_for_sent_and_registered(house: House) -> None:
    """By its own name, type and length, whole, and without the key at storage."""
    asset = await house.client.assets.upload(FACE)
    assert (asset.type, asset.name, asset.size) == ("VIDEO", "face.mp4", FACE.stat().st_size)
    (sent,) = house.stored("PUT")
    assert sent.headers["Content-Length"] == str(FACE.stat().st_size)
    assert sent.headers["Content-Type"] == "video/mp4"
    assert "Transfer-Encoding" not in sent.headers
    assert (await house.client.assets.get(asset.id)).url == asset.url


@pytest.mark.parametrize(
    ("file", "more", "type", "name"),
    [
        (SPEECH, {}, "AUDIO", "speech.wav"),
        (str(FACE), {"type": "AUDIO"}, "AUDIO", "face.mp4"),
        (FACE.read_bytes(), {}, "VIDEO", "file.mp4"),
        (io.BytesIO(SPEECH.read_bytes()), {"name": "voice"}, "AUDIO", "voice"),
        (("take.webm", FACE.read_bytes()), {}, "VIDEO", "take.webm"),
        (("take", FACE.read_bytes(), "video/quicktime"), {"visibility": "ORGANIZATION"}, "VIDEO", "take.mp4"),
    ],
)
async def test_any_form_of_a_file_is_taken(
    house: House, file: Any, more: dict[str, Any], type: str, name: str
) -> None:
    asset = await house.client.assets.upload(file, **more)
    assert (asset.type, asset.name) == (type, name)
    assert asset.visibility == more.get("visibility", "USER")


async def test_what_cannot_be_read_twice_is_kept_first(house: House) -> None:
    """A pipe has no length and no second beginning, and storage wants both."""
    reader, writer = os.pipe()
    os.write(writer, SPEECH.read_bytes()[:30_000])
    os.close(writer)
    house.sandbox.faults.add("lost", origin="storage", method="PUT")
    with os.fdopen(reader, "rb") as pipe:
        asset = await house.client.assets.upload(("speech.wav", pipe))
        assert not pipe.closed
    assert asset.size == 30_000


@pytest.mark.parametrize("fault", ["reset", "lost", "html", "truncated"])
async def test_a_try_that_breaks_off_is_repeated_from_the_start(house: House, big: Path, fault: Any) -> None:
    """The whole file arrives, and progress begins anew."""
    house.sandbox.faults.add(fault, origin="storage", method="PUT", times=1)
    progress: list[tuple[int, int | None]] = []
    asset = await house.client.assets.upload(big, on_progress=lambda *news: progress.append(news))
    size = big.stat().st_size
    assert asset.size == size
    assert progress[-1] == (size, size)
    assert house.asked("POST", "/v2/assets/upload") == 1


async def test_an_address_that_ended_is_asked_for_anew(house: House) -> None:
    """The file goes to the new one, and the old address is not registered."""
    house.sandbox.faults.add(
        "answer", origin="storage", method="PUT", status=403, body="<Code>AccessDenied</Code>"
    )
    asset = await house.client.assets.upload(FACE)
    assert house.asked("POST", "/v2/assets/upload") == 2
    assert (await house.client.assets.get(asset.id)).size == FACE.stat().st_size


async def test_an_address_that_is_about_to_end_is_not_used(opened: Opener) -> None:
    """It would end on the way."""
    house = await opened(presign_lifetime=3)
    with pytest.raises(UploadError, match=r"step 2 of 3: 127.0.0.1 did not take the file: its address ended"):
        await house.client.assets.upload(FACE)
    assert house.stored("PUT") == []


async def test_a_host_that_refuses_is_named_with_its_own_word(house: House) -> None:
    """The link itself, which is signed, is not in the message."""
    house.sandbox.faults.add(
        "answer",
        origin="storage",
        times=None,
        status=403,
        body="<Error><Code>SignatureDoesNotMatch</Code></Error>",
    )
    with pytest.raises(UploadError) as caught:
        await house.client.assets.upload(FACE)
    assert (caught.value.host, caught.value.step) == ("127.0.0.1", "put")
    assert "403 SignatureDoesNotMatch" in str(caught.value)
    assert "sig=" not in str(caught.value)
    assert house.asked("POST", "/v2/assets") == house.asked("POST", "/v2/assets/upload") == 3


async def test_a_host_that_is_down_is_tried_as_often_as_a_request(house: House) -> None:
    house.sandbox.faults.add("reset", origin="storage", times=None)
    with pytest.raises(UploadError, match="step 2 of 3"):
        await house.client.assets.upload(FACE)
    assert len(house.naps) == 2


async def test_an_error_of_the_api_keeps_its_type_and_names_the_step(house: House) -> None:
    house.sandbox.faults.add("answer", path="/v2/assets/upload", status=401)
    with pytest.raises(UnauthorizedError) as caught:
        await house.client.assets.upload(FACE)
    assert "step 1 of 3" in caught.value.__notes__[0]


async def test_a_registration_whose_answer_is_lost_is_found_again(house: House) -> None:
    """It is sent once; the library tells that it came through."""
    house.sandbox.faults.add("lost", method="POST", path="/v2/assets")
    asset = await house.client.assets.upload(FACE)
    assert [asset.id] == list(house.sandbox.world.assets)


@pytest.mark.parametrize("fault", ["truncated", "gzip"])
async def test_a_registration_whose_answer_cannot_be_read_is_found_again(house: House, fault: Any) -> None:
    """The asset is there, and its id is not lost."""
    house.sandbox.faults.add(fault, method="POST", path="/v2/assets")
    asset = await house.client.assets.upload(FACE)
    assert list(house.sandbox.world.assets) == [asset.id]


async def test_a_registration_that_failed_tells_where_the_bytes_are(house: House) -> None:
    """They can be used as they are."""
    house.sandbox.faults.add("answer", method="POST", path="/v2/assets", status=500)
    with pytest.raises(InternalServerError) as caught:
        await house.client.assets.upload(FACE)
    (note,) = caught.value.__notes__
    assert "step 3 of 3" in note
    url = note.partition("stored at ")[2].partition(",")[0]
    assert house.sandbox.world.storage.path_of(url) is not None
    assert house.asked("POST", "/v2/assets") == 2  # presign and one registration


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("gone.mp4", None, "there is no file"),
        ("empty.mp4", b"", "is empty"),
        ("notes.txt", b"text", "does not tell a media type"),
    ],
)
async def test_what_cannot_be_right_is_refused_and_nothing_is_sent(
    house: House, tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArgumentError, match=f"^file: .*{problem}"):
        await house.client.assets.upload(tmp_path / name)
    assert not house.sandbox.requests


async def test_a_file_of_more_than_5_gib_is_refused_and_nothing_is_sent(house: House, tmp_path: Path) -> None:
    huge = tmp_path / "huge.mp4"
    with huge.open("wb") as file:
        file.truncate(5 * 1024**3 + 1)
    with pytest.raises(ArgumentError, match="at most 5,368,709,120 are taken"):
        await house.client.assets.upload(huge)
    assert not house.sandbox.requests


async def test_a_file_that_grows_meanwhile_is_refused(house: House, big: Path) -> None:
    """What is stored would not be the file."""

    def grow(done: int, total: int | None) -> None:
        if done < (total or 0):
            with big.open("ab") as file:
                file.write(b"more")

    with pytest.raises(ArgumentError, match="became longer while it was sent"):
        await house.client.assets.upload(big, on_progress=grow)
    assert house.sandbox.world.assets == {}


async def test_a_listener_that_fails_ends_the_upload_with_its_own_error(house: House, big: Path) -> None:
    def stop(*_: object) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        await house.client.assets.upload(big, on_progress=stop)


class TestLargeFilesOfAGeneration:
    """Files that a form should not carry go to storage first."""

    @pytest.fixture(autouse=True)
    def small_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_starting, "LARGEST_FORM_FILE", 1_000_000)

    async def test_they_travel_by_address_and_the_others_in_the_form(self, house: House, big: Path) -> None:
        job = await house.client.generations.create_with_files(model="lipsync-2", video=big, audio=SPEECH)
        (sent,) = house.stored("PUT")
        assert sent.headers["Content-Length"] == str(big.stat().st_size)
        assert job.input[0].url.endswith(sent.path)
        assert {item.type for item in job.input} == {"video", "audio"}

    async def test_without_a_form_when_all_are_large(self, house: House, big: Path, tmp_path: Path) -> None:
        voice = tmp_path / "voice.wav"
        voice.write_bytes(SPEECH.read_bytes() * 20)
        await house.client.generations.create_with_files(model="lipsync-2", video=big, audio=voice)
        (create,) = [seen for seen in house.sandbox.requests if seen.path == "/v2/generate"]
        assert create.headers["Content-Type"] == "application/json"
        assert len(house.stored("PUT")) == 2

    async def test_an_input_that_names_the_file_gets_its_address(self, house: House, tmp_path: Path) -> None:
        """So that segments find the voice under its name."""
        voice = tmp_path / "voice.wav"
        voice.write_bytes(SPEECH.read_bytes() * 20)
        segment = GenerationSegment(start_time=0, end_time=1, audio_input=SegmentAudioInput(ref_id="a"))
        job = await house.client.generations.create_with_files(
            model="lipsync-2", video=FACE, audio=voice, input=[Audio(ref_id="a")], segments=[segment]
        )
        (named,) = [item for item in job.input if item.type == "audio"]
        assert named.ref_id == "a"
        assert named.url is not None
        assert named.url.endswith("voice.wav")

    async def test_a_repeat_with_the_same_key_sends_no_file_and_buys_nothing(
        self, house: House, big: Path
    ) -> None:
        """The same file has the same address, or else the body would be another."""
        options = {"idempotency_key": "k-1"}
        for _ in range(2):
            await house.client.generations.create_with_files(
                model="lipsync-2", video=big, audio=SPEECH, request_options=options
            )
        assert len(house.stored("PUT")) == 1
        assert len(house.sandbox.generations) == 1

    async def test_a_file_that_has_changed_is_sent_again(self, house: House, big: Path) -> None:
        for content in (big.read_bytes(), big.read_bytes() + b"more"):
            big.write_bytes(content)
            await house.client.generations.create_with_files(model="lipsync-2", video=big, audio=SPEECH)
        assert len(house.stored("PUT")) == 2

    async def test_arguments_are_checked_before_a_file_is_sent(self, house: House, big: Path) -> None:
        with pytest.raises(ArgumentError, match="output_file_name"):
            await house.client.generations.create_with_files(
                model="lipsync-2", video=big, audio=SPEECH, output_file_name="a b"
            )
        assert not house.sandbox.requests


async def test_a_host_that_takes_nothing_more_is_given_up_after_the_read_timeout(tmp_path: Path) -> None:
    """A connection that stalls is no connection."""
    path = tmp_path / "v.mp4"
    path.write_bytes(os.urandom(30_000_000))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            place = json.dumps({"uploadUrl": f"{url}/put", "url": "https://x/v.mp4", "expiresIn": 60}).encode()
            head = b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(place)
            writer.write(head + place)
            writer.close()
            return
        writer.transport.pause_reading()
        await released.wait()
        writer.transport.abort()

    released = asyncio.Event()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with AsyncSync(api_key="k", base_url=url, timeout=Timeout(read=0.3), max_retries=0) as client:
        with pytest.raises(UploadError, match="127.0.0.1 did not take the file: no answer in time"):
            await client.assets.upload(path)
    released.set()
    server.close()
    await asyncio.sleep(0.05)  # the server's side ends
