"""One cell of the matrix: a call, a fault, the step that it meets, and all that has to hold then."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator

import attrs

from sync_async import ApiTimeoutError
from tests.faults.calls import CASES, Case, Step
from tests.faults.expectations import Expected, applies, expected
from tests.faults.house import HURRIED, KEY, PATIENT, House, HungError, Outcome, Style
from tests.faults.kinds import Fault, Meaning
from tests.faults.proxy import Plan

ROUNDING = 0.01
"""Seconds by which the clock of a loop may be off."""


@attrs.frozen
class Cell:
    """A call and what happens to it."""

    fault: Fault
    case: Case
    place: int
    """The number of the step that the fault meets."""
    always: bool
    """Whether it meets all later requests, too."""

    @property
    def step(self) -> Step:
        return self.case.steps[self.place]

    @property
    def expected(self) -> Expected:
        outcomes = (expected(self.fault, self.case, step, always=self.always) for step in self._met)
        return next((outcome for outcome in outcomes if outcome is not None), None)

    @property
    def _met(self) -> tuple[Step, ...]:
        """The steps that the fault meets: the next ones, too, when it always does and none ends the call."""
        return self.case.steps[self.place :] if self.always else (self.step,)

    @property
    def can_be_told(self) -> bool:
        """Whether the fault can be noticed at all."""
        return all(applies(self.fault, step) for step in self._met)

    def __str__(self) -> str:
        how_often = "always" if self.always else "once"
        return f"{self.case.name}, {self.step} ({self.place}): {self.fault.name}, {how_often}"


def cells_of(fault: Fault) -> Iterator[Cell]:
    """Give the cells of a fault: each step of each call, met once, and from there on always."""
    for case in CASES:
        for place in range(len(case.steps)):
            both = (Cell(fault, case, place, always=always) for always in (False, True))
            yield from (cell for cell in both if cell.can_be_told)


def some_cells_of(fault: Fault, turn: int) -> Iterator[Cell]:
    """Give one cell for each kind of step and each number of times, of a call that takes its turn."""
    kinds: dict[tuple[Step, bool], list[Cell]] = {}
    for cell in cells_of(fault):
        kinds.setdefault((cell.step, cell.always), []).append(cell)
    yield from (cells[turn % len(cells)] for cells in kinds.values())


def plan_of(fault: Fault, first: int, times: int | None) -> Plan:
    """Give the plan by which a fault meets requests."""
    return Plan(fault.misbehave, first, times, at_accept=fault.at_accept)


def faults_in(style: Style, cell: Cell) -> list[str]:
    """Play a cell, and give what is wrong, in words; nothing when all holds."""
    house = style.house
    before = _bought(house)
    house.proxy.begin(plan_of(cell.fault, cell.place, None if cell.always else 1))
    # patient calls wait as long as servers ask; a call that always fails has 20 s for each request
    outcome = style.call(cell.case.call, timeout=HURRIED if cell.always else PATIENT)
    bought = tuple(now - then for now, then in zip(_bought(house), before, strict=True))
    wrong = [*_of_outcome(cell, house, outcome), *leaks(house, outcome), *_of_time(cell, house, outcome)]
    return [*wrong, *_of_purchases(cell, outcome, bought), *repeats_of_creates(house)]


def _bought(house: House) -> tuple[int, int]:
    return sum(made.batch is None for made in house.sandbox.generations.values()), len(house.sandbox.world.batches)


def _of_outcome(cell: Cell, house: House, outcome: Outcome) -> Iterator[str]:
    if house.proxy.count <= cell.place:
        yield f"only {house.proxy.count} requests were sent, none of which met the fault"
    if outcome.error is None:
        if cell.expected is not None:
            yield f"it succeeded with {outcome.value!r:.100} instead of raising {cell.expected.__name__}"
        elif not cell.case.is_right(house, outcome.value) and not _may_say_anything(cell):
            yield f"it succeeded with the wrong value {outcome.value!r:.200}"
    elif cell.expected is None:
        yield f"it raised {_in_short(outcome.error)} instead of succeeding"
    elif type(outcome.error) is not cell.expected:
        yield f"it raised {_in_short(outcome.error)} instead of {cell.expected.__name__}"


def _may_say_anything(cell: Cell) -> bool:
    return cell.step == "any" and cell.fault.meaning is Meaning.UNREADABLE


def _in_short(error: Exception) -> str:
    return f"{type(error).__name__} ({error})"


def leaks(house: House, outcome: Outcome) -> Iterator[str]:
    """Look for the key where it does not belong."""
    for seen in house.proxy.arrived:
        has_key = KEY.encode() in seen.raw
        if has_key != (seen.face == "api"):
            yield f"{seen.method} {seen.path} to {seen.face} {'had' if has_key else 'lacked'} the key"
    if outcome.error is None:
        return
    if isinstance(outcome.error, HungError):
        yield "it hung"
    told = "".join(traceback.format_exception(outcome.error)) + repr(outcome.error) + str(vars(outcome.error))
    pickled = pickle.dumps(outcome.error)
    if KEY in told or KEY.encode() in pickled:
        yield f"the error tells the key: {told}"
    if str(pickle.loads(pickled)) != str(outcome.error):
        yield "the error does not survive pickling"


def _of_time(cell: Cell, house: House, outcome: Outcome) -> Iterator[str]:
    """A call with a timeout ends by then, and a repeat does not come before the server's word."""
    longest = HURRIED.total or 0.0
    is_one_request = cell.case.steps[0] in ("read", "create", "never", "any") and len(cell.case.steps) == 1
    if cell.always and is_one_request and outcome.seconds > longest + ROUNDING:
        yield f"it took {outcome.seconds:.2f} s with a timeout of {longest:g} s"
    if isinstance(outcome.error, ApiTimeoutError) and not outcome.seconds:
        yield "it timed out at once"
    if cell.fault.least_wait and not cell.always and cell.step not in ("put", "get", "fetch"):
        yield from _of_repeat(cell, house)


