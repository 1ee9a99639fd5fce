"""The page of a report in a browser: rows found, sorted and played, on any screen, with nothing fetched."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sync_async.bulk.report import write_report
from sync_async.bulk.sqlite import ledger_file
from sync_async.sandbox.jobs import SAMPLES
from tests.bulk.report_browser import CHROMIUM, Page, browsing
from tests.bulk.report_run import BEGIN, Row, done, failed, line, make_run, running, unknown

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
    pytest.mark.timeout(90),
]

HOSTILE = "</script><img src=x onerror=alert(1)><script>alert(2)</script>"
DASH = "\u2013"
VIDEO = "take 1 #50%?.mp4"
PLAYED = """
new Promise((tell) => {
  const video = document.querySelector("video");
  const say = () => tell([video.videoWidth > 0, video.paused, video.preload, video.controls]);
  video.addEventListener("error", () => tell("error"));
  if (video.readyState >= 2) say(); else video.onloadeddata = say;
})
"""
OUTSIDE = """
(svg) => [...svg.querySelectorAll("text")].filter((text) => {
  const own = text.getBoundingClientRect(), all = svg.getBoundingClientRect();
  return own.left < all.left - 1 || own.right > all.right + 1;
}).map((text) => text.textContent)
"""
GONE = """
new Promise((tell) => {
  const look = () => {
    const gone = document.querySelector(".gone");
    if (gone) tell(gone.innerText); else requestAnimationFrame(look);
  };
  look();
})
"""


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A browser in which nothing has gone wrong at the end."""
    async with browsing(tmp_path / "profile") as made:
        yield made
        await made.run("0")  # what was told before is read by now
        assert made.problems == []


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


async def show(page: Page, out: Path, rows: list[Row], **settings: Any) -> None:
    await make_run(out, rows, **settings)
    await page.open((await write_report(ledger_file(out), out)).as_uri())


def mixed() -> list[Row]:
    return [
        Row(item_id="row-10", fate=done("row-10.mp4", cost=2_000_000, seconds=30), payload=1),
        Row(item_id="row-9", fate=done("row-9.mp4", cost=500_000, seconds=4)),
        Row(item_id="row-8", payload=1),
        Row(item_id="lost", fate=unknown()),
        Row(item_id="bad-1", fate=failed("internal_error", "It broke.", "1")),
        Row(item_id="bad-2", fate=failed("generation_pipeline_failed", "It broke, too.", "2")),
        Row(item_id="runs", fate=running("job-x"), est_micro=None),
        Row(item_id="waits"),
    ]


async def cells(page: Page, column: str) -> list[str]:
    script = f'[...document.querySelectorAll(".items td.c-{column}")].map((cell) => cell.innerText)'
    found: list[str] = await page.run(script)
    return found


async def text(page: Page, selector: str) -> str:
    found: str = await page.run(f"document.querySelector({json.dumps(selector)}).innerText")
    return found


async def click(page: Page, selector: str) -> None:
    await page.run(f"document.querySelector({json.dumps(selector)}).click()")


async def choose(page: Page, name: str) -> None:
    """Click the button of a state."""
    await page.run(
        f'[...document.querySelectorAll(".states button")]'
        f".find((button) => button.innerText.startsWith({json.dumps(name)})).click()"
    )


async def test_rows_are_shown_as_they_were_given(page: Page, out: Path) -> None:
    await show(page, out, mixed())
    names = ["row-10", "row-9", "row-8", "lost", "bad-1", "bad-2", "runs", "waits"]
    assert await cells(page, "id") == names
    assert await cells(page, "group") == ["done"] * 3 + ["unknown", "failed", "failed", "running", "waiting"]
    costs = ["$2.00", "$0.50", DASH, "~$1.50", "unknown", "unknown", "unknown", DASH]
    assert await cells(page, "cost") == costs
    assert (await cells(page, "result"))[4] == "More internal_error It broke."
    assert await text(page, ".where") == f"1{DASH}8 of 8"


async def test_rows_are_chosen_by_state_by_reason_and_by_name(page: Page, out: Path) -> None:
    await show(page, out, mixed())
    states = (
        "[...document.querySelectorAll('.states button')].map((button) => button.innerText.replace(/\\s+/, ' '))"
    )
    assert await page.run(states) == ["All 8", "done 3", "failed 2", "unknown 1", "running 1", "waiting 1"]
    await choose(page, "failed")
    assert await cells(page, "id") == ["bad-1", "bad-2"]
    await click(page, '[data-code="internal_error"]')
    assert await cells(page, "id") == ["bad-1"]
    assert (await text(page, ".only")).startswith("Only internal_error")
    await click(page, ".only button")
    for wanted, names in (("ROW-", ["row-10", "row-9", "row-8"]), ("job-x", ["runs"]), ("nobody", [])):
        field = "document.querySelector('.tools input')"
        await page.run(f"{field}.value = {json.dumps(wanted)}; {field}.dispatchEvent(new Event('input'))")
        assert await cells(page, "id") == names
    assert await text(page, ".where") == "no such row"


