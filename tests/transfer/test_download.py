"""Results on their way here: whole or not at all, from where they broke off, and never with the key."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from sync_async import ArgumentError, ConflictError, DecodeError, DownloadError, Generation, NotFoundError
from sync_async._bodies import CHUNK_BYTES
from sync_async.transfer import partial_file
from tests.transfer.conftest import House, Opener


@pytest.fixture
async def done(house: House) -> Generation:
    """A generation whose output has 3 MB, each place of it different."""
    return await made(house)


async def made(house: House) -> Generation:
    generation: Generation = await house.made()
    output(house, generation).unlink()  # it may have other names
    output(house, generation).write_bytes(b"".join(number.to_bytes(4, "big") for number in range(750_000)))
    return generation


def output(house: House, generation: Generation) -> Path:
    return house.sandbox.world.storage.folder / "outputs" / f"{generation.id}.mp4"


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_result_arrives_whole_under_its_name(house: House, done: Generation, tmp_path: Path) -> None:
    """With its progress, and nothing beside it."""
    progress: list[tuple[int, int | None]] = []
    to = tmp_path / "out.mp4"
    path = await house.client.generations.download(done, to, on_progress=lambda *news: progress.append(news))
    assert path == to
    assert to.read_bytes() == output(house, done).read_bytes()
    assert progress[-1] == (3_000_000, 3_000_000)
    assert left_behind(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("name", [None, "my_take"])
async def test_in_a_folder_it_is_called_by_output_name_or_id(
    house: House, tmp_path: Path, name: str | None
) -> None:
    done = await house.made(output_file_name=name)
    path = await house.client.generations.download(done, tmp_path)
    assert path == tmp_path / f"{name or done.id}.mp4"
    assert path.stat().st_size > 0


async def test_an_id_is_enough(house: House, done: Generation, tmp_path: Path) -> None:
    """Then a link is asked for first."""
    path = await house.client.generations.download(done.id, str(tmp_path / "out.mp4"))
    assert path.stat().st_size == 3_000_000
    assert house.asked("GET", f"/v2/generations/{done.id}/download") == 1


@pytest.mark.parametrize("fault", ["cut", "length", "lost", "reset", "html", "empty"])
async def test_what_breaks_off_is_gone_on_with(house: House, done: Generation, tmp_path: Path, fault: Any) -> None:
    """The file is the same, and what was here is not sent again where the host gives parts."""
    house.sandbox.faults.add(fault, origin="storage", method="GET", times=2)
    path = await house.client.generations.download(done, tmp_path / "out.mp4")
    assert path.read_bytes() == output(house, done).read_bytes()
    assert left_behind(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("place", [0, 1])
async def test_a_page_in_the_files_place_is_not_taken_for_it(
    house: House, done: Generation, tmp_path: Path, place: int
) -> None:
    """Nor for the rest of it: what is here is kept, and gone on with."""
    page = {"status": 200, "body": "<html>Log in</html>", "headers": {"Content-Type": "text/html"}}
    house.sandbox.faults.add("cut", origin="storage", method="GET", times=place)
    house.sandbox.faults.add("answer", origin="storage", method="GET", **page)
    path = await house.client.generations.download(done, tmp_path / "out.mp4")
    assert path.read_bytes() == output(house, done).read_bytes()
    assert ("Range" in house.stored("GET")[-1].headers) is bool(place)
    house.sandbox.faults.add("answer", origin="storage", method="GET", times=None, **page)
    with pytest.raises(DownloadError, match="sent an HTML page; is a proxy or a login page in between"):
        await house.client.generations.download(done, tmp_path / "again.mp4")


@pytest.mark.parametrize("link", ["", "7", "<html>Log in</html>", "ftp://host/file"])
async def test_an_answer_that_is_no_link_is_a_decode_error(
    house: House, done: Generation, tmp_path: Path, link: str
) -> None:
    house.sandbox.faults.add("answer", path="/v2/generations/.*/download", status=200, body=link)
    with pytest.raises(DecodeError, match="it is no link"):
        await house.client.generations.download(done.id, tmp_path / "out.mp4")


async def test_a_second_try_asks_for_the_rest_only(house: House, done: Generation, tmp_path: Path) -> None:
    """By range, and only if the file is still the same."""
    house.sandbox.faults.add("cut", origin="storage", method="GET")
    await house.client.generations.download(done, tmp_path / "out.mp4")
    first, second = house.stored("GET")
    assert "Range" not in first.headers
    assert second.headers["Range"].startswith("bytes=")
    assert int(second.headers["Range"].removeprefix("bytes=").removesuffix("-")) > CHUNK_BYTES
    assert second.headers["If-Range"].startswith('"')


async def test_a_later_call_goes_on_with_the_part(house: House, done: Generation, tmp_path: Path) -> None:
    """The error says where it is, and what to call."""
    house.sandbox.faults.add("cut", origin="storage", method="GET")
    house.sandbox.faults.add("reset", origin="storage", method="GET", times=None)
    to = tmp_path / "out.mp4"
    with pytest.raises(DownloadError, match="bytes are in .*call it again with the same destination") as caught:
        await house.client.generations.download(done, to)
    part = caught.value.part
    assert part is not None
    assert (caught.value.generation_id, caught.value.host, caught.value.step) == (done.id, "127.0.0.1", "get")
    assert not to.exists()
    size = part.stat().st_size
    assert 0 < size < 3_000_000
    house.sandbox.faults.clear()
    progress: list[int] = []
    await house.client.generations.download(done.id, to, on_progress=lambda here, _: progress.append(here))
    assert progress[0] > size
    assert to.read_bytes() == output(house, done).read_bytes()
    assert left_behind(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("settings", [{"ranges": False}, {"etag": "weak"}, {"etag": "none"}])
async def test_without_parts_or_a_strong_tag_it_begins_again(
    opened: Opener, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Two halves that may be of different files are never joined."""
    house = await opened(**settings)
    done = await made(house)
    house.sandbox.faults.add("cut", origin="storage", method="GET")
    path = await house.client.generations.download(done, tmp_path / "out.mp4")
    assert path.read_bytes() == output(house, done).read_bytes()


