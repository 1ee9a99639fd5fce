"""Money of a run: never more than allowed, and exact to the micro-dollar."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_async import ArgumentError
from sync_async.bulk.budget import MICRO, Budget, micro, needs_consent, usd


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


def test_a_row_that_does_not_fit_is_not_reserved() -> None:
    """What is reserved counts as spent until it is known better."""
    budget = Budget(limit=10)
    assert budget.reserve(6) == 6
    assert budget.reserve(5) is None
    assert budget.reserve(4) == 4
    budget.settle(6, 3)
    assert (budget.spent, budget.reserved) == (3, 4)
    assert budget.reserve(3) == 3


def test_a_job_that_is_not_charged_gives_its_money_back() -> None:
    budget = Budget(limit=10)
    budget.release(budget.reserve(10) or 0)
    assert budget.reserve(10) == 10


def test_an_estimate_counts_until_the_cost_is_known() -> None:
    budget = Budget(limit=10)
    reserved = budget.reserve(7)
    assert reserved is not None
    budget.settle(reserved, None)
    assert budget.spent == 7
    budget.correct(7, 5)
    assert budget.spent == 5


def test_an_unknown_price_needs_an_assumption_under_a_budget() -> None:
    """Without a budget it needs none."""
    assert Budget(limit=10).reserve(None) is None
    assert Budget(limit=10, assumed=4).reserve(None) == 4
    assert Budget().reserve(None) == 0


def test_much_money_and_many_unknown_prices_need_consent() -> None:
    assert not needs_consent(micro(50), 99)
    assert needs_consent(micro("50.01"), 0)
    assert needs_consent(0, 100)


@given(
    limit=st.integers(0, 1000),
    steps=st.lists(st.tuples(st.sampled_from(["reserve", "release", "settle"]), st.integers(0, 300))),
)
def test_no_order_of_events_reserves_beyond_the_limit(limit: int, steps: list[tuple[str, int]]) -> None:
    """As long as jobs cost no more than was estimated."""
    budget, open_jobs = Budget(limit=limit), list[int]()
    for step, amount in steps:
        if step == "reserve":
            reserved = budget.reserve(amount)
            if reserved is not None:
                open_jobs.append(reserved)
        elif open_jobs:
            reserved = open_jobs.pop()
            if step == "release":
                budget.release(reserved)
            else:
                budget.settle(reserved, min(amount, reserved))
        assert budget.spent + budget.reserved <= limit
        assert budget.reserved == sum(open_jobs)
