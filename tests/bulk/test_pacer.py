"""How many requests a minute: never too many in any minute, and soon as many as the server takes."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_async.bulk.pacer import HIGHEST_RATE, LONGEST_HOLD, MINUTE, STARTS, Pace, Pacer


def send_all(pacer: Pacer, start: float, end: float) -> list[float]:
    """Send whenever it is allowed, and have every request accepted."""
    now, times = start, []
    while (now := now + pacer.wait(now)) < end:
        pacer.sent(now)
        pacer.passed(now)
        times.append(now)
    return times


def most_in_a_minute(times: list[float]) -> int:
    window: deque[float] = deque()
    most = 0
    for time in times:
        window.append(time)
        while window[0] <= time - MINUTE:
            window.popleft()
        most = max(most, len(window))
    return most


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 60, 100, 600])
@pytest.mark.parametrize("pace", Pace)
def test_a_known_limit_is_never_passed_in_any_minute(pace: Pace, limit: int) -> None:
    times = send_all(Pacer.of(pace, limit=limit), 0.0, 1800.0)
    assert most_in_a_minute(times) <= limit


@pytest.mark.parametrize("limit", [10, 60, 100, 600])
def test_a_known_limit_is_nearly_reached(limit: int) -> None:
    times = send_all(Pacer.of(Pace.CREATE, limit=limit), 0.0, 3600.0)
    assert len(times) >= 60 * min(0.97 * limit, limit - 1) - 1


@given(
    limit=st.integers(1, 700),
    pace=st.sampled_from(Pace),
    pauses=st.lists(st.floats(0, 200, allow_nan=False), max_size=20),
    counts=st.lists(st.integers(1, 200), min_size=1, max_size=20),
)
def test_pauses_save_up_no_more_than_the_limit_allows(
    limit: int, pace: Pace, pauses: list[float], counts: list[int]
) -> None:
    """Any pattern of pauses and rushes stays below the limit in every minute."""
    pacer, now, times = Pacer.of(pace, limit=limit), 0.0, []
    for number, count in enumerate(counts):
        now += pauses[number] if number < len(pauses) else 0.0
        for _ in range(count):
            now += pacer.wait(now)
            pacer.sent(now)
            times.append(now)
    assert most_in_a_minute(times) <= limit


@given(seed=st.integers(0, 1000), limit=st.integers(2, 200))
def test_what_the_network_squeezes_together_stays_below_the_limit(seed: int, limit: int) -> None:
    """Up to a second and a half."""
    chance = random.Random(seed)
    times = send_all(Pacer.of(Pace.CREATE, limit=limit), 0.0, 400.0)
    assert most_in_a_minute(sorted(time + chance.uniform(0, 1.5) for time in times)) <= limit


def test_creates_go_one_by_one_and_reads_may_go_six_at_once() -> None:
    creates, reads = Pacer.of(Pace.CREATE), Pacer.of(Pace.READ)
    creates.sent(0)
    assert creates.wait(0) == pytest.approx(1.0)
    for _ in range(6):
        assert reads.wait(0) == 0
        reads.sent(0)
    assert reads.wait(0) > 0


def test_each_class_begins_at_its_own_pace() -> None:
    assert {pace: Pacer.of(pace).rate for pace in Pace} == {pace: start.rate for pace, start in STARTS.items()}


def test_a_pace_that_is_used_and_never_refused_grows_by_a_quarter_a_minute() -> None:
    pacer = Pacer.of(Pace.CREATE)
    send_all(pacer, 0.0, 61.5)
    assert pacer.rate == 75
    send_all(pacer, 61.5, 3600.0)
    assert pacer.rate == HIGHEST_RATE


def test_a_pace_that_nobody_uses_does_not_grow() -> None:
    pacer = Pacer.of(Pace.CREATE)
    for second in range(0, 3600, 2):
        assert pacer.wait(second) == 0
        pacer.sent(second)
    assert pacer.rate == 60


def test_a_minute_that_began_before_a_long_pause_proves_nothing() -> None:
    pacer = Pacer.of(Pace.CREATE)
    send_all(pacer, 0.0, 55.0)
    pacer.sent(500.0)
    assert pacer.rate == 60


def test_a_refusal_teaches_how_many_were_taken_in_the_last_minute() -> None:
    pacer = Pacer.of(Pace.CREATE)
    send_all(pacer, 0.0, 40.0)
    pacer.sent(40.0)
    pacer.refused(40.0, 40.4, hint=5, wall=0.0, chance=0.0)
    assert pacer.rate == pytest.approx(0.97 * 40)
    assert pacer.learned


def test_a_refusal_never_makes_it_faster() -> None:
    pacer = Pacer(rate=30.0)
    for _ in range(50):
        pacer.passed(10.0)
    pacer.refused(11.0, 12.0, hint=5, wall=0.0, chance=0.0)
    assert pacer.rate == pytest.approx(0.97 * 30)


def test_with_few_requests_a_refusal_says_little_of_the_limit() -> None:
    pacer = Pacer(rate=60.0)
    pacer.refused(1.0, 2.0, hint=5, wall=0.0, chance=0.0)
    assert pacer.rate == pytest.approx(42)


def test_refusals_of_what_was_under_way_already_count_once() -> None:
    pacer = Pacer(rate=60.0)
    pacer.refused(1.0, 3.0, hint=5, wall=0.0, chance=0.0)
    pacer.refused(2.0, 3.1, hint=50, wall=0.0, chance=0.0)
    assert pacer.rate == pytest.approx(42)
    assert pacer.hold == 8.0


def test_however_often_it_is_refused_some_requests_go() -> None:
    pacer = Pacer.of(Pace.CREATE)
    for minute in range(50):
        pacer.refused(100.0 * minute + 1, 100.0 * minute + 2, hint=1, wall=0.0, chance=0.0)
    assert pacer.rate == 1
    assert Pacer.of(Pace.CREATE, limit=1).rate == pytest.approx(0.97)


def test_after_a_refusal_it_grows_late_and_slowly() -> None:
    pacer = Pacer.of(Pace.CREATE)
    send_all(pacer, 0.0, 60.0)
    pacer.refused(60.0, 60.0, hint=1, wall=0.0, chance=0.0)
    learned = pacer.rate
    send_all(pacer, 60.0, 655.0)
    assert pacer.rate == learned
    send_all(pacer, 655.0, 900.0)
    assert learned < pacer.rate <= learned * 1.02**5


def test_the_whole_class_is_held_for_as_long_as_the_server_asks() -> None:
    pacer = Pacer.of(Pace.CREATE)
    pacer.refused(1.0, 2.0, hint=17, wall=0.0, chance=0.5)
    assert pacer.wait(2.0) == 17
    assert pacer.wait(19.0) == 0


def test_without_a_word_it_is_held_until_the_next_minute_and_a_little() -> None:
    """Limits are often counted from minute to minute of the clock, by several programs at once."""
    pacer = Pacer.of(Pace.CREATE)
    pacer.refused(1.0, 2.0, hint=None, wall=1_700_000_065.0, chance=0.5)  # 25 s into a minute
    assert pacer.wait(2.0) == 35 + 1


def test_when_the_next_minute_is_refused_too_it_waits_until_the_oldest_request_is_a_minute_old() -> None:
    pacer = Pacer(60, 1)
    pacer.passed(10.0)
    pacer.passed(30.0)
    pacer.refused(50.0, 50.0, hint=None, wall=1_700_000_098.0, chance=0.0)  # 58 s into a minute
    assert pacer.wait(50.0) == pytest.approx(2.0)
    pacer.refused(52.0, 52.0, hint=None, wall=1_700_000_100.0, chance=0.0)
    assert pacer.wait(52.0) == pytest.approx(18.0)


def test_a_wish_to_wait_for_days_is_asked_again_after_an_hour() -> None:
    pacer = Pacer.of(Pace.CREATE)
    pacer.refused(1.0, 2.0, hint=1e9, wall=0.0, chance=0.0)
    assert pacer.wait(2.0) == LONGEST_HOLD


def test_what_an_earlier_run_learned_is_where_the_next_begins() -> None:
    pacer = Pacer.of(Pace.CREATE, learned=43.0)
    send_all(pacer, 0.0, 61.5)
    assert pacer.rate == pytest.approx(43 * 1.02)


def test_a_limit_that_is_named_later_is_kept_from_then_on() -> None:
    pacer = Pacer.of(Pace.READ)
    pacer.set_limit(60)
    assert pacer.rate == 54
    send_all(pacer, 0.0, 3600.0)
    assert pacer.rate == 54
