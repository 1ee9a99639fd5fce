"""When a run stops buying by itself."""

from __future__ import annotations

from sync_async.bulk.safety import Breaker, Canary, Halt, canary_rows, spread


def test_ten_failures_in_a_row_with_one_code_stop_a_run() -> None:
    breaker = Breaker()
    found = [breaker.note(f"row-{n}", "no_face") for n in range(10)]
    assert found[:9] == [None] * 9
    assert found[9] == Halt("breaker", "no_face", 10, ("row-7", "row-8", "row-9"))


def test_a_success_or_another_code_in_between_begins_anew() -> None:
    """Failures of different codes have different reasons."""
    breaker = Breaker()
    for other in (None, "too_long"):
        assert all(breaker.note("a", "no_face") is None for _ in range(9))
        assert breaker.note("b", other) is None


def test_more_than_a_fifth_of_the_last_fifty_stop_a_run() -> None:
    """Not before fifty have ended, and not at a fifth."""
    breaker = Breaker()
    codes = (["no_face", None, None, None, None] * 10)[:50]
    assert [breaker.note(str(n), code) for n, code in enumerate(codes)] == [None] * 50
    assert breaker.note("50", None) is None
    halts = [breaker.note(str(n), "no_face" if n % 2 else None) for n in range(51, 70)]
    stopped = next(halt for halt in halts if halt is not None)
    assert stopped.code == "no_face"
    assert stopped.failures == 11


def test_two_of_the_first_rows_with_one_code_stop_a_run() -> None:
    canary = Canary(5)
    assert canary.note("a", "no_face") is None
    assert canary.note("b", "too_long") is None
    assert canary.note("c", None) is None
    assert canary.note("d", "no_face") == Halt("canary", "no_face", 2, ("a", "d"))


def test_it_is_over_when_all_of_them_have_ended() -> None:
    canary = Canary(2)
    canary.note("a", None)
    assert not canary.is_over
    canary.note("b", "no_face")
    assert canary.is_over
    assert Canary(0).is_over


def test_rows_go_ahead_when_the_run_is_long_and_dear() -> None:
    assert canary_rows(None, 100, is_costly=True) == 5
    assert canary_rows(None, 99, is_costly=True) == 0
    assert canary_rows(None, 1000, is_costly=False) == 0
    assert canary_rows(0, 1000, is_costly=True) == 0
    assert canary_rows(20, 10, is_costly=False) == 10


def test_they_are_spread_over_the_models() -> None:
    """The first of each before the second of any."""
    rows = [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c"), ("c2", "c")]
    assert spread(rows, 5) == ["a1", "b1", "c1", "a2", "c2"]
    assert spread(rows, 2) == ["a1", "b1"]
    assert spread([], 5) == []