def _of_repeat(cell: Cell, house: House) -> Iterator[str]:
    hit = next((seen for seen in house.proxy.arrived if seen.is_hit), None)
    if hit is None:
        return
    arrived = house.proxy.arrived
    again = [seen for seen in arrived if (seen.method, seen.path) == (hit.method, hit.path) and seen is not hit]
    if not again and cell.expected is None:
        yield "it was not sent again"
    waits = [seen.at - hit.at for seen in again]
    if waits and waits[0] < cell.fault.least_wait - ROUNDING:
        yield f"it came again after {waits[0]:.2f} s instead of {cell.fault.least_wait:g} s"


def _of_purchases(cell: Cell, outcome: Outcome, bought: tuple[int, int]) -> Iterator[str]:
    """One call buys one thing at most; one that buys and succeeds has bought it."""
    generations, batches = bought
    buys = {"create": (1, 0), "never": (0, 1)}
    most = buys.get(cell.case.steps[0], (0, 0)) if cell.case.name != "request, a generation" else (1, 0)
    if generations > most[0] or batches > most[1]:
        yield f"it bought {generations} generations and {batches} batches"
    if outcome.error is None and bought != most and not _may_say_anything(cell):
        yield f"it succeeded and has bought {generations} generations and {batches} batches"


def repeats_of_creates(house: House) -> Iterator[str]:
    """A create is repeated with the same key and the same bytes."""
    creates = [seen for seen in house.proxy.arrived if (seen.method, seen.path) == ("POST", "/v2/generate")]
    keys = {seen.headers.get("Idempotency-Key") for seen in creates}
    if creates and (len(keys) != 1 or None in keys):
        yield f"creates were sent with the keys {keys}"
    if len({seen.body for seen in creates}) > 1:
        yield "a create was repeated with other bytes"
