"""Slots are few at first, many when they are needed, and never more than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from sync_async._slots import GROWTH, Slots


class Calls:
    """Calls that take a slot each, and keep it until they are told to end."""

    def __init__(self, limit: int) -> None:
        self.slots = Slots(limit, asyncio.get_running_loop())
        self.under_way: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._ends: dict[int, asyncio.Event] = {}

    def begin(self, count: int) -> None:
        """Begin so many calls more; they are numbered."""
        self.tasks += [
            asyncio.create_task(self._call(number)) for number in range(len(self.tasks), len(self.tasks) + count)
        ]

    def end(self, number: int) -> None:
        """End a call."""
        self._ends[number].set()

    async def _call(self, number: int) -> None:
        place = self.slots.take()
        try:
            if place is not None:
                await place
            await self._work(number)
        finally:
            self.slots.release(place)

    async def _work(self, number: int) -> None:
        self.under_way.append(number)
        self._ends[number] = asyncio.Event()
        try:
            await self._ends[number].wait()
        finally:
            self.under_way.remove(number)


async def turns(count: int = 100) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest_asyncio.fixture
async def calls() -> AsyncIterator[Calls]:
    """Calls with twenty slots, which end with the test."""
    calls = Calls(20)
    yield calls
    for task in calls.tasks:
        task.cancel()
    await asyncio.gather(*calls.tasks, return_exceptions=True)


async def test_no_more_are_under_way_than_allowed(calls: Calls) -> None:
    calls.begin(30)
    await turns()
    assert calls.under_way == list(range(20))


async def test_a_turn_of_the_loop_adds_a_few_so_that_the_first_can_send(calls: Calls) -> None:
    calls.begin(20)
    seen = set()
    for _ in range(10):
        await turns(1)
        seen.add(len(calls.under_way))
    assert seen == {GROWTH, 2 * GROWTH, 3 * GROWTH, 4 * GROWTH, 20}


async def test_a_turn_adds_fewer_when_some_came_back_since_the_last() -> None:
    """Who sends over what is there needs no new one, and making it would hold him up."""
    slots = Slots(100, asyncio.get_running_loop())
    places = [place for _ in range(60) if (place := slots.take()) is not None]
    await turns(1)
    assert sum(place.done() for place in places) == GROWTH
    for _ in range(3):
        slots.release(None)
    assert sum(place.done() for place in places) == GROWTH + 3
    await turns(1)
    assert sum(place.done() for place in places) == 2 * GROWTH
    for _ in range(2 * GROWTH):
        slots.release(None)
    await turns(1)
    assert sum(place.done() for place in places) == 4 * GROWTH
    await turns(1)
    assert sum(place.done() for place in places) == 5 * GROWTH


async def test_a_slot_that_comes_back_goes_to_who_has_waited_longest(calls: Calls) -> None:
    calls.begin(23)
    await turns()
    calls.end(5)
    calls.end(6)
    await turns()
    assert calls.under_way[-2:] == [20, 21]


async def test_who_comes_later_does_not_overtake(calls: Calls) -> None:
    """A slot that is handed over is not to be had by one who asks at that moment."""
    calls.begin(21)
    await turns()
    calls.end(0)
    calls.begin(1)
    await turns()
    assert calls.under_way[-1] == 20


async def test_a_free_slot_is_taken_before_a_new_one_is_opened(calls: Calls) -> None:
    for _ in range(50):
        calls.begin(1)
        await turns(3)
        calls.end(len(calls.tasks) - 1)
        await turns(3)
    assert calls.slots._unopened == 19


async def test_one_who_gives_up_while_waiting_is_passed_over(calls: Calls) -> None:
    calls.begin(22)
    await turns()
    calls.tasks[20].cancel()
    calls.end(0)
    await turns()
    assert calls.under_way[-1] == 21


async def test_one_whose_coroutine_is_closed_while_it_waits_is_passed_over(calls: Calls) -> None:
    """As it is when the interpreter lets go of a loop that was stopped."""
    calls.begin(20)
    await turns()
    left = calls._call(20)
    left.send(None)
    calls.begin(1)
    await turns(1)
    left.close()
    calls.end(0)
    await turns()
    assert calls.under_way[-1] == 20


async def test_one_who_gives_up_as_his_slot_comes_leaves_it_to_the_next(calls: Calls) -> None:
    calls.begin(22)
    await turns()
    calls.slots._has_handed_over()
    calls.tasks[20].cancel()
    await turns()
    assert calls.tasks[20].cancelled()
    assert calls.under_way[-1] == 21


async def test_all_slots_are_there_again_when_all_have_ended(calls: Calls) -> None:
    calls.begin(60)
    await turns()
    for task in calls.tasks[::2]:
        task.cancel()
    await turns()
    for _ in range(3):
        for number in list(calls.under_way):
            calls.end(number)
        await turns()
    assert calls.under_way == []
    calls.begin(30)
    await turns()
    assert len(calls.under_way) == 20


def test_calls_that_end_with_a_closed_loop_end_quietly() -> None:
    """As when a program lets go of a loop in the middle of them; there is nobody to hand a slot to."""
    loop = asyncio.new_event_loop()
    slots = Slots(1, loop)
    assert slots.take() is None
    place = slots.take()
    assert place is not None
    place.add_done_callback(lambda _: None)  # as a task has one
    loop.close()
    slots.release(None)
    slots.release(place)
