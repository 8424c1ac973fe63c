"""Times and prices from text, exactly: integer ns UTC and integer 1e-9 of the currency unit, never through a float.

A time is a whole number of ns UTC, or ISO 8601: date, ``T`` or a blank, time of day with up to nine digits of
fraction, then ``Z``, an offset or nothing (UTC). ``20160525 13:30:00.023`` is understood too. A price is a decimal
number; what is finer than 1e-9 is rounded to the nearest (halves to even). Nothing, ``nan`` or ``null`` is absence.
The columns of a file are read by Arrow where it can; what it refuses is read here one by one, so both ways agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.wire.blocks import ABSENT, Column

Mask = npt.NDArray[np.bool_]
SCALE = 10**9
_LARGEST = 2**63 - 1
_NANO = Decimal(1).scaleb(-9)
_DECIMAL = pa.decimal128(38, 9)
_SHORT_DECIMAL = pa.decimal64(18, 9)
_ABSENT_WORDS = frozenset({b"", b"nan", b"null", b"none", b"na", b"<na>"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(?:(Z)|([+-])(\d\d):?(\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_PLAIN_PRICE = r"^[+-]?\d{1,18}(\.\d{0,9})?$"
_PLAIN_TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_TIMES = (
    (pa.timestamp("ns", tz="UTC"), _PLAIN_TIME + r"(Z|[+-]\d\d(:?\d\d)?)$"),
    (pa.timestamp("ns"), _PLAIN_TIME + "$"),
    (pa.int64(), r"^-?\d{1,18}$"),
)
_SHORTEST_TIME = len("2013-10-07T13:30")


def price_of(text: str) -> int | None:
    """A decimal number as an integer in 1e-9; None for an absent one; raises `ValueError`."""
    text = text.strip()
    if text.lower().encode() in _ABSENT_WORDS:
        return None
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a decimal number")
    return scaled(Decimal(text))


def scaled(value: Decimal) -> int:
    """A decimal in 1e-9, rounded to the nearest; raises `ValueError` when it is not finite or beyond 64 bits."""
    try:
        nanos = int(value.quantize(_NANO, ROUND_HALF_EVEN).scaleb(9))
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"{value} is beyond any price") from None
    if abs(nanos) > _LARGEST:
        raise ValueError(f"{value} is beyond any price")
    return nanos


def time_of(text: str) -> int:
    """A time as ns UTC; raises `ValueError`."""
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return _within(int(text), text)
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is neither ns UTC nor ISO 8601")
    year, month, day, hour, minute = (int(found[i]) for i in range(1, 6))
    second = int(found[6] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{text!r} is no time of day")
    days = date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - _offset(found)
    return _within(seconds * SCALE + int((found[7] or "").ljust(9, "0")), text)


def prices(texts: Any) -> tuple[Column, Mask]:
    """A column of decimal numbers in 1e-9 (`ABSENT` where there is none), and which of them cannot be read."""
    texts = _stated(texts)
    whole = _whole_numbers(texts)
    if whole is not None and (
        whole.max(initial=0) < _LARGEST // SCALE and whole[whole != ABSENT].min(initial=0) > -SCALE
    ):
        return np.where(whole == ABSENT, ABSENT, whole * SCALE), np.zeros(len(whole), bool)
    for read in (_short_decimals, _long_decimals):
        try:
            return read(texts)
        except pa.ArrowInvalid:
            continue
    return _mixed(texts, _PLAIN_PRICE, _long_decimals, price_of)


def whole_shares(texts: Any) -> tuple[Column, Mask]:
    """A column of sizes in whole shares, a fraction cut off, and which of them cannot be read."""
    whole = _whole_numbers(_stated(texts))
    if whole is not None:
        return whole, np.zeros(len(whole), bool)
    values, wrong = prices(texts)
    return np.where(values == ABSENT, ABSENT, values // SCALE), wrong


def times(texts: Any) -> tuple[Column, Mask]:
    """A column of times in ns UTC (`ABSENT` where there is none), and which of them cannot be read."""
    texts = _stated(texts)
    whole = _whole_numbers(texts)
    if whole is not None:
        return whole, np.zeros(len(whole), bool)
    first = _first(texts)
    for kind, pattern in _TIMES:
        if any(re.match(pattern, text, re.ASCII) for text in first):
            return _all_timestamps(kind, texts) or _mixed(texts, pattern, partial(_timestamps, kind), time_of)
    return _mixed(texts, "^never$", partial(_timestamps, pa.int64()), time_of)


def counted(texts: Any, digits: int) -> tuple[Column, Mask]:
    """A column of times counted in units of 10^digits ns, or ISO 8601, and which of them cannot be read."""
    texts = _stated(texts)
    if all(_NUMBER.fullmatch(text) for text in _first(texts)):
        try:
            return _low_words(pc.cast(texts, pa.decimal128(38, digits)))
        except pa.ArrowInvalid:
            pass
    return _mixed(texts, "^never$", partial(_timestamps, pa.int64()), partial(count_of, digits=digits))


def count_of(text: str, digits: int) -> int | None:
    """A time counted in units of 10^digits ns, or ISO 8601, as ns UTC; raises `ValueError`."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return time_of(text)
    return _within(int(Decimal(text).scaleb(digits).to_integral_value(ROUND_HALF_EVEN)), text)


