"""Counts of time in a file: ns, unless the notation names another unit; what must be another unit is not guessed.

A day of this century counted in seconds, ms or µs is a few minutes or days after 1970 when it is taken for ns: every
quote would be stale without a word. So numbers that are such a day in another unit are refused until the unit is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

DIGITS = {"s": 9, "ms": 6, "us": 3, "ns": 0}
"""Decimal places between a unit and ns."""
NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
_FROM = int(datetime(2002, 1, 1, tzinfo=UTC).timestamp())
_TO = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
_WHOLE = re.compile(r"\d{1,19}", re.ASCII)
_WRITTEN = re.compile(
    r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d(\d{3}|\d{6})?", re.ASCII
)
"""Date and time of day in one number."""


class Stamp(Struct, frozen=True):
    """A time as it stands in a file."""

    line: int
    text: str


def doubt(stamps: Sequence[Stamp]) -> tuple[int, str] | None:
    """Line, and why these times cannot be ns; None when they may be. Times that are no whole numbers say nothing."""
    counts = [s for s in stamps if _WHOLE.fullmatch(s.text)]
    if not counts:
        return None
    first = counts[0]
    if all(_WRITTEN.fullmatch(s.text) for s in counts):
        return first.line, f"time {first.text} is a date and a time in one number: write ISO 8601, or ns since 1970"
    unit = _other_unit([int(s.text) for s in counts])
    if unit is None:
        return None
    return first.line, (
        f"time {first.text} would be a day of 1970 in ns, and looks like {NAMES[unit]}: "
        f"add ?time_unit={unit} after the path (?time_unit=ns if it is ns)"
    )


def doubted(nanos: int) -> str | None:
    """What a single number that should be ns looks like instead; None when it may be ns."""
    unit = _other_unit([nanos])
    return None if unit is None else NAMES[unit]


def _other_unit(counts: Sequence[int]) -> str | None:
    """The unit, not ns, in which all of them would be of this century."""
    for unit in NAMES:
        scale = 10 ** (9 - DIGITS[unit])
        if all(_FROM * scale <= count < _TO * scale for count in counts):
            return unit
    return None
