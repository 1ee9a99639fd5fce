"""When a create may be sent, and what its answer teaches: each rule by itself, then any sequence of events."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sync_async.bulk.seeker import (
    AFTER_SUCCESS,
    EARN,
    EXCUSE,
    FEWEST_TRIALS,
    FIRST_GAP,
    LAG_PATIENCE,
    LONGEST_GAP,
    LOW_SHARE,
    MEMORY,
    MISSES,
    MOST_TRIALS,
    CapSeeker,
    LevelChange,
    Post,
    Told,
)


def climb_to(seeker: CapSeeker, level: int, now: float = 0.0) -> None:
    """Have as many creates accepted, one after the other."""
    for held in range(level):
        seeker.accepted(seeker.sent(now, held), now)
    assert seeker.level == level


def at_cap(level: int, now: float = 0.0, **other: object) -> CapSeeker:
    """Make a seeker that has climbed to a cap, was refused above it and has counted its jobs."""
    seeker = CapSeeker(**other)
    climb_to(seeker, level, now)
    seeker.refused(seeker.sent(now, level), now, level)
    seeker.looked(now, level, began=now)
    assert not seeker.climbing
    return seeker


def refuse_trial(seeker: CapSeeker, now: float, *, hint: float | None = None, told: Told | None = None) -> None:
    held = seeker.level
    seeker.refused(seeker.sent(now, held), now, held, hint=hint, told=told)


def refuse_fill(seeker: CapSeeker, now: float, *, hint: float | None = None, told: Told | None = None) -> None:
    """Have the create refused that follows the end of a job."""
    held = seeker.level
    seeker.finished(now, held)
    seeker.refused(seeker.sent(now, held - 1), now, held - 1, hint=hint, told=told)


# climbing


def test_without_a_hint_it_begins_with_one_create() -> None:
    seeker = CapSeeker()
    assert seeker.may_submit(0, 0, 0)
    seeker.sent(0, 0)
    assert not seeker.may_submit(0, 1, 1) or seeker.level == 1
    assert CapSeeker().level == 1


def test_each_accepted_create_of_the_first_climb_raises_the_level_by_one() -> None:
    seeker = CapSeeker()
    climb_to(seeker, 15)
    assert seeker.high == 15


def test_a_climb_has_half_its_level_in_the_air() -> None:
    """So that it is as quick as the round trips of doubling, and overshoots by half at most."""
    seeker = CapSeeker()
    climb_to(seeker, 8)
    for held in range(8, 12):
        assert seeker.may_submit(0, held, held - 8)
        seeker.sent(0, held)
    assert not seeker.may_submit(0, 12, 4)


def test_a_refused_trial_ends_the_climb() -> None:
    seeker = at_cap(6)
    assert seeker.level == 6
    assert not seeker.may_submit(FIRST_GAP + 1, 6, 0)
    assert seeker.may_submit(FIRST_GAP + 1, 5, 0)


def test_a_burst_of_refused_trials_counts_once() -> None:
    seeker = CapSeeker()
    climb_to(seeker, 8)
    burst = [seeker.sent(1, 8 + n) for n in range(4)]
    for post in burst:
        seeker.refused(post, 1.4, 8)
    assert seeker.tokens == pytest.approx(8 * EARN - 1)
    assert seeker.trials == 0


def test_the_first_climb_counts_ends_that_nobody_saw_and_is_corrected_by_the_next_look() -> None:
    seeker = CapSeeker()
    climb_to(seeker, 100)
    refuse_trial(seeker, 60)
    seeker.looked(62, 97, began=61)
    assert seeker.level == 97


def test_a_look_that_began_before_the_last_trial_was_answered_corrects_nothing() -> None:
    """It does not know of jobs that were accepted since."""
    seeker = CapSeeker()
    climb_to(seeker, 10)
    refuse_trial(seeker, 60)
    seeker.looked(61, 7, began=59)
    assert seeker.level == 10
    seeker.looked(63, 9, began=62)
    assert seeker.level == 9


def test_a_fill_that_is_refused_in_the_first_climb_ends_it_and_teaches_no_delay() -> None:
    """The level went above the cap, where trials are never sent: all refusals would be taken for late slots."""
    seeker = CapSeeker()
    climb_to(seeker, 102)
    seeker.finished(100, 101)
    seeker.refused(seeker.sent(100, 100), 100.4, 100)
    assert not seeker.climbing
    assert seeker.lag == 0
    assert seeker.level == 100
    seeker.looked(102, 98, began=101)
    assert seeker.level == 98
    assert seeker.may_submit(100.4 + FIRST_GAP, 98, 0)


def test_more_jobs_that_run_than_the_level_raise_it_and_it_climbs_on() -> None:
    seeker = at_cap(6)
    seeker.looked(100, 8, began=99)
    assert seeker.level == 8
    assert seeker.climbing
    assert seeker.may_submit(100, 8, 0)


# hints, ceilings and announcements


def test_with_a_hint_it_fills_that_many_slots_and_then_tries_one_more() -> None:
    seeker = CapSeeker(hint=6)
    assert all(seeker.may_submit(0, held, held) for held in range(6))
    assert not seeker.may_submit(0, 6, 6)
    assert seeker.may_submit(0, 6, 0)


def test_a_hint_that_is_too_high_shrinks_to_what_was_accepted() -> None:
    seeker = CapSeeker(hint=15)
    posts = [seeker.sent(0, held) for held in range(15)]
    for post in posts[:6]:
        seeker.accepted(post, 0.4)
    seeker.refused(posts[6], 0.4, 14)
    for held, post in enumerate(reversed(posts[7:])):
        seeker.refused(post, 0.4, 13 - held)
    assert seeker.level == 6


def test_a_ceiling_is_never_passed_and_changes_nothing_else() -> None:
    seeker = CapSeeker(ceiling=3)
    climb_to(seeker, 3)
    assert not seeker.may_submit(0, 3, 0)
    assert seeker.may_submit(0, 2, 0)
    seeker.ceiling = 4
    assert seeker.may_submit(0, 3, 0)


def test_an_announced_cap_that_rises_starts_a_climb_and_one_that_falls_is_obeyed() -> None:
    seeker = at_cap(6)
    seeker.announced(1, before=6, cap=15)
    assert seeker.may_submit(1, 6, 0)
    seeker.announced(2, before=15, cap=3)
    assert seeker.level == 3


# trials


def test_a_trial_needs_a_right_that_accepted_creates_earn() -> None:
    """One refusal in 125 creates, in the long run."""
    seeker = at_cap(6)
    needed = math.ceil((1 - seeker.tokens) / EARN)
    for _ in range(needed - 1):
        seeker.accepted(seeker.sent(50, 5), 50)
    assert not seeker.may_submit(100, 6, 0)
    seeker.accepted(seeker.sent(50, 5), 50)
    assert seeker.may_submit(100, 6, 0)


def test_the_right_is_neither_saved_up_nor_owed_without_end() -> None:
    seeker = at_cap(6)
    for _ in range(1000):
        seeker.accepted(seeker.sent(50, 5), 50)
    assert seeker.tokens == MOST_TRIALS
    for round in range(10):
        refuse_trial(seeker, 100.0 + round)
    assert seeker.tokens == FEWEST_TRIALS


def test_no_trial_is_sent_while_a_create_is_in_the_air() -> None:
    seeker = CapSeeker(hint=6)
    assert not seeker.may_submit(0, 6, 1)
    assert seeker.may_submit(0, 6, 0)


def test_only_a_full_level_is_tried_from() -> None:
    """With more than the level held, a trial was accepted that no look has shown yet."""
    seeker = CapSeeker(hint=6)
    assert not seeker.may_submit(0, 7, 0)


def test_each_refused_trial_doubles_the_time_to_the_next() -> None:
    seeker = CapSeeker(hint=6)
    now, gaps = 0.0, []
    for _ in range(9):
        seeker.tokens = 1
        refuse_trial(seeker, now)
        gaps.append(seeker.next_trial - now)
        now = seeker.next_trial
    assert gaps == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]


def test_an_accepted_trial_is_soon_followed_by_another() -> None:
    seeker = CapSeeker(hint=6)
    seeker.accepted(seeker.sent(0, 6), 1)
    assert seeker.next_trial == 1 + AFTER_SUCCESS


def test_a_refused_trial_that_asks_to_wait_delays_trials_and_no_fill() -> None:
    seeker = CapSeeker(hint=6)
    refuse_trial(seeker, 0, hint=3600)
    assert seeker.next_trial == LONGEST_GAP
    assert seeker.may_submit(1, 5, 0)


def test_a_run_that_lost_half_its_slots_tries_without_a_right() -> None:
    seeker = at_cap(15)
    seeker.refused(seeker.sent(1000, 2), 1000, 2)
    assert seeker.level == 2
    seeker.tokens = 0
    assert seeker.may_submit(1000 + FIRST_GAP, 2, 0)


def test_while_it_is_low_it_tries_again_within_a_quarter_of_the_time_since_then() -> None:
    """And no wish of the server's makes it later."""
    seeker = at_cap(15)
    seeker.refused(seeker.sent(1000, 2), 1000, 2)
    for now in (1200, 1600, 2400, 4000):
        refuse_trial(seeker, now, hint=3600)
        assert seeker.next_trial <= now + LOW_SHARE * (now - seeker.high_at)
        assert seeker.tokens == 1


