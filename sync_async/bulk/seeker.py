"""How many generations run at once: probe for the cap, then hold it.

The cap of an organisation is rarely told, seldom changes, and is shared with programs that nobody here knows of.
Two facts make it easy to find. A create is accepted or refused at once, so that one POST tells within a round trip
whether there is a free slot. And the cap is almost constant, so that what was found once stays true for hours.
A run therefore climbs as fast as creates are accepted, stops at the first refusal, fills each slot that comes free
(a FILL), and now and then risks one POST more (a TRIAL), as seldom as keeps the refusals below one in a hundred.

Limiters that watch the latency need a server that slows down when it is full; this one refuses, and how long a job
takes depends on its video. Those that move by a share per finished job take hours, since jobs take minutes.

The slots that a run holds, `held` below, are: rows whose job was not yet *seen* to have ended, POSTs without an
answer, and rows whose POST had an unclear outcome and waits for its repeat.

No I/O and no clock: `now` is the time of the loop, in seconds, and never goes back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import attrs

EARN = 0.008
"""Part of the right to a trial that each accepted create earns: one refusal in 125 at most, in the long run."""
MOST_TRIALS, FEWEST_TRIALS = 2.0, -1.0
"""Bounds of what is saved up, and of the debt, so that neither a good nor a bad day is remembered for long."""
FIRST_GAP, LONGEST_GAP = 30.0, 1800.0
"""Seconds between two trials: doubled with each refused one. The longest is also the longest time for which a cap
that was raised stays unknown to a run of many jobs."""
LOW_SHARE = 0.25
"""While no more than half of what was proven in the last day is held, the gap is no longer than this part of the
time since then: a shortage is over for a run at most a quarter later than for the server, and a lasting one costs
little."""
AFTER_SUCCESS = 5.0
"""Seconds to the next trial after one that was accepted: a free slot seldom comes alone."""
SHRINK = 0.75
"""What is left of the level when slots stay taken longer than any delay of the server explains."""
SHORTEST_LAG, LONGEST_LAG = 0.5, 15.0
LAG_UP, LAG_DOWN = 1.6, 0.75
FORGOTTEN_LAG = 0.25
"""A learned delay below this many seconds is none."""
LAG_PATIENCE = 200
"""Accepted creates after which the learned delay is tried a little shorter."""
EXCUSE = 15.0
"""Seconds for which a job that has ended may still hold its slot; a fill refused later proves the level wrong."""
MISSES = 4
"""Refused fills in a row after which it is no delay."""
MEMORY = 24 * 3600.0
"""Seconds for which the highest proven level counts."""
AFTER_SHRINKING = 1.0
"""Seconds without a POST after the level was lowered: what is in the air says whether that was enough."""
LONGEST_HINT = 60.0
"""Seconds of the server's wish to wait that are granted: a slot may come free at any moment."""
EMPTY_WAIT, LONGEST_EMPTY_WAIT = 10.0, 60.0
"""Seconds between two tries when not a single slot is ours: the first, doubled each time, and the longest."""


@attrs.frozen
class Told:
    """What a refusal says of the organisation.

    Attributes:
        limit: How many generations may run, from 1.
        active: How many run, ours included.
    """

    limit: int
    active: int


@attrs.frozen(eq=False)
class Post:
    """A create under way.

    Attributes:
        sent: When it was sent.
        is_trial: Whether it asks for more than the level.
    """

    sent: float
    is_trial: bool


@attrs.frozen
class LevelChange:
    """A new level, and why."""

    at: float
    before: int
    after: int
    reason: str


