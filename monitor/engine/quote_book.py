"""The NBBO by columns, advanced to exactly the time asked.

Blocks of quotes wait unread. When events are to be judged, their quotes are found in one pass over the waiting rows
of their symbols (a batch as-of join); rows that no event can ask for any more are *settled*: written, in order of
(time, source, n, row), over the last quote of their symbol, column by column. Nothing is done quote by quote, and
the cost does not depend on how many symbols there are.

Rows stay waiting for ``reach`` ns behind the time judged, so that the extremes of the quotes around a fill can be
told (`Book.windows`). A row that comes when its time has been settled is late: it counts as late, and takes the
place of its symbol's quote only where it is newer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from monitor.engine.orders import Window
from monitor.engine.pending_rows import ASK, BID, FIELDS, TIME, Edge, Slots, Table, Waiting
from monitor.wire.blocks import ABSENT, Block, Column
from monitor.wire.events import Quote, QuoteState

Row = list[int]
"""Time, bid, ask, bid size, ask size; `ABSENT` where there is none."""

_NEVER = -np.iinfo(np.int64).max
"""Less than any price."""
_WORTH = 1 << 14
"""Rows that could be settled from which on it is done: a pass over them costs less than settling them one by one."""
_MAPPED_MOST = 64
"""Tuples of symbols whose slots are kept."""


class Rows(Struct, eq=False):
    """Waiting rows of the symbols asked for, grouped by symbol and in order within each."""

    times: Column
    """All times, rising."""
    keys: Column
    """Slot and place in time as one rising number."""
    slots: Slots
    places: Slots
    """Where in the table each row stands."""
    table: Table

    def before(self, slots: Slots, times: Column, side: Edge) -> Slots:
        """For each (slot, time) how many rows stand before it in the grouped order."""
        ranks = self.times.searchsorted(times, side=side)
        return self.keys.searchsorted(slots * (len(self.times) + 1) + ranks, side="left")

    def holds(self, ends: Slots, slots: Slots) -> npt.NDArray[np.bool_]:
        """Where the row before an end is a row of that slot."""
        if not len(self.slots):
            return np.zeros(len(ends), np.bool_)
        found: npt.NDArray[np.bool_] = (ends > 0) & (self.slots[ends - 1] == slots)
        return found


class Book:
    """Last quotes by symbol, and the rows that wait."""

    def __init__(self, reach_ns: int = 0) -> None:
        self.reach_ns = reach_ns
        self.base: int | None = None
        """Rows before it are settled; ``None`` before anything is."""
        self.late = 0
        """Rows that came after their time had been settled."""
        self._slot_of: dict[str, int] = {}
        self._last = np.full((FIELDS, 64), ABSENT, np.int64)
        self._waiting: dict[str, Waiting] = {}
        """By source, in order of their names: rows of equal times are settled in this order."""
        self._mapped: dict[int, tuple[tuple[str, ...], Slots]] = {}
        """Slots of the symbols of blocks by the identity of their tuple: a feed names the same ones again and again."""

    def add(self, block: Block, token: int, *, repeat: bool = False) -> None:
        """Let a block wait; of a ``repeat`` (read again after a restart) what is settled is passed over."""
        if not len(block):
            return
        slots, first = self._slots_of(block.symbols)[block.symbol], 0
        if self.base is not None and int(block.time[0]) < self.base:
            first = int(block.time.searchsorted(self.base))
            if not repeat:
                self._write_late(block, slots, first)
        if first < len(block):
            self._source(block.source).add(block, token, slots, first)

    def first_waiting(self) -> int | None:
        """Token of the earliest block that is not wholly settled."""
        return min((piece.token for waiting in self._waiting.values() for piece in waiting.pieces), default=None)

    def first_waiting_n(self) -> dict[str, int]:
        """By source, the number of the earliest block that is not wholly settled."""
        return {source: min(p.n for p in waiting.pieces) for source, waiting in self._waiting.items() if waiting.pieces}

    def quotes(self, symbols: Sequence[str], times: Sequence[int], *, inclusive: bool) -> list[Row]:
        """The quote of each symbol just before its time, or at it too when ``inclusive``."""
        slots, asked = self._slots(symbols), np.array(times, np.int64)
        rows = self._rows(slots, int(asked.max()))
        return self._as_of(rows, slots, asked, inclusive=inclusive)

    def look(
        self, symbols: Sequence[str], times: Sequence[int], spans: Sequence[int], *, inclusive: bool
    ) -> tuple[list[Row], list[Window | None]]:
        """Quotes as in `quotes`, and around each time the extremes within ± its span (none for a span below 0)."""
        slots, asked, widths = self._slots(symbols), np.array(times, np.int64), np.array(spans, np.int64)
        rows = self._rows(slots, int((asked + np.maximum(widths, 0)).max()))
        quotes = self._as_of(rows, slots, asked, inclusive=inclusive)
        windows: list[Window | None] = [None] * len(quotes)
        wide = np.flatnonzero(widths > 0)
        if len(wide):
            found = self._windows(rows, slots[wide], asked[wide], widths[wide])
            for i, window in zip(wide.tolist(), found, strict=True):
                windows[i] = window
        for i in np.flatnonzero(widths == 0).tolist():
            windows[i] = point(quotes[i])
        return quotes, windows

    def settle(self, time: int, *, eager: bool = False) -> None:
        """Nothing before ``time`` less the reach will be asked for: write it over, now or when it pays."""
        base = time - self.reach_ns
        if self.base is not None and base <= self.base:
            return
        ready = [(waiting, waiting.before(base)) for waiting in self._waiting.values()]
        if eager or sum(count for _, count in ready) >= _WORTH:
            self.base = base
            self._write(base, [(waiting, count) for waiting, count in ready if count])

    def columns(self) -> tuple[list[str], bytes]:
        """The settled quotes: symbols, and the five columns one after the other."""
        return list(self._slot_of), self._last[:, : len(self._slot_of)].tobytes()

    def restore(self, symbols: Sequence[str], columns: bytes, base: int | None) -> None:
        """Put back what `columns` gave."""
        self._slots(symbols)
        values = np.frombuffer(columns, np.int64).reshape(FIELDS, len(symbols))
        self._last[:, : len(symbols)] = values
        self.base = base

    def _source(self, name: str) -> Waiting:
        waiting = self._waiting.get(name)
        if waiting is None:
            waiting = self._waiting[name] = Waiting()
            self._waiting = dict(sorted(self._waiting.items()))
        return waiting

    def _slots_of(self, symbols: tuple[str, ...]) -> Slots:
        """Slot of each symbol of a block."""
        known = self._mapped.get(id(symbols))
        if known is not None:
            return known[1]
        if len(self._mapped) >= _MAPPED_MOST:
            self._mapped.clear()
        slots = self._slots(symbols)
        self._mapped[id(symbols)] = (symbols, slots)  # the tuple is kept, so that its identity is not given again
        return slots

    def _slots(self, symbols: Sequence[str]) -> Slots:
        """Slot of each symbol, new ones given the next."""
        known = self._slot_of
        try:
            return np.fromiter(map(known.__getitem__, symbols), np.intp, len(symbols))
        except KeyError:
            for symbol in symbols:
                known.setdefault(symbol, len(known))
            self._grow(len(known))
            return self._slots(symbols)

    def _grow(self, size: int) -> None:
        if size > self._last.shape[1]:
            larger = np.full((FIELDS, 2 * size), ABSENT, np.int64)
            larger[:, : self._last.shape[1]] = self._last
            self._last = larger

    def _rows(self, slots: Slots, until: int) -> Rows:
        """Waiting rows of these slots up to ``until``, grouped."""
        wanted = np.zeros(len(self._slot_of), np.bool_)
        wanted[slots] = True
        picked = [(w, wanted[w.slots[: w.before(until, "right")]].nonzero()[0]) for w in self._waiting.values()]
        picked = [(waiting, places) for waiting, places in picked if len(places)]
        narrow = len(self._slot_of) <= np.iinfo(np.uint16).max
        if len(picked) == 1:
            (waiting, places) = picked[0]
            return _grouped(waiting.slots[places], places, waiting.table, narrow=narrow)
        return _merged(picked, narrow=narrow)

    def _as_of(self, rows: Rows, slots: Slots, times: Column, *, inclusive: bool) -> list[Row]:
        ends = rows.before(slots, times, "right" if inclusive else "left")
        held = rows.holds(ends, slots)
        found = self._last[:, slots]
        if held.any():
            found[:, held] = rows.table[:, rows.places[ends[held] - 1]]
        listed: list[Row] = found.T.tolist()
        return listed

    def _windows(self, rows: Rows, slots: Slots, times: Column, widths: Column) -> list[Window]:
        """Extremes from the quote in force when the window opens to the last one in it."""
        low = rows.before(slots, times - widths, "left")
        high = rows.before(slots, times + widths, "right")
        inside = rows.holds(low, slots)
        settled = np.where(inside, ABSENT, self._last[BID : ASK + 1, slots])
        found = _extremes(_signed(rows.table[BID : ASK + 1, rows.places]), low - inside, high)
        np.maximum(found, _signed(settled), out=found)
        return [_window(*extremes) for extremes in found.T.tolist()]

    def _write(self, base: int, ready: list[tuple[Waiting, int]]) -> None:
        """Settle the first rows of each source, those before ``base``."""
        parts = [(waiting.slots[:count], waiting.table[:, :count]) for waiting, count in ready]
        if len(parts) == 1:
            self._scatter(*parts[0])
        elif parts:
            slots = np.concatenate([slots for slots, _ in parts])
            table = np.concatenate([table for _, table in parts], axis=1)
            order = np.argsort(table[TIME], kind="stable")
            self._scatter(slots[order], table[:, order])
        for waiting, count in ready:
            waiting.settle(base, count)

    def _scatter(self, slots: Slots, table: Table) -> None:
        for last, column in zip(self._last, table, strict=True):
            last[slots] = column

    def _write_late(self, block: Block, slots: Slots, count: int) -> None:
        """Late rows: the newest of each symbol counts from now on, where it is newer than what is known."""
        self.late += count
        newer = np.flatnonzero(block.time[:count] > self._last[TIME, slots[:count]])
        columns = (block.time, block.bid, block.ask, block.bid_size, block.ask_size)
        self._scatter(slots[newer], np.array([column[newer] for column in columns], np.int64))


def quote_of(row: Row, at: int, stale_after_ns: int, silent_since: int | None = None) -> Quote:
    """The quote of ``row`` as it counts at ``at``: none, stale, one-sided, crossed, locked or ok, in this order.

    A price of zero or less is an absent side. ``silent_since``: the quotes' source has said nothing since then, so a
    later event cannot know whether the quote still stood.
    """
    time, bid, ask, bid_size, ask_size = row
    if time == ABSENT:
        return NO_QUOTE
    state: QuoteState
    if at - time > stale_after_ns or (silent_since is not None and at > silent_since):
        state = "stale"
    elif bid <= 0 or ask <= 0:
        state = "one_sided"
    elif bid >= ask:
        state = "locked" if bid == ask else "crossed"
    else:
        state = "ok"
    return Quote(
        state=state,
        at=time,
        bid=bid if bid > 0 else None,
        ask=ask if ask > 0 else None,
        bid_size=bid_size if bid_size != ABSENT else None,
        ask_size=ask_size if ask_size != ABSENT else None,
    )


NO_QUOTE = Quote(state="none")


def point(row: Row) -> Window | None:
    """The window of no width: the quote alone."""
    time, bid, ask, _, _ = row
    if time == ABSENT:
        return None
    low_bid, low_ask = (bid if bid > 0 else None), (ask if ask > 0 else None)
    return Window(low_bid=low_bid, high_bid=low_bid, low_ask=low_ask, high_ask=low_ask)


def _merged(picked: list[tuple[Waiting, Slots]], *, narrow: bool) -> Rows:
    """Rows of several sources, or of none, grouped."""
    slots = np.concatenate([np.empty(0, np.intp), *(waiting.slots[places] for waiting, places in picked)])
    table = np.concatenate(
        [np.empty((FIELDS, 0), np.int64), *(waiting.table[:, places] for waiting, places in picked)], axis=1
    )
    order = np.argsort(table[TIME], kind="stable")
    return _grouped(slots[order], order, table, narrow=narrow)


def _grouped(slots: Slots, places: Slots, table: Table, *, narrow: bool) -> Rows:
    """Rows that are in order of time, grouped by slot."""
    by_slot = np.argsort(slots.astype(np.uint16) if narrow else slots, kind="stable")
    grouped = slots[by_slot]
    keys = grouped * (len(slots) + 1) + by_slot
    return Rows(table[TIME][places], keys, grouped, places[by_slot], table)


def _signed(prices: Table) -> Table:
    """Bids and asks, and both below zero: the greatest of those is the least price. What is absent never wins."""
    present = prices > 0
    return np.concatenate([np.where(present, prices, _NEVER), np.where(present, -prices, _NEVER)])


def _extremes(values: Table, low: Slots, high: Slots) -> Table:
    """The greatest of ``values[:, low:high]`` for each pair; what is absent where that is empty."""
    order = low.argsort(kind="stable")  # what is passed over between two pairs is little when they rise
    bounds = np.empty(2 * len(low), np.intp)
    bounds[0::2], bounds[1::2] = low[order], high[order]
    padded = np.concatenate([values, np.full((len(values), 1), _NEVER)], axis=1)
    found = np.empty((len(values), len(low)), np.int64)
    found[:, order] = np.maximum.reduceat(padded, bounds, axis=1)[:, 0::2]
    found[:, low >= high] = _NEVER
    return found


def _window(high_bid: int, high_ask: int, low_bid: int, low_ask: int) -> Window:
    return Window(
        low_bid=-low_bid if low_bid != _NEVER else None,
        high_bid=high_bid if high_bid != _NEVER else None,
        low_ask=-low_ask if low_ask != _NEVER else None,
        high_ask=high_ask if high_ask != _NEVER else None,
    )