def shortest(floats: Any) -> tuple[Column, Mask]:
    """A column of floats in 1e-9, each taken as the shortest decimal that is this float: 183.63 is 183.63."""
    return prices(pc.cast(floats, pa.utf8()))


def _stated(texts: Any) -> Any:
    """Text, and null where nothing is written."""
    texts = pc.cast(texts, pa.utf8())
    return pc.if_else(pc.equal(pc.binary_length(texts), 0), None, texts)


def _mixed(
    texts: Any, pattern: str, plainly: Callable[[Any], tuple[Column, Mask]], one: Callable[[str], int | None]
) -> tuple[Column, Mask]:
    """Read what matches ``pattern`` as a column and the rest one by one."""
    plain = pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy(zero_copy_only=False)
    try:
        values, wrong = plainly(pc.if_else(pa.array(plain), texts, None))
    except pa.ArrowInvalid:  # looks right and is not, such as a 13th month
        values, wrong = np.full(len(texts), ABSENT), np.zeros(len(texts), bool)
        plain = np.zeros(len(texts), bool)
    values = values.copy()
    for i in np.flatnonzero(~plain):
        value, wrong[i] = _one(texts[int(i)], one)
        values[i] = ABSENT if value is None else value
    return values, wrong


def _one(text: Any, one: Callable[[str], int | None]) -> tuple[int | None, bool]:
    raw = text.as_py()
    if raw is None:
        return None, False
    try:
        return one(raw.decode() if isinstance(raw, bytes) else raw), False
    except ValueError:
        return None, True


def _all_timestamps(kind: Any, texts: Any) -> tuple[Column, Mask] | None:
    """The column where all of it is of one kind; Arrow takes a mere date for a time, we do not, nor 0x1F."""
    if kind == pa.int64() or (pc.min(pc.binary_length(texts)).as_py() or 0) < _SHORTEST_TIME:
        return None
    try:
        return _timestamps(kind, texts)
    except pa.ArrowInvalid:
        return None


def _timestamps(kind: Any, texts: Any) -> tuple[Column, Mask]:
    return _filled(pc.cast(texts, kind).cast(pa.int64())), np.zeros(len(texts), bool)


def _whole_numbers(texts: Any) -> Column | None:
    """The column where all of it is whole numbers; Arrow takes 0x1F for one, we do not."""
    if not all(_WHOLE.fullmatch(text) for text in _first(texts)):
        return None
    try:
        numbers = pc.cast(texts, pa.int64())
    except pa.ArrowInvalid:
        return None
    return None if _any_hex(texts) else _filled(numbers)


def _first(texts: Any) -> list[str]:
    """A few values, by which a column is taken for what it is: a cast that fails costs ten times one that succeeds."""
    return [text for text in texts.slice(0, 16).to_pylist() if text is not None]


def _any_hex(texts: Any) -> bool:
    return any(pc.any(pc.starts_with(texts, sign)).as_py() for sign in ("0x", "0X"))


def _short_decimals(texts: Any) -> tuple[Column, Mask]:
    """Below 10⁹: decimals of scale 9 in 64 bits are the integers we want."""
    decimals = pc.cast(texts, _SHORT_DECIMAL)
    values = np.frombuffer(decimals.buffers()[1], np.int64)[decimals.offset : decimals.offset + len(decimals)]
    absent = decimals.is_null().to_numpy(zero_copy_only=False)
    return np.where(absent, ABSENT, values), np.zeros(len(values), bool)


def _long_decimals(texts: Any) -> tuple[Column, Mask]:
    return _low_words(pc.cast(texts, _DECIMAL))


def _low_words(decimals: Any) -> tuple[Column, Mask]:
    """Decimals of scale 9 are 128-bit integers in 1e-9: their low words, and where the high word is in use."""
    words = np.frombuffer(decimals.buffers()[1], np.int64)
    words = words[2 * decimals.offset : 2 * (decimals.offset + len(decimals))].reshape(-1, 2)
    low, high = words[:, 0].copy(), words[:, 1]
    absent = decimals.is_null().to_numpy(zero_copy_only=False)
    wrong = (high != low >> 63) & ~absent
    low[absent | wrong] = ABSENT
    return low, wrong


def _filled(column: Any) -> Column:
    values: Column = pc.fill_null(column, ABSENT).to_numpy(zero_copy_only=False)
    return values


def _offset(found: re.Match[str]) -> int:
    if found[9] is None:
        return 0
    hours, minutes = int(found[10]), int(found[11] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(f"{found[0]!r} has no such offset from UTC")
    return (-1 if found[9] == "-" else 1) * (hours * 60 + minutes) * 60


def _within(nanos: int, text: str) -> int:
    if not -_LARGEST <= nanos <= _LARGEST:
        raise ValueError(f"{text!r} is outside the years 1678 to 2262")
    return nanos