@attrs.define(kw_only=True)
class CapSeeker:
    """Decides when a create may be sent, from what became of those before it.

    Args:
        hint: A guess at the cap, from the caller, the account or an earlier run; None without one. Costs at most
            one refusal when it is right, and a few when it is not.
        ceiling: The most slots to hold; nothing else about it changes anything. None for no ceiling.
        lag: The delay in seconds that an earlier run learned between a job's end and its slot's.
        high: The highest level that was proven in the last 24 hours, and
        high_at: when it last held, as a time of the same clock as `now`.
        on_change: Called with each new level.
    """

    hint: int | None = None
    ceiling: int | None = None
    lag: float = 0.0
    high: int = 0
    high_at: float = -math.inf
    on_change: Callable[[LevelChange], None] | None = None

    level: int = attrs.field(init=False)
    """Slots believed ours."""
    trials: int = attrs.field(init=False, default=0)
    """POSTs above the level in the air."""
    tokens: float = attrs.field(init=False)
    """The right to risk a refusal."""
    climbing: bool = attrs.field(init=False)
    hold: float = attrs.field(init=False, default=-math.inf)
    """No POST before this time."""
    next_trial: float = attrs.field(init=False, default=-math.inf)
    freed: deque[float] = attrs.field(init=False, factory=deque)
    """When ends were seen of jobs whose slots are not filled again; no longer than the level."""
    _first_climb: bool = attrs.field(init=False)
    _must_look: bool = attrs.field(init=False, default=False)
    """The first climb has just ended: its level is a count of ours, which lags by the ends that nobody saw."""
    _quiet_since: float = attrs.field(init=False, default=-math.inf)
    """When the last trial was answered."""
    _own_hold: float | None = attrs.field(init=False, default=None)
    """Where the hold would end had the server not wished for more."""
    _gap: float = attrs.field(init=False, default=FIRST_GAP)
    _since_lag: int = attrs.field(init=False, default=0)
    """Accepted creates since the learned delay changed."""
    _misses: int = attrs.field(init=False, default=0)
    """Refused fills in a row."""
    _empty: int = attrs.field(init=False, default=0)
    """Refusals in a row while no slot was held."""
    _last_end: float = attrs.field(init=False, default=-math.inf)
    _last_refused_trial: float = attrs.field(init=False, default=-math.inf)

    def __attrs_post_init__(self) -> None:
        self.level = max(1, self.hint or 1)
        self.tokens = 0.0 if self.hint is None else 1.0
        self.climbing = self._first_climb = self.hint is None

    def may_submit(self, now: float, held: int, in_air: int) -> bool:
        """Tell whether a row may be sent that holds no slot yet.

        Args:
            now: The time.
            held: Slots that are held.
            in_air: POSTs among them that have no answer yet.
        """
        if now < self.hold or (self.ceiling is not None and held >= self.ceiling):
            return False
        if held < self.level:
            return not self._is_settling(now)
        if self.climbing:
            return self.trials < max(1, self.level // 2)
        # While a POST is in the air nobody knows how many slots are taken, and a refusal would prove nothing.
        is_time = in_air == 0 and held == self.level and now >= self.next_trial
        return is_time and (self.tokens >= 1 or self._is_low(now))

    def wake(self, now: float) -> float | None:
        """Give the next time at which `may_submit` may change its mind by itself; None: only events can do it."""
        times = [self.hold, self.next_trial]
        if self.lag and self.freed:
            times.append(self.freed[0] + self.lag)
        return min((time for time in times if time > now), default=None)

    def sent(self, now: float, held: int) -> Post:
        """Take note of a create that is being sent.

        Args:
            now: The time.
            held: Slots that were held before it.
        """
        if held >= self.level:
            self.trials += 1
            return Post(now, is_trial=True)
        if self.freed:
            self.freed.popleft()
        return Post(now, is_trial=False)

    def repeated(self, now: float) -> Post:
        """Take note of a row that is sent again after an unclear outcome: it holds a slot, and asks for none."""
        return Post(now, is_trial=False)

    def accepted(self, post: Post, now: float) -> None:
        """Take note of a create that was accepted."""
        self.tokens = min(MOST_TRIALS, self.tokens + EARN)
        self._empty = 0
        if post.is_trial:
            self._trial_over(now)
            if self.climbing and self._first_climb:
                self._set_level(self.level + 1, now, "accepted")
                self._prove(now)
            elif not self.climbing:
                self.next_trial = now + AFTER_SUCCESS
        else:
            self._misses = 0
        self._since_lag += 1
        if self.lag and self._since_lag >= LAG_PATIENCE:
            self.lag = 0.0 if self.lag * LAG_DOWN < FORGOTTEN_LAG else self.lag * LAG_DOWN
            self._since_lag = 0

    def returned(self, post: Post, now: float) -> None:
        """Take note of a create whose answer tells nothing of the cap.

        It was refused for its rate or its content, was never sent, or nobody knows what became of it.
        """
        if post.is_trial:
            self._trial_over(now)

    def refused(
        self, post: Post, now: float, held: int, *, told: Told | None = None, hint: float | None = None
    ) -> None:
        """Take note of a create that was refused because too many generations run.

        Args:
            post: The create.
            now: The time.
            held: Slots that are held without it.
            told: What the answer says of the organisation, if it does.
            hint: Seconds that the server asks to wait, if it does.
        """
        if post.is_trial:
            self._trial_over(now)
            if post.sent > self._last_refused_trial:  # else one of the same burst, which tells nothing new
                self._last_refused_trial = now
                self._refused_trial(now, held, told, hint or 0.0)
        else:
            self._refused_fill(now, held, told, hint or 0.0)

    def finished(self, now: float, held: int) -> None:
        """Take note of a job that was seen to have ended.

        Args:
            now: The time.
            held: Slots that are held, with that of the job.
        """
        self._last_end = now
        if held <= self.level:
            self.freed.append(now)
            self._trim_freed()
        if self._own_hold is not None and now < self.hold:  # evidence is better than the server's guess
            self.hold = max(now, self._own_hold)
            self._own_hold = None

    def looked(self, now: float, running: int, *, began: float) -> None:
        """Take note of a look at all jobs: those that it shows running ran all at once when it began.

        Args:
            now: The time.
            running: How many of the jobs whose acceptance was known when the look began have not ended.
            began: When it began.
        """
        if self._must_look and self.trials == 0 and began >= self._quiet_since:
            self._must_look = False
            self._set_level(min(self.level, running), now, "counted")
        if running > self.level:
            self._set_level(running, now, "seen running")
            self._gap = FIRST_GAP
            self.climbing = True
        if running >= self.level:
            self._prove(now)

    def announced(self, now: float, *, before: int, cap: int) -> None:
        """Take note of a cap that the account names and that differs from the one before."""
        if cap > before:
            self.climbing = True
        else:
            self._set_level(min(self.level, cap), now, "announced")

    def _refused_trial(self, now: float, held: int, told: Told | None, hint: float) -> None:
        if self.climbing:
            self._must_look = self._first_climb
            self.climbing = self._first_climb = False
        self._charge(now, hint)
        if told is not None:
            self._must_look = False
            self._set_level(min(max(self.level, _room(told, held)), told.limit), now, "told")

    def _refused_fill(self, now: float, held: int, told: Told | None, hint: float) -> None:
        was_held = now < self.hold
        if held > 0 and (self._first_climb or self._must_look):
            self._end_unproven_climb(_room(told, held) if told else held, now)
        elif now - self._last_end > EXCUSE:
            self._shrink(_room(told, held) if told else held, now, held)
        elif self._misses + 1 < MISSES:
            self._blame_lag(now)
        else:
            least = min(math.floor(SHRINK * held), self.level - 1)
            self._shrink(_room(told, held) if told else least, now, held)
        if hint > 0 and not was_held:  # no wish prolongs a hold that runs, or a busy server would freeze the run
            self._own_hold = self.hold
            self.hold = max(self.hold, now + min(LONGEST_HINT, hint))

    def _end_unproven_climb(self, level: int, now: float) -> None:
        """The first climb counts jobs as running that have ended unseen: it went too far, and no slot is late.

        To take this for a delay of the server would slow every fill, and the level would stay too high for ever.
        """
        self._must_look = True
        self._lower(level, now)
        self._pause(now, SHORTEST_LAG)

    def _blame_lag(self, now: float) -> None:
        self._misses += 1
        self.lag = min(LONGEST_LAG, max(SHORTEST_LAG, self.lag * LAG_UP))
        self._since_lag = 0
        self._pause(now, self.lag)
        self.freed.clear()

    def _shrink(self, level: int, now: float, held: int) -> None:
        self._misses = 0
        self.lag = 0.0
        self._lower(level, now)
        self.freed.clear()
        if held > 0:
            self._pause(now, AFTER_SHRINKING)
        else:
            self._pause(now, min(LONGEST_EMPTY_WAIT, EMPTY_WAIT * 2.0**self._empty))
            self._empty += 1

    def _lower(self, level: int, now: float) -> None:
        """Believe in fewer slots, and soon try whether it was too few."""
        self.climbing = self._first_climb = False
        self._set_level(min(level, self.level), now, "refused")
        self._gap = FIRST_GAP
        self.next_trial = now + FIRST_GAP
        self.tokens = max(self.tokens, 1.0)

    def _pause(self, now: float, seconds: float) -> None:
        """Hold, for a reason of our own; a wish of the server's that is being granted goes on beside it."""
        if self._own_hold is not None and now < self.hold:
            self._own_hold = now + seconds
            self.hold = max(self.hold, self._own_hold)
        else:
            self._own_hold = None
            self.hold = now + seconds

    def _charge(self, now: float, hint: float) -> None:
        """Pay for a refused trial, and wait longer for the next; a run that lost its slots pays nothing.

        No wish of the server's makes a run that lost its slots wait longer than it would by itself.
        """
        longest = LONGEST_GAP
        if self._is_low(now):
            longest = min(LONGEST_GAP, max(FIRST_GAP, LOW_SHARE * (now - self.high_at)))
        else:
            self.tokens = max(FEWEST_TRIALS, self.tokens - 1)
        self.next_trial = now + min(longest, max(self._gap, hint))
        self._gap = min(longest, 2 * self._gap)

    def _is_settling(self, now: float) -> bool:
        """Tell whether the slot that came free first is still held by the server."""
        return bool(self.lag and self.freed) and now < self.freed[0] + self.lag

    def _is_low(self, now: float) -> bool:
        return 2 * self.level <= self.high and now - self.high_at < MEMORY

    def _prove(self, now: float) -> None:
        if self.level >= self.high or now - self.high_at > MEMORY:
            self.high = self.level
        if self.level >= self.high:
            self.high_at = now

    def _trial_over(self, now: float) -> None:
        self.trials -= 1
        if self.trials == 0:
            self._quiet_since = now

    def _trim_freed(self) -> None:
        while len(self.freed) > self.level:
            self.freed.popleft()

    def _set_level(self, level: int, now: float, reason: str) -> None:
        before, self.level = self.level, max(1, level)
        self._trim_freed()
        if self.level != before and self.on_change is not None:
            self.on_change(LevelChange(now, before, self.level, reason))


def _room(told: Told, held: int) -> int:
    """Count the slots that others leave us, at least one."""
    return max(1, told.limit - max(0, told.active - held))
