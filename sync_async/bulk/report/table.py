"""The rows of the report as JSON inside of the page, a row an array, in pieces that a page reads one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import attrs

from sync_async.bulk.records import Result
from sync_async.bulk.report.tally import GROUPS, Group, Price, price_of
from sync_async.bulk.report.words import shown

MICROSECONDS = 1_000_000
UNSAFE = {"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What could end a script, or begin a comment in it, or a line for an old reader of JavaScript."""
PIECE = '<script type="application/json" class="rows">{}</script>\n'
ORDER = tuple(Group)


@attrs.define
class Words:
    """Words that many rows share, each written once; a row has its number."""

    numbers: dict[str, int] = attrs.field(factory=dict)

    def number(self, word: str | None) -> int | None:
        """Give the number of a word."""
        return None if word is None else self.numbers.setdefault(word, len(self.numbers))

    def all(self) -> list[str]:
        """Give all words, by their numbers."""
        return list(self.numbers)


@attrs.define
class Table:
    """Writes rows, and what is needed to read them."""

    models: Words = attrs.field(factory=Words)
    codes: Words = attrs.field(factory=Words)

    def piece(self, rows: Iterable[tuple[Result, str | None]]) -> str:
        """Write some rows with their models as a part of the page."""
        return PIECE.format(safe_json([self.row(result, model) for result, model in rows]))

    def row(self, result: Result, model: str | None) -> list[Any]:
        """Write a row: `page.js` has the names of the columns."""
        item, leader = result.item, result.leader
        is_double = item is not leader
        micro, price = (None, Price.NONE) if is_double else price_of(item)
        return [
            item.seq,
            shown(item.item_id),
            ORDER.index(GROUPS[leader.state]),
            self.models.number(model),
            leader.job_id,
            leader.output_s,
            micro,
            int(price),
            leader.generation_no if leader.idem_key is not None else leader.generation_no - 1,
            self.codes.number(leader.error_code),
            None if leader.error is None else shown(leader.error),
            leader.out_path if GROUPS[leader.state] is Group.DONE else None,
            leader.out_bytes,
            _seconds(leader.submitted_us),
            _seconds(leader.finished_us),
            leader.seq if is_double else None,
        ]


def safe_json(value: Any) -> str:
    """Write JSON that may stand in a script: whatever is in it, it stays data.

    The HTML standard names the characters: https://html.spec.whatwg.org/multipage/scripting.html
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character, escaped in UNSAFE.items():
        text = text.replace(character, escaped)
    return text


def _seconds(us: int | None) -> int | None:
    return None if us is None else us // MICROSECONDS
