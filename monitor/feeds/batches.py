"""Cuts the rows of files into rounds: what every partition is told at one time.

Where a round ends follows from the rows alone, never from the clock, so that a player that was killed makes the
same rounds again. As fast as possible, a round is so many rows; at a pace, it is a step of event time, and steps
without rows are rounds too, because they say that nothing happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from msgspec import Struct

from monitor.feeds.quote_table import Names, Table, empty, join
from monitor.feeds.to_blocks import cuts


class Round(Struct, kw_only=True, eq=False):
    """Rows, and how far everything has been told once they are sent."""

    rows: Table
    through: int | None
    """ns; no row at or before it is still to come."""
    ended: bool = False


def by_rows(tables: Iterable[Table], rows: int) -> Iterator[Round]:
    """Rounds of so many rows, for as fast as possible."""
    following: int | None = 0
    for part, following in cuts(tables, rows):
        last = int(part.time[-1])
        through = last if following is None else min(last, following - 1)
        yield Round(rows=part, through=through, ended=following is None)
    if following is not None:
        yield Round(rows=empty(), through=None, ended=True)


def by_time(tables: Iterable[Table], step_ns: int) -> Iterator[Round]:
    """Rounds of a step of event time each, (k·step, (k+1)·step], from the first row's to the last one's."""
    names = Names()
    held = empty()
    until: int | None = None
    for table in tables:
        held = join([held, names.number(table)], names)
        if not len(held):
            continue
        until = _end_of_step(int(held.time[0]), step_ns) if until is None else until
        while int(held.time[-1]) > until:
            bound = int(np.searchsorted(held.time, until, "right"))
            yield Round(rows=held.take(np.s_[:bound]), through=until)
            held = held.take(np.s_[bound:])
            until += step_ns
    yield Round(rows=held, through=int(held.time[-1]) if len(held) else None, ended=True)


def _end_of_step(time: int, step_ns: int) -> int:
    """The upper end of the step that holds a time."""
    return -(-time // step_ns) * step_ns
