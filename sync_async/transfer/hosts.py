"""Where links lead, which come from outside and may be no addresses at all."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit


def host_of(url: str) -> str:
    """Give the host of a link for messages, which must not tell the link: it is signed."""
    try:
        host = urlsplit(url).hostname
    except ValueError:  # it is no address
        host = None
    return host or "the storage host"


def absolute(page: str, link: str) -> str:
    """Give the address that a link on a page means; one that is none stays as it is, and whoever asks it tells."""
    try:
        return urljoin(page, link)
    except ValueError:
        return link
