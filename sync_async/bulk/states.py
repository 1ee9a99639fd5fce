"""The states of a row of a run, and every way from one to the next, as one table.

    new ──▶ ready ──▶ submitting ──▶ submitted ─▶ (remote_done) ─▶ downloading ──▶ done
                          │   ▲            │
                          ▼   │            ├──▶ failed, rejected
                        unknown            └──▶ ready (a further generation)

A row begins as `new` (it has local files), `ready`, `skipped` (it asks for the same as an earlier row) or
`rejected` (its problems were told, and the others go on). It is over in `done`, `failed`, `rejected`,
`conflict`, `cancelled` and `skipped`. A way that is not in the table is a mistake of the program: the ledger
refuses it, and the run stops.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Literal

import attrs


class State(enum.StrEnum):
    """Where a row stands; the words are those of the column `state`."""

    NEW = "new"
    """Its local files are yet to be uploaded; its body is a template."""
    READY = "ready"
    """Its body is final; it waits for its turn."""
    SUBMITTING = "submitting"
    """Its key and its bytes are durable; it may have been sent, and nobody knows yet."""
    SUBMITTED = "submitted"
    """The server has told the id of its job."""
    UNKNOWN = "unknown"
    """No clear answer came for long; it is sent again now and then, with the same key."""
    REMOTE_DONE = "remote_done"
    """The job is over, and its output waits at the server."""
    DOWNLOADING = "downloading"
    """Its output is being fetched."""
    DONE = "done"
    """Its file is there, or was not wanted."""
    FAILED = "failed"
    """The job ended without an output."""
    REJECTED = "rejected"
    """The server, or the check of the manifest, does not take it as it is."""
    CONFLICT = "conflict"
    """The server knows its key, and not for this body; somebody has to look."""
    CANCELLED = "cancelled"
    """It was dropped before it was ever sent."""
    SKIPPED = "skipped"
    """It asks for the same as an earlier row, and shares what becomes of that."""


TERMINAL = frozenset({State.DONE, State.FAILED, State.REJECTED, State.CONFLICT, State.CANCELLED, State.SKIPPED})
OPEN = frozenset(State) - TERMINAL
RESERVING = frozenset({State.SUBMITTING, State.SUBMITTED, State.UNKNOWN})
"""States in which a row's estimate is reserved."""
CHARGED = frozenset({State.REMOTE_DONE, State.DOWNLOADING, State.DONE})
"""States in which a row's estimate counts as spent until its cost is known."""
SAVING = frozenset({State.SKIPPED})
"""States in which a row's estimate counts as saved."""


