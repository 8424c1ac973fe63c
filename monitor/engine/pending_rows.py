"""Rows of quotes that are not settled yet: those of one source side by side, in order of (time, n, row).

Blocks of one source nearly always follow each other in time, so that a block is put behind the others as it is, and
looking for the rows of some symbols is one pass over one stretch of memory, however many blocks it came in. Only a
block that reaches back before others makes the rows be sorted.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from monitor.wire.blocks import Block

Slots = npt.NDArray[np.intp]
Table = npt.NDArray[np.int64]
"""A row for each of time, bid, ask, bid size and ask size; a column for each quote."""
Edge = Literal["left", "right"]

FIELDS = 5
TIME, BID, ASK = 0, 1, 2
_N = FIELDS
"""Row of the table that holds the number of each quote's block."""
_ROOM = 1 << 12


class Piece(Struct, frozen=True):
    """A block of which some rows wait."""

    token: int
    n: int
    last: int
    """Time of its last row."""


class Waiting:
    """The rows of one source that wait."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._slots: Slots = np.empty(_ROOM, np.intp)
        self._table: Table = np.empty((FIELDS + 1, _ROOM), np.int64)
        self._start = self._stop = 0
        self._newest = -1
        """Highest number of a block that waits or has waited."""

    @property
    def slots(self) -> Slots:
        """Slot of each row's symbol."""
        return self._slots[self._start : self._stop]

    @property
    def table(self) -> Table:
        """The rows' columns."""
        return self._table[:FIELDS, self._start : self._stop]

    def add(self, block: Block, token: int, slots: Slots, first: int) -> None:
        """Let a block's rows from ``first`` on wait; ``slots`` are those of all its rows."""
        count = len(block) - first
        self._make_room(count)
        start, stop = self._stop, self._stop + count
        self._slots[start:stop] = slots[first:]
        columns = (block.time, block.bid, block.ask, block.bid_size, block.ask_size)
        for row, column in zip(self._table, columns, strict=False):
            row[start:stop] = column[first:]
        self._table[_N, start:stop] = block.n
        self._stop = stop
        self.pieces.append(Piece(token, block.n, int(block.time[-1])))
        if start > self._start and not self._follows(start, block.n):
            self._sort()
        self._newest = max(self._newest, block.n)

    def before(self, time: int, side: Edge = "left") -> int:
        """How many of its rows are before ``time`` (``left``) or up to it (``right``)."""
        return int(self._table[TIME, self._start : self._stop].searchsorted(time, side=side))

    def settle(self, base: int, count: int) -> None:
        """Its first ``count`` rows, those before ``base``, wait no longer."""
        self._start += count
        self.pieces = [piece for piece in self.pieces if piece.last >= base]

    def _follows(self, place: int, n: int) -> bool:
        """Whether the row at a place, of block ``n``, comes after the one before it."""
        last, time = self._table[TIME, place - 1 : place + 1].tolist()
        return bool(last < time or (last == time and n > self._newest))

    def _sort(self) -> None:
        part = slice(self._start, self._stop)
        order = np.lexsort((self._table[_N, part], self._table[TIME, part]))
        self._slots[part] = self._slots[part][order]
        self._table[:, part] = self._table[:, part][:, order]

    def _make_room(self, count: int) -> None:
        """Room for so many rows behind the others: by moving them to the front, or to a larger place."""
        held = self._stop - self._start
        if self._stop + count <= len(self._slots):
            return
        slots, table = self._slots, self._table
        if 2 * (held + count) > len(slots):
            self._slots = np.empty(4 * (held + count), np.intp)
            self._table = np.empty((FIELDS + 1, 4 * (held + count)), np.int64)
        self._slots[:held] = slots[self._start : self._stop]
        self._table[:, :held] = table[:, self._start : self._stop]
        self._start, self._stop = 0, held
