"""Findings, executions and line health as the worker would make them, for the tests of alert."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from alerts.incidents import Incident, Pace, entry_of, gathered
from monitor.wire.events import DAY_NS, Execution, Finding, Limit, LineHealth, Quote, Step

T0 = 1_763_992_800_000_000_000
"""2025-11-24 14:00:00 UTC."""
MS, S = 1_000_000, 1_000_000_000
NANO = 1_000_000_000

LIMIT = Limit(
    name="ack",
    value="250 ms",
    policy="2026-11",
    effective="2026-01-02",
    approved_by="best execution committee",
    reason="the vendor's service level",
)


def quote(bid: int = 187_050_000_000, ask: int = 187_070_000_000, at: int = T0) -> Quote:
    return Quote(state="ok", at=at, bid=bid, ask=ask, bid_size=300, ask_size=200)


def steps(order: str, at: int = T0, venue: str | None = "ARCX", fill: int = 187_070_000_000) -> tuple[Step, ...]:
    route = f"{order}-1"
    return (
        Step(what="received", at=at, clock="oms", order_id=order, qty=Decimal(300), quote=quote(at=at - MS)),
        Step(what="routed", at=at + 2 * MS, clock="sor", order_id=route, venue=venue, quote=quote(at=at)),
        Step(what="acked", at=at + 314 * MS, clock="sor", order_id=route, venue=venue, quote=quote(at=at + 300 * MS)),
        Step(
            what="filled",
            at=at + 330 * MS,
            clock="sor",
            order_id=route,
            venue=venue,
            qty=Decimal(300),
            price=fill,
            exec_id=f"{order}-x1",
            quote=quote(187_060_000_000, 187_080_000_000, at + 320 * MS),
        ),
    )


def finding(order: str = "C1", **changes: Any) -> Finding:
    base = Finding(
        id=f"f-{order}",
        revision=0,
        state="raised",
        rule="slow_order",
        rule_version=1,
        severity="warning",
        certainty="confirmed",
        factor="speed of execution",
        title="Slow acknowledgement: 312 ms, the limit is 250 ms",
        order_id=order,
        route_id=f"{order}-1",
        exec_id=None,
        subject="route->ack",
        symbol="IBM",
        side="buy",
        qty=Decimal(300),
        cost=None,
        venue="ARCX",
        vendor="ACME",
        session="DROP1",
        order_class="marketable",
        at=T0 + 314 * MS,
        seen=T0 + 315 * MS,
        evidence={"route_to_ack_ns": 312 * MS, "limit_ns": 250 * MS, "routed_at_ns": T0 + 2 * MS, "same_clock": True},
        limit=LIMIT,
        tie="before",
        reason="both times are of one clock, so its error does not matter",
        steps=steps(order),
    )
    return msgspec.structs.replace(base, **changes)


def execution(order: str = "C1", **changes: Any) -> Execution:
    base = Execution(
        id="",
        exec_id=f"{order}-x1",
        order_id=order,
        route_id=f"{order}-1",
        revision=0,
        state="live",
        session="DROP1",
        source="dropcopy",
        n=1,
        part=0,
        symbol="IBM",
        side="buy",
        qty=Decimal(300),
        price=187_070_000_000,
        venue="ARCX",
        venue_sent="P",
        vendor="ACME",
        order_class="marketable",
        at=T0 + 330 * MS,
        clock="sor",
        seen=T0 + 331 * MS,
        tie="before",
        quote_at=T0 + 320 * MS,
        quote_state="ok",
        bid=187_060_000_000,
        ask=187_080_000_000,
        bid_size=300,
        ask_size=200,
        receipt_at=T0,
        receipt=quote(),
        effective_spread=20_000_000,
        quoted_spread=20_000_000,
        price_improvement=0,
        eq_ratio=1.0,
        steps=steps(order),
    )
    made = msgspec.structs.replace(base, **changes)
    day, sender, symbol, route = made.at // DAY_NS, made.session, made.symbol, made.route_id
    lengths = f"{len(sender)}.{len(symbol)}.{len(route)}"
    return msgspec.structs.replace(made, id=f"{day}.{lengths}.{sender}.{symbol}.{route}.{made.exec_id}")


def health(partition: int = 0, **changes: Any) -> LineHealth:
    base = LineHealth(
        partition=partition,
        wall=T0 + S,
        watermark=T0 + S - 12 * MS,
        settled=T0 + S - 262 * MS,
        held=3,
        open_orders=7,
        counts={"reports": 1200, "quotes": 450_000, "executions": 300, "findings": 4, "garbled": 1, "late_quotes": 2},
        sources={"dropcopy": T0 + S, "nbbo": T0 + S},
        silent=(),
        sessions={"DROP1": "up"},
        latency_ns=(258 * MS, 261 * MS),
        patience_ns=250 * MS,
    )
    return msgspec.structs.replace(base, **changes)


def gathered_one(findings: list[Finding], now: int = T0 + S) -> Incident:
    """The one incident that these findings make."""
    return gathered([entry_of(f, now) for f in findings], now, Pace(growing_ns=300 * S, close_ns=900 * S))
