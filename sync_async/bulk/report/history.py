"""How a run went: in words, as a chart for wide screens and one for narrow ones, and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from sync_async.bulk.report.chart import bars_of, chart
from sync_async.bulk.report.timeline import SECOND, Session, Stretch
from sync_async.bulk.report.words import clock, count, number, span, zone_name

WIDE, NARROW = 1080, 358
"""Pixels for which the chart is drawn, twice: its letters are to be read on a telephone, too."""
COLUMNS = ("For", "Running", "Limit", "Completed", "Refused: at once", "Refused: requests")


def history_section(found: Sequence[Session], learned: Mapping[str, Any], zone: tzinfo) -> str:
    """Write how a run went, nothing when nothing is known of it.

    Args:
        found: Its sessions.
        learned: What it has learned of the account.
        zone: Of all times.
    """
    if not found:
        return ""
    charts = "".join(
        f'<div class="{name}">{chart(found, width, zone, "timeline-title timeline-text")}</div>'
        for name, width in (("wide", WIDE), ("narrow", NARROW))
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in (f"From ({zone_name(zone)})", *COLUMNS))
    words = " ".join((_in_words(found), *_learned(learned)))
    return f"""<section aria-labelledby="timeline-title">
<h2 id="timeline-title">How it went</h2>
<p class="facts" id="timeline-text">{words}</p>
{charts}
<details><summary>The same as a table</summary>
<div class="scroll"><table class="plain"><thead><tr>{heads}</tr></thead>
<tbody>{"".join(_lines(bars_of(found, WIDE), zone))}</tbody></table></div></details>
</section>
"""


def _in_words(found: Sequence[Session]) -> str:
    """Say how a run went; whoever sees no chart has this."""
    lines = [stretch for session in found for stretch in session]
    worked = sum(stretch.length for stretch in lines) / SECOND
    whole = (lines[-1].end - lines[0].begin) / SECOND
    stopped = f" in {count(len(found), 'session')}, {span(whole)} in all" if len(found) > 1 else ""
    posts = sum(stretch.posts for stretch in lines)
    refused = sum(stretch.refused + stretch.rate_refused for stretch in lines)
    share = f"{count(refused, 'create')} of {posts:,} refused" if posts else "nothing sent"
    most = max(stretch.slots for stretch in lines)
    return f"{span(worked)} of work{stopped}; at most {number(most)} at once; {share}."


def _learned(learned: Mapping[str, Any]) -> Iterator[str]:
    if level := learned.get("level"):
        yield f"The account takes {count(level, 'generation')} at once."
    if seconds := learned.get("usual_seconds"):
        yield f"A job usually takes {span(seconds)}."


def _lines(found: Sequence[Session], zone: tzinfo) -> Iterator[str]:
    before: Stretch | None = None
    for session in found:
        if before is not None:
            passed = span((session[0].begin - before.end) / SECOND)
            yield f'<tr><td colspan="{len(COLUMNS) + 1}">nothing ran for {passed}</td></tr>'
        for stretch in session:
            values = (stretch.slots, stretch.level, stretch.completed, stretch.refused, stretch.rate_refused)
            cells = "".join(f"<td>{number(value)}</td>" for value in values)
            yield (
                f'<tr><th scope="row">{clock(stretch.begin, zone)}</th><td>{span(stretch.length / SECOND)}</td>'
                f"{cells}</tr>"
            )
        before = session[-1]
