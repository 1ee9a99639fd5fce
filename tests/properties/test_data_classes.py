"""Every data class of the API survives its way over the wire, and reading gives what the constructor gives."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_async._codec import decode
from sync_async._encoding import encode
from sync_async.types._model import ApiObject
from tests.properties.effort import examples
from tests.properties.shapes import data_classes, endpoints, extras, is_of, normal, objects, wire_objects, wires_of

every_class = pytest.mark.parametrize("cls", data_classes(), ids=lambda cls: cls.__name__)


def over_the_wire(made: ApiObject) -> Any:
    """Give what a server would read and send back."""
    return json.loads(json.dumps(encode(made), allow_nan=False))


@every_class
@examples(10)
@given(data=st.data())
def test_what_is_written_is_read_back_the_same(cls: type[ApiObject], data: st.DataObject) -> None:
    made = data.draw(objects(cls))
    assert is_of(made, cls)
    assert decode(over_the_wire(made), cls) == made
    assert decode(json.loads(made.to_json()), cls) == made


@every_class
@examples(10)
@given(data=st.data())
def test_what_is_read_is_written_back_the_same(cls: type[ApiObject], data: st.DataObject) -> None:
    """Unknown fields among it, and but for the few things that are written in one way only."""
    wire = data.draw(wire_objects(cls))
    as_it_was = copy.deepcopy(wire)
    read = decode(wire, cls)
    assert wire == as_it_was
    assert is_of(read, cls)
    assert encode(read) == normal(wire, cls)


@every_class
@examples(10)
@given(data=st.data())
def test_what_was_read_is_like_what_was_made(cls: type[ApiObject], data: st.DataObject) -> None:
    """In each way in which a program may look at it, and after each way in which it may travel."""
    read = decode(over_the_wire(data.draw(objects(cls))), cls)
    made = cls(**{field.alias: getattr(read, field.name) for field in attrs.fields(cls) if field.init})
    for view in (repr, ApiObject.to_dict, ApiObject.model_dump, attrs.asdict):
        assert view(read) == view(made)
    for copied in (pickle.loads(pickle.dumps(read)), copy.copy(read), copy.deepcopy(read), read.model_copy()):
        assert copied == read == made
        assert encode(copied) == encode(made)
        assert copied.extra == made.extra


@every_class
@examples(10)
@given(data=st.data())
def test_a_field_of_a_later_version_can_be_read(cls: type[ApiObject], data: st.DataObject) -> None:
    made, extra = data.draw(objects(cls)), data.draw(extras(cls))
    read = decode({**over_the_wire(made), **extra}, cls)
    assert read.extra == {**made.extra, **extra}
    for name, value in extra.items():
        if not name.startswith("_") and not hasattr(cls, name):
            assert getattr(read, name) == value


@pytest.mark.parametrize("name", endpoints())
@examples(10)
@given(data=st.data())
def test_every_answer_that_is_right_is_read(name: str, data: st.DataObject) -> None:
    shape = endpoints()[name].shape
    wire = data.draw(wires_of(shape))
    read = decode(wire, shape)
    assert is_of(read, shape)
    written = [encode(one) for one in read] if isinstance(read, list) else encode(read)
    assert written == normal(wire, shape)
