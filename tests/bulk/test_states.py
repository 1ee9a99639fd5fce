"""The states of a row, and the ways between them."""

from __future__ import annotations

import itertools

import attrs
import pytest

from sync_async.bulk.records import Item
from sync_async.bulk.states import NOTES, OPEN, TERMINAL, TRANSITIONS, State, problem_of

WAYS = {
    (None, "new"),
    (None, "ready"),
    (None, "skipped"),
    (None, "rejected"),
    ("new", "ready"),
    ("new", "rejected"),
    ("new", "cancelled"),
    ("ready", "submitting"),
    ("ready", "cancelled"),
    ("submitting", "submitted"),
    ("submitting", "ready"),
    ("submitting", "unknown"),
    ("submitting", "conflict"),
    ("submitting", "rejected"),
    ("unknown", "submitted"),
    ("unknown", "submitting"),
    ("submitted", "remote_done"),
    ("submitted", "downloading"),
    ("submitted", "failed"),
    ("submitted", "rejected"),
    ("submitted", "ready"),
    ("remote_done", "downloading"),
    ("remote_done", "done"),
    ("downloading", "done"),
    ("downloading", "remote_done"),
    ("failed", "ready"),
    ("rejected", "ready"),
    ("rejected", "new"),
    ("failed", "new"),
    ("conflict", "new"),
    ("conflict", "ready"),
    ("conflict", "submitted"),
    ("conflict", "failed"),
    ("unknown", "failed"),
}


def test_the_ways_are_these_and_no_others() -> None:
    """Each further one could buy something twice, or lose it, and is to be thought about."""
    assert set(TRANSITIONS) == WAYS


def test_a_row_is_over_or_open_and_never_both() -> None:
    assert set(State) == OPEN | TERMINAL
    assert not OPEN & TERMINAL


def test_every_state_can_be_reached_and_every_open_one_can_end() -> None:
    targets = {target for _, target in TRANSITIONS}
    assert targets == set(State)
    leads_to: dict[State, set[State]] = {state: set() for state in State}
    for source, target in TRANSITIONS:
        if source is not None:
            leads_to[source].add(target)
    for state in OPEN:
        seen = {state}
        while more := {target for one in seen for target in leads_to[one]} - seen:
            seen |= more
        assert State.DONE in seen


def test_only_what_has_ended_badly_or_a_failed_job_is_bought_once_more() -> None:
    again = {way for way, transition in TRANSITIONS.items() if transition.starts_generation}
    assert again == {
        (State.SUBMITTED, State.READY),
        (State.FAILED, State.READY),
        (State.REJECTED, State.READY),
        (State.CONFLICT, State.READY),
        (State.FAILED, State.NEW),
        (State.REJECTED, State.NEW),
        (State.CONFLICT, State.NEW),
    }


def test_a_row_whose_answer_is_missing_does_not_go_back_by_itself() -> None:
    """It may have been bought."""
    assert TRANSITIONS[State.SUBMITTING, State.READY].if_unset == "unclear_us"


def test_only_a_claim_starts_sending() -> None:
    assert TRANSITIONS[State.READY, State.SUBMITTING].by == "claim"
    assert problem_of(State.READY, State.SUBMITTING, frozenset({"idem_key", "first_post_us"})) is not None


def test_a_transfer_never_leads_to_a_new_purchase() -> None:
    assert {target for source, target in TRANSITIONS if source == State.DOWNLOADING} == {"done", "remote_done"}


@pytest.mark.parametrize(("source", "target"), list(itertools.product(State, State)))
def test_a_change_that_is_not_in_the_table_is_told(source: State, target: State) -> None:
    """A note stays in its state; each change writes at least what it has to, and nothing else."""
    way = TRANSITIONS.get((source, target))
    required = way.required if way else frozenset[str]()
    is_known = (way is not None and way.by == "mark") or source == target
    assert (problem_of(source, target, required) is None) == is_known
    assert problem_of(source, target, required | {"item_id"}) is not None
    if required and is_known:
        assert problem_of(source, target, frozenset()) is not None


def test_keys_and_names_are_never_written_by_a_change() -> None:
    written = {name for way in TRANSITIONS.values() if way.by == "mark" for name in way.required | way.allowed}
    written |= {name for names in NOTES.values() for name in names}
    assert not written & {"seq", "item_id", "idem_key", "generation_no", "payload_sha", "frozen", "state"}
    assert written <= set(attrs.fields_dict(Item))


def test_bytes_change_only_before_a_purchase() -> None:
    """Within a generation a row's bytes stay what they are."""
    assert {
        way for way, transition in TRANSITIONS.items() if "body" in transition.required | transition.allowed
    } == {
        *((None, state) for state in (State.NEW, State.READY, State.SKIPPED)),
        (State.NEW, State.READY),
        *(way for way, transition in TRANSITIONS.items() if transition.starts_generation),
    }
    assert not any("body" in names for names in NOTES.values())
