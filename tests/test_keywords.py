"""A mistyped keyword is answered with those that there are, in both styles, before anything is sent."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from unittest import mock

import pytest

from sync_async import AsyncSync, Video
from sync_blocking import Sync

RESOURCES = tuple(AsyncSync.__annotations__)
FACES = [AsyncSync, Sync]


def _methods(resource: object) -> Iterator[str]:
    return (name for name, _ in inspect.getmembers(type(resource), inspect.isroutine) if not name.startswith("_"))


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("resource", RESOURCES)
async def test_every_method_names_a_wrong_keyword_and_all_right_ones(face: type, resource: str) -> None:
    client = face(api_key="sk", base_url="http://127.0.0.1:9")
    found = getattr(client, resource)
    for name in _methods(found):
        method = getattr(found, name)
        with pytest.raises(TypeError) as caught:
            method(modle="lipsync-2")
        text = str(caught.value)
        assert f"{name}() has no argument 'modle'" in text
        for keyword in inspect.signature(method).parameters:
            assert keyword in text, name


@pytest.mark.parametrize("face", FACES)
def test_the_likely_meaning_is_offered(face: type) -> None:
    client = face(api_key="sk", base_url="http://127.0.0.1:9")
    for wrong in ("webhookUrl", "webhook"):
        with pytest.raises(TypeError, match="Did you mean 'webhook_url'"):
            client.generations.create(model="lipsync-2", input=[], **{wrong: "http://x"})


@pytest.mark.parametrize("face", FACES)
def test_the_client_itself_names_them_too(face: type) -> None:
    with pytest.raises(TypeError, match=rf"^{face.__name__}\(\) has no argument 'apikey'. Did you mean 'api_key'"):
        face(apikey="sk")
    client = face(api_key="sk", base_url="http://127.0.0.1:9")
    with pytest.raises(TypeError, match="It takes api_key, timeout"):
        client.with_options(retries=3)
    with pytest.raises(TypeError, match="Did you mean 'query'"):
        client.request("GET", "/v2/voices", qurey={})


@pytest.mark.parametrize("face", FACES)
def test_a_missing_argument_keeps_pythons_own_words(face: type) -> None:
    client = face(api_key="sk", base_url="http://127.0.0.1:9")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'id'"):
        client.generations.get()


async def test_a_wrong_keyword_of_a_raw_method_is_named_when_it_is_awaited() -> None:
    client = AsyncSync(api_key="sk", base_url="http://127.0.0.1:9")
    with pytest.raises(TypeError, match="has no argument 'modle'"):
        await client.generations.with_raw_response.create(modle="lipsync-2")  # type: ignore[call-arg]


def test_data_classes_do_the_same() -> None:
    with pytest.raises(TypeError, match="Video has no field 'uri'. Did you mean 'url'"):
        Video(uri="https://example.com/face.mp4")  # type: ignore[call-arg]


def test_a_core_method_stays_a_coroutine_function_for_mocks_and_frameworks() -> None:
    double = mock.create_autospec(AsyncSync(api_key="sk", base_url="http://127.0.0.1:9"), instance=True)
    assert isinstance(double.generations.get, mock.AsyncMock)
    assert not isinstance(mock.create_autospec(Sync(api_key="sk")).generations.get, mock.AsyncMock)


async def test_no_frame_of_this_stands_in_the_traceback_of_a_refused_call() -> None:
    client = AsyncSync(api_key="sk", base_url="http://127.0.0.1:9")
    with pytest.raises(ValueError) as caught:
        await client.generations.get("a/b")
    assert not [
        frame for frame in traceback.extract_tb(caught.value.__traceback__) if "/_keywords" in frame.filename
    ]
