"""A server with a hidden cap and the clients of it, in virtual time: a heap of events, no I/O, no waiting.

What is modelled: the way there and back, jobs of log-normal length, slots that come free some time after their
job has ended, a sliding limit of POSTs a minute, other tenants, caps that step, refusals that tell the limit or do
not, answers that get lost, and clients that see the end of a job at their next look.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import statistics
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from sync_async.bulk.pacer import Pace, Pacer
from sync_async.bulk.seeker import CapSeeker, Post, Told

HOUR = 3600.0
RTT = 0.4
CV = 0.6
LIST_PAGE = 100


class Policy(Protocol):
    """What decides when a client may submit: the seeker's own surface."""

    def may_submit(self, now: float, held: int, in_air: int) -> bool: ...
    def wake(self, now: float) -> float | None: ...
    def sent(self, now: float, held: int) -> Post: ...
    def repeated(self, now: float) -> Post: ...
    def accepted(self, post: Post, now: float) -> None: ...
    def returned(self, post: Post, now: float) -> None: ...
    def refused(self, post: Post, now: float, held: int, *, told: Told | None, hint: float | None) -> None: ...
    def finished(self, now: float, held: int) -> None: ...
    def looked(self, now: float, running: int, *, began: float) -> None: ...
    def announced(self, now: float, *, before: int, cap: int) -> None: ...


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()

    def at(self, time: float, call: Callable[..., None], *args: Any) -> None:
        """Call something at a time."""
        heapq.heappush(self._events, (time, next(self._order), call, args))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= until:
            self.now, _, call, args = heapq.heappop(self._events)
            call(*args)
        self.now = until


@attrs.define(kw_only=True)
class Scenario:
    """What a server does, and for how long it is watched.

    Attributes:
        caps: Steps of the cap: from when, and how many slots.
        hours: How long the clients run.
        length: Mean length of a job in seconds.
        lag: Seconds between the end of a job and that of its slot.
        posts_a_minute: The server's limit in any 60 s; None for none.
        told: Whether a refusal names limit and running generations.
        hint: Seconds that a refusal asks to wait; None without one.
        stubborn: Slots that another tenant wants, who tries every 5 s.
        lost: Part of the accepted creates whose answer gets lost.
        poll: Seconds between two looks; None for a fiftieth of the usual length.
        announced: Whether the account names the cap; it is read every ten minutes.
    """

    caps: list[tuple[float, int]]
    hours: float = 6.0
    length: float = 120.0
    lag: float = 0.0
    posts_a_minute: int | None = 60
    told: bool = False
    hint: float | None = None
    stubborn: int = 0
    lost: float = 0.0
    poll: float | None = None
    announced: bool = False
    seed: int = 0


@attrs.define
class Tally:
    """When a client sent, when it was refused for want of a slot or for its rate, and when it was accepted."""

    posts: list[float] = attrs.field(factory=list)
    refused: list[float] = attrs.field(factory=list)
    rate_refused: list[float] = attrs.field(factory=list)
    accepted: list[float] = attrs.field(factory=list)


