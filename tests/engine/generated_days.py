"""Random days of a small desk, and ways in which the same day may reach an engine."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
from msgspec import Struct

from monitor.engine.engine import Engine, EngineConfig
from monitor.engine.joined import Output
from monitor.engine.policy import Policy
from monitor.policy.file import load
from monitor.wire.blocks import ABSENT, Block
from monitor.wire.events import (
    Acked,
    Busted,
    Cancelled,
    Corrected,
    Ended,
    Execution,
    Filled,
    Finding,
    Received,
    Rejected,
    Replaced,
    ReportLine,
    Routed,
    SessionDown,
    SessionUp,
    Tick,
)
from rules import RULES

MS = 1_000_000
DAY = 1_780_272_000_000 * MS
SYMBOLS = ("AAA", "BBB", "CCC")
SHARES = Decimal(100)
POLICY: Policy = load(None, RULES)
CONFIG = EngineConfig(patience_ns=300 * MS)
HOLD = 300 * MS
"""By how much a report may be behind its source's tick."""
HALF = 120 * MS
"""Half of that for quotes: those within the clocks' budget after a fill count for it too."""


class Row(Struct, frozen=True):
    """One quote."""

    time: int
    symbol: str
    bid: int
    ask: int


class World(Struct, frozen=True):
    """What happened: reports in no order, and the rows of each source of quotes in order."""

    reports: list[ReportLine]
    quotes: dict[str, list[Row]]
    until: int


def seeded(seed: int) -> Random:
    """Chance that can be repeated."""
    return Random(seed)  # noqa: S311 - the days must be the same again, not unforeseeable


def world(rnd: Random, orders: int = 8, rows: int = 60) -> World:
    """A few seconds in steps of whole milliseconds, so that ties abound."""
    until = DAY + 4000 * MS
    quotes = {name: _rows(rnd, rows) for name in ("q1", "q2")}
    reports: list[ReportLine] = []
    for number in range(orders):
        reports += _order(rnd, number, len(reports))
    if rnd.random() < 0.5:
        down, up = sorted(DAY + rnd.randrange(4000) * MS for _ in range(2))
        reports.append(SessionDown(source="r1", n=900, at=down, seen=down, session="S"))
        reports.append(SessionUp(source="r1", n=901, at=up, seen=up, session="S"))
    return World(reports, quotes, until)


def _rows(rnd: Random, count: int) -> list[Row]:
    times = sorted(DAY + rnd.randrange(3500) * MS for _ in range(count))
    return [Row(time, rnd.choice(SYMBOLS), _side(rnd, 100), _side(rnd, 101)) for time in times]


def _side(rnd: Random, around: int) -> int:
    if rnd.random() < 0.05:
        return rnd.choice((ABSENT, 0))
    return (around * 100 + rnd.randrange(-60, 61)) * 10_000_000


def _order(rnd: Random, number: int, n: int) -> list[ReportLine]:  # noqa: C901 - one line for each thing that may be said
    start = DAY + rnd.randrange(2500) * MS
    source = rnd.choice(("r1", "r2"))
    symbol, side = rnd.choice(SYMBOLS), rnd.choice(("buy", "sell"))
    root, route = f"O{number}", f"O{number}-1"
    told: dict[str, Any] = {"source": source, "session": "S", "symbol": symbol, "side": side}
    events: list[ReportLine] = []

    def say(kind: type, wait: int, order_id: str, clock: str, **more: Any) -> None:
        at = start + rnd.choice((0, wait, wait * 40)) * MS
        events.append(kind(n=n + len(events), at=at, seen=at, clock=clock, order_id=order_id, **told, **more))

    child = {"parent_id": root}
    price = (100 * 100 + rnd.randrange(-80, 181)) * 10_000_000
    if rnd.random() < 0.9:
        say(Received, 0, root, "oms", qty=SHARES, ord_type=rnd.choice(("market", "limit")), price=price)
    if rnd.random() < 0.9:
        say(Routed, 2, route, "vendor", qty=SHARES, venue=rnd.choice(("ARCX", "XNAS", "SGMT")), **child)
    if rnd.random() < 0.9:
        say(Acked, 4, route, "vendor", **(child if rnd.random() < 0.3 else {}))
    exec_id = f"E{number}"
    fill = {"qty": SHARES / rnd.choice((1, 2)), "price": price, "exec_id": exec_id, "venue": "ARCX"}
    if rnd.random() < 0.9:
        say(Filled, 6, route, "vendor", **fill, **(child if rnd.random() < 0.3 else {}))
    if rnd.random() < 0.3:
        say(Filled, 8, route, "vendor", **fill | {"price": price + rnd.choice((0, 10_000_000))})
    if rnd.random() < 0.3:
        say(Filled, 9, root, "oms", **fill)
    if rnd.random() < 0.3:
        say(Busted, 7, rnd.choice((route, "?")), "vendor", ref_exec_id=exec_id)
    if rnd.random() < 0.3:
        better = price - 50_000_000
        say(Corrected, 8, route, "vendor", ref_exec_id=exec_id, price=better, exec_id=f"{exec_id}c")
    if rnd.random() < 0.2:
        say(rnd.choice((Cancelled, Rejected)), 9, rnd.choice((root, route)), "vendor")
    if rnd.random() < 0.2:
        say(Replaced, 5, root, "oms", qty=2 * SHARES)
    return events


Delivery = ReportLine | Block


def straight(day: World) -> list[Delivery]:
    """Everything in order, each source ended."""
    return deliveries(day, None)


