"""The formulas against published examples, a table worked by hand, and their identities."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.engine.quality import UNSCORED, Scores, effective_spread, eq_of, price_improvement, score
from monitor.wire.events import Quote, QuoteState, Side


def nano(dollars: str) -> int:
    return int(Decimal(dollars) * 1_000_000_000)


def quote(bid: str, ask: str, state: QuoteState = "ok") -> Quote:
    return Quote(state=state, at=1, bid=nano(bid), ask=nano(ask))


# Published examples: (source, side, bid, ask, price, effective spread, quoted spread)
PUBLISHED: list[tuple[str, Side, str, str, str, str, str]] = [
    # CFA Program curriculum question, https://www.gaodun.com/q/b03v0r
    ("curriculum buy", "buy", "40.40", "40.49", "40.47", "0.05", "0.09"),
    # CFA Program curriculum question, https://www.gaodun.com/q/403v0v, three sells of one order
    ("curriculum sell 10:00", "sell", "10.00", "10.07", "9.98", "0.11", "0.07"),
    ("curriculum sell 12:00", "sell", "9.90", "9.96", "9.92", "0.02", "0.06"),
    ("curriculum sell 13:00", "sell", "9.88", "9.94", "9.91", "0.00", "0.06"),
    # https://fincyclopedia.net/exchanges/tutorials/effective-bid-ask-spread-formula
    ("encyclopedia buy", "buy", "25.45", "25.50", "25.48", "0.01", "0.05"),
]


@pytest.mark.parametrize(
    ("side", "bid", "ask", "price", "effective", "quoted"), [p[1:] for p in PUBLISHED], ids=[p[0] for p in PUBLISHED]
)
def test_published_examples(side: Side, bid: str, ask: str, price: str, effective: str, quoted: str) -> None:
    scores = score(side, nano(price), quote(bid, ask))
    assert scores.effective_spread == nano(effective)
    assert scores.quoted_spread == nano(quoted)


def test_published_average_is_that_of_its_parts() -> None:
    """The three sells of the published question average 0.0433 a share."""
    parts = [score(s, nano(p), quote(b, a)).effective_spread for _, s, b, a, p, _, _ in PUBLISHED[1:4]]
    assert sum(p for p in parts if p is not None) == nano("0.13")
    assert round(0.13 / 3, 4) == 0.0433


# Worked by hand: side, bid, ask, price -> effective, quoted, improvement, E/Q
BY_HAND: list[tuple[Side, str, str, str, str, str, str, float]] = [
    ("buy", "10.00", "10.10", "10.10", "0.10", "0.10", "0", 1.0),  # at the offer
    ("buy", "10.00", "10.10", "10.05", "0", "0.10", "0.05", 0.0),  # at the midpoint
    ("buy", "10.00", "10.10", "10.00", "-0.10", "0.10", "0.10", -1.0),  # at the bid: earned the spread
    ("buy", "10.00", "10.10", "10.12", "0.14", "0.10", "-0.02", 1.4),  # two cents outside
    ("sell", "10.00", "10.10", "10.00", "0.10", "0.10", "0", 1.0),
    ("sell_short", "10.00", "10.10", "10.08", "-0.06", "0.10", "0.08", -0.6),
    ("sell_short_exempt", "10.00", "10.10", "9.99", "0.12", "0.10", "-0.01", 1.2),
    ("buy", "0.1234", "0.1235", "0.12345", "0", "0.0001", "0.00005", 0.0),  # sub-dollar, odd midpoint
    ("buy", "10.001", "10.002", "10.0017", "0.0004", "0.001", "0.0003", 0.4),  # midpoint with half a mil
]


@pytest.mark.parametrize(("side", "bid", "ask", "price", "effective", "quoted", "improvement", "ratio"), BY_HAND)
def test_worked_by_hand(
    side: Side, bid: str, ask: str, price: str, effective: str, quoted: str, improvement: str, ratio: float
) -> None:
    assert score(side, nano(price), quote(bid, ask)) == Scores(
        effective_spread=nano(effective),
        quoted_spread=nano(quoted),
        price_improvement=nano(improvement),
        eq_ratio=ratio,
    )


def test_locked_quote_has_a_spread_of_nothing_and_no_ratio() -> None:
    assert score("buy", nano("10.01"), quote("10.00", "10.00", "locked")) == Scores(
        effective_spread=nano("0.02"), quoted_spread=0, price_improvement=nano("-0.01"), eq_ratio=None
    )


@pytest.mark.parametrize("state", ["crossed", "one_sided", "stale", "none"])
def test_unusable_quotes_score_nothing(state: QuoteState) -> None:
    assert score("buy", nano("10.01"), quote("10.02", "10.00", state)) == UNSCORED


def test_no_quote_scores_nothing() -> None:
    assert score("buy", nano("10.01"), None) == UNSCORED
    assert score("buy", nano("10.01"), Quote(state="ok")) == UNSCORED


def test_without_a_side_only_the_quoted_spread_can_be_said() -> None:
    assert score(None, nano("10.01"), quote("10.00", "10.10")) == Scores(quoted_spread=nano("0.10"))


prices = st.integers(1, 10**15)


@given(prices, prices, prices)
def test_a_buy_and_a_sell_at_one_price_mirror_each_other(price: int, bid: int, ask: int) -> None:
    assert effective_spread("buy", price, bid, ask) == -effective_spread("sell", price, bid, ask)


@given(prices, prices, prices)
def test_reflecting_the_market_makes_a_buy_of_a_sell(price: int, bid: int, ask: int) -> None:
    assert effective_spread("buy", price, bid, ask) == effective_spread("sell", -price, -ask, -bid)
    assert price_improvement("buy", price, bid, ask) == price_improvement("sell", -price, -ask, -bid)


@given(st.sampled_from(["buy", "sell", "sell_short", "sell_short_exempt"]), prices, prices, prices)
def test_effective_spread_is_quoted_less_twice_the_improvement(side: Side, price: int, bid: int, ask: int) -> None:
    assert effective_spread(side, price, bid, ask) == (ask - bid) - 2 * price_improvement(side, price, bid, ask)


@given(st.sampled_from(["buy", "sell"]), prices, prices, st.integers(1, 10**12))
def test_ratio_is_one_at_the_far_side_and_minus_one_at_the_near_side(
    side: Side, price: int, bid: int, spread: int
) -> None:
    ask = bid + spread
    far, near = (ask, bid) if side == "buy" else (bid, ask)
    assert eq_of(effective_spread(side, far, bid, ask), spread) == 1.0
    assert eq_of(effective_spread(side, near, bid, ask), spread) == -1.0
    improved = price_improvement(side, price, bid, ask)
    ratio = Fraction(effective_spread(side, price, bid, ask), spread)
    assert (ratio < 1) == (improved > 0)
    assert (ratio > 1) == (improved < 0)


@given(prices, st.integers(-(10**12), 0))
def test_ratio_is_undefined_when_nothing_is_quoted(effective: int, quoted: int) -> None:
    assert eq_of(effective, quoted) is None


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(-(10**9), 10**9), st.integers(1, 10**9)), min_size=1))
def test_ratio_of_sums_does_not_depend_on_how_fills_are_split(fills: list[tuple[int, int, int]]) -> None:
    """A fill of five shares or five fills of one: what an average of ratios would not give."""
    singles = [(1, e, s) for q, e, s in fills for _ in range(q)]
    assert weighted(singles) == weighted(fills)


def weighted(fills: list[tuple[int, int, int]]) -> float | None:
    return eq_of(sum(q * e for q, e, _ in fills), sum(q * s for q, _, s in fills))
