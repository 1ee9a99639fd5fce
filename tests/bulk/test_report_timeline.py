"""How a run went, in the report: sessions and gaps, an axis that people can read, and a chart that holds them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import UTC, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_async.bulk.records import Event
from sync_async.bulk.report import write_report
from sync_async.bulk.report.axis import GAPS_SHARE, LABEL, Axis
from sync_async.bulk.report.chart import chart
from sync_async.bulk.report.history import NARROW, WIDE
from sync_async.bulk.report.timeline import SECOND, condensed, sessions
from sync_async.bulk.sqlite import ledger_file
from tests.bulk.report_run import BEGIN, Read, Row, done, line, make_run

SVG = "{http://www.w3.org/2000/svg}"
DAY = 86_400


def event(second: float, **detail: float) -> Event:
    us, counts = line(second, **detail)
    return Event(us=us, kind="minute", detail=counts)


def lines(count: int, begin: float = 30.0, apart: float = 30.0) -> list[Event]:
    return [event(begin + number * apart) for number in range(count)]


def drawn(events: list[Event], width: int = WIDE) -> ET.Element:
    text = chart(sessions(events), width, UTC, "described").replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1)
    return ET.fromstring(text)


def texts(svg: ET.Element, style: str) -> list[str]:
    return [
        "".join(found.itertext()) for found in svg.iter(f"{SVG}text") if style in found.attrib["class"].split()
    ]


def marks(svg: ET.Element, tag: str, style: str) -> list[ET.Element]:
    return [found for found in svg.iter(f"{SVG}{tag}") if found.attrib.get("class") == style]


# --- sessions ---------------------------------------------------------------------------------------------


def test_lines_that_follow_each_other_are_one_session() -> None:
    [session] = sessions(lines(3))
    assert [(part.begin - BEGIN, part.end - BEGIN) for part in session] == [
        (0, 30 * SECOND),
        (30 * SECOND, 60 * SECOND),
        (60 * SECOND, 90 * SECOND),
    ]


def test_a_time_without_lines_parts_two_sessions_and_belongs_to_none() -> None:
    first, second = sessions([*lines(2), *lines(2, begin=3600)])
    assert first[-1].end == BEGIN + 60 * SECOND
    assert second[0].begin == BEGIN + 3570 * SECOND


def test_a_line_that_comes_late_is_still_of_the_same_session() -> None:
    """A busy loop, or a laptop that slept for a moment, makes no gap."""
    assert len(sessions([event(30), event(30 + 74)])) == 1
    assert len(sessions([event(30), event(30 + 76)])) == 2


def test_lines_out_of_order_and_of_one_moment_lose_nothing() -> None:
    """A clock may be set back."""
    [session] = sessions([event(60, completed=1), event(30, completed=2), event(60, completed=4)])
    assert sum(part.completed for part in session) == 7
    assert all(part.begin < part.end for part in session)
    assert all(left.end == right.begin for left, right in pairwise(session))


def test_what_an_older_version_did_not_write_is_nothing() -> None:
    [[stretch]] = sessions([Event(us=BEGIN, kind="minute", detail={"level": 3, "slots": None})])
    assert (stretch.level, stretch.slots, stretch.completed, stretch.refused) == (3, 0, 0, 0)


@given(
    seconds=st.lists(st.floats(1, 400), min_size=1, max_size=80),
    most=st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_what_is_joined_adds_up(seconds: list[float], most: int) -> None:
    at, events = 0.0, []
    for number, passed in enumerate(seconds):
        at += passed
        events.append(event(at, completed=number, refused=1, rate_refused=2, slots=number % 7))
    found = sessions(events)
    joined = condensed(found, most)
    assert len(joined) == len(found)
    assert sum(map(len, joined)) <= most + len(found)
    for before, after in zip(found, joined, strict=True):
        assert (before[0].begin, before[-1].end) == (after[0].begin, after[-1].end)
        for name in ("posts", "completed", "refused", "rate_refused", "length"):
            assert sum(getattr(part, name) for part in before) == sum(getattr(part, name) for part in after)
        area = sum(part.slots * part.length for part in before)
        assert sum(part.slots * part.length for part in after) == pytest.approx(area)


def test_a_last_moment_is_no_rate_of_its_own() -> None:
    """A session ends with a line of however few seconds it has left."""
    [session] = condensed(sessions([*lines(3), event(90.2, completed=50)]), 100)
    assert [part.length // SECOND for part in session] == [30, 30, 30]
    assert session[-1].completed == 52


# --- the axis ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (lines(2), ["08:00:00", "08:00:30"]),
        (lines(20), ["08:00", "08:01", "08:02", "08:03"]),
        (lines(200), ["08:00", "08:10", "08:20", "08:30"]),
        (lines(2000), ["08:00", "09:00", "10:00", "11:00"]),
        (lines(20_000), ["12:00", "00:00", "12:00", "00:00"]),
        (lines(60_000), ["19 Nov", "21 Nov", "23 Nov"]),
    ],
)
def test_labels_stand_at_round_moments(events: list[Event], expected: list[str]) -> None:
    labels = Axis.of(sessions(events), 40, 1064).labels(UTC)
    assert [label.time for label in labels][: len(expected)] == expected
    assert 2 <= len(labels) <= 18
    assert all(right.x - left.x >= LABEL for left, right in pairwise(labels))


def test_a_day_stands_where_it_begins() -> None:
    labels = Axis.of(sessions(lines(5000)), 40, 1064).labels(UTC)
    assert [(label.time, label.day) for label in labels if label.day] == [
        ("09:00", "17 Nov"),
        ("00:00", "18 Nov"),
        ("00:00", "19 Nov"),
    ]


def test_round_moments_are_those_of_the_time_zone() -> None:
    zone = timezone(timedelta(hours=5, minutes=45))
    labels = Axis.of(sessions(lines(2000)), 40, 1064).labels(zone)
    assert [label.time for label in labels][:2] == ["14:00", "15:00"]


def test_a_long_gap_is_cut_short_and_a_short_one_is_seen() -> None:
    found = sessions([*lines(100), *lines(100, begin=21 * DAY), *lines(100, begin=21 * DAY + 3100)])
    axis = Axis.of(found, 0, 1000)
    assert [gap.right - gap.left for gap in axis.gaps] == [pytest.approx(100), pytest.approx(12)]
    assert axis.pieces[0].left == 0
    assert axis.pieces[-1].right == pytest.approx(1000)
    lengths = [piece.right - piece.left for piece in axis.pieces]
    assert lengths == pytest.approx([lengths[0]] * 3)


def test_many_gaps_leave_room_for_what_happened() -> None:
    found = sessions([event(number * 3600.0) for number in range(500)])
    axis = Axis.of(found, 0, 1000)
    assert sum(gap.right - gap.left for gap in axis.gaps) <= GAPS_SHARE * 1000 + 1e-6
    assert all(
        left.right == pytest.approx(right.left) for left, right in zip(axis.pieces, axis.gaps, strict=False)
    )


# --- the chart --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("count", [1, 2, 200, 20_000])
def test_a_chart_of_any_run_can_be_held(count: int, width: int) -> None:
    svg = drawn(lines(count), width)
    text = ET.tostring(svg, encoding="unicode")
    assert "nan" not in text
    assert "inf" not in text
    assert len(text) < 120_000
    assert len(marks(svg, "rect", "hint")) <= width / 8
    assert 1 <= len(texts(svg, "time")) <= 40
    assert texts(svg, "title") == ["Generations at once", "Completed a minute"]
    [bars] = marks(svg, "path", "completed")
    assert bars.attrib["d"].count("M") == len(marks(svg, "rect", "hint"))


def test_a_gap_is_a_gap_in_every_line() -> None:
    svg = drawn([*lines(40), *lines(40, begin=9000)])
    assert len(marks(svg, "path", "slots")) == len(marks(svg, "path", "level")) == 3  # one is in the legend
    [gap] = marks(svg, "rect", "gap")
    assert "".join(gap.itertext()) == "nothing ran for 2 h 9 min"
    left, right = float(gap.attrib["x"]), float(gap.attrib["x"]) + float(gap.attrib["width"])
    for hint in marks(svg, "rect", "hint"):
        begin, end = float(hint.attrib["x"]), float(hint.attrib["x"]) + float(hint.attrib["width"])
        assert end <= left + 0.2 or begin >= right - 0.2
    assert texts(svg, "pause") == ["nothing ran2 h 9 min"]


def test_refusals_have_a_panel_only_when_there_are_some() -> None:
    svg = drawn([event(30, refused=3), event(60)])
    assert texts(svg, "title")[-1] == "Refused a minute"
    assert texts(svg, "legend") == ["running", "limit", "too many at once"]
    assert texts(drawn([event(30, rate_refused=1, refused=1)]), "legend")[2:] == [
        "too many at once",
        "too many requests",
    ]


def test_slow_runs_are_counted_by_the_hour() -> None:
    svg = drawn([event(30 + 30 * number, completed=int(number % 60 == 0)) for number in range(240)])
    assert texts(svg, "title")[1] == "Completed an hour"


def test_a_stretch_says_its_numbers_to_whoever_points_at_it() -> None:
    [hint, *_] = marks(drawn([event(30, level=3, slots=2.5, completed=1200, refused=1)]), "rect", "hint")
    assert "".join(hint.itertext()) == (
        "17 Nov 08:00:00 to 17 Nov 08:00:30: 2.5 of 3 at once, 1,200 completed, 1 create refused"
    )


# --- in the page ------------------------------------------------------------------------------------------


async def test_the_page_says_in_words_and_numbers_what_the_chart_shows(tmp_path: Path) -> None:
    told = [line(30 + 30 * number, posts=3, refused=1, completed=2) for number in range(500)]
    later = [line(40_000 + 30 * number, slots=3, posts=0, completed=1) for number in range(10)]
    await make_run(
        tmp_path,
        [Row(item_id="a", fate=done("a.mp4"))],
        [*told, *later],
        kept={"learned": {"level": 3, "usual_seconds": 95.0}},
    )
    page = await write_report(ledger_file(tmp_path), tmp_path)
    read = Read.of(page)
    assert (
        "4 h 15 min of work in 2 sessions, 11 h 11 min in all; at most 3 at once; 500 creates of 1,500 refused. "
        "The account takes 3 generations at once. A job usually takes 1 min 35 s." in read.text
    )
    wide, narrow = [tag for tag in read.named("svg") if tag.get("role") == "img"]
    ids = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    for svg in (wide, narrow):
        assert set(str(svg["aria-labelledby"]).split()) <= ids
    [table] = re.findall("<details>.*</details>", page.read_text(), re.DOTALL)
    rows = [["".join(cell.itertext()) for cell in row] for row in ET.fromstring(table).iter("tr")]
    assert rows[0] == [
        "From (UTC)",
        "For",
        "Running",
        "Limit",
        "Completed",
        "Refused: at once",
        "Refused: requests",
    ]
    assert sum(int(row[4]) for row in rows[1:] if len(row) > 1) == 1010
    assert [row for row in rows if len(row) == 1] == [["nothing ran for 6 h 56 min"]]


async def test_a_run_of_which_no_line_is_known_has_no_chart(tmp_path: Path) -> None:
    await make_run(tmp_path, [Row(item_id="a")])
    assert "How it went" not in Read.of(await write_report(ledger_file(tmp_path), tmp_path)).text
