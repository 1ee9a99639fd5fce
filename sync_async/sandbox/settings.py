"""What a sandbox can be told, each unknown of the real service among it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import attrs


@attrs.frozen(kw_only=True)
class SandboxSettings:
    """The switches of a sandbox. Where the real service is not documented, the default is the likeliest."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 0
    """Port of the API; 0 takes a free one. Media are served from a second port, which is another origin."""
    folder: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Where uploads, outputs and the journal are kept; a temporary folder when unset."""
    api_key: str | None = None
    """The only key that is accepted; any non-empty key when unset."""
    webhook_secret: str = "whsec_sandbox"  # noqa: S105  # it protects nothing
    """Signs the webhook deliveries."""
    projects: tuple[str, ...] = ()
    """Project ids that exist."""

    latency: float = 1.0
    """Seconds from the creation of a generation to its end."""
    concurrency: int | None = 3
    """Generations that may be PENDING or PROCESSING at once; None for no limit."""
    release_lag: float = 0.0
    """Seconds from the end of a generation until its slot is free."""
    render: bool = True
    """Make a video from the inputs (needs PyAV); otherwise the input video is the output."""

    posts_per_minute: int | None = 100
    """Creates a minute; None for no limit."""
    polls_per_minute: int | None = 600
    """Reads a minute; None for no limit."""
    uploads_per_minute: int | None = 120
    """Presigned uploads a minute; None for no limit."""
    tell_retry_after: bool = False
    """Whether a 429 has a Retry-After header."""
    tell_limits: bool = True
    """Whether a concurrency 429 names active generations, limit and seconds."""
    tell_codes: bool = True
    """Whether errors have an errorCode; older servers leave it out of a 429."""

    replay_status: int = 201
    """Status of an answer to a repeated idempotency key."""
    conflict_status: int = 409
    """Status of an answer to a key that was used with another body."""
    twin: Literal["wait", "refuse"] = "wait"
    """Whether a copy of a request that is still under way waits for it, or gets 409 with Retry-After."""
    key_lifetime: float | None = None
    """Seconds that a key is remembered; until the end when unset."""
    refusal_uses_key: bool = False
    """Whether a refused request is answered with the same refusal for ever."""
    compare_parsed: bool = False
    """Whether JSON bodies of one key are compared by value instead of byte by byte."""

    multipart_limit: int = 5 * 1024**3
    """Bytes of one file in a form."""
    presign_lifetime: int = 3600
    """Seconds that an upload URL lives."""
    output_lifetime: int = 7 * 86400
    """Seconds that an output URL lives."""
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

    batch_rows: tuple[int, int] = (20, 500)
    """Fewest and most records of a batch."""
    batches: int = 1
    """Batches at once."""
    batch_refusal: Literal["none", "402", "403"] = "none"
    """How the plan refuses batches."""
    batch_status: int = 201
    """Status of an accepted batch."""
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
    webhook_signature: Literal["right", "wrong", "stale", "two"] = "right"
    """How deliveries are signed."""
    webhook_copies: int = 1
    """How often each delivery is sent."""
    webhook_delay: float = 0.0
    """Seconds from the end of a job to its delivery."""
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
