"""Quotes a second through the book on one core, and beside an offline polars as-of join of the same rows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import polars as pl

from monitor.engine.quote_book import Book
from monitor.wire.blocks import Block

MS = 1_000_000
ROWS = 4_000_000
BLOCK = 2048
EVENTS = 100_000
"""Looked up while the rows go by: one in forty, a third of them with a window."""
PER_SECOND = 250_000
"""Rows a second of event time: a million over four partitions."""
REACH = 50 * MS
STEP = 20 * MS


def run() -> dict[str, Any]:
    """Rows a second by number of symbols, and against polars."""
    found = {symbols: _measure(symbols) for symbols in (100, 3_000, 12_000)}
    return {
        "rows": ROWS,
        "quotes_per_second": {str(symbols): round(ROWS / ours) for symbols, (ours, _, _) in found.items()},
        "ratio_to_polars_join_asof": {str(s): round(theirs / ours, 2) for s, (ours, theirs, _) in found.items()},
        "cost_of_12000_symbols_over_100": round(found[12_000][0] / found[100][0], 2),
        "microseconds_per_event": round(found[12_000][2] / EVENTS * 1e6, 2),
    }


def _measure(symbols: int) -> tuple[float, float, float]:
    """Seconds of processor time: the book's, polars', and the look-ups' share of the book's."""
    chance = np.random.default_rng(1)
    times = np.sort(chance.integers(0, ROWS * 1_000_000_000 // PER_SECOND, ROWS))
    slots = chance.integers(0, symbols, ROWS).astype(np.int32)
    bids = chance.integers(100_000, 200_000, ROWS)
    at = np.sort(chance.integers(0, int(times[-1]), EVENTS))
    asked = chance.integers(0, symbols, EVENTS)
    names = tuple(f"S{i}" for i in range(symbols))
    blocks = [_block(n, start, names, times, slots, bids) for n, start in enumerate(range(0, ROWS, BLOCK))]
    ours, looking, found = _book(blocks, [names[i] for i in asked.tolist()], at.tolist())
    theirs, expected = _polars(times, slots, bids, at, asked)
    if found != expected:
        raise AssertionError("the book and polars disagree")
    return ours, theirs, looking


def _block(n: int, start: int, names: tuple[str, ...], times: Any, slots: Any, bids: Any) -> Block:
    """As a feed sends it: only the symbols that occur are named."""
    rows = slice(start, start + BLOCK)
    used, places = np.unique(slots[rows], return_inverse=True)
    return Block(
        source="nbbo",
        n=n,
        symbols=tuple(names[i] for i in used.tolist()),
        time=times[rows],
        symbol=places.astype(np.int32),
        bid=bids[rows],
        ask=bids[rows] + 100,
        bid_size=bids[rows],
        ask_size=bids[rows],
    )


def _book(blocks: list[Block], symbols: list[str], times: list[int]) -> tuple[float, float, list[int]]:
    """Every 20 ms of event time the events of that stretch are looked up, as the engine does."""
    book, looking, found, i = Book(REACH), 0.0, [], 0
    spans = [REACH if i % 3 == 0 else -1 for i in range(len(times))]
    started = time.process_time()
    due = STEP
    for token, block in enumerate(blocks):
        book.add(block, token)
        if int(block.time[-1]) - 2 * REACH < due:
            continue
        due = int(block.time[-1]) - 2 * REACH
        first = i
        while i < len(times) and times[i] <= due:
            i += 1
        looked = time.process_time()
        if i > first:
            rows, _ = book.look(symbols[first:i], times[first:i], spans[first:i], inclusive=False)
            found += [row[1] for row in rows]
        looking += time.process_time() - looked
        book.settle(due, eager=True)
        due += STEP
    rows, _ = book.look(symbols[i:], times[i:], spans[i:], inclusive=False)
    found += [row[1] for row in rows]
    return time.process_time() - started, looking, found


def _polars(times: Any, slots: Any, bids: Any, at: Any, asked: Any) -> tuple[float, list[int]]:
    rows = pl.DataFrame({"at": times, "symbol": slots, "bid": bids})
    events = pl.DataFrame({"at": at, "symbol": asked.astype(np.int32)})
    started = time.process_time()
    joined = events.join_asof(rows, on="at", by="symbol", allow_exact_matches=False, check_sortedness=False)
    spent = time.process_time() - started
    return spent, joined["bid"].fill_null(np.iinfo(np.int64).min).to_list()
