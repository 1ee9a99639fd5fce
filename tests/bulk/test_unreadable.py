"""A run meets answers that cannot be read, as a proxy gives them: it goes on, and buys nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sync_async import DecodeError
from sync_async.sandbox.jobs import SAMPLES
from tests.bulk.test_runner import Bench, assert_all_is_well, results, row, virtually

PAGE: dict[str, Any] = {"status": 200, "body": "<html>Log in</html>", "headers": {"Content-Type": "text/html"}}


def spoil(bench: Bench, kind: str, method: str, path: str, times: int | None) -> None:
    """Have requests answered with a page, or spoilt otherwise."""
    ordered: Any = "answer" if kind == "page" else kind
    more = PAGE if kind == "page" else {}
    bench.sandbox.faults.add(ordered, method=method, path=path, origin="api", times=times, **more)


@pytest.mark.parametrize("kind", ["page", "truncated", "empty"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/generations"), ("POST", "/v2/generate")])
def test_an_answer_that_cannot_be_read_does_not_end_a_run(
    tmp_path: Path, method: str, path: str, kind: str
) -> None:
    async def test(bench: Bench) -> None:
        spoil(bench, kind, method, path, 3)
        async with bench.ledger(*(row(number) for number in range(10))) as ledger:
            assert await bench.runner(ledger).run() is None
            assert_all_is_well(bench, await results(ledger))
        assert [fault.hits for fault in bench.sandbox.faults] == [3]

    virtually(tmp_path, test)


def test_a_list_that_can_never_be_read_ends_it_with_the_reason(tmp_path: Path) -> None:
    """Ten minutes on: the server may have changed."""

    async def test(bench: Bench) -> None:
        spoil(bench, "page", "GET", "/v2/generations", None)
        async with bench.ledger(row(1)) as ledger:
            with pytest.raises(DecodeError, match="HTML page"):
                await bench.runner(ledger).run()

    virtually(tmp_path, test)


def test_an_answer_that_is_no_link_does_not_end_a_run(tmp_path: Path) -> None:
    """The output is fetched later; it is paid for."""

    async def test(bench: Bench) -> None:
        bench.sandbox.faults.add("answer", origin="storage", method="GET", status=403, times=1)
        spoil(bench, "page", "GET", "/v2/generations/.*/download", 1)
        async with bench.ledger(row(1)) as ledger:
            assert await bench.runner(ledger).run() is None
            assert_all_is_well(bench, await results(ledger))
        assert [fault.hits for fault in bench.sandbox.faults] == [1, 1]

    virtually(tmp_path, test)


def test_an_answer_that_is_no_upload_address_does_not_end_a_run(tmp_path: Path) -> None:
    """The file is sent later."""

    async def test(bench: Bench) -> None:
        spoil(bench, "page", "POST", "/v2/assets/upload", 1)
        item = {"model": "lipsync-2", "video": str(SAMPLES / "face.mp4"), "audio": "https://e.com/a.wav"}
        run = await bench.client.bulk.open(tmp_path / "out", [item], prices=False)
        report = await run.result()
        assert report.status.done == 1
        assert [fault.hits for fault in bench.sandbox.faults] == [1]

    virtually(tmp_path, test)