class Server:
    """Holds the cap, and keeps count of what was used of it."""

    def __init__(self, clock: Clock, scenario: Scenario) -> None:
        self.clock, self.scenario = clock, scenario
        self.chance = random.Random(scenario.seed)
        self.cap = scenario.caps[0][1]
        self.taken = 0
        """Slots that are not free."""
        self.running = 0
        """Jobs that have not ended."""
        self.used = self.offered = 0.0
        self.curve: list[tuple[float, int]] = [(0.0, 0)]
        """How many jobs ran from when on."""
        self._since = 0.0
        self._window: deque[float] = deque()
        spread = math.log(1 + CV * CV)
        self._mu, self._sigma = math.log(scenario.length) - spread / 2, math.sqrt(spread)
        for time, cap in scenario.caps[1:]:
            clock.at(time, self._step, cap)

    def account(self) -> None:
        """Add up what was used until now."""
        passed = self.clock.now - self._since
        self.used += passed * min(self.running, self.cap)
        self.offered += passed * self.cap
        self._since = self.clock.now

    def _step(self, cap: int) -> None:
        self.account()
        self.cap = cap

    def post(self) -> tuple[str, float]:
        """Answer a create: `accepted` with the time at which the job will end, `rate`, or `full`."""
        now, limit = self.clock.now, self.scenario.posts_a_minute
        while self._window and self._window[0] <= now - 60:
            self._window.popleft()
        if limit is not None and len(self._window) >= limit:
            return "rate", 0.0
        self._window.append(now)
        return self.start()

    def start(self) -> tuple[str, float]:
        """Start a job if there is a slot."""
        if self.taken >= self.cap:
            return "full", 0.0
        end = self.clock.now + self.chance.lognormvariate(self._mu, self._sigma)
        self.taken += 1
        self._change(1)
        self.clock.at(end, self._change, -1)
        self.clock.at(end + self.scenario.lag, self._free)
        return "accepted", end

    def _change(self, by: int) -> None:
        self.account()
        self.running += by
        self.curve.append((self.clock.now, self.running))

    def _free(self) -> None:
        self.taken -= 1


class Client:
    """One run: submits when policy and pacer allow, and sees ends at its next look."""

    def __init__(self, clock: Clock, server: Server, policy: Policy, pacer: Pacer | None) -> None:
        self.clock, self.server, self.policy, self.pacer = clock, server, policy, pacer
        self.chance = random.Random(server.scenario.seed + 7)
        self.tally = Tally()
        self.in_air = self.unclear = self.known = 0
        self._jobs: list[tuple[float, float]] = []
        """Ends of known jobs, and when they became known."""
        self._lengths: deque[float] = deque(maxlen=100)
        self._wake = math.inf
        clock.at(self.chance.uniform(0, 0.01), self._pump)
        clock.at(self.chance.uniform(0, 1), self._look)
        if server.scenario.announced:
            clock.at(self.chance.uniform(0, 600), self._read_account, server.cap)

    @property
    def held(self) -> int:
        return self.known + self.in_air + self.unclear

    def _pump(self) -> None:
        now = self.clock.now
        if now >= self._wake:
            self._wake = math.inf
        while self.policy.may_submit(now, self.held, self.in_air):
            wait = self.pacer.wait(now) if self.pacer else 0.0
            if wait > 0:
                self._wake_at(now + wait)
                return
            post = self.policy.sent(now, self.held)
            self._send(post)
        self._wake_at(self.policy.wake(now))

    def _wake_at(self, time: float | None) -> None:
        if time is not None and time < self._wake:
            self._wake = time
            self.clock.at(time, self._pump)

    def _send(self, post: Post, replay: float | None = None) -> None:
        self.in_air += 1
        self.tally.posts.append(self.clock.now)
        if self.pacer:
            self.pacer.sent(self.clock.now)
        self.clock.at(self.clock.now + RTT / 2, self._arrive, post, replay)

    def _arrive(self, post: Post, replay: float | None) -> None:
        what, end = ("accepted", replay) if replay is not None else self.server.post()
        if what == "accepted" and replay is None and self.chance.random() < self.server.scenario.lost:
            self.clock.at(self.clock.now + 10, self._lose, post, end)
            return
        self.clock.at(self.clock.now + RTT / 2, self._answer, post, what, end, self._told())

    def _told(self) -> Told | None:
        return Told(self.server.cap, self.server.taken) if self.server.scenario.told and self.server.cap else None

    def _lose(self, post: Post, end: float) -> None:
        self.in_air -= 1
        self.unclear += 1
        self.policy.returned(post, self.clock.now)
        self.clock.at(self.clock.now + self.chance.uniform(0, 2), self._repeat, end)
        self._pump()

    def _repeat(self, end: float) -> None:
        self.unclear -= 1
        self._send(self.policy.repeated(self.clock.now), end)

    def _answer(self, post: Post, what: str, end: float, told: Told | None) -> None:
        now = self.clock.now
        self.in_air -= 1
        if self.pacer and what != "rate":
            self.pacer.passed(now)
        if what == "accepted":
            self.tally.accepted.append(now)
            self.known += 1
            heapq.heappush(self._jobs, (end, now))
            self.policy.accepted(post, now)
        elif what == "full":
            self.tally.refused.append(now)
            self.policy.refused(post, now, self.held, told=told, hint=self.server.scenario.hint)
        else:
            self.tally.rate_refused.append(now)
            self.policy.returned(post, now)
            if self.pacer:
                self.pacer.refused(post.sent, now, hint=None, wall=now, chance=self.chance.random())
        self._pump()

    def _look(self) -> None:
        self.clock.at(self.clock.now + RTT / 2, self._seen, self.clock.now, self.known)

    def _seen(self, began: float, known: int) -> None:
        """The server's view, which arrives half a round trip later."""
        now, ended, newer = self.clock.now, 0, []
        while self._jobs and self._jobs[0][0] <= now:
            job = heapq.heappop(self._jobs)
            if job[1] > began:
                newer.append(job)
            else:
                ended += 1
                self._lengths.append(job[0] - job[1])
        for job in newer:
            heapq.heappush(self._jobs, job)
        self.clock.at(now + RTT / 2, self._looked, began, known, ended)

    def _looked(self, began: float, known: int, ended: int) -> None:
        now = self.clock.now
        for _ in range(ended):
            self.policy.finished(now, self.held)
            self.known -= 1
        self.policy.looked(now, known - ended, began=began)
        self.clock.at(max(now, began + self._tick()), self._look)
        self._pump()

    def _read_account(self, before: int) -> None:
        cap = self.server.cap
        if cap != before:
            self.policy.announced(self.clock.now, before=before, cap=cap)
            self._pump()
        self.clock.at(self.clock.now + 600, self._read_account, cap)

    def _tick(self) -> float:
        if self.server.scenario.poll is not None:
            return self.server.scenario.poll
        usual = statistics.median(self._lengths) if self._lengths else self.clock.now
        return max(min(15.0, max(1.0, 0.02 * usual)), math.ceil(self.known / LIST_PAGE) / 2.5)


