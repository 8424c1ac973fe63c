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
from typing import Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from monitor.blocks import ABSENT, Block, Column
from monitor.events import Quote, QuoteState
from monitor.orders import Window

Slots = npt.NDArray[np.intp]
Edge = Literal["left", "right"]
Row = list[int]
"""Time, bid, ask, bid size, ask size; `ABSENT` where there is none."""

_FIELDS = ("time", "bid", "ask", "bid_size", "ask_size")
_TIME, _BID, _ASK = 0, 1, 2
_NEVER = np.iinfo(np.int64).max
_EAGER = 1 << 17
"""Waiting rows beyond which settling is not put off any longer."""
_EAGER_BLOCKS = 16
"""Waiting blocks beyond which it is not: every look passes over each of them (measured: 8 to 32 are alike)."""
_MAPPED_MOST = 64
"""Tuples of symbols whose slots are kept."""


class Waiting(Struct, kw_only=True, eq=False):
    """A block whose rows from ``start`` on are not settled yet."""

    token: int
    source: str
    n: int
    slots: Slots
    columns: tuple[Column, ...]
    start: int = 0

    def until(self, time: int, side: Edge) -> int:
        """Number of its rows before ``time`` (``left``) or up to it (``right``)."""
        return int(self.columns[_TIME].searchsorted(time, side=side))


class Rows(Struct, eq=False):
    """Waiting rows of the symbols asked for, grouped by symbol and in order within each."""

    times: Column
    """All times, rising."""
    keys: Column
    """Slot and place in time as one rising number."""
    slots: Slots
    columns: list[Column]

    def place(self, slots: Slots, times: Column, side: Edge) -> Slots:
        """For each (slot, time) how many rows stand before it in the grouped order."""
        ranks = self.times.searchsorted(times, side=side)
        return self.keys.searchsorted(slots * (len(self.times) + 1) + ranks, side="left")

    def holds(self, places: Slots, slots: Slots) -> npt.NDArray[np.bool_]:
        """Where the row before a place is a row of that slot."""
        if not len(self.slots):
            return np.zeros(len(places), np.bool_)
        found: npt.NDArray[np.bool_] = (places > 0) & (self.slots[places - 1] == slots)
        return found


class Book:
    """Last quotes by symbol, and the blocks that wait."""

    def __init__(self, reach_ns: int = 0) -> None:
        self.reach_ns = reach_ns
        self.base: int | None = None
        """Rows before it are settled; ``None`` before anything is."""
        self.waiting_rows = 0
        self.late = 0
        """Rows that came after their time had been settled."""
        self._slot_of: dict[str, int] = {}
        self._last = np.full((len(_FIELDS), 64), ABSENT, np.int64)
        self._waiting: list[Waiting] = []
        self._mapped: dict[int, tuple[tuple[str, ...], Slots]] = {}
        """Slots of the symbols of blocks by the identity of their tuple: a feed names the same ones again and again."""

    def add(self, block: Block, token: int, *, repeat: bool = False) -> None:
        """Let a block wait; of a ``repeat`` (read again after a restart) what is settled is passed over."""
        if not len(block):
            return
        columns = (block.time, block.bid, block.ask, block.bid_size, block.ask_size)
        waiting = Waiting(
            token=token,
            source=block.source,
            n=block.n,
            slots=self._slots_of(block.symbols)[block.symbol],
            columns=columns,
        )
        if self.base is not None and int(block.time[0]) < self.base:
            waiting.start = waiting.until(self.base, "left")
            if not repeat:
                self._write_late(waiting)
        if waiting.start < len(block):
            self._insert(waiting)
            self.waiting_rows += len(block) - waiting.start

    def first_waiting(self) -> int | None:
        """Token of the earliest block that is not wholly settled."""
        return min((w.token for w in self._waiting), default=None)

    def first_waiting_n(self) -> dict[str, int]:
        """By source, the number of the earliest block that is not wholly settled."""
        first: dict[str, int] = {}
        for waiting in self._waiting:
            first[waiting.source] = min(waiting.n, first.get(waiting.source, waiting.n))
        return first

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
        if not eager and self.waiting_rows < _EAGER and len(self._waiting) < _EAGER_BLOCKS:
            return
        base = time - self.reach_ns
        if self.base is None or base > self.base:
            self.base = base
            self._write(base)

    def columns(self) -> tuple[list[str], bytes]:
        """The settled quotes: symbols, and the five columns one after the other."""
        return list(self._slot_of), self._last[:, : len(self._slot_of)].tobytes()

    def restore(self, symbols: Sequence[str], columns: bytes, base: int | None) -> None:
        """Put back what `columns` gave."""
        self._slots(symbols)
        values = np.frombuffer(columns, np.int64).reshape(len(_FIELDS), len(symbols))
        self._last[:, : len(symbols)] = values
        self.base = base

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
            larger = np.full((len(_FIELDS), 2 * size), ABSENT, np.int64)
            larger[:, : self._last.shape[1]] = self._last
            self._last = larger

    def _insert(self, waiting: Waiting) -> None:
        """Keep blocks by source and number: equal times are settled in this order."""
        self._waiting.append(waiting)
        if len(self._waiting) > 1:
            before = self._waiting[-2]
            if (waiting.source, waiting.n) < (before.source, before.n):
                self._waiting.sort(key=lambda w: (w.source, w.n))

    def _rows(self, slots: Slots, until: int) -> Rows:
        """Waiting rows of these slots up to ``until``, grouped."""
        wanted = np.zeros(len(self._slot_of), np.bool_)
        wanted[slots] = True
        picked = [(w, i) for w in self._waiting if len(i := _picked(w, wanted, until))]
        if not picked:
            empty = np.empty(0, np.int64)
            return Rows(empty, empty, np.empty(0, np.intp), [empty] * len(_FIELDS))
        columns = [_joined([w.columns[c][i] for w, i in picked]) for c in range(len(_FIELDS))]
        found = _joined([w.slots[i] for w, i in picked])
        return _grouped(found, columns, narrow=len(self._slot_of) <= np.iinfo(np.uint16).max)

    def _as_of(self, rows: Rows, slots: Slots, times: Column, *, inclusive: bool) -> list[Row]:
        places = rows.place(slots, times, "right" if inclusive else "left")
        held = rows.holds(places, slots)
        found = self._last[:, slots]
        if held.any():
            for c, column in enumerate(rows.columns):
                found[c, held] = column[places[held] - 1]
        listed: list[Row] = found.T.tolist()
        return listed

    def _windows(self, rows: Rows, slots: Slots, times: Column, widths: Column) -> list[Window]:
        """Extremes from the quote in force when the window opens to the last one in it."""
        order = np.argsort(rows.place(slots, times - widths, "left"), kind="stable")
        slots, times, widths = slots[order], times[order], widths[order]
        low = rows.place(slots, times - widths, "left")
        high = rows.place(slots, times + widths, "right")
        inside = rows.holds(low, slots)
        found = []
        for column in (_BID, _ASK):
            settled = np.where(inside, ABSENT, self._last[column, slots])
            for ufunc, none in ((np.minimum, _NEVER), (np.maximum, ABSENT)):
                extreme = _extremes(_present(rows.columns[column], none), low - inside, high, ufunc, none)
                found.append(ufunc(extreme, _present(settled, none)))
        back = np.empty(len(order), np.intp)
        back[order] = np.arange(len(order))
        return [_window(*values) for values in zip(*(f[back].tolist() for f in found), strict=True)]

    def _write(self, base: int) -> None:
        """Settle every waiting row before ``base``."""
        ready = [(w, w.start, w.until(base, "left")) for w in self._waiting]
        ready = [(w, start, stop) for w, start, stop in ready if stop > start]
        for part in _in_order(ready):
            self._scatter(*part)
        for w, start, stop in ready:
            w.start = stop
            self.waiting_rows -= stop - start
        self._waiting = [w for w in self._waiting if w.start < len(w.slots)]

    def _scatter(self, slots: Slots, columns: Sequence[Column]) -> None:
        for last, column in zip(self._last, columns, strict=True):
            last[slots] = column

    def _write_late(self, waiting: Waiting) -> None:
        """Late rows: the newest of each symbol counts from now on, where it is newer than what is known."""
        self.late += waiting.start
        slots = waiting.slots[: waiting.start]
        newer = np.flatnonzero(waiting.columns[_TIME][: waiting.start] > self._last[_TIME, slots])
        self._scatter(slots[newer], [column[newer] for column in waiting.columns])


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


