"""What an answer to a create, or a lost one, means for its row, for the slots, for the pace and for the run.

One table, `RULES`, and a pure function that finds the line of it. What kind of failure an answer is, which of the
two kinds of 429, and what the codes of the idempotency family mean, is decided where every other request has it
decided, in `_retry`; here stands only what a row of a run makes of it.

Three things are never done: a row is never sent without its key, never gets a new key because an answer was
unclear, and never fails because the server was full or busy.
"""

from __future__ import annotations

import enum

import attrs

from sync_async import _retry
from sync_async._errors import ApiConnectionError, ApiError, ApiTimeoutError, ConcurrencyLimitError, DecodeError
from sync_async._request import Repeat
from sync_async._retry import Attempt, Failure
from sync_async.bulk.seeker import Told
from sync_async.types.generations import Generation

MOST_UNCLEAR = 8
LONGEST_UNCLEAR = 600.0
"""Unclear answers, and seconds since the first, after which a row is set aside."""
UNKNOWN_WAIT = 600.0
"""Seconds between two repeats of a row that is set aside."""
SLOW = 30.0
"""Seconds before the first repeat after an answer that says that the service has no capacity."""
MOST_TOLD = 10_000
"""Numbers of generations above this one are no limits."""

SLOW_CODES = frozenset({"generation_infra_resource_exhausted", "generation_infra_service_unavailable"})
ROW_CODES = frozenset(
    {
        "asset_forbidden",
        "file_size_exceeds_plan_limit",
        "generation_input_duration_greater_than_max_duration",
        "generation_plan_duration_exceeded",
        "plan_feature_unavailable",
    }
)
"""Codes under statuses that speak of the account elsewhere: these are about what the row asks for."""
ACCOUNT_PREFIXES = ("free_tier_", "account_")
ACCOUNT_SUFFIX = "quota_exceeded"
ACCOUNT_STATUSES = frozenset({401, 402, 403})

CreateAnswer = Generation | ApiError | ApiConnectionError | DecodeError


class Finding(enum.Enum):
    """What happened to a create."""

    ACCEPTED = "accepted"
    """The generation exists; it may be new, or the one that an earlier try made, in any state."""
    FULL = "full"
    """As many generations run as may."""
    TOO_FAST = "too fast"
    """Too many requests in a time window, or a 429 that does not say why."""
    NOT_SENT = "not sent"
    """No connection was made."""
    UNCLEAR = "unclear"
    """The answer was lost, cut or a passing error: the generation may exist."""
    NAMED = "named"
    """The server does not know the outcome, but the generation that has to be read."""
    IN_PROGRESS = "in progress"
    """The server wants to see the same key again."""
    CONFLICT = "conflict"
    """The key was used for something else, or the state of something forbids it."""
    BAD_ROW = "bad row"
    """What the row asks for is impossible, or not allowed for it."""
    BLOCKED = "blocked"
    """Nothing can be bought until somebody pays, or mends the key or the address."""


class RowStep(enum.Enum):
    """What becomes of the row."""

    SUBMITTED = "submitted"
    STAYS = "stays"
    """First in line, with the same key; nothing is written."""
    REPEATS = "repeats"
    """May have been bought: the same key and bytes again."""
    READS = "reads"
    """Was bought, under the id that the answer names; submitted once that can be read."""
    UNKNOWN = "unknown"
    """Set aside, blocks nobody, is repeated seldom and looked for in the list of generations."""
    CONFLICT = "conflict"
    REJECTED = "rejected"
    READY = "ready"
    """Back in line, for another day."""