class Stubborn:
    """Another tenant's worker: tries every 5 s until it has a slot, and again when its job has ended."""

    def __init__(self, clock: Clock, server: Server, start: float) -> None:
        self.clock, self.server = clock, server
        clock.at(start, self._try)

    def _try(self) -> None:
        what, end = self.server.start()
        self.clock.at(end + 1.2 if what == "accepted" else self.clock.now + 5, self._try)


class Oracle:
    """Knows the cap."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def may_submit(self, now: float, held: int, in_air: int) -> bool:
        return held < self.server.cap

    def wake(self, now: float) -> float | None:
        return None

    def sent(self, now: float, held: int) -> Post:
        return Post(now, is_trial=False)

    def repeated(self, now: float) -> Post:
        return Post(now, is_trial=False)

    def accepted(self, post: Post, now: float) -> None: ...
    def returned(self, post: Post, now: float) -> None: ...
    def refused(self, post: Post, now: float, held: int, *, told: Told | None, hint: float | None) -> None: ...
    def finished(self, now: float, held: int) -> None: ...
    def looked(self, now: float, running: int, *, began: float) -> None: ...
    def announced(self, now: float, *, before: int, cap: int) -> None: ...


class Aimd(Oracle):
    """One slot more for each finished job, a tenth less for each refusal."""

    def __init__(self) -> None:
        self.level = 1.0

    def may_submit(self, now: float, held: int, in_air: int) -> bool:
        return held < math.floor(self.level)

    def refused(self, post: Post, now: float, held: int, *, told: Told | None, hint: float | None) -> None:
        self.level = max(1.0, 0.9 * self.level)

    def finished(self, now: float, held: int) -> None:
        self.level += 1


class Workers(Oracle):
    """A number of workers, each with an exponential back-off of its own."""

    def __init__(self, count: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ready = [(0.0, 0)] * count
        """When each idle worker tries again, and how often it was refused in a row."""
        self.trying: dict[int, int] = {}

    def may_submit(self, now: float, held: int, in_air: int) -> bool:
        return bool(self.ready) and self.ready[0][0] <= now

    def wake(self, now: float) -> float | None:
        return self.ready[0][0] if self.ready else None

    def sent(self, now: float, held: int) -> Post:
        post = Post(now, is_trial=False)
        self.trying[id(post)] = heapq.heappop(self.ready)[1]
        return post

    def accepted(self, post: Post, now: float) -> None:
        del self.trying[id(post)]

    def returned(self, post: Post, now: float) -> None:
        refusals = self.trying.pop(id(post))
        heapq.heappush(self.ready, (now + min(60.0, 2.0**refusals) * self.chance.uniform(0.5, 1), refusals + 1))

    def refused(self, post: Post, now: float, held: int, *, told: Told | None, hint: float | None) -> None:
        self.returned(post, now)

    def finished(self, now: float, held: int) -> None:
        heapq.heappush(self.ready, (now, 0))


@attrs.define
class Outcome:
    """What a simulation came to."""

    server: Server
    clients: list[Client]

    @property
    def used(self) -> float:
        """Percent of the cap that was used over the whole time."""
        return 100 * self.server.used / self.server.offered

    @property
    def refused(self) -> float:
        """Percent of the POSTs of all clients that were refused."""
        return self.refused_between(0.0, math.inf)

    def refused_between(self, start: float, end: float) -> float:
        """Percent of the POSTs that were refused in a part of the time."""
        tallies = [client.tally for client in self.clients]
        posts = sum(_within(tally.posts, start, end) for tally in tallies)
        refused = sum(_within(tally.refused + tally.rate_refused, start, end) for tally in tallies)
        return 100 * refused / max(1, posts)

    def accepted_between(self, start: float, end: float) -> int:
        """Count the creates that were accepted in a part of the time."""
        return sum(_within(client.tally.accepted, start, end) for client in self.clients)

    def reached(self, slots: float, after: float = 0.0) -> float:
        """Give the seconds from a time until so many jobs ran at once; infinite when they never did."""
        running = 0
        for time, count in self.server.curve:
            if time > after and max(running, count) >= slots:
                return max(0.0, time - after)
            running = count
        return math.inf

    def below(self, slots: float, after: float) -> float:
        """Give the seconds from a time until no more than so many jobs ran at once for the first time."""
        running = 0
        for time, count in self.server.curve:
            if time > after and min(running, count) <= slots:
                return max(0.0, time - after) if running > slots else 0.0
            running = count
        return math.inf


def _within(times: list[float], start: float, end: float) -> int:
    return sum(start <= time < end for time in times)


MakePolicy = Callable[[Server], Policy]


def seeker(**settings: Any) -> MakePolicy:
    """Make a seeker for each client."""
    return lambda _: CapSeeker(**settings)


def simulate(
    scenario: Scenario,
    policies: list[MakePolicy],
    *,
    known_limit: float | None = None,
    paced: bool = True,
) -> Outcome:
    """Run clients against a server until the scenario ends."""
    clock = Clock()
    server = Server(clock, scenario)
    clients = []
    for make in policies:
        pacer = Pacer.of(Pace.CREATE, limit=known_limit) if paced else None
        clients.append(Client(clock, server, make(server), pacer))
    for number in range(scenario.stubborn):
        Stubborn(clock, server, 600.0 + number)
    clock.run(scenario.hours * HOUR)
    server.account()
    return Outcome(server, clients)