def _picked(waiting: Waiting, wanted: npt.NDArray[np.bool_], until: int) -> Slots:
    """Indexes of its unsettled rows of wanted slots, up to ``until``."""
    stop = waiting.until(until, "right")
    return np.flatnonzero(wanted[waiting.slots[waiting.start : stop]]) + waiting.start


def _grouped(slots: Slots, columns: list[Column], *, narrow: bool) -> Rows:
    times = columns[_TIME]
    if len(times) > 1 and (times[1:] < times[:-1]).any():
        order = np.argsort(times, kind="stable")
        slots, columns = slots[order], [column[order] for column in columns]
        times = columns[_TIME]
    by_slot = np.argsort(slots.astype(np.uint16) if narrow else slots, kind="stable")
    slots = slots[by_slot]
    keys = slots * (len(times) + 1) + by_slot
    return Rows(times, keys, slots, [column[by_slot] for column in columns])


def _in_order(ready: list[tuple[Waiting, int, int]]) -> list[tuple[Slots, list[Column]]]:
    """The rows to settle as runs in order of (time, source, n, row); merged only where blocks overlap."""
    by_time = sorted(ready, key=lambda r: int(r[0].columns[_TIME][r[1]]))
    ends = [int(w.columns[_TIME][stop - 1]) for w, _, stop in by_time]
    starts = [int(w.columns[_TIME][start]) for w, start, _ in by_time]
    parts = [(w.slots[a:b], [column[a:b] for column in w.columns]) for w, a, b in by_time]
    if all(end < start for end, start in zip(ends, starts[1:], strict=False)):
        return parts
    parts = [(w.slots[a:b], [column[a:b] for column in w.columns]) for w, a, b in ready]
    slots = _joined([slots for slots, _ in parts])
    columns = [_joined([columns[c] for _, columns in parts]) for c in range(len(_FIELDS))]
    order = np.argsort(columns[_TIME], kind="stable")
    return [(slots[order], [column[order] for column in columns])]


def _joined(parts: list[Column]) -> Column:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _present(prices: Column, none: int) -> Column:
    """Prices with absent sides replaced by what never wins."""
    return np.where(prices > 0, prices, none)


def _extremes(values: Column, low: Slots, high: Slots, ufunc: np.ufunc, none: int) -> Column:
    """``ufunc`` over ``values[low:high]`` for each pair, ``none`` where that is empty; ``low`` rises."""
    bounds = np.empty(2 * len(low), np.intp)
    bounds[0::2], bounds[1::2] = low, high
    found: Column = ufunc.reduceat(np.append(values, none), bounds)[0::2]
    found[low >= high] = none
    return found


def _window(low_bid: int, high_bid: int, low_ask: int, high_ask: int) -> Window:
    return Window(
        low_bid=low_bid if low_bid != _NEVER else None,
        high_bid=high_bid if high_bid > 0 else None,
        low_ask=low_ask if low_ask != _NEVER else None,
        high_ask=high_ask if high_ask > 0 else None,
    )
