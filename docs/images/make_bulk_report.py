"""Makes the picture of a report: `python docs/images/make_bulk_report.py`, with Chromium installed.

The run is made up: 600 rows on an account that takes 6 generations at once, then 15, then 10, left over night.
"""
# ruff: noqa: INP001

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from sync_async.bulk.plan import ModelPlan, Plan
from sync_async.bulk.records import Change, Item, NewItem, RunSpec
from sync_async.bulk.report import write_report
from sync_async.bulk.sqlite import SqliteLedger, ledger_file
from sync_async.bulk.states import State

PICTURE = Path(__file__).with_name("bulk-report.png")
WIDTH, HEIGHT = 1240, 2070
ROWS = 600
BEGIN = 1_794_902_400 * 1_000_000
SECOND = 1_000_000
TICK, LINE = 10, 30
"""Seconds of a step, and between two lines of the ledger."""
CAPS = ((0, 6), (2700, 15), (6300, 10), (50_000, 15))
"""From which second on how many generations may run at once."""
REST = (7800, 50_400)
"""Between these seconds nobody works on the run."""
PRICES = {"lipsync-2": 50_000, "lipsync-2-pro": 83_000, "sync-3": 133_000}
"""Micro-dollars for a second of output."""
FAILURES = (
    ("generation_pipeline_failed", "The processing failed.", 9),
    (
        "generation_input_video_inaccessible",
        "https://media.example/takes/ep04-sc21.mp4?Signature=x answers 403",
        14,
    ),
    ("generation_model_duration_exceeded", "The video has 312 s, and the model takes 300 s.", 3),
)


@attrs.define
class Account:
    """A run as it goes, a step after the other."""

    ledger: SqliteLedger
    chance: random.Random
    second: int = 0
    running: dict[int, tuple[int, Item]] = attrs.field(factory=dict)
    """When each generation ends, and its row."""
    level: int = 4
    passed: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(("posts", "refused", "completed"), 0))
    fates: dict[int, tuple[str, str]] = attrs.field(factory=dict)

    @property
    def us(self) -> int:
        """The time."""
        return BEGIN + self.second * SECOND

    @property
    def cap(self) -> int:
        """How many generations may run at once."""
        return next(cap for begin, cap in reversed(CAPS) if begin <= self.second)

    async def work(self) -> None:
        """Work until all is over."""
        while True:
            await self._end_some()
            begun = await self._begin_some()
            if self.second % LINE == 0:
                await self._write_line()
            if not self.running and not begun:
                break
            self.second = REST[1] if self.second == REST[0] else self.second + TICK

    async def _end_some(self) -> None:
        over = [item for end, item in self.running.values() if end <= self.second]
        for item in over:
            del self.running[item.seq]
            await self.ledger.mark(list(self._end_of(item)))

    def _end_of(self, item: Item) -> Iterator[Change]:
        seconds, job = item.predicted_s or 0.0, State.SUBMITTED
        if item.seq in self.fates:
            code, error = self.fates[item.seq]
            ended: dict[str, Any] = {"finished_us": self.us, "error_code": code, "error": error}
            yield Change(seq=item.seq, source=job, target=State.FAILED, values=ended)
            return
        self.passed["completed"] += 1
        path = f"{item.item_id}.mp4"
        ended = {"finished_us": self.us, "output_s": seconds, "out_path": path}
        if item.seq % 20:
            ended["cost_micro"] = item.est_micro
        yield Change(seq=item.seq, source=job, target=State.DOWNLOADING, values=ended)
        file = {"out_path": path, "out_bytes": int(seconds * 410_000), "out_sha": "0" * 64}
        yield Change(seq=item.seq, source=State.DOWNLOADING, target=State.DONE, values=file)

    async def _begin_some(self) -> int:
        if self.second in range(REST[0] - 240, REST[0] + 1):  # somebody has pressed Ctrl-C
            return 1
        before, running = self.level, len(self.running)
        if self.level < self.cap:
            self.level += self.second % 120 == 0
        elif running >= self.cap and self.level > self.cap:  # there are fewer than before
            self._refuse(2)
            self.level -= self.second % 30 == 0
        elif self.chance.random() < 0.05:  # noqa: PLR2004  # a look whether there is one more
            self._refuse(1)
        room = min(before, self.cap) - running
        claimed = (await self.ledger.claim(room, self.us)).items if room > 0 else ()
        for item in claimed:
            self.passed["posts"] += 1
            await self.ledger.mark([self._beginning_of(item)])
        return len(claimed)

    def _refuse(self, creates: int) -> None:
        self.passed["refused"] += creates
        self.passed["posts"] += creates

    def _beginning_of(self, item: Item) -> Change:
        if item.seq == 417:  # noqa: PLR2004  # one whose answer was lost
            lost = {"error_code": "unclear", "error": "the connection was lost before the answer"}
            return Change(seq=item.seq, source=State.SUBMITTING, target=State.UNKNOWN, values=lost)
        seconds = 40 + (item.predicted_s or 0.0) * 6 * self.chance.uniform(0.8, 1.3)
        self.running[item.seq] = (self.second + int(seconds), item)
        job = f"{self.chance.getrandbits(128):032x}"
        name = "-".join((job[:8], job[8:12], job[12:16], job[16:20], job[20:]))
        told = {"job_id": name, "submitted_us": self.us}
        return Change(seq=item.seq, source=State.SUBMITTING, target=State.SUBMITTED, values=told)

    async def _write_line(self) -> None:
        spent = (await self.ledger.counters()).money.spent
        line = {"level": self.level, "slots": len(self.running), "spent": spent, "rate_refused": 0, **self.passed}
        await self.ledger.note("minute", line)
        self.passed = dict.fromkeys(self.passed, 0)


