"""The same quotes in every form give the same bytes."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from random import Random

import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.process import command_line
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

HEAD = "time,symbol,bid,ask\n"
ABSENT = ("0", "", "NaN", "null", "-1", "0.0000", "None")


@lru_cache(maxsize=1)
def day() -> reference.Day:
    return reference.day(7, count=500, n_orders=40)


@lru_cache(maxsize=1)
def columns() -> dict[str, pa.Array]:
    rows = day().rows
    exact = {
        side: [None if getattr(r, side) is None else Decimal(getattr(r, side)).scaleb(-9) for r in rows]
        for side in ("bid", "ask")
    }
    return {
        "time": pa.array([r.time for r in rows], pa.int64()),
        "symbol": pa.array([r.symbol for r in rows]),
        **{side: pa.array(values, pa.decimal128(20, 9)) for side, values in exact.items()},
    }


def text(when: Callable[[int, int], str] = lambda time, row: str(time), absent: tuple[str, ...] = ("",)) -> str:
    lines = [HEAD]
    for n, r in enumerate(day().rows):
        sides = (absent[n % len(absent)] if p is None else reference.money(p) for p in (r.bid, r.ask))
        lines.append(",".join((when(r.time, n), r.symbol, *sides)) + "\n")
    return "".join(lines)


OFFSETS = (None, -300, 330, 0)
TEXTS: dict[str, Callable[[], str | bytes]] = {
    "ISO": lambda: text(lambda t, _: reference.iso(t)),
    "offsets": lambda: text(lambda t, n: reference.iso(t, OFFSETS[n % 4]) if n % 5 else str(t)),
    "no zone": lambda: text(lambda t, _: reference.iso(t, digits=3).replace("T", " ")[:-1]),
    "absent": lambda: text(absent=ABSENT),
    "semicolons": lambda: b"\xef\xbb\xbf" + text().upper().replace(",", ";").replace("\n", "\r\n").encode(),
    "tabs, no header": lambda: text().removeprefix(HEAD).replace(",", "\t"),
    "quoted": lambda: "".join(f'"{line.replace(",", chr(34) + "," + chr(34))}"\n' for line in text().splitlines()),
    "gzip": lambda: gzip.compress(text().encode()),
}


def cast(name: str, *kinds: pa.DataType) -> dict[str, pa.Array]:
    """One column, through these types in turn."""
    column = columns()[name]
    for kind in kinds:
        column = column.cast(kind)
    return {name: column}


def floats(name: str) -> dict[str, pa.Array]:
    return {name: pa.array([None if v is None else float(v) for v in columns()[name].to_pylist()])}


def in_words(name: str) -> dict[str, pa.Array]:
    texts = [None if v is None else str(v) for v in columns()[name].to_pylist()]
    return {name: pa.array(texts).dictionary_encode()}


NS = pa.timestamp("ns")
TABLES: dict[str, Callable[[], dict[str, pa.Array]]] = {
    "decimals": dict,
    "floats": lambda: floats("bid") | floats("ask"),
    "ms in a zone": lambda: cast("time", NS, pa.timestamp("ms"), pa.timestamp("ms", "America/New_York")),
    "us": lambda: cast("time", NS, pa.timestamp("us")),
    "text in dictionaries": lambda: in_words("time") | in_words("symbol") | in_words("bid") | in_words("ask"),
    "views": lambda: cast("symbol", pa.string_view()),
    "bytes": lambda: cast("symbol", pa.binary()),
}


def check(stranger: ReplayCli, *notations: str) -> tuple[bytes, bytes]:
    """Compare with the truth under both tie rules, and answer what was written under the first."""
    written = []
    for tie in ("before", "at-or-before"):
        log = stranger.log(reference.fix(day().said))
        assert stranger.replay("--quotes", *notations, "--fix-log", log, "--ties", tie) == command_line.OK, (
            stranger.said
        )
        assert stranger.wrong(reference.expected(day(), tie)) == []
        written.append(stranger.bytes())
    return written[0]


@pytest.mark.parametrize("form", TEXTS)
def test_text(stranger: ReplayCli, form: str) -> None:
    check(stranger, f"csv:{stranger.write('q.csv', TEXTS[form]())}")


@pytest.mark.parametrize("form", TABLES)
def test_parquet(stranger: ReplayCli, form: str) -> None:
    path = stranger.folder / "q.parquet"
    pq.write_table(pa.table(columns() | TABLES[form]()), path, row_group_size=700)
    check(stranger, f"parquet:{path}")


def test_parquet_of_polars(stranger: ReplayCli) -> None:
    path = stranger.folder / "q.parquet"
    frame = polars.DataFrame(pa.table(columns())).with_columns(
        polars.col("symbol").cast(polars.Categorical), polars.col("time").cast(polars.Datetime("ns", "UTC"))
    )
    frame.write_parquet(path)
    check(stranger, f"parquet:{path}")


def test_files_in_any_order_and_any_order_within_them(stranger: ReplayCli) -> None:
    names = sorted({r.symbol for r in day().rows})
    whole = check(stranger, stranger.quotes(day().rows))
    parts = []
    for k in range(3):
        own = [r for r in day().rows if names.index(r.symbol) % 3 == k]
        parts.append(stranger.quotes(sorted(own, key=lambda r: r.symbol) if k else own, f"p{k}.csv"))
    assert check(stranger, *parts) == whole
    assert check(stranger, *parts[::-1]) == whole
    packed = stranger.folder / "all.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for part in parts:
            archive.write(part.removeprefix("csv:"), f"x/{Path(part).name}")
    assert check(stranger, f"csv:{packed}") == whole


def test_shuffled_rows(stranger: ReplayCli) -> None:
    """Only rows of one symbol and instant must keep their order."""
    rows = day().rows
    waiting: dict[tuple[int, str], list[reference.Row]] = {}
    for row in rows:
        waiting.setdefault((row.time, row.symbol), []).append(row)
    order = Random(3).sample(rows, len(rows))  # noqa: S311 - any order will do
    check(stranger, stranger.quotes([waiting[r.time, r.symbol].pop(0) for r in order]))
