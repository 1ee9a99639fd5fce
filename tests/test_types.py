"""The data classes as a user holds them."""

from __future__ import annotations

import copy
import json
import pickle

import attrs
import pytest

import sync_async
from sync_async import Audio, Generation, GenerationError, GenerationOptions, Video
from sync_async._codec import decode
from sync_async.types._model import ApiObject
from tests.conftest import GENERATION

MODELS = [value for value in vars(sync_async).values() if isinstance(value, type) and issubclass(value, ApiObject)]


@pytest.mark.parametrize("cls", MODELS)
def test_every_data_class_is_frozen_and_takes_keywords_only(cls: type[ApiObject]) -> None:
    """Nobody can change an answer by mistake, or mix up the order of fields."""
    assert all(field.kw_only for field in attrs.fields(cls) if field.init)
    assert cls.__setattr__ is not object.__setattr__


def test_changing_a_field_is_refused() -> None:
    """Frozen means frozen."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Video(url="https://x/v.mp4").url = "other"


def test_an_unknown_keyword_is_refused_by_name() -> None:
    """A misspelled field is not silently sent to the server."""
    with pytest.raises(
        TypeError, match="Video has no field 'assetid'. Did you mean 'asset_id'.*It takes asset_id, extra"
    ):
        Video(assetid="x")
    with pytest.raises(TypeError, match="Did you mean 'asset_id'"):
        Video(assetId="x")
    with pytest.raises(TypeError, match="GenerationOptions has no field 'i2v_prompt'"):
        GenerationOptions(i2v_prompt="wave")


def test_an_attribute_that_is_nowhere_is_an_attribute_error() -> None:
    """Unknown fields can be read, but a typing mistake is still one."""
    with pytest.raises(AttributeError, match="output_ulr"):
        decode(GENERATION, Generation).output_ulr  # noqa: B018


def test_a_repr_shows_no_signed_link_and_no_unset_field() -> None:
    """Logs must not hold what opens a file."""
    shown = repr(decode({**GENERATION, "outputUrl": "https://x/o.mp4?sig=SECRET"}, Generation))
    assert "SECRET" not in shown
    assert "https://x/o.mp4?…" in shown
    assert "segments" not in shown


def test_models_pickle_and_copy() -> None:
    """Results travel between processes."""
    made = decode({**GENERATION, "newField": 1}, Generation)
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made
    assert attrs.evolve(made, status="COMPLETED").newField == 1


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Generation) if field.init])
def test_generations_are_equal_when_all_that_the_server_said_is(name: str) -> None:
    """The key is ours: the same generation has it when it was made, and not when it was read."""
    made = decode(GENERATION, Generation)
    other = attrs.evolve(made, **{name: {"another": 1}})
    assert (other == made, other != made) == ((name == "idempotency_key"), (name != "idempotency_key"))


def test_objects_of_two_kinds_are_never_equal() -> None:
    """Whatever their fields are."""
    assert Video(url="https://x/v") != Audio(url="https://x/v")
    assert Video(url="https://x/v") != {"type": "video", "url": "https://x/v"}


def test_inputs_can_be_put_into_sets() -> None:
    """Frozen values without lists in them are hashable."""
    assert len({Video(url="https://x/v"), Video(url="https://x/v"), Audio(url="https://x/v")}) == 2


def test_the_pydantic_spellings_give_what_syncsdk_gives() -> None:
    """Recorded from syncsdk 0.3.0 for the same answer."""
    made = decode({**GENERATION, "webhookUrl": None, "newField": 3, "options": {"sync_mode": "loop"}}, Generation)
    as_dict = made.dict()
    assert as_dict["createdAt"].year == 2026
    assert as_dict["webhookUrl"] is None
    assert as_dict["newField"] == 3
    assert "outputUrl" not in as_dict
    as_json = json.loads(made.json())
    assert as_json["created_at"] == "2026-11-22T10:00:00Z"
    assert as_json["webhook_url"] is None
    assert "output_url" not in as_json
    dumped = made.model_dump()
    assert dumped["output_url"] is None
    assert dumped["input"][0]["asset_id"] is None
    assert "extra" not in dumped
    assert "idempotency_key" not in dumped
    assert json.loads(made.model_dump_json())["options"]["sync_mode"] == "loop"
    assert made.model_copy(update={"status": "COMPLETED"}).status == "COMPLETED"
    assert Video(url="x").dict() == {"type": "video", "url": "x"}


def test_options_take_fields_that_have_no_name_here() -> None:
    """Options of the server that this version does not type reach it unchanged."""
    options = GenerationOptions(sync_mode="loop", extra={"i2v_prompt": "wave"})
    assert options.to_dict() == {"sync_mode": "loop", "i2v_prompt": "wave"}


def test_an_error_body_is_read_by_attribute_or_by_wire_name() -> None:
    """Programs written for syncsdk do either, depending on the status."""
    body = GenerationError(message="no", status_code=400, extra={"upgradeUrl": "u"})
    assert body.message == body["message"] == "no"
    assert body.status_code == body["statusCode"] == 400
    assert body.get("upgradeUrl") == "u"
    assert "errorCode" not in body
