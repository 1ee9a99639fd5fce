"""What became of the rows, in one sentence, as a bar, and as numbers."""

from __future__ import annotations

from collections.abc import Iterator

from sync_async.bulk.report.table import ORDER
from sync_async.bulk.report.tally import Group, Tally

LEAST_SHARE = 0.006
"""Part of the bar that any rows have, so that three of a hundred thousand are seen."""
WORDS = {
    Group.FAILED: ("{} failed", "{} failed"),
    Group.REJECTED: ("{} was rejected", "{} were rejected"),
    Group.CONFLICT: ("{} is in conflict", "{} are in conflict"),
    Group.UNKNOWN: ("{} is unknown", "{} are unknown"),
    Group.NOT_FETCHED: ("{} is not fetched yet", "{} are not fetched yet"),
    Group.RUNNING: ("{} is running", "{} are running"),
    Group.WAITING: ("{} waits", "{} wait"),
    Group.CANCELLED: ("{} was cancelled", "{} were cancelled"),
}


def headline(tally: Tally, *, is_going_on: bool) -> str:
    """Say in one sentence what a run has come to."""
    done, total = tally.groups[Group.DONE], tally.total
    if not total:
        return "The run has no rows yet."
    parts = ", ".join(_parts(tally))
    if done == total:
        return "The one row is done." if total == 1 else f"All {total:,} rows are done."
    sentence = f"{done:,} of {total:,} {'row is' if total == 1 else 'rows are'} done: {parts}."
    if tally.is_over:
        return sentence
    return f"The run goes on. {sentence}" if is_going_on else f"The run has not ended. {sentence}"


def _parts(tally: Tally) -> Iterator[str]:
    for group, (one, many) in WORDS.items():
        if rows := tally.groups[group]:
            yield (one if rows == 1 else many).format(f"{rows:,}")


def share_bar(tally: Tally) -> str:
    """Draw how the rows are shared among the states; the numbers beneath say the same."""
    parts = [(group, tally.groups[group] / tally.total) for group in ORDER if tally.groups[group]]
    if not parts:
        return ""
    shares = [(group, max(share, LEAST_SHARE)) for group, share in parts]
    scale, x, drawn = 1000 / sum(share for _, share in shares), 0.0, list[str]()
    for group, share in shares:
        drawn.append(
            f'<rect class="g{ORDER.index(group)}" x="{x:.1f}" y="0" width="{share * scale:.1f}" height="10"/>'
        )
        x += share * scale
    return (
        '<svg class="share" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(drawn)}</svg>"
    )


def numbers(tally: Tally) -> str:
    """Write how many rows stand where; states without rows are left out, but for the one that is wanted."""
    cells = "".join(
        f'<div><dt><i class="g{ORDER.index(group)}"></i>{group.capitalize()}</dt>'
        f"<dd>{tally.groups[group]:,}</dd></div>"
        for group in ORDER
        if tally.groups[group] or group is Group.DONE
    )
    return f'<dl class="numbers">{cells}</dl>'
