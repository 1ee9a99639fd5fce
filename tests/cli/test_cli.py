"""The command, as a person in a terminal or a script meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from sync_async import BatchResponse
from sync_async.sandbox.jobs import SAMPLES
from sync_blocking import Sandbox, Sync

pytestmark = pytest.mark.timeout(60)

FACE, SPEECH = str(SAMPLES / "face.mp4"), str(SAMPLES / "speech.wav")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A server for the commands."""
    with Sandbox(latency=0.3) as made:
        yield made


def syncso(
    *arguments: str, base_url: str = "", key: str = "sk-test", **other: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command as another program would: no terminal."""
    environment = {**os.environ, "SYNC_BASE_URL": base_url, "SYNC_API_KEY": key, "COLUMNS": "200"}
    command = [sys.executable, "-W", "error", "-m", "sync_async.cli.app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **other)


def test_generate_saves_a_video_and_prints_its_path(sandbox: Sandbox, tmp_path: Path) -> None:
    """Results on stdout, plain lines of progress on stderr."""
    out = tmp_path / "out.mp4"
    done = syncso("generate", "--video", FACE, "--audio", SPEECH, "-o", str(out), base_url=sandbox.base_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    assert "completed" in done.stderr
    assert "\x1b" not in done.stderr
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


def test_generate_takes_links_text_and_json(sandbox: Sandbox) -> None:
    """A file beside a link, and words instead of a voice."""
    link = "https://example.com/face.mp4"
    mixed = syncso("generate", "--video", link, "--audio", SPEECH, "--json", base_url=sandbox.base_url)
    assert json.loads(mixed.stdout)["status"] == "COMPLETED"
    spoken = syncso(
        "generate",
        "--video",
        link,
        "--text",
        "Hi.",
        "--voice",
        "v",
        "--sync-mode",
        "loop",
        "--json",
        base_url=sandbox.base_url,
    )
    generation = json.loads(spoken.stdout)
    assert generation["input"][1]["provider"]["script"] == "Hi."
    assert generation["options"] == {"sync_mode": "loop"}


def test_nothing_is_bought_when_the_result_could_not_be_saved(sandbox: Sandbox, tmp_path: Path) -> None:
    """The destination is looked at first."""
    there = tmp_path / "out.mp4"
    there.write_text("mine")
    before = len(sandbox.generations)
    for out in (there, tmp_path / "no" / "out.mp4"):
        done = syncso("generate", "--video", FACE, "--audio", SPEECH, "-o", str(out), base_url=sandbox.base_url)
        assert done.returncode == 2
        assert "error: output: " in done.stderr
    assert there.read_text() == "mine"
    assert len(sandbox.generations) == before
    forced = syncso(
        "generate", "--video", FACE, "--audio", SPEECH, "-o", str(there), "--force", base_url=sandbox.base_url
    )
    assert forced.returncode == 0
    assert there.stat().st_size > 1000


def test_a_failed_generation_is_exit_code_1_and_its_reason(sandbox: Sandbox) -> None:
    """With --json, the generation is still printed."""
    sandbox.end_next("FAILED", "generation_pipeline_failed", "No face was found.")
    done = syncso("generate", "--video", FACE, "--audio", SPEECH, "--json", base_url=sandbox.base_url)
    assert done.returncode == 1
    assert "No face was found." in done.stderr
    assert json.loads(done.stdout)["errorCode"] == "generation_pipeline_failed"


def test_time_running_out_tells_how_to_go_on(sandbox: Sandbox) -> None:
    """The id, and the command that looks again."""
    sandbox.faults.add(
        "answer",
        path="/v2/generate/.*",
        method="GET",
        times=None,
        status=200,
        body={"id": "x", "status": "PENDING"},
    )
    try:
        done = syncso(
            "generate", "--video", FACE, "--audio", SPEECH, "--timeout", "0.5", base_url=sandbox.base_url
        )
    finally:
        sandbox.faults.clear()
    assert done.returncode == 1
    assert "syncso generations get " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["generate", "--video", "none.mp4", "--audio", SPEECH], 2, "error: video: there is no file 'none.mp4'"),
        (["generate", "--video", FACE], 2, "a voice is needed"),
        (["generate", "--video", FACE, "--text", "Hi."], 2, "voice_id"),
        (["generate"], 2, "Missing option '--video'"),
        (["wonder"], 2, "No such command 'wonder'"),
        (["assets", "list", "--limit", "0"], 2, "limit"),
        (["generations", "get", "nowhere"], 1, "generation_not_found"),
        (["generations", "get", "../batch"], 2, "id"),
        (["batch", "get", "nowhere"], 1, "404"),
    ],
)
def test_expected_errors_are_a_line_and_a_code(
    sandbox: Sandbox, arguments: list[str], code: int, text: str
) -> None:
    """2 for what was asked wrongly, 1 for what came to nothing; never a traceback."""
    done = syncso(*arguments, base_url=sandbox.base_url)
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_a_key_or_a_server_the_error_says_what_to_do(sandbox: Sandbox) -> None:
    """The first two things that go wrong for a newcomer."""
    assert "SYNC_API_KEY" in syncso("models", base_url=sandbox.base_url, key="").stderr
    unreachable = syncso("models", base_url="http://127.0.0.1:9")
    assert unreachable.returncode == 1
    assert "no connection to 127.0.0.1:9" in unreachable.stderr


def test_looking_things_up_prints_tables_and_json(sandbox: Sandbox) -> None:
    """For people, and for programs in the API's own form."""
    table = syncso("models", base_url=sandbox.base_url)
    assert "lipsync-2-pro" in table.stdout
    assert {
        model["name"] for model in json.loads(syncso("models", "--json", base_url=sandbox.base_url).stdout)
    } > {"sync-3"}
    made = json.loads(
        syncso("generate", "--video", FACE, "--audio", SPEECH, "--json", base_url=sandbox.base_url).stdout
    )
    assert made["id"] in syncso("generations", "list", "--status", "COMPLETED", base_url=sandbox.base_url).stdout
    shown = syncso("generations", "get", made["id"], base_url=sandbox.base_url)
    assert "COMPLETED" in shown.stdout
    assets = json.loads(syncso("assets", "list", "--json", base_url=sandbox.base_url).stdout)
    assert assets["totalCount"] >= 2
    one = syncso("assets", "get", assets["items"][0]["id"], base_url=sandbox.base_url)
    assert assets["items"][0]["id"] in one.stdout
    assert syncso("batch", "list", base_url=sandbox.base_url).stdout.strip() == "none"
    assert syncso("--version").stdout.startswith("syncso 0.")


def test_the_sandbox_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """It prints its address, and ends with exit code 0 and no traceback."""
    command = [
        sys.executable,
        "-m",
        "sync_async.cli.app",
        "sandbox",
        "--port",
        "0",
        "--json",
        "--folder",
        str(tmp_path / "f"),
    ]
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stderr is not None
            told = json.loads(server.stdout.readline())
            assert syncso("models", base_url=told["base_url"], key=told["api_key"]).returncode == 0
            server.send_signal(number)
            assert server.wait(10) == 0
            assert server.stderr.read() == ""
    assert (tmp_path / "f" / "journal.jsonl").exists()


def test_a_taken_port_is_exit_code_2(sandbox: Sandbox) -> None:
    """With the port in the message."""
    port = sandbox.base_url.rpartition(":")[2]
    done = syncso("sandbox", "--port", port)
    assert done.returncode == 2
    assert f"port {port}" in done.stderr


def test_the_demonstration_makes_two_playable_videos(tmp_path: Path) -> None:
    """One awaited, one blocking; each with picture, sound and the right length."""
    done = syncso("demo", "--out", str(tmp_path / "videos"), "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert [item["style"] for item in shown] == ["awaited", "blocking"]
    for item in shown:
        with av.open(item["path"]) as container:
            assert [stream.type for stream in container.streams] == ["video", "audio"]
            assert float(container.duration / av.time_base) == pytest.approx(4.0, abs=0.1)
            assert sum(1 for _ in container.decode(video=0)) == 100


def test_help_says_that_the_sandbox_moves_no_lips() -> None:
    """Nobody shall take its videos for the real thing."""
    assert "moves no lips" in syncso("sandbox", "--help").stdout.replace("\n  ", " ")


def test_without_the_extra_the_command_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """And nothing crashes."""
    import importlib.util

    from sync_async import cli

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert cli.main() == 1
    assert "pip install 'syncso[cli]'" in capsys.readouterr().err


def test_a_file_is_uploaded_and_its_id_printed(sandbox: Sandbox) -> None:
    done = syncso("assets", "upload", FACE, "--name", "mine.mp4", base_url=sandbox.base_url)
    assert done.returncode == 0, done.stderr
    with Sync(base_url=sandbox.base_url, api_key="k") as client:
        assert client.assets.get(done.stdout.strip()).name == "mine.mp4"


def test_a_generation_is_waited_for_and_downloaded(sandbox: Sandbox, tmp_path: Path) -> None:
    """In two steps, as after a broken connection."""
    with Sync(base_url=sandbox.base_url, api_key="k") as client:
        job = client.generations.create_with_files(model="lipsync-2", video=FACE, audio=SPEECH)
    waited = syncso("generations", "wait", job.id, "--json", base_url=sandbox.base_url)
    assert json.loads(waited.stdout)["status"] == "COMPLETED"
    got = syncso("generations", "download", job.id, "-o", str(tmp_path), base_url=sandbox.base_url)
    assert got.stdout.strip() == str(tmp_path / f"{job.id}.mp4")
    assert (tmp_path / f"{job.id}.mp4").stat().st_size > 1000
    again = syncso("generations", "download", job.id, "-o", str(tmp_path), base_url=sandbox.base_url)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_a_batch_is_waited_for_and_its_results_printed(sandbox: Sandbox) -> None:
    """A line for each row, as the server wrote it."""
    inputs = [{"type": "video", "url": "https://x/v.mp4"}, {"type": "audio", "url": "https://x/a.wav"}]
    rows = [{"request_id": f"r-{n}", "payload": {"model": "lipsync-2", "input": inputs}} for n in range(20)]
    with Sync(base_url=sandbox.base_url, api_key="k") as client:
        batch = client.batch.create(rows=rows)
    assert isinstance(batch, BatchResponse)
    waited = syncso("batch", "wait", batch.id, "--json", base_url=sandbox.base_url)
    assert json.loads(waited.stdout)["metrics"]["success_count"] == 20
    results = syncso("batch", "results", batch.id, base_url=sandbox.base_url)
    assert {json.loads(line)["request_id"] for line in results.stdout.splitlines()} == {
        f"r-{n}" for n in range(20)
    }
