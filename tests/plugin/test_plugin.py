"""The plugin for pytest, in projects of their own."""

from __future__ import annotations

import json
import socket

import pytest

from tests.code_blocks import blocks_of
from tests.plugin.conftest import OWN_KEY, SETTINGS, Project
from tests.wheel import ROOT

pytestmark = pytest.mark.timeout(120)

GUIDE = ROOT / "docs" / "guides" / "testing.md"
FROM_THE_WHEEL = """
import sys
from pathlib import Path
import sync_async, sync_blocking

def test_it_is_the_wheel_that_is_tested():
    for package in (sync_async, sync_blocking):
        assert Path(package.__file__).is_relative_to(sys.prefix)
"""


def test_the_project_of_the_guide_passes(project: Project) -> None:
    """As it is printed there, in two processes at once, without a warning or a word on stderr."""
    files = {block.path: block.code for block in blocks_of(GUIDE) if block.path}
    assert {"app.py", "test_app.py", "test_app_async.py", "test_app_anyio.py", "conftest.py"} <= files.keys()
    for name, code in files.items():
        project.write(name, code)
    project.write("test_origin.py", FROM_THE_WHEEL)
    outcome = project.test("-n", "2")
    tests = sum(code.count("def test_") for code in files.values()) + 1
    assert (outcome.counts, outcome.stderr) == ({"passed": tests}, ""), outcome.stdout


ASYNC_TESTS = """
async def test_the_client_works(sync_sandbox, async_sync_client):
    assert len(await async_sync_client.models.list()) == 5
    assert len(sync_sandbox.requests) == 1

async def test_the_next_test_has_a_client_of_its_own(sync_sandbox, async_sync_client):
    assert not sync_sandbox.requests
    assert len(await async_sync_client.models.list()) == 5

async def test_transfers_too(async_sync_client, tmp_path):
    (tmp_path / "face.mp4").write_bytes(b"a film")
    asset = await async_sync_client.assets.upload(tmp_path / "face.mp4")
    assert (await async_sync_client.assets.get(asset.id)).name == "face.mp4"

async def test_a_client_that_nobody_uses(async_sync_client):
    assert async_sync_client.models
"""
STRICT = "import pytest\npytestmark = pytest.mark.asyncio\n"
SESSION = 'import pytest\npytestmark = pytest.mark.asyncio(loop_scope="session")\n'
ANYIO = """
import pytest
pytestmark = pytest.mark.anyio

@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request):
    return "asyncio", {"use_uvloop": request.param}
"""


def test_async_tests_of_both_modes_of_pytest_asyncio(project: Project) -> None:
    """With a loop for each test, and with one for all; connections are closed before either loop."""
    project.write("test_strict.py", STRICT + ASYNC_TESTS)
    project.write("test_session.py", SESSION + ASYNC_TESTS)
    outcome = project.test("-p", "no:anyio")
    assert (outcome.counts, outcome.stderr) == ({"passed": 8}, ""), outcome.stdout
    project.write("test_strict.py", ASYNC_TESTS)
    outcome = project.test("-o", "asyncio_mode=auto")
    assert (outcome.counts, outcome.stderr) == ({"passed": 8}, ""), outcome.stdout


def test_async_tests_of_anyio(project: Project) -> None:
    """On asyncio's own loop and on uvloop's, without pytest-asyncio."""
    project.write("pytest.ini", SETTINGS.replace("asyncio_default_fixture_loop_scope = function", ""))
    project.write("test_anyio.py", ANYIO + ASYNC_TESTS)
    outcome = project.test("-p", "no:asyncio")
    assert (outcome.counts, outcome.stderr) == ({"passed": 8}, ""), outcome.stdout