class SlotStep(enum.Enum):
    """What the seeker is told."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    RETURNED = "returned"
    """The create says nothing of the cap, and the row holds no slot."""
    KEPT = "kept"
    """The create says nothing of the cap, and the row holds its slot."""


class Wait(enum.Enum):
    """What the row waits for before it is sent again."""

    NOTHING = "nothing"
    """It is not sent again, or the seeker decides."""
    PACE = "pace"
    """The class of endpoints is held; see `pacer`."""
    BACKOFF = "backoff"


@attrs.frozen(kw_only=True)
class Rule:
    """A line of the table."""

    row: RowStep
    slot: SlotStep
    wait: Wait = Wait.NOTHING
    counts_as_unclear: bool = False
    stops_run: bool = False


RULES = {
    Finding.ACCEPTED: Rule(row=RowStep.SUBMITTED, slot=SlotStep.ACCEPTED),
    Finding.FULL: Rule(row=RowStep.STAYS, slot=SlotStep.REFUSED),
    Finding.TOO_FAST: Rule(row=RowStep.STAYS, slot=SlotStep.RETURNED, wait=Wait.PACE),
    Finding.NOT_SENT: Rule(row=RowStep.STAYS, slot=SlotStep.RETURNED, wait=Wait.BACKOFF),
    Finding.UNCLEAR: Rule(row=RowStep.REPEATS, slot=SlotStep.KEPT, wait=Wait.BACKOFF, counts_as_unclear=True),
    Finding.NAMED: Rule(row=RowStep.READS, slot=SlotStep.KEPT),
    Finding.IN_PROGRESS: Rule(row=RowStep.REPEATS, slot=SlotStep.KEPT, wait=Wait.BACKOFF, counts_as_unclear=True),
    Finding.CONFLICT: Rule(row=RowStep.CONFLICT, slot=SlotStep.RETURNED),
    Finding.BAD_ROW: Rule(row=RowStep.REJECTED, slot=SlotStep.RETURNED),
    Finding.BLOCKED: Rule(row=RowStep.READY, slot=SlotStep.RETURNED, stops_run=True),
}


@attrs.frozen(kw_only=True)
class Tries:
    """What a row has been through with its present key.

    Attributes:
        unsent: Tries in a row for which no connection was made.
        unclear: Tries whose outcome is unclear, since the row was last known not to be bought.
        unclear_for: Seconds since the first of them.
    """

    unsent: int = 0
    unclear: int = 0
    unclear_for: float = 0.0


@attrs.frozen(kw_only=True)
class Outcome:
    """What an answer does.

    Attributes:
        finding: What happened.
        row: What becomes of the row.
        slot: What the seeker is told.
        wait: Seconds before the row is sent again; 0 where seeker and pacer decide, or where it is not.
        uses_attempt: Whether a generation was bought, which is what the caller's attempts are counted in.
        is_rate_refusal: Whether the pacer is told of a refusal, and not of an answer like any other.
        stops_run: Whether nothing more is bought, while jobs that run are followed to their end.
        code: The error code, if there is one.
        generation_id: The generation that was accepted, or has to be read.
        told: What a refusal says of the organisation.
        hint: Seconds that the server asks to wait.
    """

    finding: Finding
    row: RowStep
    slot: SlotStep
    wait: float = 0.0
    stops_run: bool = False
    code: str | None = None
    generation_id: str | None = None
    told: Told | None = None
    hint: float | None = None

    @property
    def uses_attempt(self) -> bool:
        """Whether a generation was bought."""
        return self.row in (RowStep.SUBMITTED, RowStep.READS)

    @property
    def is_rate_refusal(self) -> bool:
        """Whether the server refused for the rate."""
        return self.finding is Finding.TOO_FAST


def outcome_of(answer: CreateAnswer, tries: Tries, *, chance: float) -> Outcome:
    """Decide what an answer to a create does.

    Args:
        answer: The generation, or the error of a single try.
        tries: What the row has been through before it.
        chance: A random number from 0 to 1.
    """
    finding = finding_of(answer)
    rule = RULES[finding]
    made = Outcome(
        finding=finding,
        row=rule.row,
        slot=rule.slot,
        wait=_backoff(answer, tries, chance) if rule.wait is Wait.BACKOFF else 0.0,
        stops_run=rule.stops_run,
        code=getattr(answer, "error_code", None),
        generation_id=_generation_id(answer, finding),
        told=told_of(answer),
        hint=getattr(answer, "retry_after", None),
    )
    return _set_aside(made) if _is_unknown(rule, tries) else made


def finding_of(answer: CreateAnswer) -> Finding:
    """Find the line of the table."""
    if isinstance(answer, Generation):
        return Finding.ACCEPTED
    if isinstance(answer, DecodeError):
        return Finding.UNCLEAR  # it was a success, cut or of a strange form: the same key brings it again
    if isinstance(answer, ApiConnectionError):
        return Finding.UNCLEAR if answer.outcome_unknown else Finding.NOT_SENT
    return _finding_of_error(answer)


def told_of(answer: CreateAnswer) -> Told | None:
    """Read what a refusal says of the organisation; numbers that cannot be right say nothing."""
    if not isinstance(answer, ConcurrencyLimitError):
        return None
    limit, active = answer.concurrency_limit, answer.active_generations
    if limit is None or active is None:
        return None
    return Told(limit, active) if 1 <= limit <= MOST_TOLD and 1 <= active <= MOST_TOLD else None


def _finding_of_error(error: ApiError) -> Finding:
    status = error.status_code or 0
    if error.generation_id is not None and _retry.names_its_generation(status, error.error_code):
        return Finding.NAMED
    failure = _retry.failure_of_answer(status, error.error_code, error.body, error.retry_after)
    return FINDING_OF[failure] if failure in FINDING_OF else _finding_of_final(status, error.error_code or "")


FINDING_OF = {
    Failure.NO_SLOT: Finding.FULL,
    Failure.REFUSED: Finding.TOO_FAST,
    Failure.UNCLEAR: Finding.UNCLEAR,
    Failure.SAME_KEY: Finding.IN_PROGRESS,
}


def _finding_of_final(status: int, code: str) -> Finding:
    if status == 409 or "IDEMPOTENCY" in code.upper():  # noqa: PLR2004
        return Finding.CONFLICT
    if code in ROW_CODES:
        return Finding.BAD_ROW
    if code.startswith(ACCOUNT_PREFIXES) or code.endswith(ACCOUNT_SUFFIX):
        return Finding.BLOCKED
    # A status below 400 is a redirect that was not followed: no row can get through to such an address.
    return Finding.BLOCKED if status in ACCOUNT_STATUSES or status < 400 else Finding.BAD_ROW  # noqa: PLR2004


def _backoff(answer: CreateAnswer, tries: Tries, chance: float) -> float:
    repeats = tries.unclear + tries.unsent
    hint = getattr(answer, "retry_after", None)
    wait = _retry.wait_before_repeat(
        Attempt(
            failure=Failure.UNCLEAR,
            repeats=repeats,
            hint=None if hint is None else min(hint, _retry.LONGEST_HINT),
        ),
        repeat=Repeat.KEYED,
        keyed=True,
        replayable=True,
        max_retries=repeats + 1,  # how often is decided here
        chance=chance,
    )
    is_slow = getattr(answer, "error_code", None) in SLOW_CODES
    return max(wait or 0.0, SLOW * (1 + chance)) if is_slow else wait or 0.0


def _is_unknown(rule: Rule, tries: Tries) -> bool:
    """Tell whether a row is to be set aside.

    Once an earlier try is unclear, a later refusal of the row proves nothing of that try: the server may look at
    links and plans before it looks at keys. Such a row must first be looked for among the generations.
    """
    if rule.counts_as_unclear:
        return tries.unclear + 1 >= MOST_UNCLEAR or tries.unclear_for >= LONGEST_UNCLEAR
    return tries.unclear > 0 and rule.row in (RowStep.REJECTED, RowStep.READY)


def _set_aside(outcome: Outcome) -> Outcome:
    return attrs.evolve(outcome, row=RowStep.UNKNOWN, slot=SlotStep.RETURNED, wait=UNKNOWN_WAIT)


def _generation_id(answer: CreateAnswer, finding: Finding) -> str | None:
    if isinstance(answer, Generation):
        return answer.id
    # a conflict also names a generation, but another's
    return answer.generation_id if finding is Finding.NAMED and isinstance(answer, ApiError) else None


OUTAGE_AFTER = 5
OUTAGE_WAIT = 30.0
"""Seconds between two creates while the server is out."""
QUOTA = 500
REPEAT_COST, TIMEOUT_COST = 5, 10


@attrs.define
class Outage:
    """Notices that no answer comes any more, over all rows; one create in 30 s then asks whether it is over.

    Connections that are not made count like answers that are lost: both say that the server is out of reach.
    """

    _in_a_row: int = attrs.field(init=False, default=0)
    _last: float = attrs.field(init=False, default=0.0)

    @property
    def is_on(self) -> bool:
        """Whether the server is out."""
        return self._in_a_row >= OUTAGE_AFTER

    def note(self, finding: Finding, now: float) -> None:
        """Take note of what became of a create; whatever the server says clearly ends the outage."""
        silent = finding in (Finding.UNCLEAR, Finding.NOT_SENT)
        self._in_a_row = self._in_a_row + 1 if silent else 0
        self._last = now

    def wait(self, now: float) -> float:
        """Give the seconds until the next create; 0 for now."""
        return max(0.0, self._last + OUTAGE_WAIT - now) if self.is_on else 0.0


@attrs.define
class RepeatQuota:
    """Bounds what repeats may add to the load of a server in trouble, over all rows; at zero they wait."""

    left: int = QUOTA

    def take(self, answer: CreateAnswer) -> int | None:
        """Pay for a repeat after an unclear answer; None when it has to wait.

        Returns:
            What it took, for `give_back`.
        """
        cost = TIMEOUT_COST if isinstance(answer, ApiTimeoutError) else REPEAT_COST
        if cost > self.left:
            return None
        self.left -= cost
        return cost

    def give_back(self, taken: int = 1) -> None:
        """Take note of a success: it gives back what its repeat took, or one if it was none."""
        self.left = min(QUOTA, self.left + taken)
