"""Rows of quotes in memory: columns of equal length, their order in time, and the merge of several streams of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from monitor.wire.blocks import ABSENT, Column

Codes = npt.NDArray[np.int32]
VALUES = ("bid", "ask", "bid_size", "ask_size")
FOREVER = 2**63 - 1


class Table(Struct, kw_only=True, eq=False):
    """Quotes as columns: ns UTC, index into ``symbols``, prices in 1e-9, sizes in shares; `ABSENT` for no side."""

    symbols: tuple[str, ...]
    time: Column
    symbol: Codes
    bid: Column
    ask: Column
    bid_size: Column
    ask_size: Column

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Table:
        """Some of the rows, in the order given."""
        columns = {name: getattr(self, name)[rows] for name in ("time", "symbol", *VALUES)}
        return Table(symbols=self.symbols, **columns)

    def in_order(self) -> bool:
        """Whether time never falls."""
        return not (np.diff(self.time) < 0).any()

    def sorted(self) -> Table:
        """The rows by time; those of equal time stay in their order."""
        return self if self.in_order() else self.take(np.argsort(self.time, kind="stable"))


def empty() -> Table:
    """No rows."""
    none = np.empty(0, np.int64)
    return Table(symbols=(), time=none, symbol=np.empty(0, np.int32), bid=none, ask=none, bid_size=none, ask_size=none)


class Names:
    """Gives every symbol one number for good."""

    def __init__(self) -> None:
        self.symbols: tuple[str, ...] = ()
        self._codes: dict[str, int] = {}

    def number(self, table: Table) -> Table:
        """The same rows with the numbers known here."""
        if table.symbols is self.symbols:
            return table
        codes = np.fromiter((self._code(s) for s in table.symbols), np.int32, len(table.symbols))
        if len(self.symbols) != len(self._codes):
            self.symbols = tuple(self._codes)
        columns = {name: getattr(table, name) for name in ("time", *VALUES)}
        return Table(symbols=self.symbols, symbol=codes[table.symbol], **columns)

    def _code(self, symbol: str) -> int:
        return self._codes.setdefault(symbol, len(self._codes))


def without_nonsense(table: Table) -> Table:
    """A side whose price is zero or less is no side: absent, with its size; a negative size is absent."""
    for price, size in (("bid", "bid_size"), ("ask", "ask_size")):
        none = getattr(table, price) <= 0
        setattr(table, price, np.where(none, ABSENT, getattr(table, price)))
        setattr(table, size, np.where(none | (getattr(table, size) < 0), ABSENT, getattr(table, size)))
    return table


class Stream(Struct, kw_only=True):
    """Tables in order of time, not begun before it is time: ``not_before`` is earlier than its first row."""

    open: Callable[[], Iterator[Table]]
    not_before: int | None = None


def merged(streams: Sequence[Stream]) -> Iterator[Table]:
    """One stream in order of time; rows of equal time come by stream, then by row."""
    names = Names()
    waiting = sorted(enumerate(streams), key=lambda s: _begin(s[1]), reverse=True)
    running: list[_Running] = []
    horizon = FOREVER
    while running or waiting:
        while waiting and (not running or _begin(waiting[-1][1]) <= horizon):
            place, stream = waiting.pop()
            running.append(_Running(place, stream.open(), names))
            running.sort(key=lambda r: r.place)
            horizon = _horizon(running)
        rows = join([r.until(horizon) for r in running], names)
        if len(rows):
            yield rows.sorted()
        for stream_begun in running:
            stream_begun.fill()
        running = [r for r in running if not r.done]
        horizon = _horizon(running)


def _begin(stream: Stream) -> int:
    return -FOREVER if stream.not_before is None else stream.not_before


def _horizon(running: list[_Running]) -> int:
    """The last time known of the stream that is least far: what is older is complete."""
    return min((r.known for r in running), default=FOREVER)


class _Running:
    """A stream that has begun, with the rows read from it and not yet handed on."""

    def __init__(self, place: int, tables: Iterator[Table], names: Names) -> None:
        self.place = place
        self._tables = tables
        self._names = names
        self._held = empty()
        self._ended = False
        self._stuck = True
        self.fill()

    @property
    def known(self) -> int:
        """Everything older than this has been read."""
        return FOREVER if self._ended else int(self._held.time[-1])

    @property
    def done(self) -> bool:
        return self._ended and not len(self._held)

    def until(self, horizon: int) -> Table:
        """Hand on what is older than the horizon, or everything when all streams have ended."""
        cut = len(self._held) if horizon == FOREVER else int(np.searchsorted(self._held.time, horizon, "left"))
        self._stuck = self.known == horizon and not self._ended
        rows, self._held = self._held.take(slice(0, cut)), self._held.take(slice(cut, None))
        return rows

    def fill(self) -> None:
        """Read on when nothing is held, or when everything held has the same time as the horizon."""
        while not self._ended and (self._stuck or not len(self._held)):
            table = next(self._tables, None)
            if table is None:
                self._ended = True
            elif len(table):
                self._held = join([self._held, self._names.number(table)], self._names)
                self._stuck = False


def join(tables: list[Table], names: Names) -> Table:
    """One table of several that have the numbers of ``names``."""
    full = [t for t in tables if len(t)]
    if len(full) == 1:
        only = full[0]
        return Table(symbols=names.symbols, **{n: getattr(only, n) for n in ("time", "symbol", *VALUES)})
    if not full:
        return empty()
    columns = {n: np.concatenate([getattr(t, n) for t in full]) for n in ("time", "symbol", *VALUES)}
    return Table(symbols=names.symbols, **columns)
