"""Process pools: each worker makes its own client, errors come home whole, and keys do not travel."""

from __future__ import annotations

import multiprocessing
import pickle

import pytest

from sync_async import AsyncSync
from sync_blocking import Sync
from tests.process.conftest import Script

WORK = """
import multiprocessing, pickle, warnings
from concurrent.futures import ProcessPoolExecutor

warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)

client = None

def count(_):
    global client
    client = client or Sync()
    return len(client.models.list())

def fail(id):
    with Sync() as own:
        return own.generations.get(id)

if __name__ == "__main__":
    before = Sync()
    say(len(before.models.list()))
    context = multiprocessing.get_context("{method}")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        say(list(pool.map(count, range(6))))
        try:
            pool.submit(fail, "no-such-id").result()
        except Exception as error:
            say(type(error).__name__, error.status_code, error.error_code)
        try:
            pool.submit(count, before).result()
        except TypeError as error:
            say("one per process" in str(error))
    say(len(before.models.list()))
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_make_their_own_clients(run: Script, method: str) -> None:
    """However they are started; an error keeps its type and what it knows."""
    lines = run(WORK.replace("{method}", method), as_file=True)
    assert lines == ["5", "[5, 5, 5, 5, 5, 5]", "NotFoundError 404 generation_not_found", "True", "5"]


POOL = """
import multiprocessing
import warnings

warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)

def open_client():
    global client
    client = Sync()

def count(_):
    return len(client.models.list())

if __name__ == "__main__":
    with Sync() as own:
        say(len(own.models.list()))
        context = multiprocessing.get_context("{method}")
        with context.Pool(2, initializer=open_client, maxtasksperchild=4) as pool:
            say(list(pool.imap(count, range(6))))
        process = context.Process(target=open_client)
        process.start()
        process.join()
        say(process.exitcode, len(own.models.list()))
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_that_are_ended_leave_nothing_behind(run: Script, method: str) -> None:
    """Whether they are terminated, replaced, or come to their end."""
    lines = run(POOL.replace("{method}", method), as_file=True)
    assert lines == ["5", "[5, 5, 5, 5, 5, 5]", "0 5"]


def test_every_error_comes_home_from_a_worker(run: Script) -> None:
    """With its type, its words, all that it knows and its notes."""
    lines = run(
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from tests.test_errors import EXAMPLES

        def fail(kind):
            error = EXAMPLES[kind]
            error.add_note("in a worker")
            raise error

        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
            for kind, expected in EXAMPLES.items():
                found = pool.submit(fail, kind).exception()
                assert type(found) is kind, found
                assert str(found) == str(expected)
                known = {name: value for name, value in vars(found).items() if name != "__notes__"}
                assert known == vars(expected), known
                assert "in a worker" in found.__notes__
        say(len(EXAMPLES) > 20)
        """,
        as_file=True,
    )
    assert lines == ["True"]


@pytest.mark.parametrize(
    "client", [Sync(api_key="sk-secret"), AsyncSync(api_key="sk-secret")], ids=["Sync", "AsyncSync"]
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_client_is_not_pickled_and_says_what_to_do(client: object, protocol: int) -> None:
    """Its key would travel in the clear."""
    with pytest.raises(TypeError, match="make one per process"):
        pickle.dumps(client, protocol)
