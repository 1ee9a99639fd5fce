"""The report of a run: what it says, what it never says, and how it is written."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from sync_async import ArgumentError
from sync_async.bulk import sqlite_schema
from sync_async.bulk.errors import LedgerError
from sync_async.bulk.ledger import PAGE_ROWS
from sync_async.bulk.plan import ModelPlan, Plan
from sync_async.bulk.records import Change, RunSpec
from sync_async.bulk.report import write_report
from sync_async.bulk.report.table import Table
from sync_async.bulk.report.words import dollars, shown, span
from sync_async.bulk.sqlite import SqliteLedger, ledger_file
from sync_async.bulk.states import State
from tests.bulk.report_run import Read, Row, done, failed, line, make_run, running, unknown

OUTPUT = ["seq", "id", "group", "model", "job", "seconds", "micro", "price", "attempts", "code", "error", "path"]
HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


async def report_of(out: Path, *rows: Row, **settings: Any) -> Read:
    await make_run(out, rows, **settings)
    return Read.of(await write_report(ledger_file(out), out))


def cells(read: Read) -> dict[str, dict[str, Any]]:
    """Give the rows by their names, their first columns by name, with words instead of numbers."""
    found = {}
    for row in read.rows:
        cell = dict(zip(OUTPUT, row, strict=False))
        cell["group"] = read.meta["groups"][cell["group"]]
        cell["model"] = None if cell["model"] is None else read.meta["models"][cell["model"]]
        cell["code"] = None if cell["code"] is None else read.meta["codes"][cell["code"]]
        found[cell["id"]] = cell
    return found


# --- what became of it ------------------------------------------------------------------------------------


async def test_a_run_that_went_well_says_so(out: Path) -> None:
    read = await report_of(out, Row(item_id="a", fate=done("a.mp4")), Row(item_id="b", fate=done("b.mp4")))
    assert "All 2 rows are done." in read.text
    assert "Why rows have no output" not in read.text


async def test_every_row_is_counted_where_it_stands(out: Path) -> None:
    """A double stands where the row stands whose fate it shares."""
    read = await report_of(
        out,
        Row(item_id="good", fate=done("good.mp4"), payload=1),
        Row(item_id="again", payload=1),
        Row(item_id="bad", fate=failed("generation_pipeline_failed")),
        Row(item_id="lost", fate=unknown()),
        Row(item_id="runs", fate=running("job-1")),
        Row(item_id="waits"),
        Row(item_id="wrong", problem=("bad_row", "audio: there is no such file")),
    )
    assert "2 of 7 rows are done: 1 failed, 1 was rejected, 1 is unknown, 1 is running, 1 waits." in read.text
    assert "7 rows of jobs.csv, of them 1 double" in read.text
    groups = {name: row["group"] for name, row in cells(read).items()}
    assert groups == {
        "good": "done",
        "again": "done",
        "bad": "failed",
        "lost": "unknown",
        "runs": "running",
        "waits": "waiting",
        "wrong": "rejected",
    }


async def test_a_run_that_was_left_says_since_when_and_how_to_go_on(out: Path, tmp_path: Path) -> None:
    file = tmp_path / "a ledger.db"
    await make_run(out, [Row(item_id="a", fate=done("a.mp4")), Row(item_id="b")], ledger_file=file)
    read = Read.of(await write_report(file, out))
    assert "The run has not ended. 1 of 2 rows are done: 1 waits." in read.text
    assert f"syncso bulk resume {out} --ledger '{file}' goes on" in read.text
    assert "Nothing has happened since 17 Nov 2026" in read.text


async def test_a_report_is_written_beside_a_run_that_goes_on(out: Path) -> None:
    await make_run(out, [Row(item_id="a", fate=done("a.mp4")), Row(item_id="b")])
    async with SqliteLedger(out) as ledger:
        await ledger.create_run(None)
        [item] = (await ledger.claim(1, time.time_ns() // 1000)).items
        read = Read.of(await write_report(ledger_file(out), out))
        assert "The run goes on. 1 of 2 rows are done: 1 is running." in read.text
        assert "Nothing has happened" not in read.text
        values = {"job_id": "j", "submitted_us": 1}
        await ledger.mark([Change(seq=item.seq, source=item.state, target=State.SUBMITTED, values=values)])


async def test_a_run_without_rows_has_a_page(out: Path) -> None:
    read = await report_of(out)
    assert "The run has no rows yet." in read.text
    assert read.rows == []


# --- why rows have no output ------------------------------------------------------------------------------


async def test_reasons_come_with_the_most_frequent_first_and_what_the_catalogue_says(out: Path) -> None:
    bad = [
        Row(item_id=f"bad-{n}", fate=failed("generation_pipeline_failed", "The processing failed.", str(n)))
        for n in range(5)
    ]
    read = await report_of(
        out,
        Row(item_id="far", fate=failed("generation_input_video_inaccessible", "403")),
        *bad,
        Row(item_id="good", fate=done("good.mp4")),
    )
    first = read.text.index("generation_pipeline_failed")
    assert first < read.text.index("generation_input_video_inaccessible")
    assert "bad-0, bad-1, bad-2 and 2 more" in read.text
    assert "Start a new generation." in read.text
    assert f"syncso bulk retry {out} --code generation_pipeline_failed" in read.text
    assert "Check that its URL is public and has not expired." in read.text
    assert "--code generation_input_video_inaccessible" not in read.text  # it would fail again


async def test_nothing_is_invented_about_a_code_that_nobody_knows(out: Path) -> None:
    read = await report_of(out, Row(item_id="the-row", fate=failed("brand_new", "It was a Tuesday.")))
    assert "failed brand_new It was a Tuesday. the-row" in read.text


async def test_a_code_from_elsewhere_does_no_harm_in_a_command(out: Path) -> None:
    read = await report_of(out, Row(item_id="a", fate=failed("controller_x; rm -rf ~")))
    assert f"syncso bulk retry {out} --code 'controller_x; rm -rf ~'" in read.text


async def test_rows_to_be_mended_are_found_in_their_manifest(out: Path) -> None:
    row = Row(item_id="long", fate=failed("generation_model_duration_exceeded"))
    assert "has these rows as a manifest" not in (await report_of(out, row)).text
    (out / "failed.jsonl").touch()
    read = Read.of(await write_report(ledger_file(out), out))
    assert "Send shorter media or take another model. failed.jsonl has these rows as a manifest." in read.text


async def test_rows_that_may_be_bought_already_are_to_be_resolved_or_fetched(out: Path) -> None:
    put_off = {"error_code": "output_exists", "error": "'c.mp4' is there already; move it away, then resume"}
    read = await report_of(
        out,
        Row(item_id="lost", fate=unknown()),
        Row(item_id="blocked", fate=(*done("c.mp4")[:3], (State.REMOTE_DONE, put_off))),
        Row(item_id="at-work", fate=done("d.mp4")[:3]),
    )
    assert f"syncso bulk resolve {out}" in read.text
    assert "move it away, then resume" in read.text
    assert "They are paid for, and wait at the server." in read.text
    assert "1 is unknown, 2 are not fetched yet" in read.text
    assert "retry" not in read.text
    assert {"data-group": "5", "data-code": "output_exists", "class": "rows", "type": "button"} in read.named(
        "button"
    )


async def test_many_reasons_do_not_bury_the_page(out: Path) -> None:
    read = await report_of(out, *(Row(item_id=f"r{n}", fate=failed(f"code_{n:02}")) for n in range(33)))
    assert "And 3 rows for 3 other reasons." in read.text
    assert len(read.rows) == 33


# --- money ------------------------------------------------------------------------------------------------


async def test_what_was_spent_is_told_with_what_is_only_estimated(out: Path) -> None:
    read = await report_of(
        out,
        Row(item_id="told", fate=done("a.mp4", cost=1_250_000), payload=1),
        Row(item_id="estimated", fate=done("b.mp4"), est_micro=500_000),
        Row(item_id="double", payload=1),
        Row(item_id="runs", fate=running("j"), est_micro=2_000_000),
        budget_micro=10_000_000,
    )
    assert "Spent $1.75 $0.50 of it estimated" in read.text
    assert "Reserved for what runs $2.00" in read.text
    assert "Saved $1.50 1 double bought once" in read.text
    assert "Budget $10.00 $6.25 left" in read.text
    prices = {name: (row["micro"], row["price"]) for name, row in cells(read).items()}
    assert prices == {
        "told": (1_250_000, 1),
        "estimated": (500_000, 2),
        "double": (None, 0),
        "runs": (2_000_000, 2),
    }


async def test_a_price_that_nobody_knows_is_unknown_and_not_nothing(out: Path) -> None:
    read = await report_of(
        out,
        Row(item_id="a", fate=done("a.mp4"), est_micro=None, payload=1),
        Row(item_id="b", fate=failed("internal_error"), est_micro=None),
        Row(item_id="c", payload=1, est_micro=None),
        Row(item_id="d", fate=running("j"), est_micro=None),
    )
    assert "$" not in read.text
    assert "Spent unknown of 1 row nobody knows the price; 1 failed row may have been charged" in read.text
    assert "Reserved for what runs unknown" in read.text
    assert "Saved unknown" in read.text
    assert {row["price"] for name, row in cells(read).items() if name != "c"} == {3}
    assert {row["micro"] for row in cells(read).values()} == {None}


async def test_a_row_that_was_given_up_may_have_been_charged_for(out: Path) -> None:
    given_up = {"finished_us": 5, "error_code": "given_up"}
    read = await report_of(out, Row(item_id="a", fate=(*unknown(), (State.FAILED, given_up))))
    assert cells(read)["a"]["price"] == 3
    assert "1 failed row may have been charged" in read.text


async def test_each_model_has_its_share(out: Path) -> None:
    template = json.dumps({"body": {"model": "sync-3"}, "files": {}, "contents": {}}).encode()
    read = await report_of(
        out,
        Row(item_id="a", fate=done("a.mp4", cost=3_000_000)),
        Row(item_id="b", fate=failed("internal_error")),
        Row(item_id="c", body=template, is_frozen=False),
    )
    assert "Model Rows Done Failed Output Spent Of unknown price lipsync-2 2 1 1 12 s $3.00 1" in read.text
    assert "sync-3 1 0 0 0 s $0.00 0" in read.text
    assert cells(read)["c"]["model"] == "sync-3"


async def test_the_plan_stands_beside_what_it_came_to(out: Path) -> None:
    plan = Plan(rows=2, models={"lipsync-2": ModelPlan(rows=2, price=7, rows_of_unknown_price=1)})  # type: ignore[arg-type]
    read = await report_of(out, Row(item_id="a", fate=done("a.mp4")), kept={"plan": plan.to_json()})
    assert "Planned $7.00 1 row of unknown price" in read.text


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (0, "$0.00"),
        (12_345_678_901, "$12,345.68"),
        (1_000_000, "$1.00"),
        (42_500, "$0.0425"),
        (50, "under $0.0001"),
    ],
)
def test_dollars_have_two_to_four_digits(micro: int, text: str) -> None:
    assert dollars(micro) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (90, "1 min 30 s"), (3600, "1 h"), (93_600, "1 d 2 h"), (86_430, "1 d")],
)
def test_a_time_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


# --- what it never says -----------------------------------------------------------------------------------


async def test_names_and_errors_are_text_whatever_they_contain(out: Path) -> None:
    names = [HOSTILE, "<!--<script>", "]]>&amp;\"'", "\u2028\u2029", "{}[];", "=cmd"]
    rows = [Row(item_id=name, fate=failed(HOSTILE, HOSTILE, str(n))) for n, name in enumerate(names)]
    read = await report_of(out, *rows, manifest=f"{HOSTILE}.csv")
    assert [row[1] for row in read.rows] == names
    assert cells(read)[HOSTILE]["error"] == HOSTILE
    assert {name for name, _ in read.tags} <= {
        *(
            "html",
            "meta",
            "title",
            "style",
            "header",
            "p",
            "b",
            "h1",
            "code",
            "svg",
            "rect",
            "dl",
            "div",
            "dt",
            "i",
        ),
        *("dd", "section", "h2", "ul", "li", "button", "span", "bdi", "table", "thead", "tr", "th", "tbody", "td"),
        *("noscript", "input", "nav", "script"),
    }
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    scripts = read.named("script")
    assert [script.get("type") for script in scripts] == ["application/json", "application/json", None]
    text = (out / "report.html").read_text()
    assert "\u2028" not in text.partition('<script type="application/json"')[2]


async def test_signed_addresses_and_keys_stay_out(out: Path) -> None:
    signed = "https://user:word@media.example/a.mp4?X-Amz-Signature=5ec2e7&x=1#part"
    body = json.dumps({"model": "lipsync-2", "input": [{"type": "video", "url": signed}]}).encode()
    error = f"GET {signed} answers 403; see also /b.mp4?token=5ec2e7 and 'https://media.example/c?5ec2e7'."
    await make_run(
        out,
        [Row(item_id=signed, fate=failed("code", error), body=body)],
        manifest="https://m.example/a.csv?k=5ec2e7/z",
    )
    page = await write_report(ledger_file(out), out)
    text = page.read_text()
    assert "GET https://media.example/a.mp4?… answers 403; see also /b.mp4?… and " in text
    for secret in ("5ec2e7", "word@", "blk1."):
        assert secret not in text


def test_a_secret_at_the_end_of_what_is_shown_is_not_cut_open() -> None:
    for length in range(560, 620):
        assert "5ec" not in shown("x" * length + " https://h.example/a?sig=5ec2e7")
        assert "5ec" not in shown("x" * length + " https://5ec2e7@h.example/a")
    assert len(shown("x" * 100_000)) < 1000
    assert shown("Is it so? a = b, 50 %") == "Is it so? a = b, 50 %"


async def test_the_page_may_load_nothing_and_run_nothing_but_its_own_script(out: Path) -> None:
    await make_run(out, [Row(item_id="a", fate=done("a.mp4"))], [line(30), line(60)])
    page = await write_report(ledger_file(out), out)
    text, read = page.read_text(), Read.of(page)
    [policy] = [str(meta["content"]) for meta in read.named("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'; ")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        [own] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        name = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{directive} 'sha256-{name}'" in policy
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r"<!--.*?-->", "", text).replace("// ", ""))
    for _, attributes in read.tags:
        assert not attributes.keys() & {"src", "href", "style", "srcset", "action"}


# --- the file ---------------------------------------------------------------------------------------------


async def test_every_row_is_in_the_page_in_the_order_of_the_input(out: Path) -> None:
    count = 2 * PAGE_ROWS + 1
    read = await report_of(out, *(Row(item_id=f"row-{n}") for n in range(count)))
    assert [row[0] for row in read.rows] == list(range(1, count + 1))
    assert [row[1] for row in read.rows] == [f"row-{n}" for n in range(count)]


async def test_no_more_rows_are_in_memory_than_a_few_pages(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most: list[int] = []
    row_of = Table.row

    def watch(table: Table, result: Any, model: str | None) -> list[Any]:
        alive.add(result.item)
        most.append(len(alive))
        return row_of(table, result, model)

    await make_run(out, [Row(item_id=f"row-{n}") for n in range(6 * PAGE_ROWS)])
    monkeypatch.setattr(Table, "row", watch)
    await write_report(ledger_file(out), out)
    assert len(most) == 6 * PAGE_ROWS
    assert PAGE_ROWS <= max(most) <= 3 * PAGE_ROWS


async def test_videos_are_addressed_as_seen_from_the_page(out: Path, tmp_path: Path) -> None:
    odd = tmp_path / "an #odd% folder"
    odd.mkdir()
    await make_run(out, [Row(item_id="a", fate=done("a.mp4"))])
    assert Read.of(await write_report(ledger_file(out), out)).meta["base"] == "./"
    assert Read.of(await write_report(ledger_file(out), out, odd)).meta["base"] == "../out/"
    (tmp_path / "run #1%").symlink_to(out)
    read = Read.of(await write_report(ledger_file(out), tmp_path / "run #1%", odd / "page.html"))
    assert read.meta["base"] == "../run%20%231%25/"
    assert {path.name for path in odd.iterdir()} == {"report.html", "page.html"}


async def test_a_page_that_cannot_be_finished_leaves_the_last_one(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(out, [Row(item_id="a", fate=done("a.mp4"))])
    page = await write_report(ledger_file(out), out)
    before = page.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        await write_report(ledger_file(out), out)
    assert page.read_bytes() == before
    assert sorted(path.name for path in out.iterdir()) == [".syncso", "report.html"]


@pytest.mark.parametrize(
    ("to", "problem"),
    [("video.mp4", "does not end with .html"), ("nowhere/page.html", "there is no folder")],
)
async def test_a_place_that_cannot_be_meant_is_refused(out: Path, to: str, problem: str) -> None:
    await make_run(out, [Row(item_id="a")])
    (out / "video.mp4").write_bytes(b"paid for")
    with pytest.raises(ArgumentError, match=rf"^to: .*{problem}"):
        await write_report(ledger_file(out), out, out / to)
    assert (out / "video.mp4").read_bytes() == b"paid for"


async def test_without_a_run_there_is_no_report(out: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="has a run been started"):
        await write_report(ledger_file(out), out)
    sqlite_schema.open_for_writing(tmp_path / "empty.db").close()
    with pytest.raises(ArgumentError, match="there is no run"):
        await write_report(tmp_path / "empty.db", tmp_path)
    assert not list(tmp_path.glob("*.html"))


async def test_what_a_later_purchase_costs_is_added(out: Path) -> None:
    """A row that failed and was bought once more has cost both."""
    again = {**dict(failed("internal_error")[1][1]), "cost_micro": 200_000}
    await make_run(out, [Row(item_id="a", fate=(failed("internal_error")[0], (State.READY, again)))])
    async with SqliteLedger(out) as ledger:
        await ledger.create_run(RunSpec())
        [item] = (await ledger.claim(1, 1)).items
        source = item.state
        for target, values in done("a.mp4", cost=1_000_000):
            await ledger.mark([Change(seq=item.seq, source=source, target=target, values=values)])
            source = target
    read = Read.of(await write_report(ledger_file(out), out))
    assert "Spent $1.20" in read.text
    assert (cells(read)["a"]["micro"], cells(read)["a"]["attempts"]) == (1_200_000, 2)
