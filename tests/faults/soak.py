"""The long form of the campaign: `python -m tests.faults.soak`, or `make soak`.

First each fault at each step of each call, once and always, in all styles; then, until time is up, calls at once
and one after the other under faults drawn at random. The seed is printed; `--seed` plays the same again.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator

import attrs

from sync_async import SyncError
from tests.faults.calls import CASES, Case
from tests.faults.cells import cells_of, faults_in, leaks, plan_of
from tests.faults.house import HURRIED, PATIENT, STYLES, House, Outcome, Style
from tests.faults.kinds import FAULTS, Fault

MOST_AT_ONCE, MOST_FAULTS = 8, 6
DRAWN = [fault for fault in FAULTS if fault.name != "dripping for ever"]
"""A file may take as long as it needs while its bytes come; the matrix knows which step the others meet."""
ROUNDS_A_HOUSE = 200
"""Rounds after which a house is made anew: lists of all batches grow with each that is bought."""


def matrix(until: float, report: Callable[[str], None]) -> int:
    """Play all cells in all styles, and give how many there were."""
    count = 0
    for fault, open_style in itertools.product(FAULTS, STYLES.values()):
        with open_style() as style:
            for cell in cells_of(fault):
                count += 1
                for what in faults_in(style, cell):
                    report(f"{style.name} {cell}: {what}")
        if time.monotonic() > until:
            break
    return count


@attrs.frozen
class Round:
    """Calls at once and the faults that they meet."""

    cases: list[Case]
    plans: list[tuple[Fault, int, int | None]]
    """Each fault, the number of the first request that it meets, and how many."""
    is_patient: bool

    @classmethod
    def drawn(cls, chance: random.Random) -> Round:
        """Draw a round."""
        cases = chance.choices(CASES, k=chance.randint(1, MOST_AT_ONCE))
        requests = 3 * len(cases)
        plans: list[tuple[Fault, int, int | None]] = [
            (chance.choice(DRAWN), chance.randrange(requests), chance.choice([1, 1, 2, 3, 5, None]))
            for _ in range(chance.randint(1, MOST_FAULTS))
        ]
        return cls(cases, plans, chance.random() < 0.5)

    def __str__(self) -> str:
        faults = [f"{fault.name} from {first} {times or 'on'}" for fault, first, times in self.plans]
        return (
            f"{[case.name for case in self.cases]} under {faults}, {'patient' if self.is_patient else 'hurried'}"
        )

    def play(self, style: Style) -> list[tuple[Case, Outcome]]:
        """Make the calls."""
        timeout = PATIENT if self.is_patient else HURRIED
        outcomes = style.together([case.call for case in self.cases], timeout=timeout)
        return list(zip(self.cases, outcomes, strict=True))


def problems(style: Style, drawn: Round) -> Iterator[str]:
    """Play a round, and say what is wrong, in words."""
    house = style.house
    before, batches = set(house.sandbox.generations), len(house.sandbox.world.batches)
    house.proxy.begin(*(plan_of(*plan) for plan in drawn.plans))
    played = drawn.play(style)
    for case, outcome in played:
        if outcome.error is not None and not isinstance(outcome.error, SyncError):
            yield f"{case.name} raised {outcome.error!r}"
    yield from leaks(house, Outcome())
    for _, outcome in played:
        yield from leaks(_nothing_arrived(house), outcome)
    yield from _purchases(house, played, before, batches)


def _nothing_arrived(house: House) -> House:
    """Give the house without what arrived, for a second look at errors only."""
    return attrs.evolve(house, proxy=attrs.evolve(house.proxy, arrived=[]))


def _purchases(house: House, played: list[tuple[Case, Outcome]], before: set[str], batches: int) -> Iterator[str]:
    """Say where more was bought than was asked for, or two calls were given the same."""
    own = {id for id, made in house.sandbox.generations.items() if made.batch is None and id not in before}
    creates = [case for case, _ in played if case.steps[0] == "create" or case.name == "request, a generation"]
    if len(own) > len(creates):
        yield f"{len(creates)} calls bought {len(own)} generations"
    good = [outcome.value for case, outcome in played if case.steps[0] == "create" and outcome.error is None]
    given = [getattr(value, "generation_id", None) or value.id for value in good]
    if len(set(given)) != len(given) or not set(given) <= own:
        yield f"calls were given {given} of {own}"
    asked = sum(case.name == "batch.create" for case, _ in played)
    if len(house.sandbox.world.batches) - batches > asked:
        yield f"{asked} calls bought {len(house.sandbox.world.batches) - batches} batches"
    bodies: dict[str | None, set[bytes]] = {}
    for seen in house.proxy.arrived:
        if (seen.method, seen.path) == ("POST", "/v2/generate"):
            bodies.setdefault(seen.headers.get("Idempotency-Key"), set()).add(seen.body)
    if None in bodies or len(bodies) > len(creates) or any(len(each) > 1 for each in bodies.values()):
        yield f"creates carried the keys {list(bodies)} with {[len(each) for each in bodies.values()]} bodies"


def at_random(seed: int, until: float, report: Callable[[str], None]) -> int:
    """Play rounds until time is up, and give how many calls there were."""
    chance, count, number = random.Random(seed), 0, 0
    for name, open_style in itertools.cycle(STYLES.items()):
        if time.monotonic() > until:
            break
        with open_style() as style:
            for _ in range(ROUNDS_A_HOUSE):
                number += 1
                drawn = Round.drawn(chance)
                count += len(drawn.cases)
                for what in problems(style, drawn):
                    report(f"{name}, round {number}: {drawn}: {what}")
                if time.monotonic() > until:
                    break
    return count


def main() -> None:
    """Play both forms, and end with 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="for both forms together")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only-random", action="store_true", help="leave the matrix out")
    told = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if told.seed is None else told.seed
    sys.stdout.write(f"seed {seed}\n")
    until, wrong = time.monotonic() + 60 * told.minutes, []

    def report(what: str) -> None:
        wrong.append(what)
        sys.stdout.write(f"WRONG {what}\n")
        sys.stdout.flush()

    cells = 0 if told.only_random else matrix(until, report)
    sys.stdout.write(f"{cells} cells of the matrix, {len(wrong)} problems\n")
    sys.stdout.flush()
    calls = at_random(seed, until, report)
    sys.stdout.write(f"{calls} calls under random faults, {len(wrong)} problems in all\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
