"""Merging, cutting and splitting rows: nothing lost, time never falls, no promise too early, always the same blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.feeds.batches import Round, by_rows, by_time
from monitor.feeds.partitioner import Splitter
from monitor.feeds.quote_table import Stream, Table, merged
from monitor.feeds.to_blocks import blocks_of
from monitor.wire.blocks import Block, decode, encode
from monitor.wire.codec import partition_of

SYMBOLS = ("IBM", "AAPL", "MSFT", "GOOG", "SPY")
Row = tuple[int, int]
"""Time and an index into SYMBOLS."""
chunks = st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), max_size=8), max_size=5)


def table(rows: list[Row], bids: list[int]) -> Table:
    values = np.array(bids, np.int64)
    return Table(
        symbols=SYMBOLS,
        time=np.array([t for t, _ in rows], np.int64),
        symbol=np.array([s for _, s in rows], np.int32),
        bid=values,
        ask=values + 1,
        bid_size=values,
        ask_size=values,
    )


def in_order(found: list[list[Row]], start: int = 0) -> list[Table]:
    """The rows in order of time in chunks of the same sizes, each row with a bid of its own."""
    rows = sorted((r for chunk in found for r in chunk), key=lambda r: r[0])
    made, at = [], 0
    for chunk in found:
        part = rows[at : at + len(chunk)]
        made.append(table(part, list(range(start + at, start + at + len(part)))))
        at += len(chunk)
    return made


def told(tables: Iterator[Table] | list[Table]) -> list[tuple[int, str, int]]:
    return [
        (t, part.symbols[s], b)
        for part in tables
        for t, s, b in zip(part.time.tolist(), part.symbol.tolist(), part.bid.tolist(), strict=True)
    ]


@given(st.lists(chunks, max_size=4))
def test_merging_keeps_every_row_in_order_of_time_then_of_file(files: list[list[list[Row]]]) -> None:
    parts = [in_order(found, start=1000 * i) for i, found in enumerate(files)]
    streams = [Stream(open=lambda p=p: iter(p), not_before=None if i % 2 else -1) for i, p in enumerate(parts)]
    expected = sorted((row for part in parts for row in told(part)), key=lambda row: row[0])
    assert told(merged(streams)) == expected


@given(chunks, st.integers(1, 7))
def test_blocks_of_a_file_promise_no_more_than_they_may(found: list[list[Row]], rows: int) -> None:
    tables = in_order(found)
    blocks = list(blocks_of(iter(tables), "nbbo", rows))
    sent = [
        (t, b.symbols[s], v)
        for b in blocks
        for t, s, v in zip(b.time.tolist(), b.symbol.tolist(), b.bid.tolist(), strict=True)
    ]
    assert sent == told(tables)
    assert all(len(b) <= rows for b in blocks)
    _promises_hold(blocks)
    assert blocks[-1].ended


def _promises_hold(blocks: list[Block]) -> None:
    for i, block in enumerate(blocks):
        if block.through is not None:
            assert all((later.time > block.through).all() for later in blocks[i + 1 :])
    throughs = [b.through for b in blocks if b.through is not None]
    assert throughs == sorted(throughs)


@given(chunks, st.integers(1, 20), st.sampled_from(["rows", "time"]), st.integers(1, 5))
def test_every_partition_hears_everything_and_the_same_again(
    found: list[list[Row]], size: int, how: str, partitions: int
) -> None:
    tables = in_order(found)

    def rounds() -> Iterator[Round]:
        return by_rows(iter(tables), size) if how == "rows" else by_time(iter(tables), size)

    def play() -> list[tuple[int, Block]]:
        splitter = Splitter("nbbo", partitions, 3, 100)
        return [pair for this in rounds() for pair in splitter.blocks(this)]

    sent = play()
    for partition in range(partitions):
        own = [b for p, b in sent if p == partition]
        assert [b.n for b in own] == list(range(100, 100 + len(own)))
        assert all(partition_of(b.symbols[s], partitions) == partition for b in own for s in b.symbol.tolist())
        assert [b.ended for b in own] == [False] * (len(own) - 1) + [True]
        _promises_hold(own)
    assert sorted(told_blocks(sent)) == sorted(told(tables))
    assert [(p, encode(b)) for p, b in sent] == [(p, encode(b)) for p, b in play()]


def told_blocks(sent: list[tuple[int, Block]]) -> list[tuple[int, str, int]]:
    blocks = [decode(encode(b)) for _, b in sent]
    return [
        (t, b.symbols[s], v)
        for b in blocks
        for t, s, v in zip(b.time.tolist(), b.symbol.tolist(), b.bid.tolist(), strict=True)
    ]


@given(chunks, st.integers(1, 20))
def test_steps_of_time_leave_none_out(found: list[list[Row]], step: int) -> None:
    rounds = list(by_time(iter(in_order(found)), step))
    steps = [r.through for r in rounds[:-1] if r.through is not None]
    assert steps == [steps[0] + step * i for i in range(len(steps))] if steps else True
    for this in rounds[:-1]:
        assert this.through is not None
        assert ((this.rows.time <= this.through) & (this.rows.time > this.through - step)).all()


def test_few_rows_of_many_symbols_name_only_their_own() -> None:
    names = tuple(f"S{i:04}" for i in range(4000))
    rows = Table(
        symbols=names,
        **{n: np.array([1, 2]) for n in ("time", "bid", "ask", "bid_size", "ask_size")},
        symbol=np.array([7, 7], np.int32),
    )
    ((_, block),) = Splitter("nbbo", 1, 2048, 0).blocks(Round(rows=rows, through=2))
    assert block.symbols == ("S0007",)
    assert block.symbol.tolist() == [0, 0]


def test_symbols_of_blocks_that_come_again_are_the_same_object() -> None:
    names = tuple(f"S{i}" for i in range(50))
    rows = np.arange(50)
    columns = dict.fromkeys(("time", "bid", "ask", "bid_size", "ask_size"), rows)
    first = Block(source="nbbo", n=1, symbols=names, symbol=rows.astype(np.int32), **columns)
    second = Block(source="other", n=2, symbols=names, symbol=rows.astype(np.int32), **columns)
    assert decode(encode(first)).symbols is decode(encode(second)).symbols
    fewer = Block(source="nbbo", n=3, symbols=(*names[:49], "T9"), symbol=rows.astype(np.int32), **columns)
    assert decode(encode(fewer)).symbols == (*names[:49], "T9")
