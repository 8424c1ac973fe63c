"""The synthetic router keeps its promises: what is planted is there, what is not planted is good."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from monitor.demo import router
from monitor.demo.fix_text import fix_time, price_text
from monitor.demo.router import MS, Order, Plan
from monitor.feeds.synthetic_market import SyntheticMarket

START = 1_700_000_000_000_000_000
MARKET = SyntheticMarket(3)
PLAN = Plan(
    seed=3,
    start=START,
    end=START + 20 * 10**9,
    orders_per_second=50,
    symbols=MARKET.symbols,
    venues=("XNYS", "ARCX"),
    strange=("EDGA",),
    fault_every=10,
)


@pytest.fixture(scope="module")
def dealt() -> list[Order]:
    return list(router.orders(PLAN, MARKET.touch))


def field(order: Order, message: int, tag: int) -> str:
    return dict(order.sent[message].fields)[tag]


def test_the_same_plan_deals_the_same_orders(dealt: list[Order]) -> None:
    assert list(router.orders(PLAN, SyntheticMarket(3).touch)) == dealt


def test_every_kind_of_fault_is_planted(dealt: list[Order]) -> None:
    kinds = Counter(order.planted.fault for order in dealt if order.planted is not None)
    assert set(kinds) == set(router.FAULTS)


def test_messages_come_in_order_of_time_and_none_is_missing(dealt: list[Order]) -> None:
    messages = [sent for sent, _ in router.messages(iter(dealt))]
    assert len(messages) == sum(len(order.sent) for order in dealt)
    assert all(a.at <= b.at for a, b in pairwise(messages))


def test_an_ordinary_order_is_filled_no_worse_than_any_quote_near_it(dealt: list[Order]) -> None:
    for order in (o for o in dealt if o.planted is None):
        filled = order.sent[3]
        price = round(float(dict(filled.fields)[31]) * 10**9)
        touch = MARKET.touch(field(order, 0, 55), filled.at - 10 * MS, filled.at + 10 * MS)
        assert touch is not None
        buy = field(order, 0, 54) == "1"
        assert price <= touch.low_ask if buy else price >= touch.high_bid
        assert field(order, 3, 30) in PLAN.venues


def test_an_order_planted_outside_is_outside_every_quote_near_it(dealt: list[Order]) -> None:
    for order in (o for o in dealt if o.planted is not None and o.planted.fault == "outside"):
        filled = order.sent[3]
        price = round(float(dict(filled.fields)[31]) * 10**9)
        touch = MARKET.touch(field(order, 0, 55), filled.at - 10 * MS, filled.at + 10 * MS)
        assert touch is not None
        assert price > touch.high_ask if field(order, 0, 54) == "1" else price < touch.low_bid


def test_fills_add_up_to_the_order(dealt: list[Order]) -> None:
    for order in dealt:
        filled = [dict(s.fields) for s in order.sent if (150, "F") in s.fields]
        assert len(filled) == order.fills
        if filled:
            assert sum(int(f[32]) for f in filled) == int(field(order, 0, 38)) == int(filled[-1][14])


def test_times_and_prices_are_written_exactly() -> None:
    assert fix_time(1_381_152_600_000_000_001) == "20131007-13:30:00.000000001"
    assert price_text(183_625_000_000) == "183.625"
    assert price_text(183_000_000_000) == "183.00"
    assert price_text(-5) == "-0.000000005"
