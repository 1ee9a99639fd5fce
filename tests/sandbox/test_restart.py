"""What a folder remembers."""

from __future__ import annotations

import json
from pathlib import Path

from tests.sandbox.conftest import AUDIO, BODY, Opener
from tests.sandbox.test_batches import RECORDS, ended, send


async def test_a_folder_remembers_what_has_ended(opened: Opener, tmp_path: Path) -> None:
    """Generations, assets, batches and their files; also when the ports are others."""
    first = await opened(folder=tmp_path)
    done = await first.made()
    asset = (await first("POST", "/v2/assets", json={"url": await first.upload(b"x"), "type": "VIDEO"})).json
    made = await send(first, RECORDS)
    await ended(first, made)
    deleted = next(id for id in first.sandbox.generations if id != done["id"])
    await first("DELETE", f"/v2/generations/{deleted}")
    await first.sandbox.close()
    second = await opened(folder=tmp_path, latency=float("inf"))
    again = (await second("GET", f"/v2/generate/{done['id']}")).json
    assert {**again, "outputUrl": ""} == {**done, "outputUrl": ""}
    assert (await second("GET", again["outputUrl"])).status == 200
    url = (await second("GET", f"/v2/assets/{asset['id']}")).json["url"]
    assert (await second("GET", url)).body == b"x"
    batch = await ended(second, made)
    assert (batch["status"], batch["metrics"]["success_count"]) == ("COMPLETED", 20)
    assert (await second("GET", f"/v2/generate/{deleted}")).status == 404


async def test_what_had_not_ended_goes_on(opened: Opener, tmp_path: Path) -> None:
    """With the inputs that it had, and the batch that it belongs to."""
    first = await opened(folder=tmp_path, latency=float("inf"))
    url = await first.upload(b"my video")
    running = (await first.create({**BODY, "input": [{"type": "video", "url": url}, AUDIO]})).json["id"]
    made = await send(first, RECORDS)
    await first.sandbox.close()
    second = await opened(folder=tmp_path)
    done = await second.ended(running)
    assert (done["status"], (await second("GET", done["outputUrl"])).body) == ("COMPLETED", b"my video")
    assert (await ended(second, made))["metrics"]["success_count"] == 20


async def test_a_batch_whose_last_row_had_ended_ends_too(opened: Opener, tmp_path: Path) -> None:
    """The sandbox may have been killed in between."""
    first = await opened(folder=tmp_path)
    made = await send(first, RECORDS)
    await ended(first, made)
    await first.sandbox.close()
    journal = tmp_path / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    kept = [line for line in lines if not (line["kind"] == "batch" and line["status"] == "COMPLETED")]
    journal.write_text("".join(json.dumps(line) + "\n" for line in kept) + '{"kind": "generation", "id"')
    second = await opened(folder=tmp_path)
    assert (await ended(second, made))["status"] == "COMPLETED"
    assert (await second.made())["status"] == "COMPLETED"


async def test_half_a_line_does_not_swallow_the_next(opened: Opener, tmp_path: Path) -> None:
    """The journal is written anew when it is opened, each thing once."""
    (tmp_path / "journal.jsonl").write_text('[1]\n{"kind": "generation"}\n{"kind": "gene')
    first = await opened(folder=tmp_path)
    done = await first.made()
    await first.sandbox.close()
    second = await opened(folder=tmp_path)
    assert (await second("GET", f"/v2/generate/{done['id']}")).json["status"] == "COMPLETED"
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert len([line for line in lines if done["id"] in line]) == 1


async def test_links_survive_a_restart_on_the_same_ports(opened: Opener, tmp_path: Path) -> None:
    """Their secret is kept in the folder."""
    first = await opened(folder=tmp_path)
    done = await first.made()
    port = int(first.sandbox.storage_url.rpartition(":")[2])
    await first.session.close()
    await first.sandbox.close()
    second = await opened(folder=tmp_path, storage_port=port)
    assert (await second("GET", done["outputUrl"])).status == 200


async def test_a_temporary_folder_is_removed(opened: Opener) -> None:
    """Closing leaves nothing behind."""
    api = await opened()
    folder = api.sandbox.world.storage.folder
    await api.made()
    await api.sandbox.close()
    assert not folder.exists()
