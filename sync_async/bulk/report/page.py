"""The page: what is above the rows, and what is beneath them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta, tzinfo
from pathlib import Path, PurePath
from typing import Any

import attrs

from sync_async.bulk.plan import Plan
from sync_async.bulk.records import Run
from sync_async.bulk.report.advice import Adviser
from sync_async.bulk.report.history import history_section
from sync_async.bulk.report.money import money_section
from sync_async.bulk.report.outcome import headline, numbers, share_bar
from sync_async.bulk.report.reasons import reasons_section
from sync_async.bulk.report.table import ORDER, Table, safe_json
from sync_async.bulk.report.tally import Tally
from sync_async.bulk.report.timeline import SECOND, Session
from sync_async.bulk.report.words import count, html, moment, offset, shown, zone_name

FRESH = 120 * SECOND
"""Microseconds without a sign after which nobody seems to work on a run."""
STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")


@attrs.frozen(kw_only=True)
class Facts:
    """What the page tells, besides its rows.

    Attributes:
        run: The run.
        tally: What its rows come to.
        sessions: How it went.
        plan: What it was to come to, when that is known.
        learned: What it has learned of the account.
        adviser: Knows what to do.
        zone: Of all times; fixed.
        now_us: When the page is written.
    """

    run: Run
    tally: Tally
    sessions: Sequence[Session]
    plan: Plan | None
    learned: Mapping[str, Any]
    adviser: Adviser
    zone: tzinfo
    now_us: int

    @property
    def last_us(self) -> int:
        """When the run was last seen to do something."""
        lines = self.sessions[-1][-1].end if self.sessions else 0
        return max(self.tally.last_us or 0, lines, self.run.created_us)


def head(facts: Facts) -> str:
    """Write what is above the rows."""
    return "".join(
        (
            _opening(facts),
            _outcome(facts),
            reasons_section(facts.tally.by_weight(), facts.adviser),
            money_section(facts.tally, facts.run.budget_micro, facts.plan),
            history_section(facts.sessions, facts.learned, facts.zone),
            TABLE,
        )
    )


def foot(table: Table, base: str, zone: tzinfo) -> str:
    """Write what is beneath the rows: the words in them, and the script that shows them.

    Args:
        table: What the rows were written with.
        base: The address of the outputs.
        zone: Of all times.
    """
    meta = {
        "groups": [group.value for group in ORDER],
        "models": table.models.all(),
        "codes": table.codes.all(),
        "base": base,
        "ahead": offset(zone) // timedelta(seconds=1),
        "zone": zone_name(zone),
    }
    return f"""<script type="application/json" id="meta">{safe_json(meta)}</script>
<script>{SCRIPT}</script>
</html>
"""


def _opening(facts: Facts) -> str:
    """Write the head of the document; it may load nothing but videos, and only those beside it."""
    rules = (
        f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; "
        "media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{rules}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{html(headline(facts.tally, is_going_on=_is_going_on(facts)))}</title>
<style>{STYLE}</style>
"""


def _hash(text: str) -> str:
    """Name a style or a script by its content, as the policy of the page does."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _is_going_on(facts: Facts) -> bool:
    """Tell whether somebody seems to work on the run: with jobs under way there is a line each half minute."""
    return not facts.tally.is_over and facts.now_us - facts.last_us < FRESH


def _outcome(facts: Facts) -> str:
    run, zone, tally = facts.run, facts.zone, facts.tally
    name = f" of {html(PurePath(shown(run.manifest)).name)}" if run.manifest else ""
    when = f"{moment(run.created_us, zone)} to {moment(facts.last_us, zone)}"
    state = ""
    if not tally.is_over and not _is_going_on(facts):
        command = html(facts.adviser.command("resume"))
        state = (
            f'<p class="next">Nothing has happened since {moment(facts.last_us, zone)}. '
            f"<code>{command}</code> goes on.</p>"
        )
    doubles = f", of them {count(tally.doubles, 'double')}" if tally.doubles else ""
    return f"""<header>
<p class="name">Bulk run <b>{html(run.run_id)}</b></p>
<h1>{html(headline(tally, is_going_on=_is_going_on(facts)))}</h1>
{state}
{share_bar(tally)}
{numbers(tally)}
<p class="facts">{count(tally.total, "row")}{name}{doubles} · {when} · written {moment(facts.now_us, zone)}, \
{zone_name(zone)}</p>
</header>
"""


COLUMNS = (
    ("seq", "#"),
    ("id", "Item"),
    ("group", "State"),
    ("model", "Model"),
    ("job", "Job"),
    ("seconds", "Length"),
    ("cost", "Cost"),
    ("attempts", "Tries"),
    ("result", "Output or error"),
)
TABLE = """<section aria-labelledby="rows-title" id="rows">
<h2 id="rows-title">Rows</h2>
<noscript><p class="next">The rows are in this page, and need JavaScript to be shown.</p></noscript>
<div class="tools" hidden><div class="states" role="group" aria-label="State"></div>
<input type="search" aria-label="Find by item or job" placeholder="Item or job" autocomplete="off"></div>
<p class="only" hidden></p>
<table class="items" hidden><thead><tr>{heads}</tr></thead><tbody></tbody></table>
<nav class="pager" aria-label="Pages" hidden><button type="button" class="back">Back</button>
<span class="where" role="status"></span><button type="button" class="on">Next</button></nav>
</section>
""".replace(
    "{heads}",
    "".join(
        f'<th scope="col" class="c-{name}"><button type="button" data-sort="{name}">{title}</button></th>'
        for name, title in COLUMNS
    ),
)
