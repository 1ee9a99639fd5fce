"""Resources of a client are there from the beginning, and cost nothing until they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sync_async import AsyncSync
from sync_blocking import Sync

RESOURCES = ["assets", "batch", "bulk", "generations", "models"]


@pytest.mark.parametrize("cls", [AsyncSync, Sync])
def test_each_resource_is_made_once_and_is_listed_before(cls: type) -> None:
    client = cls(api_key="sk")
    assert set(RESOURCES) <= set(dir(client))
    for name in RESOURCES:
        resource = getattr(client, name)
        assert type(resource).__name__.removeprefix("Async").lower() == name
        assert getattr(client, name) is resource


@pytest.mark.parametrize("cls", [AsyncSync, Sync])
def test_a_copy_has_resources_of_its_own(cls: type) -> None:
    client = cls(api_key="sk")
    first = client.generations
    assert client.with_options(timeout=5).generations is not first


@pytest.mark.parametrize("cls", [AsyncSync, Sync])
def test_a_misspelled_resource_is_an_attribute_error(cls: type) -> None:
    client = cls(api_key="sk")
    with pytest.raises(AttributeError, match=rf"^'{cls.__name__}' object has no attribute 'generation'$"):
        client.generation  # noqa: B018
    assert not hasattr(client, "_portals")


@pytest.mark.parametrize("cls", [AsyncSync, Sync])
def test_a_callers_own_class_may_have_annotations_of_its_own(cls: type) -> None:
    own = type("Own", (cls,), {"__annotations__": {"team": "str"}})
    client = own(api_key="sk")
    with pytest.raises(AttributeError, match="team"):
        client.team  # noqa: B018
    client.team = "dubbing"
    assert client.team == "dubbing"
    assert client.models is client.models


@pytest.mark.parametrize(("package", "name"), [("sync_async", "AsyncSync"), ("sync_blocking", "Sync")])
def test_what_a_program_does_not_use_is_not_imported(package: str, name: str) -> None:
    """Neither the other resources and their types, nor what moves files."""
    code = (
        f"import sys; from {package} import {name}; client = {name}(api_key='sk'); client.models; "
        "print(*(module for module in sys.modules if module.startswith(('sync_', 'aiohttp', 'cattrs', 'anyio'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert f"{package}.resources.models" in loaded
    assert not {f"{package}.resources.{other}" for other in RESOURCES if other != "models"} & loaded
    assert not {module for module in loaded if module.startswith(("aiohttp", "cattrs", "anyio"))}
    assert not {module for module in loaded if module.startswith(("sync_async.transfer", "sync_async.jobs"))}
    assert "sync_async.types.generations" not in loaded
