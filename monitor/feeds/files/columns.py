"""From columns of text or Parquet to a `Table`: each value read exactly, each row that cannot be used named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.feeds.files import exact_values
from monitor.feeds.files.exact_values import Mask
from monitor.feeds.files.time_units import DIGITS
from monitor.feeds.quote_table import Table, without_nonsense
from monitor.feeds.rejects import Rejects
from monitor.wire.blocks import ABSENT, Column
from monitor.wire.events import LATEST

_TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)

Place = Callable[[int], tuple[str, str]]
"""Place and text of a row, by its index."""


def table_of(columns: dict[str, Any], place: Place, complaints: Rejects, unit: str | None = None) -> Table:
    """A table of the rows that can be used: ``columns`` by name, sizes optional; ``unit`` is that of counts of time."""
    time, no_time = column_of_times(columns["time"], unit)
    symbols, symbol = _symbols(columns["symbol"])
    values = {"bid": _prices(columns["bid"]), "ask": _prices(columns["ask"])}
    values |= {name: _sizes(columns.get(name), len(time)) for name in ("bid_size", "ask_size")}
    wrong = {
        "time": no_time | (time < -LATEST) | (time > LATEST),
        "symbol": symbol < 0,
        **{n: bad for n, (_, bad) in values.items()},
    }
    table = Table(symbols=symbols, time=time, symbol=symbol, **{n: column for n, (column, _) in values.items()})
    return without_nonsense(_readable(table, wrong, place, complaints))


def _readable(table: Table, wrong: dict[str, Mask], place: Place, complaints: Rejects) -> Table:
    bad = np.logical_or.reduce(list(wrong.values()))
    if not bad.any():
        return table
    for row in np.flatnonzero(bad):
        name = next(n for n, mask in wrong.items() if mask[row])
        complaints.add(*_located(place, int(row), name))
    return table.take(~bad)


def _located(place: Place, row: int, name: str) -> tuple[str, str, str]:
    where, text = place(row)
    return where, f"{name} cannot be read", text


def column_of_times(column: Any, unit: str | None = None) -> tuple[Column, Mask]:
    """Times of any type a file may have, in ns UTC, and which cannot be read; counts are ns or of the unit named."""
    column = _plain(column)
    kind = column.type
    if unit not in (None, "ns") and not pa.types.is_timestamp(kind):
        return exact_values.counted(pc.cast(column, pa.utf8()), DIGITS[unit])
    if is_text(kind):
        return exact_values.times(column)
    if pa.types.is_timestamp(kind):
        return _nanoseconds(column)
    return exact_values.times(pc.cast(column, pa.utf8()) if pa.types.is_uint64(kind) else pc.cast(column, pa.int64()))


def _nanoseconds(column: Any) -> tuple[Column, Mask]:
    try:
        read = pc.cast(column, pa.timestamp("ns", column.type.tz))
    except pa.ArrowInvalid:  # beyond the years 1678 to 2262
        return exact_values.times(pc.cast(column, pa.utf8()))
    return pc.fill_null(read.cast(pa.int64()), ABSENT).to_numpy(zero_copy_only=False), np.zeros(len(column), bool)


def _prices(column: Any) -> tuple[Column, Mask]:
    column = _plain(column)
    kind = column.type
    if pa.types.is_floating(kind):
        return exact_values.shortest(column)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return exact_values.prices(pc.cast(column, pa.utf8()))
    return exact_values.prices(column)


def _sizes(column: Any | None, length: int) -> tuple[Column, Mask]:
    """Sizes in whole shares; a fraction of a share is cut off."""
    if column is None:
        return np.full(length, ABSENT), np.zeros(length, bool)
    column = _plain(column)
    if pa.types.is_integer(column.type) and not pa.types.is_uint64(column.type):
        values = pc.fill_null(pc.cast(column, pa.int64()), ABSENT)
        return values.to_numpy(zero_copy_only=False), np.zeros(length, bool)
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type) or pa.types.is_integer(column.type):
        return exact_values.whole_shares(pc.cast(column, pa.utf8()))
    return exact_values.whole_shares(column)


def _symbols(column: Any) -> tuple[tuple[str, ...], Any]:
    """The names and each row's index into them, -1 where there is none."""
    coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(_plain(column))
    names = ["" if name is None else str(name).strip() for name in _legible(coded.dictionary).to_pylist()]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(n for n in names if n and "\ufffd" not in n))}
    codes = np.array([numbers.get(n, -1) for n in names] or [-1], np.int32)
    index = pc.fill_null(coded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return tuple(numbers), np.where(index < 0, np.int32(-1), codes[np.maximum(index, 0)])


def is_text(kind: Any) -> bool:
    """Whether a column's values are text, or bytes taken for text."""
    return any(ask(kind) for ask in _TEXTS)


def _plain(column: Any) -> Any:
    """Values as they are where the file numbers them, keeps them apart or has none."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return column.cast(pa.int64())
    return _legible(column) if is_text(column.type) else column


def _legible(column: Any) -> Any:
    """Text; bytes that are not UTF-8 spoil their own value and nothing else."""
    large = column.type in (pa.large_string(), pa.large_binary())
    raw = column.cast(pa.large_binary() if large else pa.binary())
    try:
        return raw.cast(pa.large_string() if large else pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if value is None else value.decode("utf-8", "replace") for value in raw.to_pylist()])
