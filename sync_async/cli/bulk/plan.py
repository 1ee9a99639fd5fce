"""What a run will come to, on a screen and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
from rich.console import Console

from sync_async.bulk.measure import can_measure
from sync_async.bulk.plan import SHOWN_PROBLEMS, Plan
from sync_async.cli import screen

PLANS_SLOTS = (1, 3, 6, 15)
"""Generations at once that the published plans allow, for those who do not say how many theirs does."""


def show_plan(plan: Plan, slots: Sequence[int], posts_per_minute: float, console: Console = screen.out) -> None:
    """Print what a run will come to."""
    for problem in plan.shown_problems:
        screen.say(str(problem))
    if plan.problems > SHOWN_PROBLEMS:
        screen.say(f"… and {plan.problems - SHOWN_PROBLEMS:,} more")
    if plan.problems:
        screen.say(f"{plan.problems:,} problems; nothing could be bought with this manifest\n")
    facts = {
        "rows": f"{plan.rows:,}" + f", and {plan.doubles:,} doubles that are bought once" * bool(plan.doubles),
        "local files": f"{plan.files:,}, {plan.file_bytes / 1e6:,.1f} MB" if plan.files else "none",
    }
    for name, model in sorted(plan.models.items()):
        facts[name] = f"{model.rows:,} rows, {price_text(model.price, model.rows_of_unknown_price)}"
    facts["price"] = price_text(plan.price, plan.rows_of_unknown_price)
    for count in slots:
        what = f"{count} at once"
        time, binds = plan.seconds(count, posts_per_minute), plan.bound_by(count, posts_per_minute)
        facts[what] = f"{duration_text(time)}, bound by {binds}"
    screen.show_facts(facts, console)
    if not can_measure() and plan.files:
        screen.say("lengths are unknown without PyAV: pip install 'syncso[sandbox]'")


def price_text(price: Decimal, unknown: int) -> str:
    """Say what rows cost; what nobody knows is not nothing."""
    known = f"${price:,.2f}"
    if not unknown:
        return known
    return f"unknown for {unknown:,} rows" + (f", {known} for the others" if price else "")


def duration_text(seconds: float) -> str:
    """Say how long something takes."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days} d" * bool(days), f"{hours} h" * bool(hours), f"{minutes} min" * (bool(minutes) and not days)]
    return " ".join(part for part in parts if part)


def plan_to_wire(plan: Plan, slots: Sequence[int], posts_per_minute: float) -> dict[str, Any]:
    """Write a plan as JSON; `v` tells the form."""
    times = [
        {
            "slots": count,
            "seconds": round(plan.seconds(count, posts_per_minute)),
            "bound_by": plan.bound_by(count, posts_per_minute),
        }
        for count in slots
    ]
    return {
        "v": 1,
        **attrs.asdict(plan),
        "price": plan.price,
        "rows_of_unknown_price": plan.rows_of_unknown_price,
        "times": times,
    }
