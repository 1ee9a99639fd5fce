"""The commands for bulk runs."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from sync_async import ArgumentError, AsyncSync
from sync_async.bulk.manifest import read_manifest
from sync_async.bulk.measure import can_measure
from sync_async.bulk.plan import POSTS_PER_MINUTE, SHOWN_PROBLEMS, Plan, Planner
from sync_async.bulk.rows import RowReader
from sync_async.cli import screen

PLANS_SLOTS = (1, 3, 6, 15)
"""Generations at once that the published plans allow, for those who do not say how many theirs does."""
BAD_MANIFEST = 2

bulk = typer.Typer(help="Plan bulk runs from a manifest.", no_args_is_help=True)


@bulk.callback()
def _bulk() -> None:
    """Keep `plan` a command of its own while it is the only one."""


@bulk.command("plan")
def plan(  # noqa: PLR0917  # typer makes options of them
    manifest: Annotated[Path, typer.Argument(help="The rows: .csv, .jsonl (both also .gz) or .parquet.")],
    default: Annotated[
        list[str] | None, typer.Option(help="A column for rows that leave it out, as in model=lipsync-2.")
    ] = None,
    max_concurrency: Annotated[int | None, typer.Option(help="Generations at once, if you know.")] = None,
    posts_per_minute: Annotated[float, typer.Option(help="Creates a minute.")] = POSTS_PER_MINUTE,
    prices: Annotated[bool, typer.Option(help="Ask the server for prices.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Check every row, and tell what the run will cost and how long it will take. Nothing is bought."""
    if max_concurrency is not None and max_concurrency < 1:
        raise ArgumentError("--max-concurrency", f"{max_concurrency} is not a number from 1")
    if posts_per_minute <= 0:
        raise ArgumentError("--posts-per-minute", f"{posts_per_minute:g} is not above 0")
    slots = PLANS_SLOTS if max_concurrency is None else (max_concurrency,)
    made = asyncio.run(_plan(manifest, _defaults(default or []), prices=prices))
    if as_json:
        print(json.dumps(_wire(made, slots, posts_per_minute), indent=2, default=str))  # noqa: T201
    else:
        _show(made, slots, posts_per_minute)
    if made.problems:
        raise SystemExit(BAD_MANIFEST)


def _defaults(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise ArgumentError("--default", f"{wrong[0]!r} is not of the form column=value")
    return {name.strip(): value for name, _, value in pairs}


async def _plan(manifest: Path, defaults: dict[str, str], *, prices: bool) -> Plan:
    if not prices:  # no key is needed for that
        return await Planner(RowReader(manifest.parent, defaults), None).plan(read_manifest(manifest))
    async with AsyncSync() as client:
        return await client.bulk.plan(manifest, defaults=defaults)


def _show(plan: Plan, slots: tuple[int, ...], posts_per_minute: float) -> None:
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
        facts[name] = f"{model.rows:,} rows, {_usd(model.price, model.rows_of_unknown_price)}"
    facts["price"] = _usd(plan.price, plan.rows_of_unknown_price)
    for count in slots:
        what = f"{count} at once"
        time, binds = plan.seconds(count, posts_per_minute), plan.bound_by(count, posts_per_minute)
        facts[what] = f"{_duration(time)}, bound by {binds}"
    screen.show_facts(facts)
    if not can_measure() and plan.files:
        screen.say("lengths are unknown without PyAV: pip install 'syncso[sandbox]'")


def _usd(price: Decimal, unknown: int) -> str:
    known = f"${price:,.2f}"
    if not unknown:
        return known
    return f"unknown for {unknown:,} rows" + (f", {known} for the others" if price else "")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days} d" * bool(days), f"{hours} h" * bool(hours), f"{minutes} min" * (bool(minutes) and not days)]
    return " ".join(part for part in parts if part)


def _wire(plan: Plan, slots: tuple[int, ...], posts_per_minute: float) -> dict[str, Any]:
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