def test_a_test_is_alone_with_its_sandbox(project: Project) -> None:
    """Which has the settings that are nearest to it, and gives the user's environment back."""
    project.write(
        "conftest.py",
        """
        import pytest

        @pytest.fixture(scope="session")
        def sync_sandbox_settings():
            return {"concurrency": 7, "webhook_secret": "whsec_ours", "latency": 1.5}
        """,
    )
    project.write(
        "test_settings.py",
        """
        import asyncio, os, unittest
        import pytest
        from sync_blocking import Sync

        pytestmark = pytest.mark.sync_sandbox(concurrency=5, latency=2.5)

        @pytest.mark.sync_sandbox(latency=3.5)
        class TestNearest:
            @pytest.mark.sync_sandbox(posts_per_minute=1)
            def test_settings(self, sync_sandbox):
                settings = sync_sandbox.settings
                assert (settings.latency, settings.posts_per_minute) == (3.5, 1)
                assert (settings.concurrency, settings.webhook_secret) == (5, "whsec_ours")

        class TestOfTheStandardLibrary(unittest.TestCase):
            def test_the_mark_is_enough(self):
                with Sync() as client:
                    assert len(client.models.list()) == 5

        @pytest.mark.sync_sandbox(api_key="sk-taken-only")
        def test_no_other_key_is_sent(sync_sandbox, sync_client, async_sync_client):
            assert os.environ["SYNC_BASE_URL"] == sync_sandbox.base_url
            with Sync() as client:
                assert len(client.models.list()) == 5
            assert len(sync_client.models.list()) == 5
            assert len(asyncio.run(async_sync_client.models.list())) == 5
            assert len(sync_sandbox.requests) == 3

        def test_undoing_ones_own_patches_leaves_the_sandbox(sync_sandbox, monkeypatch):
            monkeypatch.setenv("SYNC_API_KEY", "sk-other")
            monkeypatch.undo()
            assert os.environ["SYNC_API_KEY"] == "sk-sandbox"
            assert os.environ["SYNC_BASE_URL"] == sync_sandbox.base_url
        """,
    )
    project.write(
        "test_without.py",
        f"""
        import os

        def test_the_environment_is_the_users():
            assert os.environ["SYNC_API_KEY"] == {OWN_KEY!r}
            assert "SYNC_BASE_URL" not in os.environ
        """,
    )
    outcome = project.test()
    assert (outcome.counts, outcome.stderr) == ({"passed": 5}, ""), outcome.stdout


def test_what_cannot_be_is_told_in_a_line(project: Project) -> None:
    """Wrong settings, a port that is taken, and rendering without PyAV fail their own test only."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        project.write("conftest.py", "import sys\nsys.modules['av'] = None  # as if it were not installed\n")
        project.write(
            "test_wrong.py",
            f"""
            import pytest

            @pytest.mark.sync_sandbox(latencies=3)
            def test_no_setting(): pass

            @pytest.mark.sync_sandbox(latency=-1)
            def test_no_value(): pass

            @pytest.mark.sync_sandbox(3)
            def test_no_name(): pass

            @pytest.mark.sync_sandbox(port={port})
            def test_taken(): pass

            @pytest.mark.sync_sandbox(render=True)
            def test_rendering(): pass

            def test_right(sync_client):
                assert len(sync_client.models.list()) == 5
            """,
        )
        outcome = project.test()
    assert (outcome.counts, outcome.stderr) == ({"passed": 1, "errors": 5}, ""), outcome.stdout
    for message in (
        "sync_sandbox: 'latencies' is no setting of the sandbox; there are host, port, ",
        "sync_sandbox: latency may not be negative: -1",
        "@pytest.mark.sync_sandbox takes settings by name only, not (3,)",
        f"PortInUseError: port {port} of 127.0.0.1 cannot be listened on: ",
        "render=True needs PyAV: pip install 'syncso[sandbox]'",
    ):
        assert message in outcome.stdout


OTHER_PLUGINS = ("anyio", "asyncio", "hypothesispytest", "timeout", "xdist", "xdist.looponfail")
LOADED = """
import json, sys

def pytest_unconfigure():
    with open("loaded.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""


def test_a_project_that_does_not_use_it_hardly_notices(project: Project) -> None:
    """Of the package only the plugin itself is imported, and nothing that it depends on."""
    project.write("conftest.py", LOADED)
    project.write("test_nothing.py", "def test_nothing(): pass\n")
    project.write("pytest.ini", "[pytest]\n")
    others = [part for name in OTHER_PLUGINS for part in ("-p", f"no:{name}")]
    assert project.test(*others).counts == {"passed": 1}
    loaded = json.loads((project.folder / "loaded.json").read_text())
    ours = [name for name in loaded if name.partition(".")[0] in ("sync_async", "sync_blocking", "sync")]
    assert ours == ["sync_async", "sync_async.pytest_plugin"]
    assert not {"aiohttp", "anyio", "asyncio", "attrs", "cattrs", "av", "typer"} & set(loaded)


def test_it_can_be_left_out(project: Project) -> None:
    """By pytest's own switch."""
    project.write("test_it.py", "def test_it(sync_sandbox): pass\n")
    outcome = project.test("-p", "no:syncso")
    assert outcome.counts == {"error": 1}
    assert "fixture 'sync_sandbox' not found" in outcome.stdout
