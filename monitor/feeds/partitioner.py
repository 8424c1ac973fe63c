"""From rounds to blocks: each partition gets its rows, or an empty block that says how far everything has been told."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monitor.feeds.batches import Round
from monitor.feeds.quote_table import Table
from monitor.feeds.to_blocks import block
from monitor.wire.blocks import Block
from monitor.wire.codec import partition_of

MOST_ROWS = 16_384
"""A block of more rows could be too large a message."""


class Splitter:
    """Numbers symbols and blocks of each partition; the same rounds always give the same blocks."""

    def __init__(self, source: str, partitions: int, block_rows: int, first: int) -> None:
        """``first`` is the number of the first block of every partition."""
        self._source = source
        self._partitions = partitions
        self._rows = min(block_rows, MOST_ROWS)
        self._next = [first] * partitions
        self._known = _Homes((), partitions)

    def blocks(self, played: Round) -> Iterator[tuple[int, Block]]:
        """Every partition and its blocks; the last one of each partition carries ``through``."""
        for partition, rows in enumerate(self._split(played.rows)):
            starts = range(0, len(rows), self._rows) or (0,)
            for start in starts:
                final = start + self._rows >= len(rows)
                part = rows if len(starts) == 1 else rows.take(np.s_[start : start + self._rows])
                through, ended = (played.through, played.ended) if final else (None, False)
                yield partition, block(part, self._source, self._next[partition], through, ended)
                self._next[partition] += 1

    def _split(self, rows: Table) -> list[Table]:
        if rows.symbols is not self._known.symbols:
            self._known = _Homes(rows.symbols, self._partitions)
        homes = self._known.partition[rows.symbol]
        order = np.argsort(homes, kind="stable")
        bounds = np.searchsorted(homes[order], np.arange(self._partitions + 1)).tolist()
        return [self._known.at_home(p, rows.take(order[bounds[p] : bounds[p + 1]])) for p in range(self._partitions)]


class _Homes:
    """Where each symbol of a growing list lives: its partition, and its number among that partition's symbols."""

    def __init__(self, symbols: tuple[str, ...], partitions: int) -> None:
        self.symbols = symbols
        own: list[list[str]] = [[] for _ in range(partitions)]
        homes = [partition_of(s, partitions) for s in symbols]
        self.partition = np.array(homes, np.int16)
        self._number = np.zeros(len(symbols), np.int32)
        for i, (home, symbol) in enumerate(zip(homes, symbols, strict=True)):
            self._number[i] = len(own[home])
            own[home].append(symbol)
        self._own = [tuple(names) for names in own]

    def at_home(self, partition: int, rows: Table) -> Table:
        """Rows of one partition, with the numbers its blocks use."""
        rows.symbol = self._number[rows.symbol]
        rows.symbols = self._own[partition]
        return _few(rows) if len(rows) * 8 < len(rows.symbols) else rows


def _few(rows: Table) -> Table:
    """Few rows name only their own symbols: the list of all would be most of the message."""
    used, places = np.unique(rows.symbol, return_inverse=True)
    rows.symbol = places.astype(np.int32)
    rows.symbols = tuple(rows.symbols[i] for i in used.tolist())
    return rows