def test_what_was_proven_a_day_ago_counts_no_more() -> None:
    seeker = at_cap(15)
    seeker.refused(seeker.sent(1000, 2), 1000, 2)
    seeker.tokens = 0
    assert not seeker.may_submit(MEMORY + 1, 2, 0)
    seeker.looked(MEMORY + 1, 2, began=MEMORY)
    assert seeker.high == 2


# fills


def test_a_slot_that_came_free_is_filled_at_once() -> None:
    seeker = at_cap(6)
    seeker.finished(100, 6)
    assert seeker.may_submit(100, 5, 0)


def test_a_refused_fill_teaches_how_late_slots_come_free() -> None:
    seeker = at_cap(6)
    refuse_fill(seeker, 100)
    assert seeker.lag == 0.5
    assert not seeker.may_submit(100.4, 5, 0)
    assert seeker.wake(100) == 100.5
    assert seeker.may_submit(100.5, 5, 0)
    assert seeker.level == 6


def test_with_a_learned_delay_a_fill_waits_for_its_slot() -> None:
    seeker = at_cap(6)
    seeker.lag = 3
    seeker.finished(100, 6)
    assert not seeker.may_submit(102.9, 5, 0)
    assert seeker.wake(100) == 103
    assert seeker.may_submit(103, 5, 0)


