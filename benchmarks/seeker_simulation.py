"""How well bulk runs use a cap that nobody tells: `python benchmarks/seeker_simulation.py [--quick]`.

Policies are compared on the same servers, in virtual time, and each figure that the control is meant to reach is
measured. Results are printed and written to `benchmarks/results/seeker.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
from cap_model import HOUR, Aimd, MakePolicy, Oracle, Scenario, Workers, seeker, simulate

RESULTS = Path(__file__).parent / "results" / "seeker.json"
CAPS = (3, 6, 15, 100)
STEP = 2 * HOUR
DIP = 1800.0

Figures = dict[str, float]


@attrs.frozen
class Case:
    """A row of the table: what is run for each seed, and what is asked for."""

    name: str
    wanted: str
    measure: Callable[[int], Figures]


def policies() -> dict[str, tuple[MakePolicy, bool]]:
    """Name the policies, and whether each keeps to the pace."""
    return {
        "oracle that knows the cap": (Oracle, True),
        "50 workers, exponential back-off": (lambda server: Workers(50, server.scenario.seed), False),
        "AIMD x0.9": (lambda _: Aimd(), True),
        "CapSeeker": (seeker(), True),
    }


def compared(name: str, cap: int, seed: int) -> Figures:
    """Measure a policy on a steady cap."""
    make, paced = policies()[name]
    done = simulate(Scenario(caps=[(0, cap)], seed=seed), [make], known_limit=60, paced=paced)
    return {"used": done.used, "refused": done.refused, "seconds to 95 %": done.reached(0.95 * cap)}


def steady(cap: int, limit: int, seed: int, **other: object) -> Figures:
    """Measure the seeker on a steady cap."""
    scenario = Scenario(caps=[(0, cap)], posts_a_minute=limit, seed=seed, **other)
    done = simulate(scenario, [seeker()], known_limit=limit)
    return {"used": done.used, "refused": done.refused}


def after_100_jobs(seed: int) -> Figures:
    """Measure a cap of one, whose first refusals are a large part of few."""
    done = simulate(Scenario(caps=[(0, 1)], hours=24, seed=seed), [seeker()], known_limit=60)
    hundredth = done.clients[0].tally.accepted[100]
    return {"used": done.used, "refused": done.refused_between(hundredth, math.inf)}


def cold(cap: int, seed: int) -> Figures:
    """Measure the start at the pace of a limit that nobody knows."""
    done = simulate(Scenario(caps=[(0, cap)], posts_a_minute=600, hours=0.5, seed=seed), [seeker()])
    return {"seconds to 95 %": done.reached(0.95 * cap)}


def hinted(hint: int, cap: int, seed: int) -> Figures:
    """Measure a wrong hint."""
    done = simulate(Scenario(caps=[(0, cap)], seed=seed), [seeker(hint=hint)], known_limit=60)
    return {"used": done.used, "refused": done.refused}


def lowered(seed: int, hint: float | None = None) -> Figures:
    """Measure how long too many jobs run after a cap was lowered, and what is used from then on."""
    scenario = Scenario(caps=[(0, 15), (STEP, 6)], hours=4, hint=hint, seed=seed)
    done = simulate(scenario, [seeker()], known_limit=60)
    return {"seconds to the new cap": done.below(6 * 1.05, STEP), "refused": done.refused, "used": done.used}


def raised(seed: int, *, announced: bool) -> Figures:
    """Measure how long a higher cap stays unknown."""
    step = 2 * STEP + 431.0 * seed  # at any time between two trials
    scenario = Scenario(caps=[(0, 6), (step, 15)], hours=7, announced=announced, seed=seed)
    done = simulate(scenario, [seeker()], known_limit=60)
    found = done.reached(0.95 * 15, step)
    return {
        "seconds to 95 %": found,
        "accepts until then": done.accepted_between(step, step + min(found, 2 * HOUR)),
    }


def dipped(to: int, share: float, seed: int, hint: float | None = None) -> Figures:
    """Measure the recovery from half an hour with few slots, or none."""
    caps = [(0, 15), (STEP, to), (STEP + DIP, 15)]
    done = simulate(Scenario(caps=caps, hours=4, hint=hint, seed=seed), [seeker()], known_limit=60)
    return {"seconds after relief": done.reached(share * 15, STEP + DIP), "refused": done.refused}


def post_bound(limit: int, seed: int, *, known: bool) -> Figures:
    """Measure the second hour of a run that has more slots than the rate can fill."""
    cap = max(500, 3 * limit)
    scenario = Scenario(caps=[(0, cap)], posts_a_minute=limit, hours=2, seed=seed)
    done = simulate(scenario, [seeker()], known_limit=limit if known else None)
    return {
        "accepted, % of limit": 100 * done.accepted_between(HOUR, 2 * HOUR) / 60 / limit,
        "refused": done.refused_between(HOUR, 2 * HOUR),
    }


def stepped(seed: int) -> Figures:
    """Measure a cap that goes up and down again."""
    done = simulate(Scenario(caps=[(0, 6), (STEP, 15), (2 * STEP, 6)], seed=seed), [seeker()], known_limit=60)
    return {"used": done.used, "refused": done.refused}


def stubborn(seed: int) -> Figures:
    """Measure the whole organisation when another tenant wants five slots of fifteen."""
    done = simulate(Scenario(caps=[(0, 15)], stubborn=5, seed=seed), [seeker()], known_limit=60)
    return {"used": done.used, "refused": done.refused}


def copies(count: int, seed: int) -> Figures:
    """Measure several runs that know nothing of each other."""
    done = simulate(Scenario(caps=[(0, 15)], posts_a_minute=None, seed=seed), [seeker()] * count, known_limit=60)
    return {"used": done.used, "refused": done.refused}


def lossy(seed: int) -> Figures:
    """Measure a network that loses every fiftieth answer."""
    done = simulate(Scenario(caps=[(0, 15)], lost=0.02, seed=seed), [seeker()], known_limit=60)
    return {"used": done.used, "refused": done.refused}


def anything(seed: int) -> Figures:
    """Measure how long half the cap stays lost after a dip, on a server of which nothing is known."""
    chance = random.Random(seed)
    cap = chance.choice([2, 3, 6, 15, 40])
    to = chance.choice([0, 0, 1, max(1, cap // 4)])
    scenario = Scenario(
        caps=[(0, cap), (HOUR, to), (HOUR + chance.uniform(60, 3600), cap)],
        hours=4,
        length=chance.choice([30, 60, 120, 300, 750]),
        lag=chance.choice([0, 0, 1, 3, 10]),
        posts_a_minute=chance.choice([60, 100, 600, None]),
        told=chance.random() < 0.5,
        hint=chance.choice([None, None, 5, 30, 60, 3600]),
        lost=chance.choice([0, 0, 0.01, 0.05]),
        stubborn=chance.choice([0, 0, 0, 1]),
        seed=seed,
    )
    done = simulate(scenario, [seeker(hint=chance.choice([None, None, 1, cap, 3 * cap]))])
    relief = scenario.caps[-1][0]
    return {"seconds to half": done.reached(math.ceil((cap - scenario.stubborn) / 2), relief), "used": done.used}


def cases() -> Iterable[Case]:
    """List what the control is meant to reach."""
    for cap, limit, wanted in ((3, 60, "98/1"), (6, 60, "98/1"), (15, 60, "98/1"), (100, 100, "97.5/1")):
        yield Case(f"cap {cap}, {limit} POST/min", wanted, lambda s, c=cap, n=limit: steady(c, n, s))
    yield Case("cap 500, 600 POST/min", "97.5/1", lambda s: steady(500, 600, s, hours=3))
    yield Case("cap 1 from the 101st job on", "98/1", after_100_jobs)
    for cap, wanted in ((15, "16 s"), (100, "110 s")):
        yield Case(f"cold start, cap {cap}", wanted, lambda s, c=cap: cold(c, s))
    yield Case("hint 15 for a cap of 6", "98/1.5", lambda s: hinted(15, 6, s))
    yield Case("hint 3 for a cap of 15", "98/1.5", lambda s: hinted(3, 15, s))
    yield Case("cap 15 to 6", "180 s", lowered)
    yield Case("cap 15 to 6, refusals ask for 30 s", "300 s", lambda s: lowered(s, hint=30))
    yield Case("cap 6 to 15, announced", "10 min + climb", lambda s: raised(s, announced=True))
    yield Case(
        "cap 6 to 15, not announced", "max(30 min, 250 accepts) + climb", lambda s: raised(s, announced=False)
    )
    yield Case("no slot for 30 min, to 95 %", "120 s", lambda s: dipped(0, 0.95, s))
    yield Case("no slot for 30 min, asks for 1 h", "120 s", lambda s: dipped(0, 0.95, s, hint=3600))
    yield Case("1 slot for 30 min, to 95 %", "600 s", lambda s: dipped(1, 0.95, s))
    yield Case("release lag 1 s", "95/1.5", lambda s: steady(15, 60, s, lag=1))
    yield Case("release lag 3 s", "95/1.5", lambda s: steady(15, 60, s, lag=3))
    yield Case("release lag 3 s, told", "95/1.5", lambda s: steady(15, 60, s, lag=3, told=True))
    yield Case("release lag 10 s", "-", lambda s: steady(15, 60, s, lag=10))
    yield Case("cap 15, told", "98/1", lambda s: steady(15, 60, s, told=True))
    yield Case("cap 15, refusals ask for 30 s", "98/1", lambda s: steady(15, 60, s, hint=30))
    for limit in (60, 100, 600):
        for known, wanted in ((True, "96/0"), (False, "90/0.5")):
            name = f"POST-bound, limit {limit} {'known' if known else 'not known'}"
            yield Case(name, wanted, lambda s, n=limit, k=known: post_bound(n, s, known=k))
    yield Case("cap 6 to 15 to 6", "-", stepped)
    yield Case("5 stubborn workers beside", "-", stubborn)
    for count in (2, 4, 10):
        yield Case(f"{count} copies on a cap of 15", "-", lambda s, n=count: copies(n, s))
    yield Case("every 50th answer lost", "98/1", lossy)


def run_compared(job: tuple[str, int, int]) -> Figures:
    """Run one part of the comparison in a process of its own."""
    return compared(*job)


def run_case(job: tuple[int, int]) -> Figures:
    """Run one seed of a case in a process of its own."""
    number, seed = job
    return list(cases())[number].measure(seed)


def mean_and_worst(runs: list[Figures]) -> dict[str, list[float]]:
    """Give mean, least and most of each figure."""
    return {
        name: [round(of(run[name] for run in runs), 2) for of in (statistics.fmean, min, max)] for name in runs[0]
    }


def show(figures: dict[str, list[float]]) -> str:
    """Write mean and range of each figure."""
    return "; ".join(f"{name} {mean:.1f} ({low:.1f}..{high:.1f})" for name, (mean, low, high) in figures.items())


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed each")
    quick = parser.parse_args().quick
    seeds, random_runs = (1, 20) if quick else (5, 300)
    began = time.perf_counter()
    with multiprocessing.Pool() as pool:
        table = {
            name: {
                str(cap): mean_and_worst(pool.map(run_compared, [(name, cap, seed) for seed in range(seeds)]))
                for cap in CAPS
            }
            for name in policies()
        }
        print("share used % / refused %, 6 h, 120 s jobs, 60 POST/min")
        for name, row in table.items():
            cells = [f"{row[str(cap)]['used'][0]:5.1f} / {row[str(cap)]['refused'][0]:<5.1f}" for cap in CAPS]
            print(f"  {name:34}", *cells, f"to 95 % of 15: {row['15']['seconds to 95 %'][0]:.0f} s", sep=" | ")
        print("what is to be reached: mean (least..most)", flush=True)
        results = {}
        for number, case in enumerate(cases()):
            results[case.name] = mean_and_worst(pool.map(run_case, [(number, seed) for seed in range(seeds)]))
            print(f"  {case.name:40} | {case.wanted:32} | {show(results[case.name])}", flush=True)
        runs = pool.map(anything, range(random_runs), chunksize=5)
    slow = sorted(
        (
            (round(run["seconds to half"]), seed)
            for seed, run in enumerate(runs)
            if run["seconds to half"] < math.inf
        ),
        reverse=True,
    )
    frozen = [seed for seed, run in enumerate(runs) if run["seconds to half"] == math.inf]
    print(f"  {random_runs} random servers: half the cap is back after {slow[0][0]} s at most; never: {frozen}")
    print(f"  slowest (seconds, seed): {slow[:6]}; {time.perf_counter() - began:.0f} s in all")
    kept = {
        "seeds": seeds,
        "policies": table,
        "figures": results,
        "random": {"slowest": slow[:6], "frozen": frozen},
    }
    if not quick:
        RESULTS.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
