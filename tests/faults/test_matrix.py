"""Each fault at each kind of step of the calls, once and from there on always, in both styles.

Calls and styles take turns here; `make soak` plays each fault at each step of each call in each style. What has
to hold in a cell stands in `cells`, what has to come of it in `expectations`.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from sync_async import ApiConnectionError, ApiError, ConflictError, DecodeError
from sync_blocking import Sync
from tests.faults.calls import CASES, ELSEWHERE, ROW, WAIT, Case, create, public_methods
from tests.faults.cells import Cell, faults_in, plan_of, some_cells_of
from tests.faults.house import HURRIED, STYLES, House, Style
from tests.faults.kinds import FAULTS, Fault


@pytest.fixture(scope="module")
def styles() -> Iterator[list[Style]]:
    """All styles, each with a house of its own."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(style()) for style in STYLES.values()]


def test_every_method_that_sends_requests_has_its_cases_here_or_elsewhere() -> None:
    here = {case.method for case in CASES}
    assert here | set(ELSEWHERE) == public_methods()
    assert not here & set(ELSEWHERE)


def test_the_blocking_client_has_the_same_methods() -> None:
    client = Sync(api_key="sk")
    for name in public_methods():
        assert callable(operator.attrgetter(name)(client))


def test_each_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_without_a_fault_a_call_takes_its_steps_and_succeeds(styles: list[Style], case: Case) -> None:
    """So that a fault at a step is known to meet the request that it is meant for."""
    for style in styles:
        style.house.proxy.begin()
        outcome = style.call(case.call)
        assert outcome.error is None
        assert case.is_right(style.house, outcome.value)
        assert style.house.proxy.count == len(case.steps)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_comes_to_what_is_documented(styles: list[Style], fault: Fault) -> None:
    """To success or to the right error, in time, with one purchase at most, and without the key elsewhere."""
    number = FAULTS.index(fault)
    wrong = []
    for turn, cell in enumerate(some_cells_of(fault, number), start=number):
        style = styles[turn % len(styles)]
        wrong += [f"{style.name} {cell}: {what}" for what in faults_in(style, cell)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("place", [0, 1])
def test_a_wrong_outcome_is_noticed(styles: list[Style], place: int) -> None:
    """The check itself can fail: with another error than the one that comes, and without a purchase."""
    by_name = {fault.name: fault for fault in FAULTS}
    case = next(case for case in CASES if case.method == "generations.run")
    told = attrs.evolve(by_name["422"], error=ConflictError)
    for style in styles:
        (problem,) = faults_in(style, Cell(told, case, place, always=False))
        assert "UnprocessableEntityError" in problem
        assert "instead of ConflictError" in problem


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_key_of_an_error_gives_the_generation_that_was_bought(styles: list[Style], fault: Fault) -> None:
    """A create that fails for good can be sent again with it, and buys one generation in all."""
    style = styles[FAULTS.index(fault) % len(styles)]
    house, before = style.house, set(style.house.sandbox.generations)
    house.proxy.begin(plan_of(fault, 0, None))
    error = style.call(create, timeout=HURRIED).error
    house.proxy.begin()
    if error is not None:
        assert isinstance(error, ApiError | ApiConnectionError | DecodeError)
        assert error.idempotency_key
        again = {"idempotency_key": error.idempotency_key}
        outcome = style.call(lambda client, house: create(client, house, request_options=again))
        assert outcome.error is None
        assert {outcome.value.id} == set(house.sandbox.generations) - before
    assert len(set(house.sandbox.generations) - before) == 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_row_that_is_run_again_with_its_key_is_bought_once(styles: list[Style], fault: Fault) -> None:
    """Whichever of its requests met the fault."""
    style = styles[FAULTS.index(fault) % len(styles)]
    house = style.house
    for place in range(3):
        before, path = set(house.sandbox.generations), house.new_path()

        def row(client: Any, _: House, path: Path = path) -> Any:
            return client.bulk.run_one(ROW, key=path.name, output=path, timeout=WAIT)

        house.proxy.begin(plan_of(fault, place, 5))
        style.call(row, timeout=HURRIED)
        house.proxy.begin()
        assert style.call(row).error is None
        assert len(set(house.sandbox.generations) - before) == 1
