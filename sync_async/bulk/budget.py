"""Money of a run: reserved when a row is claimed, settled when its job has ended.

Amounts are micro-dollars, whole numbers, so that a million of them add up.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import attrs

from sync_async._errors import ArgumentError

MICRO = 1_000_000
CONFIRM_ABOVE = 50 * MICRO
"""Amount above which somebody has to agree."""
CONFIRM_UNKNOWN_ROWS = 100
"""Rows of unknown price from which somebody has to agree."""


def micro(usd: Decimal | float | str) -> int:
    """Turn dollars into micro-dollars.

    Raises:
        ArgumentError: It is no amount.
    """
    try:
        amount = Decimal(str(usd))
        return int((amount * MICRO).to_integral_value(ROUND_HALF_UP))
    except (ArithmeticError, ValueError) as error:
        raise ArgumentError("budget", f"{usd!r} is not an amount of US dollars") from error


def usd(amount: int) -> Decimal:
    """Turn micro-dollars into dollars."""
    return Decimal(amount) / MICRO


def needs_consent(estimated: int, rows_of_unknown_price: int) -> bool:
    """Tell whether somebody has to agree before the first purchase."""
    return estimated > CONFIRM_ABOVE or rows_of_unknown_price >= CONFIRM_UNKNOWN_ROWS


@attrs.define
class Budget:
    """What may be spent, what is reserved for jobs that run, and what was spent.

    Args:
        limit: Micro-dollars, None for no limit.
        assumed: Micro-dollars to reserve for a row whose price is not known; None refuses such rows.
        spent: What earlier jobs of the run came to.
        reserved: What is reserved for those that still run.
    """

    limit: int | None = None
    assumed: int | None = None
    spent: int = 0
    reserved: int = 0

    def amount_for(self, estimate: int | None) -> int | None:
        """Give what to reserve for a row, or None when its price is not known and none is assumed."""
        amount = self.assumed if estimate is None else estimate
        return 0 if amount is None and self.limit is None else amount

    def reserve(self, estimate: int | None) -> int | None:
        """Reserve the price of a row.

        Returns:
            What was reserved, or None: it does not fit any more, and nothing was.
        """
        amount = self.amount_for(estimate)
        if amount is None or (self.limit is not None and self.spent + self.reserved + amount > self.limit):
            return None
        self.reserved += amount
        return amount

    def release(self, reserved: int) -> None:
        """Take back what was reserved for a job that was not started, or is not charged."""
        self.reserved -= reserved

    def settle(self, reserved: int, cost: int | None) -> None:
        """Turn what was reserved for a job into what it cost; until that is known, the estimate counts."""
        self.reserved -= reserved
        self.spent += reserved if cost is None else cost

    def correct(self, counted: int, cost: int) -> None:
        """Put the true cost of a settled job in the place of what was counted."""
        self.spent += cost - counted
