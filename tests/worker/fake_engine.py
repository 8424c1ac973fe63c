"""A small engine of the worker's protocol, for tests of the worker: it tells each fill once the ticks passed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct, field, structs

from monitor.wire.blocks import Block
from monitor.wire.events import Ended, Execution, Filled, Finding, Limit, ReportLine, Tick
from monitor.worker.partition import MakeJudge


class Told(Struct, frozen=True, kw_only=True):
    executions: tuple[Execution, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[()] = ()


class Memory(Struct, kw_only=True):
    held: list[Filled] = field(default_factory=list)
    last_bid: dict[str, tuple[int, int]] = field(default_factory=dict)
    ticks: dict[str, int] = field(default_factory=dict)
    settled: int = -1
    counts: dict[str, int] = field(default_factory=lambda: {"reports": 0, "quotes": 0})


class Clerk:
    """Joins every fill with the newest bid of its symbol strictly before it, as a dictionary would."""

    silent: tuple[str, ...] = ()
    open_orders = 0

    def __init__(self, memory: Memory | None = None) -> None:
        self.sessions: dict[str, Literal["up", "down"]] = {}
        self.memory = Memory() if memory is None else memory
        self.blocks: list[tuple[int, Block]] = []

    @property
    def counts(self) -> dict[str, int]:
        return self.memory.counts

    @property
    def watermark(self) -> int | None:
        return min(self.memory.ticks.values()) if len(self.memory.ticks) == 2 else None

    @property
    def settled(self) -> int | None:
        return self.memory.settled

    @property
    def held(self) -> int:
        return len(self.memory.held)

    @property
    def sources(self) -> dict[str, int]:
        return self.memory.ticks

    def report(self, event: ReportLine) -> None:
        self.memory.counts["reports"] += 1
        if isinstance(event, Tick | Ended):
            self._tick("reports", event.at)
        elif isinstance(event, Filled):
            self.memory.held.append(event)

    def block(self, block: Block, token: int) -> None:
        self.memory.counts["quotes"] += len(block)
        self.blocks.append((token, block))
        if block.through is not None:
            self._tick("nbbo", block.through)

    def wall(self, now_ns: int) -> None:
        pass

    def _tick(self, stream: str, at: int) -> None:
        self.memory.ticks[stream] = max(at, self.memory.ticks.get(stream, -1))

    def advance(self) -> Told:
        until = self.watermark
        if until is None or until <= self.memory.settled:
            return Told()
        due = sorted((f for f in self.memory.held if f.at <= until), key=lambda f: (f.at, f.n))
        told = []
        for fill in due:
            self._settle(fill.at)
            told.append(self._execution(fill))
        self._settle(until)
        self.memory.held = [f for f in self.memory.held if f.at > until]
        return Told(executions=tuple(told), findings=tuple(_finding(e) for e in told))

    def drain(self) -> Told:
        return self.advance()

    def _settle(self, until: int) -> None:
        rows = []
        for _, block in self.blocks:
            inside = (block.time >= self.memory.settled) & (block.time < until)
            rows += [
                (int(block.time[i]), block.symbols[block.symbol[i]], int(block.bid[i])) for i in inside.nonzero()[0]
            ]
        for at, symbol, bid in sorted(rows):
            self.memory.last_bid[symbol] = (at, bid)
        self.memory.settled = max(until, self.memory.settled)
        self.blocks = [(t, b) for t, b in self.blocks if len(b) and int(b.time[-1]) >= self.memory.settled]

    def _execution(self, fill: Filled) -> Execution:
        at, bid = self.memory.last_bid.get(fill.symbol, (None, None))
        return Execution(
            id=f"{fill.order_id}.{fill.exec_id}",
            exec_id=fill.exec_id or "",
            order_id=fill.order_id,
            route_id=fill.order_id,
            revision=0,
            state="live",
            session=fill.session,
            source=fill.source,
            n=fill.n,
            part=fill.part,
            symbol=fill.symbol,
            side=fill.side,
            qty=fill.qty,
            price=fill.price,
            venue=None,
            venue_sent=None,
            vendor=None,
            order_class=None,
            at=fill.at,
            clock=fill.clock,
            seen=fill.seen,
            tie="before",
            quote_at=at,
            quote_state="none" if at is None else "ok",
            bid=bid,
            ask=None,
            bid_size=None,
            ask_size=None,
            receipt_at=None,
            receipt=None,
            effective_spread=None,
            quoted_spread=None,
            price_improvement=None,
            eq_ratio=None,
            steps=(),
        )

    def snapshot(self) -> bytes:
        ticks = dict(self.memory.ticks)
        if self.blocks and "nbbo" in ticks:
            # what waits is read again: until then time stands at what was settled
            ticks["nbbo"] = self.memory.settled
        return msgspec.msgpack.encode(structs.replace(self.memory, ticks=ticks))

    def first_unsettled(self) -> int | None:
        return self.blocks[0][0] if self.blocks else None


def make(snapshot: bytes | None) -> Clerk:
    return Clerk() if snapshot is None else Clerk(msgspec.msgpack.decode(snapshot, type=Memory))


MAKE: MakeJudge = make


def _finding(e: Execution) -> Finding:
    return Finding(
        id=f"f-{e.exec_id}",
        revision=0,
        state="raised",
        rule="every_fill",
        rule_version=1,
        severity="info",
        certainty="confirmed",
        factor="speed",
        title="a fill",
        order_id=e.order_id,
        route_id=None,
        exec_id=e.exec_id,
        subject=f"fill:{e.exec_id}",
        symbol=e.symbol,
        side=e.side,
        qty=e.qty,
        cost=None,
        venue=None,
        vendor=None,
        session=e.session,
        order_class=None,
        at=e.at,
        seen=e.seen,
        evidence={"bid_nano": e.bid},
        limit=Limit(name="x", value="1", policy="p", effective="2026-01-01", approved_by="a", reason="r"),
        tie="before",
        reason="because",
        steps=(),
    )


def results(executions: Sequence[Execution]) -> dict[str, tuple[int | None, int | None]]:
    return {e.exec_id: (e.quote_at, e.bid) for e in executions}
