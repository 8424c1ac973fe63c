"""The load of the line's bench: synthetic quote blocks and reports, straight to Kafka, at a steady pace.

Reports are sent as finished ``reports`` messages, as the publisher sends them: FIX and journal are not in this bench.
Every order is received, routed, acknowledged and filled (four reports); one fill in a hundred is planted three
cents outside the NBBO. Quotes of a symbol keep their price and change their size, so that a finding is no accident.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
from kafka import KafkaProducer
from msgspec import Struct

from monitor.wire import blocks, codec
from monitor.wire.blocks import Block
from monitor.wire.events import Acked, Filled, Received, ReportLine, Routed, Tick

SLOT_NS = 10_000_000
CENT = 10_000_000
PLANTED_ONE_IN = 100
SOURCE, SESSION = "dropcopy", "BENCH"
SHARES = Decimal(100)


class Load(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much, of what, for how long."""

    bootstrap: str
    prefix: str
    quotes_per_s: int = 1_000_000
    reports_per_s: int = 20_000
    seconds: float = 20.0
    symbols: int = 12_000
    partitions: int = 4
    block_rows: int = 2500


class Share:
    """One partition's part of the load, made of columns prepared beforehand."""

    def __init__(self, number: int, symbols: list[str], load: Load) -> None:
        rng = np.random.default_rng(number)
        self.number, self.symbols = number, tuple(symbols)
        self.bid = rng.integers(1_000, 30_000, len(symbols)) * CENT
        self.rows = max(load.quotes_per_s * SLOT_NS // 10**9 // load.partitions, 1)
        self.templates = [self._template(rng) for _ in range(16)]
        self.block_rows = load.block_rows
        self.n = 0
        self.last = codec.NOTHING_BEFORE

    def _template(self, rng: np.random.Generator) -> dict[str, Any]:
        symbol = rng.integers(0, len(self.symbols), self.rows).astype(np.int32)
        size = rng.integers(1, 50, self.rows) * 100
        offset = np.sort(rng.integers(1, SLOT_NS + 1, self.rows))
        bid = self.bid[symbol]
        used, symbol = np.unique(symbol, return_inverse=True)
        names = tuple(self.symbols[i] for i in used)
        symbol = symbol.astype(np.int32)
        return {
            "names": names,
            "symbol": symbol,
            "bid": bid,
            "ask": bid + CENT,
            "bid_size": size,
            "ask_size": size,
            "offset": offset,
        }

    def opening(self, at: int) -> bytes:
        """Every symbol quoted once, so that each has a quote from the start."""
        symbol = np.arange(len(self.symbols), dtype=np.int32)
        size = np.full(len(symbol), 100, np.int64)
        columns = {"bid": self.bid, "ask": self.bid + CENT, "bid_size": size, "ask_size": size}
        return self._block(self.symbols, symbol, np.full(len(symbol), at), columns, at)

    def blocks(self, slot: int, begin: int) -> list[bytes]:
        """The slot's quotes, the last block with the slot's end as tick."""
        t = self.templates[slot % len(self.templates)]
        made = []
        for low in range(0, self.rows, self.block_rows):
            part = slice(low, low + self.block_rows)
            through = begin + SLOT_NS if low + self.block_rows >= self.rows else None
            columns = {name: t[name][part] for name in ("bid", "ask", "bid_size", "ask_size")}
            made.append(self._block(t["names"], t["symbol"][part], t["offset"][part] + begin, columns, through))
        return made

    def _block(
        self, names: tuple[str, ...], symbol: Any, at: Any, columns: dict[str, Any], through: int | None
    ) -> bytes:
        self.n += 1
        made = Block(source="nbbo", n=self.n, symbols=names, time=at, symbol=symbol, through=through, **columns)
        return blocks.encode(made)

    def closing(self, at: int) -> bytes:
        """A last tick, so that everything before it is judged."""
        self.n += 1
        return blocks.encode(Block(source="nbbo", n=self.n, through=at))

    def reports(self, orders: range, begin: int, n: int) -> tuple[bytes, list[tuple[str, bytes]]]:
        """The slot's orders of this partition and its tick, as one message; ``n`` numbers the first line."""
        lines: list[ReportLine] = []
        end = begin + SLOT_NS
        for order in orders:
            at = begin + 1 + (order * 7919) % (SLOT_NS - 4_000_000)
            lines += self._order(order, at, end, n + len(lines))
        first, last = n, n + len(lines)
        lines.append(Tick(source=SOURCE, n=last, at=end, seen=end))
        headers = codec.headers(SOURCE, first, last, self.last)
        self.last = last
        return codec.encode_lines(lines), headers

    def _order(self, order: int, at: int, seen: int, n: int) -> list[ReportLine]:
        place = order % len(self.symbols)
        planted = order % PLANTED_ONE_IN == 0
        price = int(self.bid[place]) + CENT + (3 * CENT if planted else 0)
        customer, route = f"P{self.number}-{order}", f"R{self.number}-{order}"
        same: dict[str, Any] = {
            "source": SOURCE,
            "session": SESSION,
            "symbol": self.symbols[place],
            "side": "buy",
            "seen": seen,
            "vendor": "sor",
        }
        routed: dict[str, Any] = {**same, "order_id": route, "parent_id": customer, "venue": "XNAS"}
        return [
            Received(**same, n=n, at=at, order_id=customer, qty=SHARES, ord_type="market"),
            Routed(**routed, n=n + 1, at=at + 200_000, qty=SHARES, ord_type="market"),
            Acked(**routed, n=n + 2, at=at + 1_000_000),
            Filled(
                **routed, n=n + 3, at=at + 3_000_000, qty=SHARES, price=price, leaves=Decimal(0), exec_id=f"E{route}"
            ),
        ]


def feed(load: Load) -> dict[str, Any]:
    """Send the load; says how much was sent and how far the pace was missed."""
    shares = shares_of(load)
    producers = [
        KafkaProducer(
            bootstrap_servers=[load.bootstrap], linger_ms=2, batch_size=1 << 20, max_request_size=4 << 20, acks="all"
        )
        for _ in range(2)
    ]
    nbbo, reports = (codec.topic(load.prefix, name) for name in ("nbbo", "reports"))
    begin = time.time_ns() // SLOT_NS * SLOT_NS + 20 * SLOT_NS
    for share in shares:
        producers[0].send(nbbo, share.opening(begin), partition=share.number)
    per_slot = load.reports_per_s * SLOT_NS / 1e9 / load.partitions / 4
    slots = int(load.seconds * 1e9 / SLOT_NS)
    worst, fills, n = 0.0, 0, 0
    for slot in range(slots):
        at = begin + slot * SLOT_NS
        wait = (at + SLOT_NS - time.time_ns()) / 1e9
        if wait > 0:
            time.sleep(wait)
        worst = max(worst, -wait)
        orders = range(int(slot * per_slot), int((slot + 1) * per_slot))
        for share in shares:
            for value in share.blocks(slot, at):
                producers[0].send(nbbo, value, partition=share.number)
            value, headers = share.reports(orders, at, n)
            producers[1].send(reports, value, partition=share.number, headers=headers)
            fills += len(orders)
        n += 4 * len(orders) + 1
    after = begin + slots * SLOT_NS + 10**9
    for share in shares:
        value, headers = share.reports(range(0), after - SLOT_NS, n)
        producers[0].send(nbbo, share.closing(after), partition=share.number)
        producers[1].send(reports, value, partition=share.number, headers=headers)
    for producer in producers:
        producer.flush()
    took = (time.time_ns() - begin) / 1e9
    quotes = slots * sum(share.rows for share in shares)
    cpu = time.process_time()
    return {
        "quotes": quotes,
        "reports": 4 * fills,
        "fills": fills,
        "planted": sum(1 for s in shares for o in range(int(slots * per_slot)) if o % PLANTED_ONE_IN == 0),
        "begin": begin,
        "seconds": round(took, 2),
        "worst_lateness_s": round(worst, 3),
        "cpu_s": round(cpu, 2),
    }


def shares_of(load: Load) -> list[Share]:
    of: dict[int, list[str]] = {p: [] for p in range(load.partitions)}
    for i in range(load.symbols):
        symbol = f"SIM{i:05d}"
        of[codec.partition_of(symbol, load.partitions)].append(symbol)
    return [Share(number, symbols, load) for number, symbols in of.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("load", help="the load as JSON")
    load = load_from(parser.parse_args().load)
    json.dump(feed(load), sys.stdout)


def load_from(text: str) -> Load:
    return msgspec.json.decode(text, type=Load)


if __name__ == "__main__":
    main()
