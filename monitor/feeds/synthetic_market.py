"""A labelled, synthetic market: the NBBO of made-up symbols (``SIM0000``…) as a pure function of seed and time.

No state and no history: every quote follows from (seed, symbol, number of the update) through a hash, so that a
feed and a router in different processes see the same market, also after either was killed. The middle price is a sum
of smooth noise at seven time scales whose sizes grow with the root of the scale, as a random walk's do (about 1.2
cents a second for a stock of $100). Planned and countable: stretches of two seconds in which a symbol is locked,
crossed or one-sided, and quiet symbols, which are quoted once and never again. It makes no claim to be calibrated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from monitor.feeds.quote_table import Table
from monitor.wire.blocks import ABSENT, Column

Numbers = npt.NDArray[np.uint64]

CENT = 10_000_000
SECOND = 10**9
STRETCH_NS = 2 * SECOND
"""How long a planned condition lasts."""
LOCKED, CROSSED, ONE_SIDED = 1, 2, 3
_OF_1000 = {LOCKED: 5, CROSSED: 3, ONE_SIDED: 5}
QUIET_EVERY = 50
"""One symbol in so many is quiet."""
_SCALES = np.array([[SECOND // 4 * 4**octave] for octave in range(7)], np.int64)
_WEIGHTS = np.sqrt(_SCALES / SECOND)
_CENTS_A_SECOND = 1.2
_TIMES, _BASE, _SPREAD, _SIZES, _CONDITION, _NOISE = range(6)
_NOISE_OF_SCALES = range(_NOISE, _NOISE + len(_SCALES))


class Touch(Struct, frozen=True):
    """Best prices of a symbol over some span of time, 1e-9 of the currency."""

    low_bid: int
    high_bid: int
    low_ask: int
    high_ask: int


class SyntheticMarket:
    """So many symbols that are quoted ``rate`` times a second all together, each about equally often."""

    def __init__(self, seed: int, symbols: int = 200, rate: float = 2000.0) -> None:
        if symbols < 1 or rate <= 0:
            raise ValueError("a market needs a symbol and a rate above zero")
        self.symbols: tuple[str, ...] = tuple(f"SIM{i:04d}" for i in range(symbols))
        self.quiet: frozenset[str] = frozenset(self.symbols[QUIET_EVERY - 1 :: QUIET_EVERY])
        self._places = {s: i for i, s in enumerate(self.symbols)}
        keys = [(seed * 1_000_003 + what) * 0x9E3779B97F4A7C15 & (2**64 - 1) for what in range(_NOISE_OF_SCALES.stop)]
        self._keys: dict[int | range, Numbers] = {what: np.array(key, np.uint64) for what, key in enumerate(keys)}
        self._keys[_NOISE_OF_SCALES] = np.array([[keys[what]] for what in _NOISE_OF_SCALES], np.uint64)
        self._period = max(int(symbols / rate * SECOND), 1)
        everyone = np.arange(symbols)
        self._phase = (self._hash(_TIMES, everyone, everyone) % np.uint64(self._period)).astype(np.int64)
        self._cents = (500 * 10 ** (1 + self._unit(_BASE, everyone, everyone))).astype(np.int64)
        self._lively = np.flatnonzero(everyone % QUIET_EVERY != QUIET_EVERY - 1)

    def opening(self, at: int) -> Table:
        """Every symbol's quote as it stands, stamped ``at``: the only one that quiet symbols ever get."""
        symbols = np.arange(len(self.symbols))
        table = self._quotes(symbols, self._before(symbols, at))
        table.time = np.full(len(table), at)
        return table

    def rows(self, after: int, to: int) -> Table:
        """The updates later than ``after`` and not later than ``to``, in order of time."""
        first = self._before(self._lively, after)
        count = (to - after) // self._period + 4
        symbols = np.repeat(self._lively, count)
        numbers = (first[:, None] + np.arange(count)).ravel()
        times = self._times(symbols, numbers)
        chosen = np.flatnonzero((times > after) & (times <= to))
        order = chosen[np.argsort(times[chosen], kind="stable")]
        return self._quotes(symbols[order], numbers[order], times[order])

    def touch(self, symbol: str, from_ns: int, to_ns: int) -> Touch | None:
        """The extremes of a symbol's NBBO over a span; None when it is quiet or not a plain two-sided market then."""
        if symbol in self.quiet or symbol not in self._places:
            return None
        place = np.array([self._places[symbol]])
        numbers = np.arange(int(self._before(place, from_ns)[0]), int(self._before(place, to_ns)[0]) + 1)
        table = self._quotes(np.repeat(place, len(numbers)), numbers)
        if (table.bid == ABSENT).any() or (table.ask == ABSENT).any() or (table.bid >= table.ask).any():
            return None
        bid, ask = table.bid, table.ask
        return Touch(low_bid=int(bid.min()), high_bid=int(bid.max()), low_ask=int(ask.min()), high_ask=int(ask.max()))

    def conditions(self, symbols: Column, times: Column) -> Column:
        """What is planned for each symbol at each time: 0, `LOCKED`, `CROSSED` or `ONE_SIDED`."""
        lot = (self._hash(_CONDITION, symbols, times // STRETCH_NS) % np.uint64(1000)).astype(np.int64)
        planned = np.zeros(len(symbols), np.int64)
        below = 0
        for condition, share in _OF_1000.items():
            planned[(lot >= below) & (lot < below + share)] = condition
            below += share
        return planned

    def _before(self, symbols: Column, at: int) -> Column:
        """Number of each symbol's last update at or before a time."""
        numbers: Column = (at - self._phase[symbols]) // self._period
        return numbers - (self._times(symbols, numbers) > at)

    def _times(self, symbols: Column, numbers: Column) -> Column:
        jitter = self._hash(_TIMES, symbols, numbers) % np.uint64(self._period)
        times: Column = self._phase[symbols] + numbers * self._period + jitter.astype(np.int64)
        return times

    def _quotes(self, symbols: Column, numbers: Column, times: Column | None = None) -> Table:
        times = self._times(symbols, numbers) if times is None else times
        lots = self._hash(_SIZES, symbols, numbers)
        planned = self.conditions(symbols, times)
        bid, ask = self._sides(symbols, numbers, times, planned)
        absent = planned == ONE_SIDED
        return Table(
            symbols=self.symbols,
            time=times,
            symbol=symbols.astype(np.int32),
            bid=np.where(absent & (symbols % 2 == 0), ABSENT, bid),
            ask=np.where(absent & (symbols % 2 == 1), ABSENT, ask),
            bid_size=np.where(absent & (symbols % 2 == 0), ABSENT, _lot(lots, 8)),
            ask_size=np.where(absent & (symbols % 2 == 1), ABSENT, _lot(lots, 40)),
        )

    def _sides(self, symbols: Column, numbers: Column, times: Column, planned: Column) -> tuple[Column, Column]:
        cents = self._cents[symbols]
        usual = 1 + cents // 10_000
        spread = usual + (self._hash(_SPREAD, symbols, numbers) % np.uint64(2)).astype(np.int64)
        spread = np.where(planned == LOCKED, 0, np.where(planned == CROSSED, -2, spread))
        bid = np.maximum(cents + self._drift(symbols, times) - spread // 2, 3)
        return bid * CENT, (bid + spread) * CENT

    def _drift(self, symbols: Column, times: Column) -> Column:
        """Cents away from where the symbol's price is anchored."""
        # all scales at once: a router asks for one quote at a time, where the calls cost more than the numbers
        step = times // _SCALES
        part = (times - step * _SCALES) / _SCALES
        here = self._unit(_NOISE_OF_SCALES, symbols, step)
        drift = ((here + (self._unit(_NOISE_OF_SCALES, symbols, step + 1) - here) * part) * _WEIGHTS).sum(axis=0)
        cents: Column = np.rint((drift * self._cents[symbols]) * (2 * _CENTS_A_SECOND / 10_000)).astype(np.int64)
        return cents

    def _unit(self, what: int | range, symbols: Column, numbers: Column) -> npt.NDArray[np.float64]:
        """Even noise from -1 to 1."""
        return (self._hash(what, symbols, numbers) >> np.uint64(11)).astype(np.float64) / 2**52 - 1

    def _hash(self, what: int | range, symbols: Column, numbers: Column) -> Numbers:
        """SplitMix64 (Steele, Lea, Flood 2014) of what is drawn, for whom and when; a row for each of a range."""
        key = self._keys[what]
        mixed = symbols.astype(np.uint64) * np.uint64(0xD1342543DE82EF95)
        z = (numbers.astype(np.uint64) + mixed) * np.uint64(0x9E3779B97F4A7C15) + key
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _lot(lots: Numbers, shift: int) -> Column:
    sizes: Column = (((lots >> np.uint64(shift)) % np.uint64(20)).astype(np.int64) + 1) * 100
    return sizes
