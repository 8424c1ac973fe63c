"""Cuts a stream of rows into blocks that promise no more than has been sent.

Where a block ends depends only on the rows, never on the clock, so that a file that is played again gives the same
blocks with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from monitor.feeds.quote_table import Names, Table, join
from monitor.wire.blocks import Block


def blocks_of(tables: Iterable[Table], source: str, block_rows: int) -> Iterator[Block]:
    """Blocks of ``block_rows`` rows for all symbols together, numbered from 0; the last one is ``ended``.

    ``through`` is one ns before the next row: rows of the same instant may still follow in the next block.
    """
    last: int | None = None
    for n, (rows, following) in enumerate(cuts(tables, block_rows)):
        last = int(rows.time[-1])
        through = last if following is None else min(last, following - 1)
        yield block(rows, source, n, through, following is None)
    if last is None:
        yield Block(source=source, n=0, ended=True)


def block(rows: Table, source: str, n: int, through: int | None, ended: bool = False) -> Block:
    """The rows as a block."""
    columns = {name: getattr(rows, name) for name in ("time", "symbol", "bid", "ask", "bid_size", "ask_size")}
    return Block(source=source, n=n, symbols=rows.symbols, through=through, ended=ended, **columns)


def cuts(tables: Iterable[Table], block_rows: int) -> Iterator[tuple[Table, int | None]]:
    """Runs of rows, each with the time of the row that comes after it."""
    names = Names()
    held: Table | None = None
    for table in tables:
        if not len(table):
            continue
        numbered = names.number(table)
        rows = numbered if held is None else join([held, numbered], names)
        whole = (len(rows) - 1) // block_rows * block_rows
        for start in range(0, whole, block_rows):
            yield rows.take(np.s_[start : start + block_rows]), int(rows.time[start + block_rows])
        held = rows.take(np.s_[whole:])
    if held is not None:
        yield held, None