def test_the_learned_delay_grows_with_each_miss_and_shrinks_after_many_accepted_creates() -> None:
    seeker = at_cap(6)
    refuse_fill(seeker, 100)
    refuse_fill(seeker, 105)
    assert seeker.lag == pytest.approx(0.8)
    for _ in range(LAG_PATIENCE):
        seeker.accepted(seeker.sent(110, 4), 110)
    assert seeker.lag == pytest.approx(0.6)
    for _ in range(4 * LAG_PATIENCE):
        seeker.accepted(seeker.sent(110, 4), 110)
    assert seeker.lag == 0


def test_four_refused_fills_in_a_row_are_no_delay() -> None:
    seeker = at_cap(8)
    for miss in range(MISSES):
        assert seeker.level == 8
        refuse_fill(seeker, 100 + 20.0 * miss)
    assert seeker.level == 5
    assert seeker.lag == 0


def test_a_fill_refused_long_after_the_last_end_shrinks_the_level_to_what_is_held() -> None:
    seeker = at_cap(6)
    seeker.finished(100, 6)
    seeker.refused(seeker.sent(101 + EXCUSE, 5), 101 + EXCUSE, 5)
    assert seeker.level == 5
    assert seeker.lag == 0


def test_with_no_slot_at_all_tries_become_rare_and_never_stop() -> None:
    seeker = CapSeeker()
    now, waits = 0.0, []
    for _ in range(5):
        assert seeker.may_submit(now, 0, 0)
        seeker.refused(seeker.sent(now, 0), now, 0)
        waits.append(seeker.hold - now)
        now = seeker.hold
    assert waits == [10, 20, 40, 60, 60]


