"""The synthetic market: the same for everybody who asks, sane where nothing is planned, and planned where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.toml import Mistaken
from monitor.feeds.synthetic import Demo, market
from monitor.feeds.synthetic_market import CROSSED, LOCKED, ONE_SIDED, SECOND, SyntheticMarket
from monitor.wire.blocks import ABSENT

START = 1_790_000_000 * SECOND
MADE = SyntheticMarket(7, 120, 2400)


@given(st.lists(st.integers(1, SECOND), max_size=6))
def test_however_time_is_cut_the_rows_are_the_same(steps: list[int]) -> None:
    whole = MADE.rows(START, START + sum(steps)) if steps else MADE.rows(START, START)
    parts, at = [], START
    for step in steps:
        parts.append(MADE.rows(at, at + step))
        at += step
    for name in ("time", "symbol", "bid", "ask", "bid_size", "ask_size"):
        together = np.concatenate([getattr(p, name) for p in parts]) if parts else np.empty(0)
        assert (together == getattr(whole, name)).all()


def test_another_market_of_the_same_seed_is_the_same_and_of_another_is_not() -> None:
    same, other = SyntheticMarket(7, 120, 2400).rows(START, START + SECOND), SyntheticMarket(8, 120, 2400)
    assert (same.bid == MADE.rows(START, START + SECOND).bid).all()
    assert not np.array_equal(same.bid, other.rows(START, START + SECOND).bid)


def test_it_is_sane_and_what_is_not_is_planned() -> None:
    table = MADE.rows(START, START + 60 * SECOND)
    planned = MADE.conditions(table.symbol.astype(np.int64), table.time)
    assert table.in_order()
    assert 0.9 < len(table) / (60 * 2400 * 118 / 120) < 1.1
    plain = planned == 0
    spread = table.ask[plain] - table.bid[plain]
    assert 10_000_000 <= spread.min() <= spread.max() <= 70_000_000
    assert table.bid[plain].min() > 10**9
    locked, crossed = planned == LOCKED, planned == CROSSED
    assert (table.bid[locked] == table.ask[locked]).all()
    assert (table.bid[crossed] > table.ask[crossed]).all()
    one = planned == ONE_SIDED
    assert ((table.bid[one] == ABSENT) ^ (table.ask[one] == ABSENT)).all()
    assert all(0.001 < share.mean() < 0.02 for share in (locked, crossed, one))


def test_quiet_symbols_are_quoted_once() -> None:
    assert MADE.quiet == {"SIM0049", "SIM0099"}
    opening = MADE.opening(START)
    assert len(opening) == 120
    assert (opening.time == START).all()
    later = {MADE.symbols[i] for i in MADE.rows(START, START + 10 * SECOND).symbol.tolist()}
    assert later == set(MADE.symbols) - MADE.quiet
    assert MADE.touch("SIM0049", START, START) is None
    assert MADE.touch("IBM", START, START) is None


@given(st.integers(0, 119), st.integers(0, 10 * SECOND), st.integers(0, SECOND))
def test_the_touch_is_that_of_the_rows(place: int, after: int, width: int) -> None:
    from_ns, to_ns = START + after, START + after + width
    symbol = MADE.symbols[place]
    rows = MADE.rows(from_ns - SECOND, to_ns)
    own = rows.take(rows.symbol == place)
    before = int((own.time <= from_ns).sum())
    span = own.take(np.s_[max(before - 1, 0) :])
    touch = MADE.touch(symbol, from_ns, to_ns)
    one_sided = (span.bid == ABSENT).any() or (span.ask == ABSENT).any()
    if symbol in MADE.quiet or one_sided or (span.bid >= span.ask).any():
        assert touch is None
    else:
        assert touch is not None
        assert (touch.low_bid, touch.high_bid) == (span.bid.min(), span.bid.max())
        assert (touch.low_ask, touch.high_ask) == (span.ask.min(), span.ask.max())


def test_as_a_source_it_opens_and_then_goes_on() -> None:
    source = Demo(market({"symbols": "10", "rate": "1000"}), 0)
    opening = source.poll()
    assert opening.through is not None
    assert len(opening.rows) == 10
    following = source.poll()
    assert following.through is not None
    assert following.through >= opening.through
    assert (following.rows.time > opening.through).all()


@pytest.mark.parametrize("options", [{"seed": "x"}, {"symbols": "0"}, {"rate": "-1"}, {"colour": "red"}])
def test_a_market_that_is_none(options: dict[str, str]) -> None:
    with pytest.raises(Mistaken):
        market(options)