def deliveries(day: World, rnd: Random | None) -> list[Delivery]:
    """The day as it may arrive: out of order, twice and cut into blocks anywhere, as long as nothing is late."""
    arriving: list[tuple[int, int, Delivery]] = []
    delay = (lambda: 0) if rnd is None else (lambda: rnd.randrange(HOLD))
    for event in day.reports:
        copies = 1 if rnd is None or rnd.random() < 0.8 else 2
        arriving += [(event.at + delay(), 1, event) for _ in range(copies)]
    for name, rows in day.quotes.items():
        latest = 0
        for cut in _cuts(rows, rnd):
            latest = max(latest + 1, cut[-1].time + (0 if rnd is None else rnd.randrange(HALF)))
            arriving.append((latest, 1, block(name, cut)))
    times = [day.until] if rnd is None else sorted({day.until, *(DAY + rnd.randrange(4000) * MS for _ in range(30))})
    for time in times:
        arriving += [(time, 0, tick) for tick in _ticks(day, time)]
    if rnd is not None:
        rnd.shuffle(arriving)
    arriving.sort(key=lambda a: a[:2])
    log = [delivery for _, _, delivery in arriving]
    log += [Ended(source=source, n=0, at=day.until, seen=day.until) for source in ("r1", "r2")]
    log += [Block(source=name, n=0, ended=True) for name in day.quotes]
    return _numbered(log)


def block(source: str, rows: list[Row], n: int = 0) -> Block:
    """Rows as a block."""
    symbols = tuple(sorted({row.symbol for row in rows}))

    def column(name: str) -> Any:
        return np.array([getattr(row, name) for row in rows], np.int64)

    return Block(
        source=source,
        n=n,
        symbols=symbols,
        time=column("time"),
        symbol=np.array([symbols.index(row.symbol) for row in rows], np.int32),
        bid=column("bid"),
        ask=column("ask"),
        bid_size=np.full(len(rows), 100, np.int64),
        ask_size=np.full(len(rows), 200, np.int64),
    )


def _cuts(rows: list[Row], rnd: Random | None) -> list[list[Row]]:
    """Runs of rows that span less than half of what they may be late."""
    runs: list[list[Row]] = []
    for row in rows:
        fits = bool(runs) and row.time - runs[-1][0].time < HALF
        if fits and (rnd is None or rnd.random() < 0.7):
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs


def _ticks(day: World, at: int) -> list[Delivery]:
    ticks: list[Delivery] = [Tick(source=source, n=0, at=at, seen=at) for source in ("r1", "r2")]
    return ticks + [Block(source=name, n=0, through=at) for name in day.quotes]


def _numbered(log: list[Delivery]) -> list[Delivery]:
    """Blocks numbered by source in the order in which they arrive."""
    numbers: dict[str, int] = {}
    for each in log:
        if isinstance(each, Block):
            each.n = numbers[each.source] = numbers.get(each.source, -1) + 1
    return log


def engine() -> Engine:
    """A new one."""
    return Engine(POLICY, RULES, CONFIG)


def restored(data: bytes) -> Engine:
    """Another one that goes on."""
    return Engine.restore(data, POLICY, RULES, CONFIG)


def deliver(to: Engine, each: Delivery, token: int) -> None:
    """Hand one thing over."""
    if isinstance(each, Block):
        to.block(each, token)
    else:
        to.report(each)


def judged(log: list[Delivery]) -> Output:
    """All that comes of it when the engine judges after every delivery."""
    to, out = engine(), Output()
    for token, each in enumerate(log):
        deliver(to, each, token)
        add(out, to.advance())
    return out


def add(out: Output, more: Output) -> None:
    """Put what came later behind."""
    out.executions.extend(more.executions)
    out.findings.extend(more.findings)


def with_crashes(log: list[Delivery], rnd: Random) -> Output:
    """All that is told when the engine dies now and then and another goes on from the last snapshot.

    The two topics are read on separately after a restart, so that reports may come long before the quotes that are
    read again, and the other way round.
    """
    topics: dict[bool, list[Delivery]] = {
        kind: [each for each in log if isinstance(each, Block) is kind] for kind in (True, False)
    }
    order = [isinstance(each, Block) for each in log]
    to, out = engine(), Output()
    saved, offsets = to.snapshot(), {True: 0, False: 0}
    read = dict(offsets)
    while order:
        kind = order.pop(0)
        if read[kind] < len(topics[kind]):
            deliver(to, topics[kind][read[kind]], read[kind])
            read[kind] += 1
        add(out, to.advance())
        if rnd.random() < 0.1:
            unsettled = to.first_unsettled()
            offsets = {True: read[True] if unsettled is None else unsettled, False: read[False]}
            saved = to.snapshot()
        if rnd.random() < 0.05:
            to, read = restored(saved), dict(offsets)
            order = [True] * (len(topics[True]) - read[True]) + [False] * (len(topics[False]) - read[False])
            rnd.shuffle(order)
            if rnd.random() < 0.3:
                order.sort()
    return out


def latest(out: Output) -> tuple[dict[Any, Execution], dict[str, Finding]]:
    """The last revision of each; that of one revision there is only one form."""
    executions: dict[Any, Execution] = {}
    findings: dict[str, Finding] = {}
    for execution in out.executions:
        _newest(executions, (execution.session, execution.route_id, execution.exec_id), execution)
    for finding in out.findings:
        _newest(findings, finding.id, finding)
    return executions, findings


def _newest(known: dict[Any, Any], key: Any, told: Execution | Finding) -> None:
    before = known.get(key)
    if before is not None and before.revision == told.revision:
        assert before == told
    if before is None or told.revision > before.revision:
        known[key] = told
