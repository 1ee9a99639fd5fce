"""Everything that a person does around a generation, each in one call, against the sandbox and in both styles."""

from __future__ import annotations

import io
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest

from sync_async import (
    ArgumentError,
    AsyncSync,
    Audio,
    DownloadError,
    Generation,
    GenerationFailedError,
    UnauthorizedError,
    Video,
    WaitTimeoutError,
)
from sync_async.sandbox import AsyncSandbox
from sync_async.sandbox.jobs import SAMPLES
from sync_blocking import Sandbox, Sync

FACE, PICTURE, SPEECH = SAMPLES / "face.mp4", SAMPLES / "face.png", SAMPLES / "speech.wav"
INPUT = [Video(url="https://media.example/v.mp4"), Audio(url="https://media.example/a.wav")]


@pytest.fixture
async def sandbox() -> AsyncIterator[AsyncSandbox]:
    async with AsyncSandbox(latency=0.1, concurrency=None, render=False) as made:
        yield made
        assert made.leaks == []


@pytest.fixture
async def client(sandbox: AsyncSandbox) -> AsyncIterator[AsyncSync]:
    async with AsyncSync(base_url=sandbox.base_url, api_key=sandbox.api_key) as made:
        yield made


class TestRun:
    """Start and wait."""

    async def test_it_gives_the_generation_as_it_ended(self, client: AsyncSync) -> None:
        told: list[str] = []
        done = await client.generations.run(
            model="lipsync-2", input=INPUT, timeout=20, on_update=lambda one: told.append(one.status)
        )
        assert done.output_url is not None
        assert told[-1] == "COMPLETED"

    async def test_a_failure_raises_unless_asked_not_to(self, sandbox: AsyncSandbox, client: AsyncSync) -> None:
        sandbox.end_next("REJECTED", "generation_input_validation_failed", "no")
        with pytest.raises(GenerationFailedError) as caught:
            await client.generations.run(model="lipsync-2", input=INPUT)
        assert caught.value.generation.status == "REJECTED"
        sandbox.end_next()
        done = await client.generations.run(model="lipsync-2", input=INPUT, raise_on_failure=False)
        assert done.status == "FAILED"

    async def test_a_timeout_names_the_job_and_buys_nothing(self, sandbox: AsyncSandbox) -> None:
        async with (
            AsyncSandbox(latency=math.inf) as slow,
            AsyncSync(base_url=slow.base_url, api_key="k") as client,
        ):
            with pytest.raises(WaitTimeoutError, match="do not create it again") as caught:
                await client.generations.run(model="lipsync-2", input=INPUT, timeout=0.3)
            assert [caught.value.id] == list(slow.generations)

    async def test_an_error_of_the_wait_tells_what_was_started(
        self, sandbox: AsyncSandbox, client: AsyncSync
    ) -> None:
        """Or else a paid job would be lost."""
        sandbox.faults.add("answer", method="GET", status=401, times=None)
        with pytest.raises(UnauthorizedError) as caught:
            await client.generations.run(model="lipsync-2", input=INPUT)
        (id,) = sandbox.generations
        assert f"generation {id} was started" in caught.value.__notes__[0]

    async def test_a_negative_timeout_is_refused_before_anything_is_bought(
        self, sandbox: AsyncSandbox, client: AsyncSync
    ) -> None:
        with pytest.raises(ArgumentError, match="^timeout: "):
            await client.generations.run(model="lipsync-2", input=INPUT, timeout=-1)
        assert not sandbox.requests


