"""Reports a second through the pure engine with the default rules: decode, order, join, judge, encode."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import numpy as np

from monitor.engine.engine import Engine, EngineConfig
from monitor.policy.file import load
from monitor.process import gc_tuning
from monitor.wire import codec
from monitor.wire.blocks import Block
from monitor.wire.events import Acked, Filled, Received, ReportLine, Routed, Tick
from rules import RULES

MS = 1_000_000
START = 1_780_272_000_000 * MS
ORDERS = 20_000
PER_SECOND = 5_000
"""Orders a second of event time, four reports each: 20,000 reports a second."""
BATCH = 20 * MS
"""Event time between two ticks, as live."""
SYMBOLS = tuple(f"S{i:04}" for i in range(3000))


def run() -> dict[str, Any]:
    """Seconds of one core for each stage, with the worker's own settings of the collector."""
    gc_tuning.collect_rarely()
    events = sorted(reports(), key=lambda e: e.at)
    lines = [codec.encode_lines([e]) for e in events]
    started = time.process_time()
    for line in lines:
        codec.decode_reports(line)
    decoding = time.process_time() - started
    judging, encoding, snapshots, told = _judge(events)
    count = len(events)
    return {
        "reports": count,
        "executions": told[0],
        "findings": told[1],
        "reports_per_second_engine": round(count / judging),
        "reports_per_second_with_wire": round(count / (judging + decoding + encoding)),
        "microseconds_per_report": {
            "decode": round(decoding / count * 1e6, 2),
            "engine": round(judging / count * 1e6, 2),
            "encode": round(encoding / count * 1e6, 2),
        },
        "snapshot_ms": round(snapshots * 1000, 1),
    }


def reports(orders: int = ORDERS) -> list[ReportLine]:
    """Orders of four reports; one in fifty is filled outside the quote."""
    events: list[ReportLine] = []
    for i in range(orders):
        at = START + i * 1_000_000_000 // PER_SECOND
        symbol = SYMBOLS[i * 7 % len(SYMBOLS)]
        told: dict[str, Any] = {"source": "dropcopy", "session": "S", "symbol": symbol, "side": "buy", "clock": "S"}
        child = told | {"order_id": f"R{i}", "parent_id": f"O{i}", "raw": "8=FIX.4.4|" + "x" * 250}
        price = 100_030_000_000 if i % 50 == 0 else 100_010_000_000
        qty = Decimal(100)
        events += [
            Received(n=4 * i, at=at, seen=at, order_id=f"O{i}", qty=qty, ord_type="market", **told),
            Routed(n=4 * i + 1, at=at + 2 * MS, seen=at, qty=qty, venue="ARCX", **child),
            Acked(n=4 * i + 2, at=at + 4 * MS, seen=at, **child),
            Filled(n=4 * i + 3, at=at + 9 * MS, seen=at, exec_id=f"E{i}", qty=qty, price=price, venue="ARCX", **child),
        ]
    return events


def quotes(n: int, at: int) -> Block:
    """A quote of every symbol at one instant."""
    size = len(SYMBOLS)
    return Block(
        source="nbbo",
        n=n,
        symbols=SYMBOLS,
        time=np.full(size, at, np.int64),
        symbol=np.arange(size, dtype=np.int32),
        bid=np.full(size, 100_000_000_000, np.int64),
        ask=np.full(size, 100_020_000_000, np.int64),
        bid_size=np.full(size, 100, np.int64),
        ask_size=np.full(size, 100, np.int64),
        through=at,
    )


def _judge(events: list[ReportLine]) -> tuple[float, float, float, tuple[int, int]]:
    engine = Engine(load(None, RULES), RULES, EngineConfig())
    judging = encoding = snapshot = 0.0
    executions = findings = i = 0
    end = events[-1].at + 1_000 * MS
    for n, now in enumerate(range(START, end, BATCH)):
        started = time.process_time()
        engine.block(quotes(n, now), n)
        while i < len(events) and events[i].at <= now:
            engine.report(events[i])
            i += 1
        engine.report(Tick(source="dropcopy", n=0, at=now, seen=now))
        out = engine.advance()
        judged = time.process_time()
        codec.encode_lines(out.executions)
        codec.encode_lines(out.findings)
        judging += judged - started
        encoding += time.process_time() - judged
        executions, findings = executions + len(out.executions), findings + len(out.findings)
        if n % 50 == 49:
            started = time.process_time()
            engine.snapshot()
            snapshot = max(snapshot, time.process_time() - started)
    return judging, encoding, snapshot, (executions, findings)
