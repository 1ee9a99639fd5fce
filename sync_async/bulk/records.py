"""What stands in the ledger of a run, and what is asked of it.

Moments are microseconds since 1970, UTC, as whole numbers; amounts are micro-dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from sync_async.bulk.states import State, problem_of

Value = str | int | float | bytes | None


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
