"""How the report writes amounts, times and texts of others."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from html import escape

from sync_async.bulk.budget import usd

LEAST_SHOWN = Decimal("0.0001")
"""USD below which an amount is told to be small, and not what it is."""
LONGEST = 600
"""Characters of a text of others that are shown."""
LONGEST_READ = 4 * LONGEST
"""Characters of it that are looked at; what is cut off behind them may be a part of an address."""
QUERY = re.compile(r"(?<=://)(?P<address>[^\s\"'<>?#]+)[?#][^\s\"'<>]*|(?<=\S)[?#][^\s\"'<>]*=[^\s\"'<>]*")
"""The query or fragment of an address; also of one without a host, when it looks like one."""
USER = re.compile(r"(?<=//)[^\s/@\"'<>]+@")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
UNITS = (((86400, "d"), (3600, "h")), ((3600, "h"), (60, "min")), ((60, "min"), (1, "s")))
"""Units in which a time is told, each with the next smaller one."""
FEW = 10
"""Number from which no digits behind the point are told."""


def dollars(micro: int) -> str:
    """Write micro-dollars: two digits behind the point from a dollar on, up to four below."""
    amount = usd(micro)
    if not 0 < amount < 1:
        return f"${amount:,.2f}"
    if amount < LEAST_SHOWN:
        return f"under ${LEAST_SHOWN}"
    whole, _, digits = f"{amount:.4f}".partition(".")
    return f"${whole}.{digits[:2]}{digits[2:].rstrip('0')}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Write a number with what it counts: `1 row`, `1,200 rows`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def number(value: float) -> str:
    """Write an average: `0.5`, `7`, `1,200`."""
    return f"{value:,.0f}" if value >= FEW or value == round(value) else f"{value:.1f}"


def span(seconds: float) -> str:
    """Write a time that passed, by its two largest units."""
    left = round(seconds)
    for (size, unit), (below, smaller) in UNITS:
        if left >= size:
            whole, rest = divmod(left, size)
            return f"{whole} {unit}" + (f" {rest // below} {smaller}" if rest >= below else "")
    return f"{left} s"


def moment(us: int, zone: tzinfo) -> str:
    """Write a moment to the minute: `23 Nov 2026, 14:05`."""
    return f"{day(us, zone)} {at(us, zone):%Y, %H:%M}"


def clock(us: int, zone: tzinfo) -> str:
    """Write a moment to the second, without its year: `23 Nov 14:05:30`."""
    return f"{day(us, zone)} {at(us, zone):%H:%M:%S}"


def day(us: int, zone: tzinfo) -> str:
    """Write a day, short: `23 Nov`; whatever the language of the system is."""
    when = at(us, zone)
    return f"{when.day} {MONTHS[when.month - 1]}"


def at(us: int, zone: tzinfo) -> datetime:
    """Give the moment of microseconds since 1970."""
    return datetime.fromtimestamp(us / 1e6, zone)


def zone_name(zone: tzinfo) -> str:
    """Write a time zone by its distance: `UTC`, `UTC+02:00`."""
    minutes = offset(zone) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}" if minutes else "UTC"


def offset(zone: tzinfo) -> timedelta:
    """Give the distance of a fixed time zone from UTC."""
    return zone.utcoffset(datetime.now(UTC)) or timedelta()


def shown(text: str) -> str:
    """Cut a text of others, and take out what may be secret: queries of addresses, and names before hosts."""
    safe = QUERY.sub(lambda found: f"{found['address'] or ''}?…", USER.sub("", text[:LONGEST_READ]))
    return safe if len(safe) <= LONGEST else f"{safe[:LONGEST]}…"


def html(text: object) -> str:
    """Write a text of others so that it is nothing but text."""
    return escape(str(text))