def rows(chance: random.Random) -> Iterator[NewItem]:
    """Make up the rows: scenes of episodes in some languages, a few twice, two that nobody can buy."""
    languages = ("de", "es", "fr", "ja", "pt-BR")
    for number in range(ROWS):
        scene = f"ep{1 + number // 120:02}-sc{1 + number // 5 % 24:02}-{languages[number % 5]}"
        model = chance.choices(tuple(PRICES), (7, 2, 1))[0]
        seconds = round(chance.triangular(6, 60, 18), 1)
        problem = (
            ("bad_row", "audio: there is no file 'speech/ep05-sc24-ja.wav'") if number in (598, 599) else None
        )
        yield NewItem(
            item_id=scene,
            body=json.dumps({"model": model}).encode(),
            payload_sha=(number if number % 50 else 1).to_bytes(16, "little"),
            est_micro=int(PRICES[model] * seconds),
            predicted_s=seconds,
            problem=problem,
        )


def plan_of(items: list[NewItem]) -> Plan:
    """Give the plan of the rows."""
    plan = Plan(rows=len(items))
    for item in items:
        model = plan.models.setdefault(json.loads(item.body)["model"], ModelPlan())
        model.rows += 1
        model.price += (item.est_micro or 0) / 1_000_000  # type: ignore[assignment]
    return plan


async def make_run(output: Path) -> None:
    """Make a run in a folder."""
    chance = random.Random(7)  # noqa: S311  # the same picture each time
    account: Account
    async with SqliteLedger(output, clock=lambda: account.us) as ledger:
        account = Account(ledger, chance)
        spec = RunSpec(run_id="dub-season-1", manifest="season-1.csv", budget_micro=1_200 * SECOND)
        await ledger.create_run(spec)
        items = list(rows(chance))
        await ledger.ingest(items)
        numbers = chance.sample(range(2, ROWS - 10), sum(many for *_, many in FAILURES))
        fates = [(code, error) for code, error, many in FAILURES for _ in range(many)]
        account.fates = dict(zip(numbers, fates, strict=True))
        await account.work()
        await ledger.kv("learned", {"level": 15, "usual_seconds": 172.0})


def photograph(page: Path, picture: Path, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Make a picture of a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("Chromium is needed for the picture")
    with tempfile.TemporaryDirectory() as profile:
        options = (f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--screenshot={picture}")
        quiet = ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--disable-gpu")
        subprocess.run([browser, *quiet, *options, page.as_uri()], check=True, capture_output=True, timeout=120)  # noqa: S603


async def main() -> None:
    """Make the run, its report, and the picture of that."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        output = Path("out")
        await make_run(output)
        page = await write_report(ledger_file(output), output)
        photograph(page.resolve(), PICTURE)


if __name__ == "__main__":
    asyncio.run(main())
