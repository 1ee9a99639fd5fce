"""Money of a run is exact to the micro-dollar."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sync_async import ArgumentError
from sync_async.bulk.budget import MICRO, micro, needs_consent, usd


def test_amounts_are_whole_micro_dollars() -> None:
    """A million of 0.1 are a hundred thousand, and not nearly."""
    assert [micro(amount) for amount in ("0.1", 0.1, Decimal("0.1"), 1)] == [100_000] * 3 + [MICRO]
    assert sum([micro(0.1)] * 1_000_000) == micro(100_000)
    assert usd(1_234_567) == Decimal("1.234567")
    assert micro("0.0000005") == 1


@pytest.mark.parametrize("amount", ["much", None, float("nan"), float("inf")])
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(ArgumentError, match="not an amount of US dollars"):
        micro(amount)


def test_an_amount_below_zero_is_refused_by_its_argument() -> None:
    with pytest.raises(ArgumentError, match="assume_price: -1 is below zero"):
        micro(-1, "assume_price")


def test_much_money_and_many_unknown_prices_need_consent() -> None:
    assert not needs_consent(micro(50), 99)
    assert needs_consent(micro("50.01"), 0)
    assert needs_consent(0, 100)
