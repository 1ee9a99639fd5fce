"""Runs as a test wants them: rows with the fates that it names, brought there the way a run does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs

from sync_async.bulk.ledger import CLAIM_ROWS
from sync_async.bulk.records import Change, NewItem, RunSpec
from sync_async.bulk.sqlite import SqliteLedger
from sync_async.bulk.states import State

BEGIN = 1_794_902_400 * 1_000_000
"""17 November 2026, 08:00 UTC, in microseconds since 1970."""
SECOND = 1_000_000

Fate = Sequence[tuple[State, Mapping[str, Any]]]
"""The states of a row after it was claimed, with what is written for each."""


@attrs.frozen(kw_only=True)
class Row:
    """A row that a test wants.

    Attributes:
        item_id: Its name.
        fate: What becomes of it; empty leaves it waiting, or to the row that asks for the same.
        payload: What it asks for; None for something of its own.
        body: The body of its create call.
        est_micro: What it is expected to cost.
        problem: What is wrong with it.
        is_frozen: Whether its body is final.
    """

    item_id: str
    fate: Fate = ()
    payload: int | None = None
    body: bytes = b'{"model":"lipsync-2"}'
    est_micro: int | None = 1_500_000
    problem: tuple[str, str] | None = None
    is_frozen: bool = True


def done(path: str, cost: int | None = None, seconds: float = 12.5) -> Fate:
    """End with an output."""
    return (
        (State.SUBMITTED, {"job_id": f"job-of-{path}", "submitted_us": BEGIN + 10 * SECOND}),
        (
            State.REMOTE_DONE,
            {"finished_us": BEGIN + 70 * SECOND, "output_s": seconds}
            | ({} if cost is None else {"cost_micro": cost}),
        ),
        (State.DOWNLOADING, {"out_path": path}),
        (State.DONE, {"out_path": path, "out_bytes": 1234, "out_sha": "ab" * 32}),
    )


def failed(code: str, error: str | None = None, job: str = "") -> Fate:
    """End without an output."""
    told = {"job_id": f"job-{code}-{job}", "submitted_us": BEGIN + 10 * SECOND}
    ended = {"finished_us": BEGIN + 40 * SECOND, "error_code": code, "error": error}
    return (State.SUBMITTED, told), (State.FAILED, ended)


def running(job: str) -> Fate:
    """Run still."""
    return ((State.SUBMITTED, {"job_id": job, "submitted_us": BEGIN + 10 * SECOND}),)


def unknown(error: str = "the answer was lost") -> Fate:
    """Have no clear answer."""
    return ((State.UNKNOWN, {"error_code": "unclear", "error": error}),)


def line(second: float, **detail: float) -> tuple[int, dict[str, float]]:
    """Make a line of the timeline."""
    counts = {"level": 3, "slots": 2, "spent": 0, "posts": 4, "refused": 0, "rate_refused": 0, "completed": 2}
    return BEGIN + int(second * SECOND), {**counts, **detail}


async def make_run(
    output: Path,
    rows: Sequence[Row],
    lines: Sequence[tuple[int, dict[str, float]]] = (),
    *,
    budget_micro: int | None = None,
    manifest: str = "jobs.csv",
    ledger_file: Path | None = None,
    kept: Mapping[str, Any] | None = None,
) -> None:
    """Make a run in a folder."""
    now = [BEGIN]
    async with SqliteLedger(output, ledger=ledger_file, clock=lambda: now[0]) as ledger:
        await ledger.create_run(RunSpec(run_id="the-run", manifest=manifest, budget_micro=budget_micro))
        await ledger.ingest(_new_items(rows))
        fates = {row.item_id: row.fate for row in rows}
        left = sum(bool(fate) for fate in fates.values())
        while left:
            for item in (await ledger.claim(min(left, CLAIM_ROWS), BEGIN + SECOND)).items:
                await ledger.mark(list(_changes(item.seq, fates[item.item_id])))
                left -= 1
        for us, detail in lines:
            now[0] = us
            await ledger.note("minute", detail)
        for name, value in (kept or {}).items():
            await ledger.kv(name, value)


def _new_items(rows: Sequence[Row]) -> Iterator[NewItem]:
    for number, row in enumerate(rows):
        yield NewItem(
            item_id=row.item_id,
            body=row.body,
            payload_sha=(number if row.payload is None else 1_000_000 + row.payload).to_bytes(16, "little"),
            is_frozen=row.is_frozen,
            prio=int(bool(row.fate)),  # those without a fate wait behind them
            est_micro=row.est_micro,
            problem=row.problem,
        )


def _changes(seq: int, fate: Fate) -> Iterator[Change]:
    source = State.SUBMITTING
    for target, values in fate:
        yield Change(seq=seq, source=source, target=target, values=values)
        source = target


@attrs.define
class Read:
    """What a page says, as a program reads it.

    Attributes:
        tags: Names and attributes of all elements, in their order.
        texts: What they say, without scripts and styles.
        rows: The JSON of rows.
        meta: The JSON of words.
    """

    tags: list[tuple[str, dict[str, str | None]]] = attrs.field(factory=list)
    texts: list[str] = attrs.field(factory=list)
    rows: list[list[Any]] = attrs.field(factory=list)
    meta: dict[str, Any] = attrs.field(factory=dict)

    @classmethod
    def of(cls, page: Path) -> Read:
        """Read a page."""
        read = cls()
        parser = _Parser(read)
        parser.feed(page.read_text(encoding="utf-8"))
        parser.close()
        return read

    @property
    def text(self) -> str:
        """All that it says, in one line."""
        return " ".join("".join(self.texts).split())

    def named(self, name: str) -> list[dict[str, str | None]]:
        """Give the attributes of all elements of a name."""
        return [attributes for tag, attributes in self.tags if tag == name]


INLINE = frozenset({"b", "bdi", "code"})
"""Elements that stand within a line of text."""


class _Parser(HTMLParser):
    def __init__(self, read: Read) -> None:
        super().__init__()
        self.read = read
        self.inside = ""
        self.attributes: dict[str, str | None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.read.tags.append((tag, dict(attrs)))
        if tag not in INLINE:
            self.read.texts.append(" ")
        if tag in ("script", "style"):
            self.inside, self.attributes = tag, dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.read.texts.append(data)
        elif self.attributes.get("class") == "rows":
            self.read.rows += json.loads(data)
        elif self.attributes.get("id") == "meta":
            self.read.meta = json.loads(data)
