"""Why rows have no output: each reason with how many rows, what was said, what to do, and some of the rows."""

from __future__ import annotations

from collections.abc import Sequence

from sync_async.bulk.report.advice import Adviser
from sync_async.bulk.report.table import ORDER
from sync_async.bulk.report.tally import Reason
from sync_async.bulk.report.words import count, html, shown

MOST = 30
"""Reasons that are explained one by one."""


def reasons_section(reasons: Sequence[Reason], adviser: Adviser) -> str:
    """Write why rows have no output, nothing when all have.

    Args:
        reasons: Why, the most frequent first.
        adviser: Knows what to do.
    """
    if not reasons:
        return ""
    rows = "".join(_reason(reason, adviser) for reason in reasons[:MOST])
    return f"""<section aria-labelledby="reasons-title">
<h2 id="reasons-title">Why rows have no output</h2>
<ul class="reasons">{rows}</ul>
{_more(reasons[MOST:])}
</section>
"""


def _more(left: Sequence[Reason]) -> str:
    if not left:
        return ""
    rows = count(sum(reason.rows for reason in left), "row")
    return f'<p class="facts">And {rows} for {count(len(left), "other reason")}.</p>'


def _reason(reason: Reason, adviser: Adviser) -> str:
    group, code = ORDER.index(reason.group), reason.code or reason.group.value
    what = f'<span class="state g{group}">{reason.group}</span> <b>{html(code)}</b>'
    said = f'<p class="said">{html(shown(reason.error))}</p>' if reason.error else ""
    number = f"<b>{reason.rows:,}</b> {'row' if reason.rows == 1 else 'rows'}"
    place = f'data-group="{group}" data-code="{html(reason.code or "")}"'
    return (
        f'<li><button class="rows" type="button" {place}>{number}</button>'
        f'<div><p class="code">{what}</p>{said}</div><div>{_advice(reason, adviser)}{_samples(reason)}</div></li>'
    )


def _advice(reason: Reason, adviser: Adviser) -> str:
    advice = adviser.of(reason)
    sentence = f"<p>{html(advice.sentence)}</p>" if advice.sentence else ""
    return sentence + (f"<p><code>{html(advice.command)}</code></p>" if advice.command else "")


def _samples(reason: Reason) -> str:
    names = ", ".join(f"<bdi>{html(shown(name))}</bdi>" for name in reason.samples)
    others = reason.rows - len(reason.samples)
    return f'<p class="samples">{names}{f" and {others:,} more" if others else ""}</p>'
