"""What a run has cost: figures with the notes without which they would mislead, and what each model comes to."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from sync_async.bulk.budget import MICRO
from sync_async.bulk.plan import Plan
from sync_async.bulk.report.tally import Tally
from sync_async.bulk.report.words import count, dollars, html, shown, span

UNKNOWN = "unknown"


@attrs.frozen
class Figure:
    """An amount with its name, and a note where it needs one."""

    name: str
    amount: str
    note: str = ""


def money_section(tally: Tally, budget_micro: int | None, plan: Plan | None) -> str:
    """Write what a run has cost.

    Args:
        tally: What its rows come to.
        budget_micro: What may be spent, None for no limit.
        plan: What it was to come to, when that is known.
    """
    cells = "".join(
        f"<div><dt>{figure.name}</dt><dd>{figure.amount}</dd>"
        + (f'<dd class="note">{figure.note}</dd>' if figure.note else "")
        + "</div>"
        for figure in figures(tally, budget_micro, plan)
    )
    return f"""<section aria-labelledby="money-title">
<h2 id="money-title">Money</h2>
<div class="money"><dl class="figures">{cells}</dl>
{_models(tally) if tally.models else ""}</div>
</section>
"""


def figures(tally: Tally, budget_micro: int | None, plan: Plan | None) -> Iterator[Figure]:
    """Give the figures of a run."""
    money = tally.money
    yield Figure("Spent", _amount(money.spent, tally.unpriced), "; ".join(_notes(tally)))
    if money.reserved or money.unpriced_running:
        note = f"{count(money.unpriced_running, 'row')} of unknown price" if money.unpriced_running else ""
        yield Figure("Reserved for what runs", _amount(money.reserved, money.unpriced_running), note)
    if tally.doubles:
        note = f"{count(tally.doubles, 'double')} bought once"
        yield Figure("Saved", _amount(money.saved, tally.unpriced_doubles), note)
    if plan is not None and (plan.price or plan.rows_of_unknown_price):
        unknown = plan.rows_of_unknown_price
        note = f"{count(unknown, 'row')} of unknown price" if unknown else "before the first purchase"
        yield Figure("Planned", _amount(int(plan.price * MICRO), unknown), note)
    if budget_micro is not None:
        left = budget_micro - money.spent - money.reserved
        yield Figure("Budget", dollars(budget_micro), f"{dollars(left)} left" if left >= 0 else "exceeded")


def _amount(micro: int, unpriced: int) -> str:
    """Write an amount; what nobody knows is not nothing."""
    return UNKNOWN if unpriced and not micro else dollars(micro)


def _notes(tally: Tally) -> Iterator[str]:
    if tally.estimated:
        is_all = tally.estimated >= tally.money.spent
        yield "estimated" if is_all else f"{dollars(tally.estimated)} of it estimated"
    if tally.money.unpriced_finished:
        yield f"of {count(tally.money.unpriced_finished, 'row')} nobody knows the price"
    if tally.unpriced_failed:
        yield f"{count(tally.unpriced_failed, 'failed row')} may have been charged"


def _models(tally: Tally) -> str:
    """Write what each model comes to, the one with the most rows first."""
    has_unknown = any(model.unpriced for model in tally.models.values())
    names = ("Model", "Rows", "Done", "Failed", "Output", "Spent", *["Of unknown price"] * has_unknown)
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = list[str]()
    for name, model in sorted(tally.models.items(), key=lambda pair: (-pair[1].rows, pair[0])):
        values = [f"{model.rows:,}", f"{model.done:,}", f"{model.failed:,}", span(model.seconds)]
        values += [_amount(model.spent, model.unpriced), *[f"{model.unpriced:,}"] * has_unknown]
        cells = "".join(f"<td>{value}</td>" for value in values)
        rows.append(f'<tr><th scope="row">{html(shown(name))}</th>{cells}</tr>')
    return f"""<div class="scroll"><table class="plain"><thead><tr>{heads}</tr></thead>
<tbody>{"".join(rows)}</tbody></table></div>"""
