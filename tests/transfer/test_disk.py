"""Work on files: what comes together is done together, and each caller learns what became of its own."""

from __future__ import annotations

import asyncio
import functools
import threading
from pathlib import Path

import pytest

from sync_async.transfer import disk as disk_module
from sync_async.transfer.disk import AT_ONCE, SLOW, Disk


@pytest.fixture(autouse=True)
def no_wait_is_long(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "slow" not in request.node.name:
        monkeypatch.setattr(disk_module, "SLOW", 60.0)


async def keep_busy(disk: Disk) -> tuple[threading.Event, list[asyncio.Task[None]]]:
    """Give work to all threads, which goes on until an event is set."""
    gate, calls = threading.Event(), list[asyncio.Task[None]]()

    def hold(begun: threading.Event) -> None:
        begun.set()
        gate.wait(10)

    for _ in range(AT_ONCE):
        begun = threading.Event()
        calls.append(asyncio.create_task(disk.do(functools.partial(hold, begun))))
        while not begun.is_set():  # a thread sets it
            await asyncio.sleep(0.001)
    return gate, calls


async def test_what_comes_while_threads_are_at_work_is_done_by_one_of_them() -> None:
    disk, threads = Disk(), list[int]()
    gate, busy = await keep_busy(disk)
    late = [asyncio.create_task(disk.do(lambda: threads.append(threading.get_ident()))) for _ in range(20)]
    await asyncio.sleep(0.05)
    assert not threads
    gate.set()
    await asyncio.gather(*busy, *late)
    assert len(threads) == 20
    assert len(set(threads)) == 1


async def test_what_comes_while_all_threads_are_at_slow_work_gets_one_of_its_own() -> None:
    disk = Disk()
    gate, busy = await keep_busy(disk)
    await asyncio.sleep(2 * SLOW)
    await asyncio.wait_for(disk.do(lambda: None), 5)
    gate.set()
    await asyncio.gather(*busy)


async def test_each_caller_gets_its_own_error() -> None:
    disk = Disk()

    def fail() -> None:
        raise OSError(28, "No space left on device")

    good, bad, other = await asyncio.gather(
        disk.do(lambda: None), disk.do(fail), disk.do(lambda: None), return_exceptions=True
    )
    assert good is other is None
    assert isinstance(bad, OSError)


async def test_a_folder_with_many_new_names_is_made_durable_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = list[Path]()
    monkeypatch.setattr(disk_module, "_sync", synced.append)
    disk = Disk()
    gate, busy = await keep_busy(disk)
    naming = [asyncio.create_task(disk.do(lambda: tmp_path)) for _ in range(9)]
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.gather(*busy, *naming)
    assert synced == [tmp_path]


async def test_a_cancelled_call_waits_for_work_that_goes_on() -> None:
    disk, gate, done = Disk(), threading.Event(), list[str]()

    def work() -> None:
        gate.wait(10)
        done.append("through")

    call = asyncio.create_task(disk.do(work))
    await asyncio.sleep(0.05)
    call.cancel()
    await asyncio.sleep(0.05)
    call.cancel()
    await asyncio.sleep(0.05)
    assert not call.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert done == ["through"]


async def test_work_that_has_not_begun_is_not_done_for_a_cancelled_call() -> None:
    disk, done = Disk(), list[str]()
    gate, busy = await keep_busy(disk)
    call = asyncio.create_task(disk.do(lambda: done.append("done")))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    gate.set()
    await asyncio.gather(*busy)
    assert done == []


async def test_without_a_thread_every_call_fails_and_the_next_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_thread(*_: object) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("can't start new thread")

    disk = Disk()
    with monkeypatch.context() as patch:
        patch.setattr(disk_module, "in_thread", no_thread)
        failed = await asyncio.gather(*(disk.do(lambda: None) for _ in range(9)), return_exceptions=True)
    assert {str(error) for error in failed} == {"can't start new thread"}
    await disk.do(lambda: None)


@pytest.mark.parametrize("turns", [1, 2])
async def test_when_a_task_of_its_own_is_cancelled_nothing_is_taken_for_done(turns: int) -> None:
    disk, done = Disk(), list[str]()
    call = asyncio.create_task(disk.do(lambda: done.append("done")))
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task(), call}:  # as `asyncio.run` does at the end
        task.cancel()
    (outcome,) = await asyncio.gather(call, return_exceptions=True)
    assert done == ["done"] if outcome is None else isinstance(outcome, asyncio.CancelledError)