class TestLipsync:
    """From here to here."""

    async def test_two_files_become_a_file(self, tmp_path: Path) -> None:
        """A playable one, as long as the voice."""
        async with (
            AsyncSandbox(latency=0.1) as sandbox,
            AsyncSync(base_url=sandbox.base_url, api_key="k") as client,
        ):
            out = tmp_path / "out.mp4"
            done = await client.lipsync(FACE, SPEECH, options={"sync_mode": "loop"}, output=out, timeout=60)
            assert done.status == "COMPLETED"
            with av.open(str(out)) as container:
                assert [stream.type for stream in container.streams] == ["video", "audio"]
                assert float(container.duration / av.time_base) == pytest.approx(4.0, abs=0.1)

    async def test_each_medium_is_taken_in_any_form(self, client: AsyncSync) -> None:
        video = await client.assets.upload(FACE)
        voice = await client.assets.upload(SPEECH)
        with FACE.open("rb") as open_video:
            forms: list[tuple[Any, Any, list[str]]] = [
                (str(FACE), SPEECH, ["video", "audio"]),
                (FACE.read_bytes(), io.BytesIO(SPEECH.read_bytes()), ["video", "audio"]),
                (open_video, "https://media.example/a.wav", ["audio", "video"]),
                ("https://media.example/v.mp4?sig=1", SPEECH, ["video", "audio"]),
                (video, voice, ["video", "audio"]),
                (Video(asset_id=video.id), Audio(asset_id=voice.id), ["video", "audio"]),
                ("https://media.example/face.PNG", voice, ["image", "audio"]),
                (PICTURE, SPEECH, ["image", "audio"]),
            ]
            for seen, heard, kinds in forms:
                done = await client.lipsync(seen, heard, model="sync-3", timeout=20)
                assert [item.type for item in done.input] == kinds, (seen, heard)

    async def test_a_text_is_spoken(self, client: AsyncSync) -> None:
        done = await client.lipsync(FACE, text="Hello.", voice_id="v-1", timeout=20)
        assert {item.type for item in done.input} == {"video", "text"}
        assert done.synthesized_audio_url is not None

    @pytest.mark.parametrize(
        ("arguments", "more", "problem"),
        [
            ((FACE,), {}, "audio: a voice is needed"),
            ((FACE,), {"text": "Hi."}, "voice_id: a text needs a voice"),
            ((FACE,), {"voice_id": "v"}, "voice_id: it is the voice of a text, and there is no text"),
            ((FACE, SPEECH), {"text": "Hi.", "voice_id": "v"}, "text: there is audio already"),
            ((SPEECH, SPEECH), {}, "video: it is of type audio, where video or image is needed"),
            ((FACE, PICTURE), {}, "audio: it is of type image, where audio is needed"),
            (("no.mp4", SPEECH), {}, "video: there is no file"),
            ((FACE, 7), {}, "audio: int is not a file"),
            ((FACE, "ftp://x/a.wav"), {}, "audio: there is no file"),
            ((FACE, SPEECH), {"output": "no such/out.mp4"}, "output: there is no folder"),
            ((FACE, SPEECH), {"output": str(FACE)}, "output: .* is there already"),
            ((FACE, SPEECH), {"timeout": 0}, "timeout: "),
            ((FACE, SPEECH), {"output_file_name": "a/b"}, "output_file_name: "),
        ],
    )
    async def test_what_cannot_be_right_is_refused_and_nothing_is_sent(
        self,
        sandbox: AsyncSandbox,
        client: AsyncSync,
        arguments: tuple[Any, ...],
        more: dict[str, Any],
        problem: str,
    ) -> None:
        with pytest.raises(ArgumentError, match=f"^{problem}"):
            await client.lipsync(*arguments, **more)
        assert not sandbox.requests

    async def test_a_result_that_does_not_arrive_is_not_lost(
        self, sandbox: AsyncSandbox, client: AsyncSync, tmp_path: Path
    ) -> None:
        """The error has the id, and the next call fetches it without paying again."""
        sandbox.faults.add("reset", origin="storage", method="GET", times=None)
        quick = client.with_options(max_retries=0)
        with pytest.raises(DownloadError) as caught:
            await quick.lipsync(FACE, SPEECH, output=tmp_path / "out.mp4")
        sandbox.faults.clear()
        assert caught.value.generation_id is not None
        await client.generations.download(caught.value.generation_id, tmp_path / "out.mp4")
        assert len(sandbox.generations) == 1

    def test_both_styles_are_the_same(self, tmp_path: Path) -> None:
        """And each listener of the blocking one runs in the caller's thread."""
        told: list[Any] = []
        with Sandbox(latency=0.1, render=False) as sandbox, Sync(base_url=sandbox.base_url, api_key="k") as client:
            done = client.lipsync(
                str(FACE),
                SPEECH,
                output=tmp_path,
                timeout=20,
                on_update=lambda one: told.append(one.status),
                on_download=lambda here, total: told.append((here, total)),
            )
            size = (tmp_path / f"{done.id}.mp4").stat().st_size
        assert isinstance(done, Generation)
        assert told[-1] == (size, size)
        assert "COMPLETED" in told
