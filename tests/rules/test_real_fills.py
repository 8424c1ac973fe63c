"""Two real days of IBM: what poor fill says of thousands of trades, against a count made without the engine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from monitor.engine import tape
from monitor.engine.engine import Engine, EngineConfig
from monitor.feeds.notation import read_blocks
from monitor.policy import file
from monitor.wire.events import Filled, Finding, Received, ReportLine
from rules import RULES
from tests import SHARED
from tests.lean_tape import TRADE, lines

DATA = SHARED / "data/quotes-lean-algoseek/ibm"
SPAN = 50_100_000
"""Budgets of the shipped policy: 50 ms of any clock, 0.1 ms of the quotes'."""
MOST = 1500
Column = npt.NDArray[np.int64]

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the real quotes are not on this machine")


class Day:
    """The quotes of a day as plain columns, asked without the engine."""

    def __init__(self, day: str) -> None:
        self.blocks = [b for b in read_blocks([f"lean:{DATA / f'{day}_quote.zip'}"], "q", 1 << 16) if len(b)]
        self.time = np.concatenate([b.time for b in self.blocks])
        self.bid = np.concatenate([b.bid for b in self.blocks])
        self.ask = np.concatenate([b.ask for b in self.blocks])

    def outside(self, fill: Filled) -> str | None:
        """Whether a fill was outside the NBBO before it: None, confirmed, possible or cannot_tell."""
        i = int(np.searchsorted(self.time, fill.at, "left")) - 1
        bid, ask = int(self.bid[i]), int(self.ask[i])
        if i < 0 or fill.at - int(self.time[i]) > 300 * 10**9 or not 0 < bid < ask:
            return "cannot_tell"
        first = max(int(np.searchsorted(self.time, fill.at - SPAN, "left")) - 1, 0)
        last = int(np.searchsorted(self.time, fill.at + SPAN, "right"))
        if fill.side == "buy":
            worst, beyond = int(self.ask[first:last].max()), fill.price > ask
            return None if not beyond else "confirmed" if fill.price > worst else "possible"
        bids = self.bid[first:last]
        worst, beyond = int(bids[bids > 0].min()), fill.price < bid
        return None if not beyond else "confirmed" if fill.price < worst else "possible"


def reports(day: str) -> list[ReportLine]:
    """Trades as market orders received 5 ms before, bought and sold in turn."""
    trades = lines(DATA / f"{day}_trade.zip", TRADE)
    told: list[ReportLine] = []
    some = trades.gather_every(max(1, len(trades) // MOST))
    for n, (at, size, price) in enumerate(some.select("at", "size", "price").iter_rows()):
        qty = Decimal(size)
        order: dict[str, Any] = {"source": "d", "session": "S", "symbol": "IBM", "order_id": f"O{n}"}
        order |= {"side": "buy" if n % 2 else "sell", "clock": "tape", "seen": at, "qty": qty}
        told.append(Received(n=2 * n, at=at - 5_000_000, ord_type="market", **order))
        told.append(Filled(n=2 * n + 1, at=at, exec_id=f"E{n}", price=price, venue="XNYS", **order))
    return told


def judged(day: Day, events: list[ReportLine]) -> list[Finding]:
    engine = Engine(file.load(None, RULES), RULES, EngineConfig())
    for n, block in enumerate(day.blocks):
        engine.block(block, n)
    for event in events:
        engine.report(event)
    return tape.standing(engine.drain().findings)


@pytest.mark.parametrize("name", ["20131007", "20131008"])
def test_fills_outside_the_nbbo_are_those_of_a_count_without_the_engine(name: str) -> None:
    day, events = Day(name), reports(name)
    expected = {e.exec_id: day.outside(e) for e in events if isinstance(e, Filled)}
    found = {f.exec_id: f.certainty for f in judged(day, events) if f.subject.startswith("outside:")}
    assert found == {exec_id: certainty for exec_id, certainty in expected.items() if certainty is not None}
    assert set(found.values()) == {"confirmed", "possible", "cannot_tell"}


def test_nothing_but_poor_fills_is_told_of_quick_orders_at_declared_venues() -> None:
    assert {f.rule for f in judged(Day("20131007"), reports("20131007"))} == {"poor_fill"}
