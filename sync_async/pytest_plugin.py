"""The sandbox as fixtures of your tests. pytest finds this module by itself; `-p no:syncso` leaves it out.

sync_sandbox            a sync.so API of the test's own; SYNC_BASE_URL and SYNC_API_KEY lead to it
sync_sandbox_settings   what all sandboxes are told, for you to override
sync_client             a blocking client of it
async_sync_client       a client of it for async tests, whatever runs them

@pytest.mark.sync_sandbox(concurrency=1)   tells one, and makes it where no fixture asks for it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

# Each test session of anybody who has the package installed imports this module: all else waits for a fixture.
if TYPE_CHECKING:
    from sync_async import AsyncSync
    from sync_blocking import Sandbox, Sync

MARK = "sync_sandbox"
QUICK: Mapping[str, Any] = {"latency": 0.0, "render": False}
"""Better in tests than the pace of a demonstration: generations end at once, and their output is their video."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, for `--strict-markers`."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(**settings): run the test with a sandbox of the sync.so API, told these settings "
        "(latency, concurrency, plan, render, ...; see sync_async/sandbox/settings.py)",
    )


@pytest.fixture(autouse=True)
def _sync_sandbox_of_the_mark(request: pytest.FixtureRequest) -> None:
    """Make the sandbox for tests that have the mark and no such parameter."""
    if request.node.get_closest_marker(MARK) is not None:
        request.getfixturevalue("sync_sandbox")


@pytest.fixture(scope="session")
def sync_sandbox_settings() -> Mapping[str, Any]:
    """Settings of every sandbox; override this fixture, in whatever scope, to have others than the default.

    A mark's settings go before these.
    """
    return {}


@pytest.fixture
def sync_sandbox(request: pytest.FixtureRequest, sync_sandbox_settings: Mapping[str, Any]) -> Iterator[Sandbox]:
    """A sync.so API on this machine, made for this test alone.

    `SYNC_BASE_URL` and `SYNC_API_KEY` lead to it while the test runs, so that clients which the program makes
    reach it and no other host. Generations end at once and are not rendered, unless the settings say otherwise.
    """
    from sync_blocking import Sandbox

    settings = {**sync_sandbox_settings, **_settings_of_marks(request.node)}
    _check_rendering(settings)
    try:
        made = Sandbox(**{**QUICK, **settings})
    except (TypeError, ValueError) as error:
        pytest.fail(f"{MARK}: {error}", pytrace=False)
    with made, pytest.MonkeyPatch.context() as environment:
        environment.setenv("SYNC_BASE_URL", made.base_url)
        environment.setenv("SYNC_API_KEY", made.api_key)
        yield made


@pytest.fixture
def sync_client(sync_sandbox: Sandbox) -> Iterator[Sync]:
    """A blocking client of the test's sandbox, closed after the test."""
    from sync_blocking import Sync

    with Sync(base_url=sync_sandbox.base_url, api_key=sync_sandbox.api_key) as client:
        yield client


@pytest.fixture
def async_sync_client(sync_sandbox: Sandbox) -> Iterator[AsyncSync]:
    """A client of the test's sandbox for async tests, closed before their loop ends.

    This is no async fixture: each plugin that runs async tests takes only its own kind of these.
    """
    from sync_async._closing_pool import ClosingPool, client_over

    pool = ClosingPool()
    yield client_over(pool, base_url=sync_sandbox.base_url, api_key=sync_sandbox.api_key)
    pool.close_now()


def _settings_of_marks(node: Any) -> dict[str, Any]:
    """Put the settings of a test's marks together: its own before those of its class and of its module."""
    settings: dict[str, Any] = {}
    for mark in node.iter_markers(MARK):
        if mark.args:
            pytest.fail(f"@pytest.mark.{MARK} takes settings by name only, not {mark.args!r}", pytrace=False)
        settings = {**mark.kwargs, **settings}
    return settings


def _check_rendering(settings: Mapping[str, Any]) -> None:
    """Stop a test that asks for rendered outputs where nothing can render; it would look at something else."""
    if settings.get("render"):
        from sync_async.sandbox.render import can_render

        if not can_render():
            pytest.fail("render=True needs PyAV: pip install 'syncso[sandbox]'", pytrace=False)
