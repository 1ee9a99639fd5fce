"""What a sandbox can be told, each unknown of the real service among it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from sync_async.sandbox.plans import PLANS, PlanName

DEFAULT_CONCURRENCY = 3


def _not_negative(_: object, field: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and value < 0:
        msg = f"{field.name} may not be negative: {value}"
        raise ValueError(msg)


def _concurrency_of(settings: SandboxSettings) -> int | None:
    plan = None if settings.plan is None else PLANS.get(settings.plan)  # the plan is validated after this
    return DEFAULT_CONCURRENCY if plan is None else plan.concurrency


@attrs.frozen(kw_only=True)
class SandboxSettings:
    """The switches of a sandbox. Where the real service is not documented, the default is the likeliest."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 0
    """Port of the API; 0 takes a free one."""
    storage_port: int = 0
    """Port of the media, which is another origin; 0 takes a free one."""
    folder: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Where uploads, outputs and the journal are kept; a temporary folder when unset."""
    api_key: str | None = None
    """The only key that is accepted; any non-empty key when unset."""
    webhook_secret: str = "whsec_sandbox"  # noqa: S105  # it protects nothing
    """Signs the webhook deliveries."""
    projects: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    """Project ids that exist."""
    dialogue_edits: tuple[str, ...] | None = attrs.field(default=None, converter=attrs.converters.optional(tuple))
    """Ids of finished dialogue edits; any id is one when unset."""
    foreign_assets: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    """Asset ids that belong to somebody else: 403 asset_forbidden."""
    account: Mapping[str, Any] = attrs.field(factory=dict)
    """Further or other fields of the account's answer."""

    latency: float = attrs.field(default=1.0, validator=_not_negative)
    """Seconds from the creation of a generation to its end; infinite waits for `advance` or `finish`."""
    create_seconds: float = attrs.field(default=0.0, validator=_not_negative)
    """Seconds that a create call takes, so that a copy of it can arrive meanwhile."""
    plan: PlanName | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.in_(PLANS))
    )
    """The plan whose limits hold; none of them when unset."""
    concurrency: int | None = attrs.field(
        default=attrs.Factory(_concurrency_of, takes_self=True), validator=_not_negative
    )
    """Generations that may be PENDING or PROCESSING at once; None for no limit; by the plan, or 3, when unset."""
    release_lag: float = attrs.field(default=0.0, validator=_not_negative)
    """Seconds from the end of a generation until its slot is free."""
    render: bool = True
    """Make a video from the inputs (needs PyAV); otherwise the input video is the output, unmeasured."""

    posts_per_minute: int | None = attrs.field(default=100, validator=_not_negative)
    """Creates a minute and key; None for no limit."""
    polls_per_minute: int | None = attrs.field(default=600, validator=_not_negative)
    """Other requests a minute and key; None for no limit."""
    uploads_per_minute: int | None = attrs.field(default=120, validator=_not_negative)
    """Presigned uploads a minute and key; None for no limit."""
    tell_retry_after: bool = False
    """Whether a 429 has a Retry-After header."""
    tell_limits: bool = True
    """Whether a concurrency 429 names active generations, limit and seconds."""
    tell_codes: bool = True
    """Whether a 429 has an errorCode; older servers leave it out."""
    statuses: Mapping[str, int] = attrs.field(factory=dict)
    """HTTP statuses of error codes, where they are to differ from the catalogue."""
    strict_ids: bool = False
    """Whether a generation id that is no UUID is answered with 400 instead of 404."""

    replay_status: int = 201
    """Status of an answer to a repeated idempotency key."""
    replay_headers: Mapping[str, str] = attrs.field(factory=dict)
    """Further headers of an answer to a repeated idempotency key."""
    conflict_status: int = 409
    """Status of an answer to a key that was used with another body."""
    twin: Literal["wait", "refuse"] = "wait"
    """Whether a copy of a request that is still under way waits for it, or gets 409 with Retry-After."""
    key_lifetime: float | None = None
    """Seconds that a key is remembered; until the end when unset."""
    refusal_uses_key: bool = False
    """Whether a refused request (but for 429) is answered with the same refusal for ever."""
    compare_parsed: bool = False
    """Whether JSON bodies of one key are compared by value instead of byte by byte."""
    compare_form: Literal["parsed", "raw"] = "parsed"
    """Whether forms of one key are compared by fields and file digests, or byte by byte."""

    multipart_limit: int = 5 * 1024**3
    """Bytes of one file in a form: 413 above."""
    file_limit: int | None = None
    """Bytes of one file that the plan allows: 422 above; None for no limit."""
    form_entries_need_url: bool = False
    """Whether an `input` entry may not name the file of its kind in the same form."""
    presign_lifetime: int = 3600
    """Seconds that an upload URL lives."""
    output_lifetime: int = 7 * 86400
    """Seconds that an output URL lives."""
    asset_lifetime: int | None = None
    """Seconds that the URL of an asset lives once it was read; for ever when unset."""
    fresh_links: bool = True
    """Whether each read of a generation signs its output URL anew."""
    asset_status: int = 201
    """Status of a registered asset."""
    asset_update_status: int = 200
    """Status of a changed asset."""
    ranges: bool = True
    """Whether downloads can be resumed."""
    etag: Literal["strong", "weak", "none"] = "strong"
    """How downloads are tagged."""
    short_body: bool = False
    """Whether downloads end before their announced length."""

    estimate: Literal["object", "array", "missing"] = "object"
    """What the older estimate answers."""
    output_media_url: bool = False
    """Whether generations also have outputMediaUrl."""
    unfinished_download_status: int = 409
    """Status of the download link of a generation without an output."""

    batch_rows: tuple[int, int] = (20, 500)
    """Fewest and most records of a batch."""
    batch_seconds: float | None = 30.0
    """Seconds of a medium in a batch; None for no limit."""
    batches: int = 1
    """Batches at once."""
    batch_limit_code: str = "concurrency_limit_reached"
    """Code of the refusal above that."""
    batch_refusal: Literal["none", "402", "403"] = "none"
    """How every batch is refused for the plan's sake; a plan without batches answers 402."""
    batch_status: int = 201
    """Status of an accepted batch."""
    batch_end: Literal["COMPLETED", "FAILED"] = "COMPLETED"
    """How batches end."""
    batch_redirect: bool = True
    """Whether the result answers 302 to the file, or 200 with its lines."""
    batch_result_needs_key: bool = False
    """Whether the first hop of the result needs the key."""
    batch_failed_rows: Literal["generation", "error"] = "generation"
    """How a failed row is written: as a failed generation, or as an error at the top of the line."""
    batch_shuffled: bool = False
    """Whether the lines of the result are out of order."""
    batch_missing_rows: int = 0
    """Rows left out of the result."""
    batch_broken_line: bool = False
    """Whether one line of the result is no JSON."""

    rejected_webhook: bool = False
    """Whether REJECTED generations send a webhook."""
    webhook_payload: Literal["notification", "generation"] = "notification"
    """Whether a delivery is the documented notification, or the polled object as in 2025."""
    webhook_signature: Literal["right", "wrong", "stale", "two"] = "right"
    """How deliveries are signed."""
    webhook_copies: int = 1
    """How often each delivery is sent."""
    webhook_delay: float = attrs.field(default=0.0, validator=_not_negative)
    """Seconds from the end of a job to its delivery."""
    webhook_swapped: bool = False
    """Whether each two deliveries change places; one without a second goes out a second late."""
    webhook_empty_errors: bool = False
    """Whether FAILED deliveries leave error and error_code empty, as users report."""
    webhook_extra: bool = False
    """Whether deliveries have a field that no documentation names."""


def make_settings(**given: Any) -> SandboxSettings:
    """Make settings from keyword arguments; an unknown name is refused with all that there are."""
    known = [field.name for field in attrs.fields(SandboxSettings)]
    for name in given:
        if name not in known:
            msg = f"{name!r} is no setting of the sandbox; there are {', '.join(known)}"
            raise TypeError(msg)
    return SandboxSettings(**given)
