"""Amounts of money, and those to which somebody has to agree.

Amounts are micro-dollars, whole numbers, so that a million of them add up.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from sync_async._errors import ArgumentError

MICRO = 1_000_000
CONFIRM_ABOVE = 50 * MICRO
"""Amount above which somebody has to agree."""
CONFIRM_UNKNOWN_ROWS = 100
"""Rows of unknown price from which somebody has to agree."""


def micro(usd: Decimal | float | str, argument: str = "budget") -> int:
    """Turn dollars into micro-dollars.

    Args:
        usd: The dollars, from 0.
        argument: What the caller calls them.

    Raises:
        ArgumentError: It is no amount.
    """
    try:
        amount = int((Decimal(str(usd)) * MICRO).to_integral_value(ROUND_HALF_UP))
    except (ArithmeticError, ValueError) as error:
        raise ArgumentError(argument, f"{usd!r} is not an amount of US dollars") from error
    if amount < 0:
        raise ArgumentError(argument, f"{usd!r} is below zero")
    return amount


def usd(amount: int) -> Decimal:
    """Turn micro-dollars into dollars."""
    return Decimal(amount) / MICRO


def needs_consent(estimated: int, rows_of_unknown_price: int) -> bool:
    """Tell whether somebody has to agree before the first purchase."""
    return estimated > CONFIRM_ABOVE or rows_of_unknown_price >= CONFIRM_UNKNOWN_ROWS