def test_a_refusal_that_tells_the_limit_names_the_level_to_shrink_to() -> None:
    seeker = at_cap(15)
    seeker.refused(seeker.sent(1000, 9), 1000, 9, told=Told(limit=10, active=12))
    assert seeker.level == 7  # of the 12 that run 9 are ours, so 3 are not


def test_a_refused_trial_that_tells_the_limit_raises_the_level_to_it() -> None:
    seeker = CapSeeker(hint=6)
    refuse_trial(seeker, 0, told=Told(limit=15, active=15))
    assert seeker.level == 6
    seeker.tokens = 1
    refuse_trial(seeker, 100, told=Told(limit=15, active=6))
    assert seeker.level == 15


# wishes of the server


def test_a_wish_to_wait_is_granted_up_to_a_minute() -> None:
    seeker = at_cap(6)
    refuse_fill(seeker, 100, hint=30)
    assert seeker.hold == 130
    other = at_cap(6)
    refuse_fill(other, 100, hint=3600)
    assert other.hold == 160


def test_no_wish_prolongs_a_hold_that_runs() -> None:
    seeker = at_cap(6)
    posts = [seeker.sent(100, held) for held in (3, 4)]
    seeker.finished(100, 6)
    seeker.refused(posts[0], 100.4, 4, hint=30)
    seeker.refused(posts[1], 101, 3, hint=30)
    assert seeker.hold == 130.4


def test_the_end_of_a_job_is_better_evidence_than_a_wish() -> None:
    seeker = at_cap(6)
    refuse_fill(seeker, 100, hint=30)
    seeker.finished(110, 5)
    assert seeker.may_submit(110.5, 4, 0)


# the rest


def test_an_answer_that_says_nothing_of_the_cap_changes_nothing_but_the_count() -> None:
    seeker = CapSeeker(hint=6)
    post = seeker.sent(0, 6)
    assert seeker.trials == 1
    seeker.returned(post, 1)
    assert (seeker.trials, seeker.level, seeker.tokens) == (0, 6, 1)
    assert seeker.may_submit(1, 6, 0)


def test_a_repeat_of_an_unclear_create_is_no_trial() -> None:
    """Its row holds its slot already."""
    seeker = CapSeeker(hint=6)
    assert not seeker.repeated(5).is_trial


def test_nothing_to_wait_for_is_no_time() -> None:
    assert CapSeeker().wake(0) is None


def test_every_new_level_is_told_with_its_reason() -> None:
    told: list[LevelChange] = []
    seeker = CapSeeker(on_change=told.append)
    climb_to(seeker, 3)
    refuse_trial(seeker, 60)
    seeker.looked(62, 2, began=61)
    seeker.looked(64, 4, began=63)
    assert [(change.before, change.after, change.reason) for change in told] == [
        (1, 2, "accepted"),
        (2, 3, "accepted"),
        (3, 2, "counted"),
        (2, 4, "seen running"),
    ]