async def test_rows_are_sorted_by_a_column_and_back(page: Page, out: Path) -> None:
    """Names with numbers as people count; rows without a value stand last, whichever way."""
    await show(page, out, mixed())
    await click(page, "[data-sort=id]")
    by_name = ["bad-1", "bad-2", "lost", "row-8", "row-9", "row-10", "runs", "waits"]
    assert await cells(page, "id") == by_name
    await click(page, "[data-sort=id]")
    assert await cells(page, "id") == by_name[::-1]
    assert await page.run("document.querySelector('th.c-id').getAttribute('aria-sort')") == "descending"
    await click(page, "[data-sort=cost]")
    assert (await cells(page, "cost"))[:3] == ["$0.50", "~$1.50", "$2.00"]
    await click(page, "[data-sort=cost]")
    assert (await cells(page, "cost"))[:3] == ["$2.00", "~$1.50", "$0.50"]


async def test_a_long_table_is_shown_a_page_at_a_time(page: Page, out: Path) -> None:
    await show(page, out, [Row(item_id=f"row-{number}") for number in range(1, 1121)])
    assert await text(page, ".where") == f"1{DASH}50 of 1,120"
    assert await page.run("document.querySelector('.back').disabled")
    for _ in range(22):
        await click(page, ".pager .on")
    assert await text(page, ".where") == f"1,101{DASH}1,120 of 1,120"
    assert (await cells(page, "id"))[-1] == "row-1120"
    assert await page.run("document.querySelector('.pager .on').disabled")
    await click(page, ".pager .back")
    assert (await cells(page, "id"))[0] == "row-1051"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """A server of all files of the test."""
    app = web.Application()
    app.router.add_static("/", tmp_path)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("way", ["from the disk", "from a server"])
async def test_a_video_plays_in_its_row(page: Page, out: Path, tmp_path: Path, server: str, way: str) -> None:
    await make_run(out, [Row(item_id="a", fate=done(VIDEO))])
    shutil.copy(SAMPLES / "face.mp4", out / VIDEO)
    (tmp_path / "pages #1").mkdir()
    written = await write_report(ledger_file(out), out, tmp_path / "pages #1")
    await page.open(written.as_uri() if way == "from the disk" else f"{server}/pages%20%231/report.html")
    assert await page.run("document.querySelector('video')") is None
    await click(page, ".items .open")
    assert await page.run(PLAYED) == [True, False, "none", True]
    first, video = page.requests
    assert first.endswith("/report.html")
    assert video.endswith("/out/take%201%20%2350%25%3F.mp4")
    await click(page, ".items .open")
    assert await page.run("document.querySelector('.detail')") is None


async def test_a_video_that_was_moved_says_so(page: Page, out: Path) -> None:
    page.expected = "Failed to load resource: net::ERR_FILE_NOT_FOUND"
    await show(page, out, [Row(item_id="a", fate=done("a.mp4"))])
    await click(page, ".items .open")
    said = await page.run(GONE)
    assert said == "a.mp4 cannot be played; is it still beside this page, where it was written?"


async def test_names_and_errors_are_shown_and_do_nothing(page: Page, out: Path) -> None:
    rows = [
        Row(item_id=HOSTILE, fate=failed(HOSTILE, HOSTILE)),
        Row(item_id="javascript:alert(1)", fate=done("j:x.mp4")),
    ]
    await show(page, out, rows, manifest=HOSTILE)
    shutil.copy(SAMPLES / "face.mp4", out / "j:x.mp4")
    assert await cells(page, "id") == [HOSTILE, "javascript:alert(1)"]
    for number in (0, 1):
        await page.run(f"document.querySelectorAll('.items .open')[{number}].click()")
    assert HOSTILE in await text(page, ".detail dl")
    assert await page.run("document.querySelector('.detail a').getAttribute('href')") == "./j%3Ax.mp4"
    await click(page, ".reasons .rows")
    assert await cells(page, "id") == [HOSTILE]
    assert await page.run("document.images.length") == 0
    assert await page.run("document.scripts.length") == 2  # words, and the page's own
    assert [request for request in page.requests if not request.startswith("file:")] == []


@pytest.mark.parametrize(("width", "chart"), [(390, "narrow"), (1440, "wide")])
async def test_the_page_fits_the_screen(page: Page, out: Path, width: int, chart: str) -> None:
    rows = [*mixed(), Row(item_id="x" * 200, fate=failed("y" * 120, "z" * 400, "long"))]
    lines = [line(30 + 30 * number) for number in range(300)]
    lines += [(BEGIN + (100_000 + 30 * number) * 1_000_000, lines[0][1]) for number in range(300)]
    await page.size(width)
    await show(page, out, rows, lines=lines, budget_micro=5_000_000)
    await page.run("document.querySelectorAll('.items .open')[8].click()")
    assert await page.run("document.documentElement.scrollWidth") == width
    shown = "[...document.querySelectorAll('svg.chart')].filter((svg) => svg.getClientRects().length)"
    assert await page.run(f"{shown}.map((svg) => svg.parentElement.className)") == [chart]
    letters = f"{shown}[0].querySelector('.time').getBoundingClientRect().height"
    assert await page.run(letters) > 8  # to be read
    assert await page.run(f"{shown}.flatMap({OUTSIDE})") == []
