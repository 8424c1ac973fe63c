"""The text of one FIX field → a value: times as integer ns, prices as integer 1e-9, quantities as exact decimals.

None means that the text is not such a value; nobody here raises, and no float is involved.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

NANO = 1_000_000_000
"""Nanoseconds in a second, and price units in one unit of the currency."""
LARGEST = (1 << 63) - 1
"""Times and prices must fit a signed 64-bit column."""

_SECOND = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2}):([0-9]{2}):([0-9]{2})")
_NUMBER = re.compile(r"(-?)([0-9]*)(?:\.([0-9]*))?")
_EPOCH = date(1970, 1, 1).toordinal()
_LAST_YEAR = 2261
"""Last whole year whose nanoseconds fit 63 bits."""
_DIGITS = 27
"""More digits than this would be rounded by the decimal context, and no quantity of shares has them."""


def time_ns(text: str) -> int | None:
    """UTCTimestamp, seconds to picoseconds (cut to ns), as ns UTC.

    Leap seconds (``23:59:60``) and ``24:00:00`` are not times: no clock this is compared with has them.
    """
    start = _second(text[:17])
    if start is None or len(text) == 17:
        return start
    fraction = text[18:]
    if text[17] != "." or not 1 <= len(fraction) <= 12 or not (fraction.isascii() and fraction.isdigit()):
        return None
    return start + int((fraction + "00000000")[:9])


@lru_cache(maxsize=4096)
def price(text: str) -> int | None:
    """Price as integer 1e-9 of the currency; further decimals are rounded half to even."""
    parts = _number(text)
    if parts is None:
        return None
    sign, whole, fraction = parts
    if len(whole) > 12:
        return None
    value = int(whole or "0") * NANO + int(fraction[:9].ljust(9, "0"))
    if rest := fraction[9:].rstrip("0"):
        value += rest > "5" or (rest == "5" and value % 2 == 1)
    if value > LARGEST:
        return None
    return -value if sign else value


@lru_cache(maxsize=4096)
def quantity(text: str) -> Decimal | None:
    """Quantity as an exact decimal without trailing zeros (``3500.00`` and ``3500`` are the same)."""
    parts = _number(text)
    if parts is None:
        return None
    sign, whole, fraction = parts
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    if len(whole) + len(fraction) > _DIGITS:
        return None
    value = Decimal(f"{whole}.{fraction}" if fraction else whole)
    return -value if sign and value != 0 else value


def whole(text: str) -> int | None:
    """A sequence number or count: digits only, at most 18 of them."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


@lru_cache(maxsize=4096)
def _second(text: str) -> int | None:
    found = _SECOND.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    if hour > 23 or minute > 59 or second > 59 or not 1970 <= year <= _LAST_YEAR:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
    return (days * 86_400 + hour * 3_600 + minute * 60 + second) * NANO


def _number(text: str) -> tuple[str, str, str] | None:
    """Sign, whole part and fraction of a FIX float: digits and at most one point, no exponent."""
    found = _NUMBER.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return None
    return found[1], found[2], found[3] or ""