class AnySequence(RuleBasedStateMachine):
    """A seeker between a runner that keeps to it and a server that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.air: list[Post] = []
        self.repeats: list[Post] = []
        self.unclear = self.running = self.unseen = 0

    @property
    def held(self) -> int:
        return len(self.air) + len(self.repeats) + self.unclear + self.running + self.unseen

    @initialize(
        hint=st.none() | st.integers(1, 40),
        ceiling=st.none() | st.integers(1, 30),
        lag=st.sampled_from([0.0, 0.5, 3.0, 15.0]),
        high=st.integers(0, 50),
    )
    def start(self, hint: int | None, ceiling: int | None, lag: float, high: int) -> None:
        self.seeker = CapSeeker(hint=hint, ceiling=ceiling, lag=lag, high=high, high_at=0.0)

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.4, 2.0, 16.0, 61.0, 1900.0, 90_000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(most=st.integers(1, 10))
    def submit(self, most: int) -> None:
        for _ in range(most):
            in_air = len(self.air) + len(self.repeats)
            if not self.seeker.may_submit(self.now, self.held, in_air):
                return
            post = self.seeker.sent(self.now, self.held)
            self.air.append(post)
            assert self.seeker.ceiling is None or self.held <= self.seeker.ceiling
            if post.is_trial:
                assert 0 < self.seeker.trials <= max(1, self.seeker.level // 2)

    @precondition(lambda self: self.air)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        self.seeker.accepted(self._answered(data), self.now)
        self.running += 1

    @precondition(lambda self: self.air)
    @rule(
        data=st.data(),
        told=st.none() | st.builds(Told, limit=st.integers(1, 60), active=st.integers(1, 60)),
        hint=st.none() | st.sampled_from([0.5, 30.0, 86_400.0]),
    )
    def refuse(self, data: st.DataObject, told: Told | None, hint: float | None) -> None:
        before = max(self.seeker.hold, self.now)
        self.seeker.refused(self._answered(data), self.now, self.held, told=told, hint=hint)
        assert self.seeker.hold <= max(before, self.now + 60)

    @precondition(lambda self: self.air)
    @rule(data=st.data())
    def refuse_for_rate(self, data: st.DataObject) -> None:
        self.seeker.returned(self._answered(data), self.now)

    @precondition(lambda self: self.air)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.seeker.returned(self._answered(data), self.now)
        self.unclear += 1

    @precondition(lambda self: self.unclear)
    @rule()
    def repeat(self) -> None:
        self.unclear -= 1
        self.repeats.append(self.seeker.repeated(self.now))

    @precondition(lambda self: self.repeats)
    @rule(is_accepted=st.booleans())
    def answer_repeat(self, is_accepted: bool) -> None:
        post = self.repeats.pop()
        if is_accepted:
            self.seeker.accepted(post, self.now)
            self.running += 1
        else:
            self.seeker.refused(post, self.now, self.held)

    @precondition(lambda self: self.running)
    @rule(part=st.floats(0, 1))
    def end(self, part: float) -> None:
        ended = math.ceil(part * self.running)
        self.running -= ended
        self.unseen += ended

    @rule()
    def look(self) -> None:
        for _ in range(self.unseen):
            self.seeker.finished(self.now, self.held)
            self.unseen -= 1
        self.seeker.looked(self.now, self.running, began=self.now)

    @rule(before=st.integers(1, 40), cap=st.integers(1, 40))
    def announce(self, before: int, cap: int) -> None:
        if before != cap:
            self.seeker.announced(self.now, before=before, cap=cap)

    def _answered(self, data: st.DataObject) -> Post:
        return self.air.pop(data.draw(st.integers(0, len(self.air) - 1)))

    @invariant()
    def keeps_its_bounds(self) -> None:
        if not hasattr(self, "seeker"):
            return
        seeker = self.seeker
        assert seeker.level >= 1
        assert FEWEST_TRIALS <= seeker.tokens <= MOST_TRIALS
        assert isinstance(seeker.freed, deque)
        assert len(seeker.freed) <= seeker.level
        assert seeker.trials == sum(post.is_trial for post in self.air)
        assert 0 <= seeker.lag <= 15

    @invariant()
    def never_freezes(self) -> None:
        """With nothing in the air there is always a time at which a create may go, or a look helps."""
        if not hasattr(self, "seeker") or self.held:
            return
        wake, now = self.now, self.now
        while not self.seeker.may_submit(now, 0, 0):
            next_wake = self.seeker.wake(now)
            assert next_wake is not None
            now = next_wake
        assert now - wake <= 75


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