async def test_a_file_that_changed_at_the_host_begins_again(
    house: House, done: Generation, tmp_path: Path
) -> None:
    house.sandbox.faults.add("cut", origin="storage", method="GET")
    house.sandbox.faults.add("reset", origin="storage", method="GET", times=None)
    with pytest.raises(DownloadError):
        await house.client.generations.download(done, tmp_path / "out.mp4")
    house.sandbox.faults.clear()
    output(house, done).write_bytes(b"another" * 100_000)
    path = await house.client.generations.download(done, tmp_path / "out.mp4")
    assert path.read_bytes() == b"another" * 100_000


async def test_the_part_of_another_generation_is_not_gone_on_with(
    house: House, done: Generation, tmp_path: Path
) -> None:
    other = await made(house)
    output(house, other).write_bytes(b"other" * 100_000)
    house.sandbox.faults.add("cut", origin="storage", method="GET")
    house.sandbox.faults.add("reset", origin="storage", method="GET", times=None)
    with pytest.raises(DownloadError):
        await house.client.generations.download(done, tmp_path / "out.mp4")
    house.sandbox.faults.clear()
    path = await house.client.generations.download(other, tmp_path / "out.mp4")
    assert path.read_bytes() == b"other" * 100_000


async def test_a_part_that_is_whole_already_is_taken_as_it_is(
    house: House, done: Generation, tmp_path: Path
) -> None:
    """As after a crash just before the end: the host answers that nothing is left."""
    whole = output(house, done).read_bytes()
    house.sandbox.faults.add("cut", origin="storage", method="GET")
    house.sandbox.faults.add("reset", origin="storage", method="GET", times=None)
    with pytest.raises(DownloadError) as caught:
        await house.client.generations.download(done, tmp_path / "out.mp4")
    house.sandbox.faults.clear()
    assert caught.value.part is not None
    caught.value.part.write_bytes(whole)
    path = await house.client.generations.download(done, tmp_path / "out.mp4")
    assert path.read_bytes() == whole
    assert house.stored("GET")[-1].headers["Range"] == "bytes=3000000-"


async def test_a_link_that_ended_is_asked_for_anew(house: House, done: Generation, tmp_path: Path) -> None:
    old = Generation(id=done.id, status="COMPLETED", output_url=f"{done.output_url}x")
    path = await house.client.generations.download(old, tmp_path / "out.mp4")
    assert path.stat().st_size == 3_000_000
    assert house.asked("GET", f"/v2/generations/{done.id}/download") == 1


async def test_a_link_that_ends_in_the_middle_costs_no_byte(
    house: House, done: Generation, tmp_path: Path
) -> None:
    house.sandbox.faults.add("cut", origin="storage", method="GET")
    house.sandbox.faults.add(
        "answer", origin="storage", method="GET", status=403, body="<Code>AccessDenied</Code>"
    )
    path = await house.client.generations.download(done, tmp_path / "out.mp4")
    assert path.read_bytes() == output(house, done).read_bytes()
    assert [("Range" in seen.headers) for seen in house.stored("GET")] == [False, True, True]


async def test_a_host_that_refuses_every_link_is_given_up(house: House, done: Generation, tmp_path: Path) -> None:
    house.sandbox.faults.add("answer", origin="storage", times=None, status=403, body="<Code>AccessDenied</Code>")
    with pytest.raises(DownloadError, match="403 AccessDenied; the link has ended") as caught:
        await house.client.generations.download(done, tmp_path / "out.mp4")
    assert house.asked("GET", f"/v2/generations/{done.id}/download") == 3
    assert "sig=" not in str(caught.value)
    assert left_behind(tmp_path) == []


