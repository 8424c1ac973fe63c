"""Lean's tick files as polars reads them, without any of sorwatch's code: the truth that tests compare with."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

MS = 1_000_000
TRADE = ["ms", "price", "size", "letter", "condition", "suspicious"]
QUOTE = ["ms", "bid", "bid_size", "ask", "ask_size", "letter", "condition", "suspicious"]


def lines(path: Path, names: list[str]) -> pl.DataFrame:
    """A file ``YYYYMMDD_*.zip`` as it stands, with ``at``, ns UTC, and a trade's price in 1e-9 of the currency."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0])
    frame = pl.read_csv(io.BytesIO(text), has_header=False, new_columns=names)
    at = pl.col("ms").cast(pl.Int64) * MS + _midnight(path.name[:8])
    prices = [pl.col(name) * 10**5 for name in names if name == "price"]
    return frame.with_columns(*prices, at=at)


def _midnight(day: str) -> int:
    local = datetime.strptime(day, "%Y%m%d").replace(tzinfo=ZoneInfo("America/New_York"))
    return int((local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)) * MS
