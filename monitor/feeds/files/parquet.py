"""Quotes in Parquet (``parquet:``): columns as in ``csv:``, as integers, decimals, floats, timestamps or text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitor.config.toml import Mistake, Mistaken
from monitor.feeds.files.columns import column_of_times, is_text, table_of
from monitor.feeds.files.csv import header_places
from monitor.feeds.files.time_order import in_order
from monitor.feeds.files.time_units import Stamp, doubt
from monitor.feeds.quote_table import Stream, Table
from monitor.feeds.rejects import Rejects
from monitor.wire.blocks import ABSENT, Column

ROWS = 1 << 16
_LOOKED_AT = 200
"""Rows by whose times a unit is told."""


def streams(path: Path, columns: Mapping[str, str], unit: str | None, complaints: Rejects) -> list[Stream]:
    """The quotes of a file; raises `Mistaken` when it is not Parquet or lacks a column."""
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.names
            kinds = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise Mistaken(str(path), [Mistake(None, f"cannot be read as Parquet: {error}")]) from None
    places = {ours: found[i] for ours, i in header_places(found, columns, str(path), None).items()}
    _check(path, {ours: kinds.field(theirs).type for ours, theirs in places.items()}, unit)
    if unit is None:
        _certain(path, places["time"])
    return [Stream(open=partial(_tables, path, places, unit, complaints))]


def _certain(path: Path, name: str) -> None:
    """Raises `Mistaken` when the first times cannot be ns."""
    batch = next(_batches(path, [name], Rejects.deaf(), _LOOKED_AT), None)
    if batch is None or pa.types.is_timestamp(batch.column(0).type):
        return
    stamps = [_said(value) for value in batch.column(0)]
    if (doubtful := doubt([Stamp(i, text.strip()) for i, text in enumerate(stamps, 1)])) is not None:
        raise Mistaken(str(path), [Mistake(*doubtful)])


def _check(path: Path, kinds: dict[str, Any], unit: str | None) -> None:
    wrong = [
        f"{name} is {kind}, which is no {'time' if name == 'time' else 'text or number'}"
        for name, kind in kinds.items()
        if not _suits(name, kind, unit)
    ]
    if wrong:
        raise Mistaken(str(path), [Mistake(None, what) for what in wrong])


def _suits(name: str, kind: Any, unit: str | None) -> bool:
    t = pa.types
    if t.is_dictionary(kind):
        return _suits(name, kind.value_type, unit)
    if name == "time":
        broken = unit is not None and (t.is_floating(kind) or t.is_decimal(kind))
        return bool(broken or is_text(kind) or t.is_integer(kind) or t.is_timestamp(kind))
    text = is_text(kind)
    if name == "symbol":
        return text
    return bool(text or t.is_null(kind) or t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind))


def _tables(path: Path, places: Mapping[str, str], unit: str | None, complaints: Rejects) -> Iterator[Table]:
    def read() -> Iterator[Table]:
        row = 0
        for batch in _batches(path, list(places.values()), complaints):
            columns = {ours: batch.column(theirs) for ours, theirs in places.items()}
            yield table_of(columns, partial(_place, path, columns, row), complaints, unit)
            row += len(batch)

    return in_order(str(path), read, partial(_times, path, places["time"], unit))


def _times(path: Path, name: str, unit: str | None) -> Iterator[Column]:
    for batch in _batches(path, [name], Rejects.deaf()):
        time, wrong = column_of_times(batch.column(0), unit)
        yield time[~wrong & (time != ABSENT)]


def _batches(path: Path, columns: list[str], complaints: Rejects, rows: int = ROWS) -> Iterator[Any]:
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=columns):
                yield batch
                row += len(batch)
    except (pa.ArrowException, OSError) as error:
        complaints.add(f"{path}:{row + 1}", f"the file is damaged from here on ({type(error).__name__})", "")


def _place(path: Path, columns: Mapping[str, Any], before: int, row: int) -> tuple[str, str]:
    return f"{path}:{before + row + 1}", ",".join(_said(c[row]) for c in columns.values())


def _said(value: Any) -> str:
    try:
        return str(value.as_py())
    except ValueError:  # text that is not UTF-8, a time that Python's own cannot hold
        return "?"