async def test_a_host_that_never_gives_the_last_byte_is_given_up(opened: Opener, tmp_path: Path) -> None:
    """Progress renews the patience; the same bytes again do not."""
    house = await opened(short_body=True)
    done = await made(house)
    with pytest.raises(DownloadError, match="2,999,999 bytes are in"):
        await house.client.generations.download(done, tmp_path / "out.mp4")
    assert len(house.stored("GET")) < 20


async def test_an_older_server_gives_the_link_with_the_generation(
    house: House, done: Generation, tmp_path: Path
) -> None:
    house.sandbox.faults.add("answer", path="/v2/generations/.*/download", status=404)
    path = await house.client.generations.download(done.id, tmp_path / "out.mp4")
    assert path.stat().st_size == 3_000_000


async def test_a_file_that_is_there_is_replaced_only_on_request(
    house: House, done: Generation, tmp_path: Path
) -> None:
    to = tmp_path / "out.mp4"
    to.write_text("mine")
    with pytest.raises(ArgumentError, match="^to: .* is there already; take another name, or overwrite=True"):
        await house.client.generations.download(done, to)
    assert to.read_text() == "mine"
    await house.client.generations.download(done, to, overwrite=True)
    assert to.stat().st_size == 3_000_000


async def test_a_file_that_appears_meanwhile_is_not_replaced(
    house: House, done: Generation, tmp_path: Path
) -> None:
    to = tmp_path / "out.mp4"

    def appear(*_: object) -> None:
        to.write_text("mine")

    with pytest.raises(ArgumentError, match="has appeared meanwhile; the part is kept"):
        await house.client.generations.download(done, to, on_progress=appear)
    assert to.read_text() == "mine"
    await house.client.generations.download(done, to, overwrite=True)
    assert to.stat().st_size == 3_000_000
    assert left_behind(tmp_path) == ["out.mp4"]


async def test_a_full_disk_leaves_the_old_file_and_a_part(
    house: House, done: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room again, the same call goes on."""
    to = tmp_path / "out.mp4"
    to.write_text("mine")
    write = partial_file.PartialFile.write

    def fill(self: partial_file.PartialFile, chunk: bytes) -> None:
        if self.size > 1_000_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, chunk)

    monkeypatch.setattr(partial_file.PartialFile, "write", fill)
    with pytest.raises(DownloadError, match="from this machine: No space left on device") as caught:
        await house.client.generations.download(done, to, overwrite=True)
    assert caught.value.step == "write"
    assert to.read_text() == "mine"
    monkeypatch.undo()
    await house.client.generations.download(done, to, overwrite=True)
    assert to.read_bytes() == output(house, done).read_bytes()
    assert "Range" in house.stored("GET")[-1].headers


async def test_two_downloads_to_one_file_do_not_mix(house: House, done: Generation, tmp_path: Path) -> None:
    """The second is refused while the first writes."""
    to, problems = tmp_path / "out.mp4", []

    async def meanwhile(*_: object) -> None:
        if not problems:
            with pytest.raises(ArgumentError, match="another download is writing") as caught:
                await house.client.generations.download(done, to)
            problems.append(caught.value)

    await house.client.generations.download(done, to, on_progress=meanwhile)
    assert problems
    assert to.read_bytes() == output(house, done).read_bytes()


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ("no such/out.mp4", "there is no folder '.*no such'; make it first"),
        ("no such/", "there is no folder '.*no such'; make it first"),
        ("", "is not a path"),
        (3, "is not a path"),
    ],
)
async def test_a_destination_that_cannot_be_is_refused_and_nothing_is_sent(
    house: House, done: Generation, to: Any, problem: str
) -> None:
    before = len(house.sandbox.requests)
    with pytest.raises(ArgumentError, match=f"^to: .*{problem}"):
        await house.client.generations.download(done, to)
    assert len(house.sandbox.requests) == before


async def test_what_has_no_output_is_an_error_that_says_so(opened: Opener, tmp_path: Path) -> None:
    """Nothing is left in the folder."""
    house = await opened(latency=float("inf"))
    job = await house.client.generations.create(
        model="lipsync-2", input=[{"type": "video", "url": "https://x/v"}, {"type": "audio", "url": "https://x/a"}]
    )
    with pytest.raises(ArgumentError, match="^generation: it is PENDING and has no output"):
        await house.client.generations.download(job, tmp_path)
    with pytest.raises(ConflictError):
        await house.client.generations.download(job.id, tmp_path)
    with pytest.raises(NotFoundError):
        await house.client.generations.download("no-such-id", tmp_path)
    assert left_behind(tmp_path) == []
