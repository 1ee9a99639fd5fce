"""When a signed address stops working, as far as it says so itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

STAMPED = (("x-amz-date", "x-amz-expires"), ("x-goog-date", "x-goog-expires"))
"""Parameters that tell when an address was signed, and for how many seconds: Amazon's and Google's."""
STAMP = "%Y%m%dT%H%M%SZ"


def expiry_of(url: str) -> datetime | None:
    """Tell when a signed address stops working, None when it does not say.

    Args:
        url: An address as Amazon S3, Google Cloud Storage, CloudFront or Azure sign it.
    """
    if "?" not in url:
        return None
    try:
        query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        for stamp, seconds in STAMPED:
            if stamp in query and seconds in query:
                signed = datetime.strptime(query[stamp], STAMP).replace(tzinfo=UTC)
                return signed + timedelta(seconds=int(query[seconds]))
        if "expires" in query:
            return datetime.fromtimestamp(int(query["expires"]), UTC)
        if "se" in query and "sig" in query:
            found = datetime.fromisoformat(query["se"])
            return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):  # no address, or a parameter that means something else
        return None
    return None
