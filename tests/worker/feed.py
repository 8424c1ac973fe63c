"""Sends made-up reports and quote blocks to Kafka, as publisher and feed would, for tests of the worker."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
from kafka import KafkaProducer
from msgspec import Struct

from monitor.config import settings
from monitor.wire import blocks, codec
from monitor.wire.blocks import Block
from monitor.wire.events import Busted, Ended, Filled, ReportLine, Tick

SYMBOLS = tuple(f"S{i:03d}" for i in range(24))
START = 1_760_000_000_000_000_000


class Sent(Struct, frozen=True, kw_only=True):
    """One message of either topic."""

    topic: str
    partition: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def slices(count: int, partitions: int, seed: int = 1) -> Iterator[list[Sent]]:
    """Messages of ``count`` slices of 20 ms: quotes and fills of each, and a tick of both topics at its end."""
    rng = random.Random(seed)  # noqa: S311 - test data
    n = 0
    last: dict[int, int] = defaultdict(lambda: codec.NOTHING_BEFORE)
    for i in range(count):
        begin, end = START + i * 20_000_000, START + (i + 1) * 20_000_000
        fills: dict[int, list[ReportLine]] = defaultdict(list)
        for _ in range(rng.randrange(6)):
            symbol = rng.choice(SYMBOLS)
            fills[codec.partition_of(symbol, partitions)].append(fill(n, symbol, begin + rng.randrange(20_000_000)))
            n += 1
        sent: list[Sent] = []
        for p in range(partitions):
            lines = [*fills[p], Tick(source="dropcopy", n=n, at=end, seen=end)]
            first = fills[p][0].n if fills[p] else n
            sent.append(reports(p, lines, first, n, last[p]))
            last[p] = n
            sent.append(Sent(topic="nbbo", partition=p, value=blocks.encode(_block(rng, i, p, partitions, begin, end))))
        n += 1
        rng.shuffle(sent)
        yield sent


def crowd(count: int, partition: int) -> tuple[list[Sent], Filled]:
    """Fills of as many orders that stay open, of ids that do not compress, heard to their end; and the first fill."""
    rng = random.Random(3)  # noqa: S311 - test data
    symbol = next(s for s in SYMBOLS if codec.partition_of(s, 4) == partition)
    fills = [fill(n, symbol, START + n, exec_id=rng.randbytes(100).hex()) for n in range(count)]
    sent = [
        reports(partition, list(some), some[0].n, some[-1].n, some[0].n - 1 if some[0].n else codec.NOTHING_BEFORE)
        for some in (fills[at : at + 500] for at in range(0, count, 500))
    ]
    return [*sent, *heard(count, count - 1, START + 10**10, partition)], fills[0]


def bust(filled: Filled, partition: int) -> list[Sent]:
    """The bust of a fill of a `crowd`, and time to judge it."""
    at, n = START + 2 * 10**10, 10**7
    busted = Busted(
        source="dropcopy",
        n=n,
        at=at,
        seen=at,
        session="s",
        symbol=filled.symbol,
        order_id=filled.order_id,
        exec_id="the bust",
        ref_exec_id=filled.exec_id,
    )
    return [reports(partition, [busted], n, n, -1), *heard(n + 1, n, at + 10**10, partition)]


def heard(n: int, prev: int, at: int, partition: int) -> list[Sent]:
    """Both sources have been heard up to ``at``."""
    tick = Tick(source="dropcopy", n=n, at=at, seen=at)
    quiet = blocks.encode(Block(source="nbbo", n=n, through=at))
    return [reports(partition, [tick], n, n, prev), Sent(topic="nbbo", partition=partition, value=quiet)]


def closing(partitions: int) -> list[Sent]:
    """Both sources have nothing more to say."""
    last = 10**9
    ended = Ended(source="dropcopy", n=last, at=START + 10**15, seen=0)
    sent = [Sent(topic="reports", partition=p, value=codec.encode_lines([ended])) for p in range(partitions)]
    block = blocks.encode(Block(source="nbbo", n=last, ended=True))
    return [*sent, *(Sent(topic="nbbo", partition=p, value=block) for p in range(partitions))]


def fill(n: int, symbol: str, at: int, exec_id: str | None = None) -> Filled:
    return Filled(
        source="dropcopy",
        n=n,
        at=at,
        seen=at,
        session="s",
        symbol=symbol,
        order_id=f"o{n}",
        exec_id=exec_id or f"e{n}",
        qty=Decimal(100),
        price=10_000_000_000,
    )


def reports(partition: int, lines: list[ReportLine], first: int, last: int, prev: int) -> Sent:
    return Sent(
        topic="reports",
        partition=partition,
        value=codec.encode_lines(lines),
        headers=tuple(codec.headers("dropcopy", first, last, prev)),
    )


def _block(rng: random.Random, n: int, p: int, partitions: int, begin: int, end: int) -> Block:
    mine = [s for s in SYMBOLS if codec.partition_of(s, partitions) == p]
    rows = sorted((rng.randrange(begin, end), rng.randrange(len(mine))) for _ in range(rng.randrange(1, 9)))
    bid = np.array([rng.randrange(9_000_000_000, 10_000_000_000) for _ in rows], np.int64)
    size = np.full(len(rows), 100, np.int64)
    return Block(
        source="nbbo",
        n=n,
        symbols=tuple(mine),
        time=np.array([t for t, _ in rows], np.int64),
        symbol=np.array([s for _, s in rows], np.int32),
        bid=bid,
        ask=bid + 10_000_000,
        bid_size=size,
        ask_size=size,
        through=end,
    )


class Sender:
    """Sends in order; `flush` waits until Kafka has everything."""

    def __init__(self, kafka: settings.Kafka) -> None:
        self._kafka = kafka
        self._producer = KafkaProducer(bootstrap_servers=list(kafka.servers), linger_ms=1, max_request_size=8 << 20)

    def send(self, sent: Sent) -> None:
        self._producer.send(
            codec.topic(self._kafka.prefix, sent.topic),
            value=sent.value,
            partition=sent.partition,
            headers=list(sent.headers),
        )

    def flush(self) -> None:
        self._producer.flush()

    def close(self) -> None:
        self._producer.close()
