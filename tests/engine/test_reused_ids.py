"""Ids are unique for a day only: what comes under them on another day is about another order."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from monitor.engine.engine import Engine, EngineConfig, Output
from monitor.policy.file import load
from monitor.wire.blocks import Block
from monitor.wire.events import DAY_NS, Filled, OrderKind, Received, Routed
from rules import RULES

SECOND = 10**9
MORNING = 20_000 * DAY_NS + 14 * 3600 * SECOND
DOLLAR = 10**9


def day(at: int, n: int, tif: str = "day") -> list[OrderKind]:
    """A customer's order, its route and a fill a dollar outside the NBBO, under the same ids every day."""
    same = {"source": "log", "session": "S", "symbol": "IBM", "side": "buy"}
    terms = {"qty": Decimal(100), "ord_type": "market", "tif": tif}
    return [
        Received(n=n, at=at, seen=at, order_id="1", **same, **terms),  # type: ignore[arg-type]  # a table of fields
        Routed(n=n + 1, at=at + 1, seen=at, order_id="2", parent_id="1", **same, **terms),  # type: ignore[arg-type]  # a table of fields
        Filled(
            n=n + 2,
            at=at + 2,
            seen=at,
            order_id="2",
            parent_id="1",
            exec_id="E",
            qty=Decimal(100),
            price=102 * DOLLAR,
            venue="XNYS",
            **same,  # type: ignore[arg-type]  # a table of fields
        ),
    ]


def judged(events: list[OrderKind]) -> Output:
    engine = Engine(load(None, RULES), RULES, EngineConfig(future_ns=None))

    times = np.array([e.at - SECOND for e in events if isinstance(e, Received)], np.int64)
    one = np.ones(len(times), np.int64)
    engine.block(
        Block(
            source="nbbo",
            n=0,
            symbols=("IBM",),
            time=times,
            symbol=np.zeros(len(times), np.int32),
            bid=100 * DOLLAR * one,
            ask=101 * DOLLAR * one,
            bid_size=one,
            ask_size=one,
        ),
        0,
    )
    for event in events:
        engine.report(event)
    return engine.drain()


def test_the_next_day_the_same_ids_are_other_orders() -> None:
    out = judged(day(MORNING, 1) + day(MORNING + DAY_NS, 11))
    assert [(e.revision, e.at) for e in out.executions] == [(0, MORNING + 2), (0, MORNING + DAY_NS + 2)]
    outside = [f for f in out.findings if f.subject == "outside:E"]
    assert [f.revision for f in outside] == [0, 0]
    assert len({f.id for f in outside}) == 2
    assert all(e.receipt_at == e.at - 2 for e in out.executions)


def test_the_same_day_they_are_repeats() -> None:
    out = judged(day(MORNING, 1) + day(MORNING + 3 * SECOND, 11))
    assert {(e.exec_id, e.at) for e in out.executions} == {("E", MORNING + 2)}


def test_an_order_good_till_cancelled_keeps_its_id_over_nights() -> None:
    opening, route, _ = day(MORNING, 1, "gtc")
    again = day(MORNING + DAY_NS, 11, "gtc")[1]
    out = judged([opening, route, again, *day(MORNING + DAY_NS, 21, "gtc")[2:]])
    assert [e.receipt_at for e in out.executions] == [MORNING]
