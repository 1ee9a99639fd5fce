"""A manifest is taken in completely, or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sync_async import ArgumentError
from sync_async.bulk.errors import ManifestChangedError, ManifestError
from sync_async.bulk.intake import kept_plan, take_in
from sync_async.bulk.keys import Template, idempotency_key, marked_name
from sync_async.bulk.plan import Plan
from sync_async.bulk.records import Item, RunSpec
from sync_async.bulk.rows import RowReader
from sync_async.bulk.sqlite import SqliteLedger
from sync_async.bulk.states import State

RUN = "the-run"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with SqliteLedger(tmp_path) as made:
        await made.create_run(RunSpec(run_id=RUN))
        yield made


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "item_id": f"row-{number}",
        "model": "lipsync-2",
        "video": "https://e.com/face.mp4",
        "audio": f"https://e.com/{number}.wav",
        **changes,
    }


def bad(number: int) -> dict[str, Any]:
    return row(number, vidio="x")


async def take(ledger: SqliteLedger, rows: Any, base: Path = Path(), **options: Any) -> Plan:
    return await take_in(ledger, rows, reader=RowReader(base), prices=None, run_id=RUN, **options)


async def items(ledger: SqliteLedger) -> list[Item]:
    return [result.item async for result in ledger.results("input")]


async def states(ledger: SqliteLedger) -> list[str]:
    return [item.state.value for item in await items(ledger)]


async def test_rows_are_ready_with_final_bytes_and_a_marked_output_name(ledger: SqliteLedger) -> None:
    """The mark is by which a purchase is found again at the server."""
    plan = await take(ledger, [row(1), row(2, output_name="mine", priority=5)])
    assert (plan.rows, plan.doubles, plan.problems) == (2, 0, 0)
    first, second = await items(ledger)
    name = marked_name("row-1", idempotency_key(RUN, "row-1", 1))
    assert json.loads(first.body)["outputFileName"] == name
    assert json.loads(second.body)["outputFileName"] == "mine"
    assert [(item.state, item.prio, item.is_frozen) for item in (first, second)] == [
        (State.READY, 0, True),
        (State.READY, 5, True),
    ]


async def test_rows_with_local_files_wait_for_them_and_equal_files_count_as_one(
    ledger: SqliteLedger, tmp_path: Path
) -> None:
    for name in ("a.mp4", "copy.mp4"):
        (tmp_path / name).write_bytes(b"the same")
    rows = [row(1, video="a.mp4"), row(2, video="copy.mp4", audio="https://e.com/1.wav")]
    plan = await take(ledger, rows, tmp_path)
    assert (plan.rows, plan.doubles, plan.files, plan.file_bytes) == (1, 1, 2, 16)
    first, second = await items(ledger)
    template = Template.from_bytes(first.body)
    assert template.files == {"video": str(tmp_path / "a.mp4")}
    assert len(template.contents["video"]) == 64
    assert (first.state, second.state, second.dedupe_of) == (State.NEW, State.SKIPPED, 1)


async def test_a_file_is_read_once_until_it_changes(
    ledger: SqliteLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def sha_of(path: Path) -> str:
        read.append(path)
        return path.read_bytes().hex().ljust(64, "0")

    monkeypatch.setattr("sync_async.bulk.contents.sha_of", sha_of)
    face = tmp_path / "face.mp4"
    face.write_bytes(b"1")
    rows = [row(number, video="face.mp4") for number in range(5)]
    await take(ledger, rows, tmp_path)
    await take(ledger, rows, tmp_path)
    assert read == [face]
    face.write_bytes(b"22")
    await take(ledger, rows, tmp_path)
    assert read == [face, face]


async def test_all_problems_are_told_at_once_and_nothing_is_taken_in(ledger: SqliteLedger, tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    with pytest.raises(ManifestError, match="the manifest has 3 problems") as caught:
        await take(ledger, [row(1), bad(2), row(3, model=None), row(1)], problems_file=problems)
    assert (caught.value.problems, caught.value.problems_file) == (3, problems)
    assert "row 2, vidio: there is no such column; did you mean 'video'?" in str(caught.value)
    lines = [json.loads(line) for line in problems.read_text().splitlines()]
    assert [(line["number"], line["column"], line["value"]) for line in lines] == [
        (2, "vidio", "x"),
        (3, "model", None),
        (4, "item_id", "row-1"),
    ]
    assert await items(ledger) == []
    assert (await ledger.counters()).total == 0
    assert await kept_plan(ledger) is None
    await take(ledger, [row(1)], problems_file=problems)
    assert not problems.exists()


async def test_bad_rows_can_be_set_aside_with_what_is_wrong(ledger: SqliteLedger) -> None:
    """One that has no name of its own gets one."""
    rows = [row(1), bad(2), "no mapping", row(1, audio="https://e.com/x.wav"), row(5)]
    plan = await take(ledger, rows, skip_bad=True)
    assert (plan.rows, plan.problems) == (2, 3)
    found = await items(ledger)
    assert [item.item_id for item in found] == ["row-1", "row-2", "row-3", "row-4", "row-5"]
    assert await states(ledger) == ["ready", "rejected", "rejected", "rejected", "ready"]
    assert found[1].error_code == "bad_row"
    assert "no such column" in (found[1].error or "")


async def test_an_intake_that_broke_off_is_taken_out_before_the_next(tmp_path: Path) -> None:
    """As after a kill: what was committed is there, and must not be bought."""

    class KilledError(BaseException):
        pass

    def rows() -> Iterator[dict[str, Any]]:
        yield from map(row, range(25_000))
        raise KilledError

    async with SqliteLedger(tmp_path) as ledger:
        await ledger.create_run(RunSpec(run_id=RUN))
        ledger.take_out = None  # type: ignore[assignment, method-assign]  # a killed process cleans nothing up
        with pytest.raises((KilledError, TypeError)):
            await take(ledger, rows())
        assert (await ledger.counters()).total == 20_000
    async with SqliteLedger(tmp_path) as ledger:
        await ledger.create_run(None)
        assert await kept_plan(ledger) is None
        await take(ledger, map(row, range(3)))
        assert (await ledger.counters()).states[State.READY] == (await ledger.counters()).total == 3
        assert [item.item_id for item in await items(ledger)] == ["row-0", "row-1", "row-2"]


async def test_more_rows_with_problems_leave_the_run_as_it_was(ledger: SqliteLedger) -> None:
    await take(ledger, [row(1), row(2)])
    before = await items(ledger)
    with pytest.raises(ManifestError):
        await take(ledger, [row(2), row(3), bad(4)])
    assert await items(ledger) == before
    assert (await kept_plan(ledger)) is not None


async def test_the_same_rows_again_change_nothing_and_new_ones_are_added(ledger: SqliteLedger) -> None:
    await take(ledger, [row(1), row(2)])
    await ledger.claim(1, 1)
    plan = await take(ledger, [row(2), row(3)])
    assert plan.not_in_manifest == 1
    assert await states(ledger) == ["submitting", "ready", "ready"]


async def test_a_row_that_was_sent_and_has_changed_stops_the_intake(ledger: SqliteLedger) -> None:
    await take(ledger, [row(1), row(2)])
    await ledger.claim(1, 1)
    with pytest.raises(ManifestChangedError):
        await take(ledger, [row(3), row(1, audio="https://e.com/other.wav")])
    assert await states(ledger) == ["submitting", "ready"]


async def test_the_plan_is_kept_for_the_next_session(ledger: SqliteLedger) -> None:
    plan = await take(ledger, [row(1), row(2, model="sync-3"), row(1, item_id="double")])
    assert await kept_plan(ledger) == plan
    assert plan.models["sync-3"].rows == 1
    assert plan.price == Decimal()


async def test_rows_that_come_one_after_the_other_are_taken_in(ledger: SqliteLedger) -> None:
    async def rows() -> AsyncIterator[dict[str, Any]]:
        for number in range(2_500):
            if number % 1000 == 0:
                await asyncio.sleep(0)
            yield row(number)

    assert (await take(ledger, rows())).rows == 2_500
    assert (await ledger.counters()).states[State.READY] == 2_500


async def test_doubles_are_bought_each_when_that_is_wanted(ledger: SqliteLedger) -> None:
    await take(ledger, [row(1), row(1, item_id="again")], dedupe=False)
    assert await states(ledger) == ["ready", "ready"]


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Date=20200101T000000Z&X-Amz-Expires=3600",
        "Expires=1577836800&Signature=x",
        "se=2020-01-01T00%3A00%3A00Z&sig=x",
        "X-Goog-Date=20200101T000000Z&X-Goog-Expires=60",
    ],
)
async def test_a_signed_address_that_has_expired_is_a_problem(ledger: SqliteLedger, query: str) -> None:
    with pytest.raises(ManifestError, match="row 1, video: its signed address has expired; sign it anew"):
        await take(ledger, [row(1, video=f"https://e.com/a.mp4?{query}")])


async def test_the_first_address_to_expire_is_told(ledger: SqliteLedger) -> None:
    plan = await take(ledger, [row(1, video="https://e.com/a.mp4?Expires=4102444800"), row(2)])
    assert plan.first_expiry is not None
    assert plan.first_expiry.year == 2100
    assert await kept_plan(ledger) == plan


@pytest.mark.parametrize("query", ["Expires=soon", "X-Amz-Date=x&X-Amz-Expires=1", "se=abc&sig=x", "a=b"])
async def test_what_only_looks_like_an_expiry_is_none(ledger: SqliteLedger, query: str) -> None:
    assert (await take(ledger, [row(1, video=f"https://e.com/a.mp4?{query}")])).first_expiry is None


async def test_a_manifest_that_cannot_be_read_at_all_leaves_nothing(ledger: SqliteLedger, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="does not exist"):
        await take(ledger, tmp_path / "none.csv")
    assert await ledger.kv("intake") is None
