"""Ctrl-C in a blocking call: the work is cancelled, cleans up, and only then the caller hears of it."""

from __future__ import annotations

import pytest

from sync_blocking import Sandbox
from tests.process.conftest import Script

REPEATS = 10


@pytest.mark.parametrize("repeat", range(REPEATS))
def test_a_wait_that_is_interrupted_ends_and_the_client_goes_on(run: Script, repeat: int) -> None:
    """Nothing stands on stderr, and the generation is neither lost nor bought again."""
    lines = run(
        """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        try:
            client.generations.wait(job.id, on_update=lambda _: say("interrupt me"))
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        say(client.generations.get(job.id).id == job.id)
        client.close()
        """,
        interrupt=True,
    )
    assert lines == ["KeyboardInterrupt", "True"]


@pytest.mark.parametrize("repeat", range(3))
def test_the_very_first_call_can_be_interrupted(run: Script, sandbox: Sandbox, repeat: int) -> None:
    """While the loop starts, aiohttp loads, or the server is slow."""
    sandbox.faults.add("stall", path="/v2/models", seconds=1.0)
    lines = run(
        """
        client = Sync(max_retries=0)
        try:
            say("interrupt me")
            client.models.list()
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        say(len(client.assets.list().items))
        """,
        interrupt=True,
    )
    sandbox.faults.clear()
    assert lines == ["KeyboardInterrupt", "0"]


def test_a_file_on_its_way_can_be_interrupted(run: Script) -> None:
    """The caller's file stays open, and no request is left half sent."""
    lines = run(
        """
        import io

        class Slow(io.BytesIO):
            name = "face.mp4"
            told = False
            def read(self, size=-1):
                if self.tell() > 500_000:
                    if not self.told:
                        self.told = True
                        say("interrupt me")
                    time.sleep(0.05)
                return super().read(size)

        file = Slow(bytes(5_000_000))
        client = Sync()
        try:
            client.generations.create_with_files(model="lipsync-2", video=file, audio=("a.wav", b"RIFF"))
        except KeyboardInterrupt:
            say("KeyboardInterrupt", file.closed)
        say(len(client.models.list()))
        """,
        interrupt=True,
    )
    assert lines[0] == "KeyboardInterrupt False"
    assert lines[-1] == "5"


def test_an_iterator_can_be_interrupted_and_gone_on_with(run: Script) -> None:
    lines = run(
        """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        items = client.generations.wait_many([job.id], on_update=lambda _: say("interrupt me"))
        try:
            next(items)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        items.close()
        say(list(items))
        """,
        interrupt=True,
    )
    assert lines == ["KeyboardInterrupt", "[]"]


def test_exit_in_a_listener_ends_the_program_and_not_the_loop(run: Script) -> None:
    """`sys.exit` in a callback is an exit, whoever calls it."""
    lines = run(
        """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        try:
            client.generations.wait(job.id, on_update=lambda _: sys.exit(3))
        except SystemExit as exit:
            say("exit", exit.code)
        say(len(client.models.list()))
        client.generations.wait(job.id, on_update=lambda _: sys.exit(4))
        """,
        code_after=4,
    )
    assert lines == ["exit 3", "5"]


def test_an_error_in_a_listener_reaches_the_caller(run: Script) -> None:
    lines = run(
        """
        client = Sync()
        job = client.generations.create(model="lipsync-2", input=INPUT)
        def fail(_):
            raise LookupError("mine")
        try:
            client.generations.wait(job.id, on_update=fail)
        except LookupError as error:
            say(error)
        """
    )
    assert lines == ["mine"]
