"""Where a job finds its media."""

from __future__ import annotations

from typing import Any

import pytest

from sync_async.sandbox.jobs import SAMPLES
from tests.sandbox.conftest import AUDIO, VIDEO, Api, Opener, Receiver

FACE = SAMPLES / "face.mp4"


async def output(api: Api, done: dict[str, Any]) -> bytes:
    assert done["status"] == "COMPLETED", done
    return (await api("GET", done["outputUrl"])).body


async def test_media_of_this_machine_are_fetched_by_the_job(api: Api, receiver: Receiver) -> None:
    """Redirects are followed, and the same file is kept once."""
    receiver.files["v.mp4"] = b"bytes of a video"
    receiver.redirects["moved"] = "/v.mp4"
    for name in ("v.mp4", "moved", "v.mp4?x=1"):
        done = await api.made(input=[{"type": "video", "url": f"{receiver.url}/{name}"}, AUDIO])
        assert await output(api, done) == b"bytes of a video"
    kept = list((api.sandbox.world.storage.folder / "fetched").iterdir())
    assert len(kept) == 1


@pytest.mark.parametrize("kind", ["video", "audio", "image"])
async def test_media_that_are_not_there_fail_the_job(api: Api, receiver: Receiver, kind: str) -> None:
    """The create call knows nothing of it yet."""
    receiver.redirects["round"] = "/round"
    other = {"video": AUDIO, "image": AUDIO, "audio": VIDEO}[kind]
    model = "sync-3" if kind == "image" else "lipsync-2"
    for url in (receiver.url + "/none", receiver.url + "/round", "http://127.0.0.1:9/x"):
        made = await api.create({"model": model, "input": [{"type": kind, "url": url}, other]})
        assert made.status == 201
        ended = await api.ended(made.json["id"])
        assert (ended["status"], ended["errorCode"]) == ("FAILED", f"generation_input_{kind}_inaccessible")


async def test_other_machines_are_never_asked(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when a redirect leads there; the packaged media stand for theirs."""
    asked: list[str] = []
    fetched = api.sandbox.world.sources._fetched

    async def noted(url: str, kind: str) -> Any:
        asked.append(url)
        return await fetched(url, kind)

    monkeypatch.setattr(api.sandbox.world.sources, "_fetched", noted)
    receiver.redirects["away"] = "https://media.example/v.mp4"
    for url in ("https://media.example/v.mp4", f"{receiver.url}/away"):
        assert await output(api, await api.made(input=[{"type": "video", "url": url}, AUDIO])) == FACE.read_bytes()
    assert asked == [f"{receiver.url}/away"]


async def test_an_asset_without_its_file_cannot_be_fetched(api: Api) -> None:
    """As when it was deleted after the create call."""
    url = await api.upload(b"bytes")
    id = (await api("POST", "/v2/assets", json={"url": url, "type": "VIDEO"})).json["id"]
    path = api.sandbox.world.storage.path_of(url)
    assert path is not None
    path.unlink()
    ended = await api.made(input=[{"type": "video", "assetId": id}, AUDIO])
    assert ended["errorCode"] == "generation_input_video_inaccessible"


async def test_a_public_asset_is_its_url(api: Api, receiver: Receiver) -> None:
    """Its file is looked for where its address leads."""
    receiver.files["v.mp4"] = b"public"
    for url, expected in (
        (f"{receiver.url}/v.mp4", b"public"),
        ("https://media.example/v.mp4", FACE.read_bytes()),
    ):
        id = (await api("POST", "/v2/assets", json={"url": url, "type": "VIDEO"})).json["id"]
        assert await output(api, await api.made(input=[{"type": "video", "assetId": id}, AUDIO])) == expected


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"noise", "video", "generation_input_video_invalid"),
        (b"noise", "audio", "generation_input_audio_invalid"),
        (b"noise", "image", "generation_input_video_invalid"),
    ],
)
async def test_unreadable_media_fail_the_job_with_their_code(
    opened: Opener, content: bytes, kind: str, code: str
) -> None:
    """As at the real service; the catalogue has no code of its own for images."""
    api = await opened(render=True)
    mime = {"video": "video/mp4", "audio": "audio/wav", "image": "image/png"}[kind]
    url = await api.upload(content, "x", mime)
    other = VIDEO if kind == "audio" else AUDIO
    model = "sync-3" if kind == "image" else "lipsync-2"
    for _ in range(2):
        ended = await api.made(model=model, input=[{"type": kind, "url": url}, other])
        assert (ended["status"], ended["errorCode"]) == ("FAILED", code)
    assert list((api.sandbox.world.storage.folder / "renders").iterdir()) == []
