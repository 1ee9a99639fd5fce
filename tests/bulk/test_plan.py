"""What a run will come to: counted, measured and priced without spending anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sync_async import AsyncSync
from sync_async.bulk.manifest import read_pieces
from sync_async.bulk.measure import Medium, measure, output_of
from sync_async.bulk.plan import Plan, Planner
from sync_async.bulk.prices import ASKED_BEFORE_COMPUTING, Prices
from sync_async.bulk.rows import RowReader
from sync_async.resources._resource import Caller
from sync_async.sandbox import AsyncSandbox
from sync_async.sandbox.jobs import SAMPLES

FACE, SPEECH = SAMPLES / "face.mp4", SAMPLES / "speech.wav"


@pytest.fixture
async def sandbox() -> AsyncIterator[AsyncSandbox]:
    async with AsyncSandbox(polls_per_minute=None) as made:
        yield made
        assert not made.generations  # a plan buys nothing
        assert all(seen.path == "/v2/generations/estimate" for seen in made.requests)


@pytest.fixture
async def prices(sandbox: AsyncSandbox) -> AsyncIterator[Prices]:
    async with AsyncSync(base_url=sandbox.base_url, api_key="k", max_retries=0) as client:
        yield Prices(Caller(client._transport))


async def plan(rows: list[dict[str, Any]], prices: Prices | None = None) -> Plan:
    return await Planner(RowReader(SAMPLES), prices).plan(read_pieces(rows))


def row(**change: Any) -> dict[str, Any]:
    return {"model": "lipsync-2", "video": "face.mp4", "audio": "speech.wav", **change}


async def test_it_counts_rows_doubles_files_and_seconds(prices: Prices) -> None:
    """The output is as long as the voice here."""
    made = await plan([row(item_id="a"), row(item_id="b"), row(item_id="c", model="sync-3")], prices)
    assert (made.rows, made.doubles, made.problems) == (2, 1, 0)
    assert (made.files, made.file_bytes) == (2, FACE.stat().st_size + SPEECH.stat().st_size)
    assert made.models["lipsync-2"].rows == 1
    assert made.models["lipsync-2"].seconds == pytest.approx(4.0, abs=0.1)


async def test_the_price_is_the_servers(prices: Prices, sandbox: AsyncSandbox) -> None:
    """By length and the video's own frame rate, which is not the one that the server would assume."""
    made = await plan([row()], prices)
    frames = 4.0 * (measure(FACE).fps or 0)
    assert made.price == pytest.approx(Decimal(str(frames / 25 * 0.05)), rel=Decimal("0.01"))
    assert made.rows_of_unknown_price == 0
    assert len(sandbox.requests) == 1


async def test_what_nobody_knows_is_unknown_and_not_nothing(prices: Prices) -> None:
    """Media elsewhere are not measured, and a model of tomorrow has no price."""
    made = await plan([row(audio="https://x/a.wav"), row(model="a-model-of-tomorrow")], prices)
    assert made.price == 0
    assert made.rows_of_unknown_price == 2
    assert made.models["lipsync-2"].rows_of_unknown_length == 1
    assert made.models["a-model-of-tomorrow"].rows_of_unknown_length == 0


async def test_each_price_is_asked_for_once_and_many_are_computed(prices: Prices) -> None:
    """A price is a price per frame."""
    for _ in range(3):
        assert await prices.of("lipsync-2", 10.0, 25.0) == Decimal("0.5")
    assert prices.asked == 1
    for seconds in range(1, 300):
        price = await prices.of("lipsync-2", float(seconds), 25.0)
        assert price == pytest.approx(Decimal(str(seconds * 0.05)), abs=Decimal("0.001"))
    assert prices.asked == ASKED_BEFORE_COMPUTING


async def test_prices_that_do_not_agree_are_all_asked_for(prices: Prices, sandbox: AsyncSandbox) -> None:
    for number in range(8):
        answer = {"estimatedFrameCount": 1, "estimatedGenerationCost": 1 + number}
        sandbox.faults.add("answer", path="/v2/generations/estimate", status=200, body=answer)
        assert await prices.of("odd", 10.0 + number, 25.0) == 1 + number
    assert prices.asked == 8


async def test_all_problems_are_counted_and_the_first_fifty_kept() -> None:
    made = await plan([row(video="no.mp4", item_id=str(n)) for n in range(70)])
    assert (made.problems, len(made.shown_problems), made.rows) == (70, 50, 0)


async def test_the_time_is_littles_law_and_says_what_binds() -> None:
    """A thousand jobs of about 94 s over 3 slots, or the minutes that their creates take."""
    made = await plan([row(item_id=str(n), output_name=f"o-{n}") for n in range(1000)])
    assert made.job_seconds == pytest.approx(94_000, rel=0.01)
    assert made.seconds(slots=3) == pytest.approx(94_000 / 3, rel=0.01)
    assert made.bound_by(slots=3) == "concurrency"
    assert made.seconds(slots=500) == 1000
    assert made.bound_by(slots=500) == "request rate"
    few = await plan([row(item_id="a")])
    assert few.seconds(slots=15) == few.longest_job_seconds == pytest.approx(94, rel=0.01)
    assert made.seconds(slots=500, posts_per_minute=600) == pytest.approx(188, rel=0.01)


@pytest.mark.parametrize(
    ("body", "media", "seconds", "fps"),
    [
        ({}, {"video": Medium(3, 30), "audio": Medium(4)}, 4, 30),
        ({"options": {"sync_mode": "cut_off"}}, {"video": Medium(3, 30), "audio": Medium(4)}, 3, 30),
        ({"options": {"sync_mode": "silence"}}, {"video": Medium(5, 30), "audio": Medium(4)}, 5, 30),
        ({"options": {"sync_mode": "silence"}}, {"audio": Medium(4)}, None, None),
        ({"segments": [{}]}, {"video": Medium(3, 30), "audio": Medium(4)}, 3, 30),
        ({"dubParams": {}}, {"video": Medium(3, 24)}, 3, 24),
        ({}, {"image": Medium(), "audio": Medium(4)}, 4, 25),
        ({"input": [{"type": "image", "url": "x"}]}, {"audio": Medium(4)}, 4, 25),
        ({"options": {"sync_mode": "loop"}}, {"video": Medium(3, 30)}, None, 30),
    ],
)
def test_the_length_of_the_output_follows_the_sync_mode(
    body: dict[str, Any], media: dict[str, Medium], seconds: float | None, fps: float | None
) -> None:
    assert output_of(body, media) == Medium(seconds, fps)


def test_what_is_no_medium_has_no_length(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert measure(tmp_path / "a.mp4") == Medium()
    assert measure(tmp_path / "gone.mp4") == Medium()
    assert measure(SPEECH) == Medium(pytest.approx(4.0, abs=0.1), None)
