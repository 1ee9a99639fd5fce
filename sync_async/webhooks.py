"""What the server sends when a job ends: is it genuine, and what does it say.

Works on the raw bytes of a request, in any framework and in either style. See `examples/` for aiohttp, FastAPI
and Flask. Source: https://sync.so/docs/api-reference/guides/webhooks
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sync_async._errors import (
    ArgumentError,
    MalformedSignatureError,
    MissingSignatureError,
    StaleSignatureError,
    UnreadableNotificationError,
    WrongSignatureError,
)
from sync_async._json import json_of_bytes
from sync_async.types.notifications import BatchNotification, GenerationNotification

__all__ = ["HEADER", "Notification", "parse", "verify"]

HEADER = "Sync-Signature"
"""The header that carries the signature."""
DEFAULT_TOLERANCE = 300.0
"""Seconds that a delivery may be old; the server names no number."""

Notification = GenerationNotification | BatchNotification | Mapping[str, Any]
"""The notice of a generation or of a batch; one of a kind that this version does not know is a plain mapping."""


def verify(
    body: bytes | str,
    signature: str | bytes | None,
    secret: str | Iterable[str],
    *,
    tolerance: float | None = DEFAULT_TOLERANCE,
    now: float | None = None,
) -> None:
    """Check that a delivery comes from the server, unchanged and lately.

    Args:
        body: The request's body as it came: `await request.body()` in FastAPI, `await request.read()` in aiohttp,
            `request.get_data()` in Flask. JSON that was parsed and written again has another signature.
        signature: The value of the `Sync-Signature` header, None where there was none.
        secret: The webhook secret, with its `whsec_`; several while one is being replaced.
        tolerance: Seconds that the delivery may be old, or ahead of this machine's clock; None for any.
        now: The time as seconds since 1970; this machine's by default.

    Raises:
        MissingSignatureError: There is no signature.
        MalformedSignatureError: The header is not of the form `t=…,v1=…`.
        WrongSignatureError: No signature fits the body and a secret.
        StaleSignatureError: It is genuine, but too old, or ahead of time.
        ArgumentError: The body is not raw, the secret is empty, or the tolerance is below 0.

    Example:
        verify(body, request.headers.get("Sync-Signature"), os.environ["SYNC_WEBHOOK_SECRET"])

    Source: https://sync.so/docs/api-reference/guides/webhooks
    """
    raw, secrets = _raw(body), _secrets(secret)
    if tolerance is not None and not tolerance >= 0:  # nor NaN
        raise ArgumentError("tolerance", f"{tolerance} is not from 0 up; None tolerates any age")
    digits, given = _read(signature)
    message = digits.encode() + b"." + raw
    expected = [hmac.new(one, message, hashlib.sha256).hexdigest().encode() for one in secrets]
    fits = False
    for one in given:
        for other in expected:  # all of them, so that the time taken tells nothing
            fits |= hmac.compare_digest(one.lower().encode("utf-8", "replace"), other)
    if not fits:
        raise WrongSignatureError(
            "no signature of the delivery fits its body: is the secret the one of this organisation, and the body "
            "as it came, byte for byte?"
        )
    _check_age(int(digits), tolerance, time.time() if now is None else now)


def parse(
    body: bytes | str,
    signature: str | bytes | None,
    secret: str | Iterable[str],
    *,
    tolerance: float | None = DEFAULT_TOLERANCE,
    now: float | None = None,
) -> Notification:
    """Check a delivery, and read it.

    The server may send a notice twice, late or never: go by `(id, status)`, and do not rely on it alone. A FAILED
    notice may lack its reason; `client.generations.get` has it.

    Args:
        body: As for `verify`, and so are the others.
        signature: The value of the `Sync-Signature` header.
        secret: The webhook secret, or several.
        tolerance: Seconds that the delivery may be old.
        now: The time as seconds since 1970.

    Returns:
        A `GenerationNotification` or a `BatchNotification`; a plain mapping for a kind that is not known.

    Raises:
        WebhookError: As for `verify`.
        UnreadableNotificationError: The delivery is genuine, but no JSON object, or not what it claims to be.
        ArgumentError: The body is not raw, the secret is empty, or the tolerance is below 0.

    Example:
        notice = parse(body, request.headers.get("Sync-Signature"), os.environ["SYNC_WEBHOOK_SECRET"])
        if isinstance(notice, GenerationNotification):
            print(notice.id, notice.status, notice.output_url)

    Source: https://sync.so/docs/api-reference/api/webhooks-payload-reference/webhooks
    """
    from sync_async._codec import WrongShapeError, decode

    verify(body, signature, secret, tolerance=tolerance, now=now)
    try:
        value = json_of_bytes(_raw(body))
    except (ValueError, RecursionError) as error:
        raise UnreadableNotificationError(f"the delivery is genuine, but no JSON: {error}") from error
    if not isinstance(value, dict):
        raise UnreadableNotificationError(f"the delivery is genuine, but a JSON {type(value).__name__}, no object")
    try:
        if "metrics" in value:
            return decode(value, BatchNotification)
        if "input" in value or "model" in value:
            return decode(value, GenerationNotification)
    except WrongShapeError as fault:
        # only where, not what: the value may be a signed link
        raise UnreadableNotificationError(
            f"the delivery is genuine, but not what it should be at {fault.path}", path=fault.path
        ) from None
    return value


def _raw(body: Any) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if isinstance(body, str):
        return _utf8("body", body)
    raise ArgumentError(
        "body",
        f"{type(body).__name__} is not the raw body: pass the bytes as they came, which are await request.body() "
        "in FastAPI, await request.read() in aiohttp, request.get_data() in Flask",
    )


def _secrets(secret: Any) -> list[bytes]:
    secrets = [secret] if isinstance(secret, str) else list(secret) if isinstance(secret, Iterable) else []
    if not secrets or not all(isinstance(one, str) and one.strip() for one in secrets):
        raise ArgumentError("secret", "it is empty or no text; it stands in the dashboard, and begins with whsec_")
    return [_utf8("secret", one) for one in secrets]


def _utf8(argument: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # which would hold the text
        raise ArgumentError(argument, "it was read as something other than UTF-8, so its bytes are lost") from None


def _read(signature: str | bytes | None) -> tuple[str, list[str]]:
    """Take the header apart: the digits of its time as they came, and its signatures."""
    header = signature.decode("latin-1") if isinstance(signature, bytes) else signature
    if header is None or not header.strip():
        raise MissingSignatureError(f"the delivery has no {HEADER} header; it does not come from sync.so")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = {value for name, _, value in pairs if name == "t"}
    given = [value for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not given:
        raise MalformedSignatureError(f"the {HEADER} header is not of the form t=…,v1=…")
    (digits,) = times
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 15:  # noqa: PLR2004  # no time has more
        raise MalformedSignatureError(f"the t of the {HEADER} header is not a number of seconds")
    return digits, given


def _check_age(timestamp: int, tolerance: float | None, now: float) -> None:
    age = now - timestamp
    if tolerance is None or abs(age) <= tolerance:
        return
    how = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s ahead of this machine's clock"
    raise StaleSignatureError(
        f"the delivery is genuine, but {how}, and {tolerance:g} s are tolerated",
        timestamp=timestamp,
        age=age,
        tolerance=tolerance,
    )
