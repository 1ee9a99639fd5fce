"""The ledger of a run: what every store of rows has to do, and the data that go in and out.

Moments are microseconds since 1970, UTC, as whole numbers; amounts are micro-dollars.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import attrs

from sync_async.bulk.states import CHARGED, RESERVING, SAVING, State, problem_of

INGEST_ROWS = 10_000
"""Rows that are taken in with one commit."""
CLAIM_ROWS = 32
"""Rows that one commit claims at most."""
PAGE_ROWS = 1_000

Value = str | int | float | bytes | None
Order = Literal["input", "completion"]


@attrs.frozen(kw_only=True)
class RunSpec:
    """What a run is to be. When it is opened once more, None leaves what it was.

    Attributes:
        run_id: Its name, from which all keys come; None draws one. With the name of a run whose ledger is lost,
            the server knows its purchases again.
        manifest: Where its rows come from.
        manifest_sha: Their SHA-256, where it is known.
        sdk_version: The version of this library.
        defaults: What holds for all rows, as JSON.
        budget_micro: What may be spent; None for no limit.
        may_begin: Whether it may be a new one.
    """

    run_id: str | None = None
    manifest: str | None = None
    manifest_sha: str | None = None
    sdk_version: str | None = None
    defaults: Mapping[str, Any] | None = None
    budget_micro: int | None = None
    may_begin: bool = True


@attrs.frozen(kw_only=True)
class Run:
    """A run as the ledger has it.

    Attributes:
        run_id: Its name.
        created_us: When it began.
        manifest: Where its rows come from.
        manifest_sha: Their SHA-256, where it is known.
        sdk_version: The version of this library that opened it last.
        defaults: What holds for all rows.
        budget_micro: What may be spent, None for no limit.
        state: `open`, as long as nobody has said otherwise.
        epoch: How often it was opened; a holder with an older one has lost it.
    """

    run_id: str
    created_us: int
    manifest: str = ""
    manifest_sha: str | None = None
    sdk_version: str = ""
    defaults: Mapping[str, Any] = attrs.field(factory=dict)
    budget_micro: int | None = None
    state: str = "open"
    epoch: int = 1


@attrs.define(kw_only=True)
class NewItem:
    """A row of the manifest, checked.

    Attributes:
        item_id: Its name, unique in the run.
        body: The bytes to send, or a template as `keys.Template` writes it.
        payload_sha: What it asks for, as `keys.payload_sha` gives it: 16 bytes.
        is_frozen: Whether the body is final.
        prio: Those with a higher one go first.
        est_micro: What it is expected to cost, or None.
        predicted_s: Seconds that its job is expected to take, or None.
        problem: Code and text of what is wrong with it, for a row that is only listed.
        is_first: Whether it is known that no earlier row of the same intake asks for the same.
    """

    item_id: str
    body: bytes
    payload_sha: bytes
    is_frozen: bool = True
    prio: int = 0
    est_micro: int | None = None
    predicted_s: float | None = None
    problem: tuple[str, str] | None = None
    is_first: bool = False

    @property
    def state(self) -> State:
        """The state in which it begins, unless it is a double."""
        if self.problem is not None:
            return State.REJECTED
        return State.READY if self.is_frozen else State.NEW


@attrs.define(kw_only=True)
class IngestReport:
    """What became of the rows that were given.

    Attributes:
        added: Rows that are new to the run, the doubles and the rejected ones among them included.
        doubled: Of these, rows that ask for the same as an earlier one.
        rejected: Of these, rows with problems.
        known: Rows that the run had already, and that ask for the same as before.
        replaced: Rows that were changed before they were ever sent.
    """

    added: int = 0
    doubled: int = 0
    rejected: int = 0
    known: int = 0
    replaced: int = 0

    def add(self, other: IngestReport) -> None:
        """Count the rows of another report, too."""
        for name in attrs.fields_dict(IngestReport):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@attrs.frozen(kw_only=True)
class Item:
    """A row as it stands in the ledger.

    Attributes:
        seq: Its number, from 1, in the order of the input.
        item_id: Its name.
        state: Where it stands.
        prio: Those with a higher one go first.
        due_us: When it is to be looked at next.
        attempt: How many of its generations failed since somebody last asked for it.
        generation_no: How many times it was to be bought, from 1.
        idem_key: The key of this purchase; None before it is claimed.
        body: The bytes to send, or a template.
        is_frozen: Whether they are final.
        dedupe_of: `seq` of the earlier row whose fate it shares.
        job_id: The generation at the server.
        est_micro: What it is expected to cost.
        cost_micro: What this purchase has cost; None while that is not known.
        past_micro: What earlier purchases of the row have cost.
        predicted_s: Seconds that its job is expected to take.
        output_s: Seconds of its output.
        first_post_us: When it was first to be sent.
        unclear_us: When an answer to it was first missing.
        submitted_us: When it was accepted.
        finished_us: When its job ended.
        error_code: Why it failed, or was refused last.
        error: The same in words.
        out_path: Its file.
        out_bytes: How long that is.
        out_sha: SHA-256 of it, in hexadecimal.
        out_etag: The host's tag of it.
        lease_owner: Who works on it, where several may.
        lease_until_us: Until when.
    """

    seq: int
    item_id: str
    state: State
    prio: int = 0
    due_us: int = 0
    attempt: int = 0
    generation_no: int = 1
    idem_key: str | None = None
    body: bytes = b""
    is_frozen: bool = True
    dedupe_of: int | None = None
    job_id: str | None = None
    est_micro: int | None = None
    cost_micro: int | None = None
    past_micro: int = 0
    predicted_s: float | None = None
    output_s: float | None = None
    first_post_us: int | None = None
    unclear_us: int | None = None
    submitted_us: int | None = None
    finished_us: int | None = None
    error_code: str | None = None
    error: str | None = None
    out_path: str | None = None
    out_bytes: int | None = None
    out_sha: str | None = None
    out_etag: str | None = None
    lease_owner: str | None = None
    lease_until_us: int | None = None


@attrs.frozen(kw_only=True)
class Claim:
    """Rows that are to be sent now; their keys and bytes are durable.

    Attributes:
        items: The rows, in their order.
        is_over_budget: Whether one more was due, and is not to be paid for any more.
    """

    items: tuple[Item, ...] = ()
    is_over_budget: bool = False


@attrs.frozen(kw_only=True)
class Change:
    """A row's way from one state to another, or a note in the same state.

    Attributes:
        seq: The row.
        source: The state that it is in.
        target: The state that it is to have; the same for a note.
        values: Columns to write; `states.TRANSITIONS` and `states.NOTES` tell which.
    """

    seq: int
    source: State
    target: State
    values: Mapping[str, Value] = attrs.field(factory=dict)

    @property
    def problem(self) -> str | None:
        """Why it is not to be, or None."""
        return problem_of(self.source, self.target, frozenset(self.values))


@attrs.frozen(kw_only=True)
class Asset:
    """A file that was sent to storage.

    Attributes:
        content_sha: SHA-256 of its content in hexadecimal, and its extension.
        bytes: How long it is.
        mime: Its type.
        url: Its address.
        uploaded_us: When it was sent.
    """

    content_sha: str
    bytes: int
    mime: str
    url: str
    uploaded_us: int


@attrs.frozen
class FileStamp:
    """A local file as its directory has it; as long as nothing of it changes, its content does not.

    Attributes:
        path: Where it is.
        size: How many bytes it has.
        mtime_ns: When it was changed.
        inode: Its number in the file system.
    """

    path: str
    size: int
    mtime_ns: int
    inode: int


@attrs.frozen
class LocalFile:
    """A local file that was sent.

    Attributes:
        path: Where it is, or was.
        content_sha: SHA-256 of its content in hexadecimal.
    """

    path: str
    content_sha: str


@attrs.frozen(kw_only=True)
class Event:
    """Something that came to pass and has no column.

    Attributes:
        us: When.
        kind: What, in one word.
        detail: More of it.
        seq: The row that it happened to, if it was one.
    """

    us: int
    kind: str
    detail: Mapping[str, Any]
    seq: int | None = None


@attrs.frozen(kw_only=True)
class Result:
    """A row with what became of it.

    Attributes:
        item: The row.
        leader: The row whose fate it shares: itself, or the earlier one that asked for the same.
    """

    item: Item
    leader: Item


@attrs.frozen
class Failures:
    """Rows that failed for one reason.

    Attributes:
        code: The error code.
        rows: How many.
        samples: Names of the first of them.
        error: What was said of one of them.
    """

    code: str
    rows: int
    samples: tuple[str, ...] = ()
    error: str | None = None


@attrs.frozen
class Money:
    """What counts of one row, or of all.

    Attributes:
        spent: What finished jobs cost; where that is not known yet, their estimate.
        reserved: The estimates of those that run.
        saved: The estimates of those that were not bought because an earlier row asked for the same.
        unpriced_running: Rows that run, and of which nobody knows what they cost.
        unpriced_finished: The same of finished ones.
    """

    spent: int = 0
    reserved: int = 0
    saved: int = 0
    unpriced_running: int = 0
    unpriced_finished: int = 0

    def plus(self, other: Money, sign: int = 1) -> Money:
        """Add another one, or take it away with the sign -1."""
        return Money(
            self.spent + sign * other.spent,
            self.reserved + sign * other.reserved,
            self.saved + sign * other.saved,
            self.unpriced_running + sign * other.unpriced_running,
            self.unpriced_finished + sign * other.unpriced_finished,
        )


def counts_as(state: State) -> frozenset[State] | None:
    """Give the states in which a row's amounts count in the same way as in this one."""
    if state in RESERVING:
        return RESERVING
    if state in CHARGED:
        return CHARGED
    return SAVING if state in SAVING else None


