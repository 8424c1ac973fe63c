"""How sure: same clock, two clocks, and fills near quotes that may have stood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.engine.certainty import beyond, budget, hop, margin, unusable
from monitor.engine.orders import Window
from monitor.wire.events import Quote, QuoteState

MS = 1_000_000
BUDGETS = {"router": 5 * MS, "venue": 1 * MS, "*": 50 * MS}


def test_a_clock_without_a_budget_of_its_own_has_that_of_the_rest() -> None:
    assert budget(BUDGETS, "router") == 5 * MS
    assert budget(BUDGETS, "oms") == 50 * MS
    assert budget({}, "oms") == 0


def test_one_clock_is_compared_exactly() -> None:
    assert margin(BUDGETS, "router", "router") == 0
    assert hop(100, 100, "router", "router", BUDGETS) is None
    judged = hop(101, 100, "router", "router", BUDGETS)
    assert judged is not None
    assert judged.certainty == "confirmed"


@pytest.mark.parametrize(
    ("elapsed", "certainty"),
    [(100 * MS, None), (100 * MS + 1, "possible"), (106 * MS, "possible"), (106 * MS + 1, "confirmed"), (-MS, None)],
)
def test_two_clocks_are_compared_within_the_sum_of_their_budgets(elapsed: int, certainty: str | None) -> None:
    judged = hop(elapsed, 100 * MS, "router", "venue", BUDGETS)
    assert (None if judged is None else judged.certainty) == certainty


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**12), st.integers(0, 10**9), st.integers(0, 10**9))
def test_confirmed_means_that_no_error_within_the_budgets_undoes_it(elapsed: int, limit: int, a: int, b: int) -> None:
    judged = hop(elapsed, limit, "a", "b", {"a": a, "b": b})
    truly_at_least, truly_at_most = elapsed - a - b, elapsed + a + b
    if judged is not None and judged.certainty == "confirmed":
        assert truly_at_least > limit
    elif judged is not None:
        assert truly_at_least <= limit < truly_at_most or a + b == 0


def window(low_bid: int | None = None, high_ask: int | None = None) -> Window:
    return Window(low_bid=low_bid, high_bid=None, low_ask=None, high_ask=high_ask)


@pytest.mark.parametrize(
    ("price", "worst", "certainty"), [(1001, 1000, "confirmed"), (1001, 1001, "possible"), (1001, None, "possible")]
)
def test_a_fill_is_outside_for_sure_only_when_outside_every_quote_around(
    price: int, worst: int | None, certainty: str
) -> None:
    assert beyond("buy", price, 0, window(high_ask=worst)).certainty == certainty
    mirrored = None if worst is None else 2000 - worst
    assert beyond("sell", 2000 - price, 0, window(low_bid=mirrored)).certainty == certainty


def test_without_a_window_nothing_is_sure() -> None:
    assert beyond("buy", 10, 0, None).certainty == "possible"


def test_tolerance_counts_against_every_quote_around() -> None:
    assert beyond("buy", 1010, 5, window(high_ask=1004)).certainty == "confirmed"
    assert beyond("buy", 1010, 5, window(high_ask=1005)).certainty == "possible"
    assert beyond("sell_short", 990, 5, window(low_bid=996)).certainty == "confirmed"
    assert beyond("sell_short", 990, 5, window(low_bid=995)).certainty == "possible"


@pytest.mark.parametrize("state", ["locked", "crossed", "one_sided", "stale", "none"])
def test_every_state_but_ok_is_unusable_and_says_why(state: QuoteState) -> None:
    assert unusable(Quote(state=state, bid=1, ask=2)) is not None


def test_a_two_sided_quote_is_usable() -> None:
    assert unusable(Quote(state="ok", bid=1, ask=2)) is None
    assert unusable(None) is not None


def test_without_a_quote_it_is_not_claimed_that_none_had_come() -> None:
    """A receipt or execution that was reported too late has no quote either, though there were some."""
    said = unusable(Quote(state="none"))
    assert said == unusable(None)
    assert said is not None
    assert "too late" in said
