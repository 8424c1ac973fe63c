"""Quotes in Parquet (``parquet:``): columns as in ``csv:``, as integers, decimals, floats, timestamps or text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitor.blocks import ABSENT, Column
from monitor.feeds.complaints import Complaints
from monitor.feeds.csv_file import header_places
from monitor.feeds.rows import column_of_times, is_text, table_of
from monitor.feeds.table import Stream, Table
from monitor.feeds.whole import in_order
from monitor.located import Mistake, Mistaken

ROWS = 1 << 16


def streams(path: Path, columns: Mapping[str, str], complaints: Complaints) -> list[Stream]:
    """The quotes of a file; raises `Mistaken` when it is not Parquet or lacks a column."""
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.names
            kinds = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise Mistaken(str(path), [Mistake(None, f"cannot be read as Parquet: {error}")]) from None
    places = {ours: found[i] for ours, i in header_places(found, columns, str(path), None).items()}
    if twice := [name for name in places.values() if found.count(name) > 1]:
        raise Mistaken(str(path), [Mistake(None, f"has several columns called {name}") for name in twice])
    _check(path, {ours: kinds.field(theirs).type for ours, theirs in places.items()})
    return [Stream(open=partial(_tables, path, places, complaints))]


def _check(path: Path, kinds: dict[str, Any]) -> None:
    wrong = [
        f"{name} is {kind}, which is no {'time' if name == 'time' else 'text or number'}"
        for name, kind in kinds.items()
        if not _suits(name, kind)
    ]
    if wrong:
        raise Mistaken(str(path), [Mistake(None, what) for what in wrong])


def _suits(name: str, kind: Any) -> bool:
    t = pa.types
    if t.is_dictionary(kind):
        return _suits(name, kind.value_type)
    if name == "time":
        return bool(is_text(kind) or t.is_integer(kind) or t.is_timestamp(kind))
    text = is_text(kind)
    if name == "symbol":
        return text
    return bool(text or t.is_null(kind) or t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind))


def _tables(path: Path, places: Mapping[str, str], complaints: Complaints) -> Iterator[Table]:
    def read() -> Iterator[Table]:
        row = 0
        for batch in _batches(path, list(places.values()), complaints):
            columns = {ours: batch.column(theirs) for ours, theirs in places.items()}
            yield table_of(columns, partial(_place, path, columns, row), complaints)
            row += len(batch)

    return in_order(str(path), read, partial(_times, path, places["time"]))


def _times(path: Path, name: str) -> Iterator[Column]:
    for batch in _batches(path, [name], Complaints.deaf()):
        time, wrong = column_of_times(batch.column(0))
        yield time[~wrong & (time != ABSENT)]


def _batches(path: Path, columns: list[str], complaints: Complaints) -> Iterator[Any]:
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS, columns=columns):
                yield batch
                row += len(batch)
    except (pa.ArrowException, OSError) as error:
        complaints.add(f"{path}:{row + 1}", f"the file is damaged from here on ({type(error).__name__})", "")


def _place(path: Path, columns: Mapping[str, Any], before: int, row: int) -> tuple[str, str]:
    return f"{path}:{before + row + 1}", ",".join(str(c[row].as_py()) for c in columns.values())