def money_of(state: State, estimate: int | None, cost: int | None, past: int) -> Money:
    """Tell what counts of a row.

    Args:
        state: Where it stands.
        estimate: What it is expected to cost.
        cost: What this purchase has cost.
        past: What earlier purchases have.
    """
    if state in RESERVING:
        return Money(spent=past, reserved=estimate or 0, unpriced_running=int(estimate is None))
    if state in SAVING:
        return Money(saved=estimate or 0)
    if state in CHARGED and cost is None:
        return Money(spent=past + (estimate or 0), unpriced_finished=int(estimate is None))
    return Money(spent=past + (cost or 0))


@attrs.frozen(kw_only=True)
class Counters:
    """How many rows stand where, and what they come to.

    Attributes:
        states: Rows by state; states without rows are there, too.
        money: What they come to.
    """

    states: Mapping[State, int]
    money: Money = Money()

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.states.values())


class Ledger(Protocol):
    """Where a run keeps what must not be lost. What a call returns, or writes, is durable when it returns."""

    async def create_run(self, spec: RunSpec | None) -> Run:
        """Open the run, or begin it; from then on it belongs to this process alone.

        Args:
            spec: What it is to be; None opens the run that is there.

        Raises:
            LedgerError: It cannot be opened; the subclasses tell why.
            ArgumentError: There is none, or another one.
        """
        ...

    async def ingest(
        self, rows: Iterable[NewItem] | AsyncIterable[Sequence[NewItem]], *, dedupe: bool = True
    ) -> IngestReport:
        """Take in rows; those that are there already are left alone, so that it can be done again.

        Rows are read in a thread and taken in chunk by chunk; what was taken in stays when a later one fails.

        Args:
            rows: The rows, in the order of the input.
            dedupe: Whether rows that ask for the same are bought once.

        Raises:
            ManifestChangedError: A row was changed after it was sent.
            ArgumentError: Two rows have one name.
        """
        ...

    async def claim(
        self, n: int, now_us: int, *, left_micro: int | None = None, assumed_micro: int | None = None
    ) -> Claim:
        """Take the next rows to send: `ready` becomes `submitting`, with key and bytes.

        Args:
            n: How many at most; never more than 32.
            now_us: Rows that are due later are left.
            left_micro: What may yet be reserved; None for no limit.
            assumed_micro: What to reserve for a row whose price is not known; None claims no such row where
                there is a limit.

        Raises:
            LedgerError: It cannot be written; nothing was claimed.
        """
        ...

    async def mark(self, changes: Sequence[Change]) -> None:
        """Write changes with one commit: all of them, or none.

        Raises:
            StateConflictError: A row is not in the state that it is believed to be in, or there is no such way.
            LedgerError: It cannot be written.
        """
        ...

    async def live(
        self, states: Collection[State], after: Item | None = None, limit: int = PAGE_ROWS
    ) -> list[Item]:
        """Read rows of some states, state by state; those with a higher priority and due earlier come first.

        Args:
            states: Which.
            after: The last row of the page before.
            limit: Rows of a page.
        """
        ...

    async def counters(self) -> Counters:
        """Tell how many rows stand where; costs nothing."""
        ...

    def results(self, order: Order = "completion") -> AsyncIterator[Result]:
        """Read all rows with what became of them.

        Args:
            order: `input`, or `completion`: those that ended first come first, the others last.
        """
        ...

    async def results_of(self, rows: Sequence[int]) -> list[Result]:
        """Read some rows, and the doubles of these, with what became of them.

        Args:
            rows: Their numbers.
        """
        ...

    async def ended(self) -> Sequence[int]:
        """Give the numbers of all rows that are over, but for doubles, those that ended first first."""
        ...

    async def failures(self) -> list[Failures]:
        """Tell why rows failed, the most frequent reason first; reads all of them."""
        ...

    async def kv(self, key: str, *value: Any) -> Any:
        """Read what is kept under a name, None when there is nothing; with a value, keep that instead.

        Args:
            key: The name.
            value: Anything that has a JSON form.
        """
        ...

    async def asset(self, content_sha: str) -> Asset | None:
        """Read where a file is that was sent; see `Asset`."""
        ...

    async def keep_asset(self, asset: Asset) -> None:
        """Keep where a file is, instead of an earlier address.

        Raises:
            LedgerError: It cannot be written.
        """
        ...

    async def take_out(self, first: int) -> int:
        """Take out rows that were never sent, from a number on, and tell how many they were.

        Raises:
            StateConflictError: One of them was sent; none was taken out.
            LedgerError: It cannot be written.
        """
        ...

    async def contents_of(self, files: Sequence[FileStamp]) -> dict[FileStamp, str]:
        """Tell the SHA-256 of those files that were read before, in hexadecimal."""
        ...

    async def keep_contents(self, files: Mapping[FileStamp, str]) -> None:
        """Keep the SHA-256 of files.

        Raises:
            LedgerError: It cannot be written.
        """
        ...

    async def local_files(self, urls: Collection[str]) -> dict[str, LocalFile]:
        """Tell which addresses are those of local files that were sent."""
        ...

    async def note(self, kind: str, detail: Mapping[str, Any], seq: int | None = None) -> None:
        """Write down something that came to pass and has no column; see `Event`.

        Raises:
            LedgerError: It cannot be written.
        """
        ...

    def events(self, kind: str) -> AsyncIterator[Event]:
        """Read what came to pass of one kind, in its order."""
        ...

    async def aclose(self) -> None:
        """Write what is under way, and give the run free."""
        ...
