"""The synthetic market as a live source (``demo:``, ``demo:?seed=7&symbols=200&rate=2000``)."""

from __future__ import annotations

import time
from collections.abc import Mapping

from monitor.config.toml import Mistake, Mistaken
from monitor.feeds.batches import Round
from monitor.feeds.synthetic_market import SyntheticMarket

SLICE_NS = 10**9 // 4
"""Most that is told at once after a pause."""
FORGET_NS = 600 * 10**9
"""After a longer pause the market is opened anew."""


def market(options: Mapping[str, str]) -> SyntheticMarket:
    """The market named by ``seed``, ``symbols`` and ``rate`` (quotes a second); raises `Mistaken`."""
    unknown = sorted(set(options) - {"seed", "symbols", "rate"})
    if unknown:
        raise _mistaken(f"{', '.join(unknown)}: unknown; known here: seed, symbols, rate")
    try:
        return SyntheticMarket(
            int(options.get("seed", "7")), int(options.get("symbols", "200")), float(options.get("rate", "2000"))
        )
    except ValueError as error:
        raise _mistaken(str(error)) from None


def _mistaken(what: str) -> Mistaken:
    return Mistaken("demo:", [Mistake(None, what)])


class Demo:
    """A market at the time of day; goes on from ``told``, the time up to which everything has been sent."""

    def __init__(self, made: SyntheticMarket, told: int) -> None:
        self._market = made
        self._told = told
        self.where = "a synthetic market"
        self.behind = False
        self.patient = False
        self.late = 0

    def poll(self) -> Round:
        """The quotes since the last time."""
        now = time.time_ns() - 1
        if now - self._told > FORGET_NS:
            self._told = now
            return Round(rows=self._market.opening(now), through=now)
        to = min(now, self._told + SLICE_NS)
        rows = self._market.rows(self._told, max(to, self._told))
        self._told = max(to, self._told)
        self.behind = to < now
        return Round(rows=rows, through=self._told)

    def close(self) -> None:
        """Nothing to let go of."""