def _columns(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


Actor = Literal["ingest", "claim", "mark"]
Attempts = Literal["kept", "used", "reset"]


@attrs.frozen(kw_only=True)
class Transition:
    """One way from a state to another.

    Attributes:
        when: When it is taken.
        by: The call of the ledger that takes it.
        required: Columns that the same commit must write.
        allowed: Columns that it may write besides.
        if_unset: A column that must be empty for it.
        starts_generation: Whether the row is to be bought once more: `generation_no` grows by one, what the
            last generation came to is kept in an event, and all that belonged to it is cleared.
        attempt: What becomes of the row's count of failed generations.
        clears: Columns that are emptied besides.
    """

    when: str
    by: Actor = "mark"
    required: frozenset[str] = attrs.field(default=frozenset(), converter=_columns)
    allowed: frozenset[str] = attrs.field(default=frozenset(), converter=_columns)
    if_unset: str | None = None
    starts_generation: bool = False
    attempt: Attempts = "kept"
    clears: frozenset[str] = attrs.field(default=frozenset(), converter=_columns)


ENDED = {"finished_us", "error_code"}
TOLD = {"error"}
PRICED = {"est_micro", "predicted_s"}
OUTPUT = {"out_path", "out_bytes", "out_sha", "out_etag"}
LEASE = {"lease_owner", "lease_until_us"}
AGAIN = {"body", "due_us", *PRICED}

TRANSITIONS: Mapping[tuple[State | None, State], Transition] = {
    (None, State.NEW): Transition(
        when="a valid row with local files", by="ingest", required={"body", "payload_sha"}, allowed=PRICED
    ),
    (None, State.READY): Transition(
        when="a valid row without", by="ingest", required={"body", "body_sha", "payload_sha"}, allowed=PRICED
    ),
    (None, State.SKIPPED): Transition(
        when="the same payload as an earlier row",
        by="ingest",
        required={"body", "payload_sha", "dedupe_of"},
        allowed={"body_sha", *PRICED},
    ),
    (None, State.REJECTED): Transition(
        when="a row with problems, which the caller wants left out", by="ingest", required=ENDED, allowed=TOLD
    ),
    (State.NEW, State.READY): Transition(
        when="all its files have URLs", required={"body"}, allowed={"due_us", *PRICED}
    ),
    (State.NEW, State.REJECTED): Transition(
        when="a file cannot be used, or has changed since the plan", required=ENDED, allowed=TOLD
    ),
    (State.READY, State.SUBMITTING): Transition(
        when="its turn has come; before the request", by="claim", required={"idem_key", "first_post_us"}
    ),
    (State.SUBMITTING, State.SUBMITTED): Transition(
        when="accepted, or found at the server", required={"job_id", "submitted_us"}, allowed={"due_us"}
    ),
    (State.SUBMITTING, State.READY): Transition(
        when="every try was clearly refused; its key stays", allowed={"due_us"}, if_unset="unclear_us"
    ),
    (State.SUBMITTING, State.UNKNOWN): Transition(
        when="no clear answer for long", required={"error_code"}, allowed={"due_us", "unclear_us", *TOLD}
    ),
    (State.SUBMITTING, State.CONFLICT): Transition(
        when="the key belongs to another body", required=ENDED, allowed=TOLD
    ),
    (State.SUBMITTING, State.REJECTED): Transition(
        when="the server does not take this row", required=ENDED, allowed=TOLD
    ),
    (State.UNKNOWN, State.SUBMITTED): Transition(
        when="found at the server",
        required={"job_id", "submitted_us"},
        allowed={"due_us"},
        clears={"error_code", "error"},
    ),
    (State.UNKNOWN, State.SUBMITTING): Transition(
        when="proven not to be there, or about to be sent again; its key stays", allowed={"due_us"}
    ),
    (State.CONFLICT, State.SUBMITTED): Transition(
        when="somebody has told its job",
        required={"job_id", "submitted_us"},
        allowed={"due_us"},
        clears=ENDED | TOLD,
    ),
    **{
        (unsettled, State.FAILED): Transition(
            when="given up by somebody, though it may have been bought", required=ENDED, allowed=TOLD
        )
        for unsettled in (State.UNKNOWN, State.CONFLICT)
    },
    (State.SUBMITTED, State.REMOTE_DONE): Transition(
        when="the job is COMPLETED", required={"finished_us"}, allowed={"output_s", "cost_micro", "due_us"}
    ),
    (State.SUBMITTED, State.DOWNLOADING): Transition(
        when="the job is COMPLETED, and its output is fetched at once",
        required={"finished_us", "out_path"},
        allowed={"output_s", "cost_micro"},
    ),
    (State.SUBMITTED, State.FAILED): Transition(
        when="the job is FAILED, or lost", required=ENDED, allowed={"cost_micro", *TOLD}, attempt="used"
    ),
    (State.SUBMITTED, State.REJECTED): Transition(
        when="the job is REJECTED", required=ENDED, allowed={"cost_micro", *TOLD}
    ),
    (State.SUBMITTED, State.READY): Transition(
        when="the job is FAILED, and the caller wants further attempts",
        required=ENDED,
        allowed={"cost_micro", *TOLD, *AGAIN},
        starts_generation=True,
        attempt="used",
    ),
    (State.REMOTE_DONE, State.DOWNLOADING): Transition(
        when="its output is about to be fetched", allowed={"due_us", *OUTPUT, *LEASE}
    ),
    (State.REMOTE_DONE, State.DONE): Transition(
        when="outputs are not wanted", allowed={"cost_micro", *OUTPUT}, clears={"error_code", "error"}
    ),
    (State.DOWNLOADING, State.DONE): Transition(
        when="the file has its name, durably",
        required={"out_path", "out_bytes", "out_sha"},
        allowed={"out_etag", "cost_micro"},
        clears={"error_code", "error", *LEASE},
    ),
    (State.DOWNLOADING, State.REMOTE_DONE): Transition(
        when="the transfer failed; later again", allowed={"due_us", "error_code", *TOLD, *OUTPUT}
    ),
    (State.NEW, State.CANCELLED): Transition(
        when="dropped by somebody", required={"finished_us"}, allowed={"error_code", *TOLD}
    ),
    (State.READY, State.CANCELLED): Transition(
        when="dropped by somebody; nothing of it was accepted",
        required={"finished_us"},
        allowed={"error_code", *TOLD},
    ),
    **{
        (ended, State.READY): Transition(
            when="to be bought once more, the price agreed to",
            allowed=AGAIN,
            starts_generation=True,
            attempt="reset",
        )
        for ended in (State.FAILED, State.REJECTED, State.CONFLICT)
    },
    **{
        (ended, State.NEW): Transition(
            when="the same, its local files to be sent again",
            required={"body"},
            allowed=AGAIN,
            starts_generation=True,
            attempt="reset",
        )
        for ended in (State.FAILED, State.REJECTED, State.CONFLICT)
    },
}
"""Every way there is, by where it begins (None: outside) and ends."""

NOTES: Mapping[State, frozenset[str]] = {
    State.NEW: frozenset({"due_us", "prio", *PRICED, *LEASE}),
    State.READY: frozenset({"due_us", "prio", *PRICED}),
    State.SUBMITTING: frozenset({"unclear_us"}),
    State.SUBMITTED: frozenset({"due_us", "cost_micro"}),
    State.UNKNOWN: frozenset({"due_us", "error_code", "error"}),
    State.REMOTE_DONE: frozenset({"due_us", "cost_micro", "output_s", "error_code", *TOLD, *LEASE}),
    State.DOWNLOADING: frozenset({"due_us", "cost_micro", *OUTPUT, *LEASE}),
    State.DONE: frozenset({"cost_micro", "output_s"}),
    State.FAILED: frozenset({"cost_micro"}),
    State.REJECTED: frozenset({"cost_micro"}),
}
"""Columns that may be written while a row stays where it is; nothing is written for a look or a refusal."""

SET_ONCE = frozenset({"unclear_us"})
"""Columns whose first value stays until a new generation."""
OF_A_GENERATION = (
    "idem_key",
    "job_id",
    "first_post_us",
    "unclear_us",
    "submitted_us",
    "finished_us",
    "cost_micro",
    "output_s",
    "error_code",
    "error",
    "out_path",
    "out_bytes",
    "out_sha",
    "out_etag",
    "lease_owner",
    "lease_until_us",
)
"""Columns that are empty when a further generation starts."""


def problem_of(source: State, target: State, columns: frozenset[str]) -> str | None:
    """Tell what is wrong with a change, or None.

    Args:
        source: The state that the row is to be in.
        target: The state that it is to have; the same for a note.
        columns: What is to be written.
    """
    if source == target:
        required, allowed = frozenset[str](), NOTES.get(source, frozenset())
    else:
        way = TRANSITIONS.get((source, target))
        if way is None or way.by != "mark":
            return f"there is no way from {source} to {target}" + (f" but by {way.by}" if way else "")
        required, allowed = way.required, way.required | way.allowed
    if missing := required - columns:
        return f"{source} to {target} has to write {', '.join(sorted(missing))}"
    if more := columns - allowed:
        return f"{source} to {target} must not write {', '.join(sorted(more))}"
    return None
