"""Tick files of QuantConnect's Lean engine (``lean:``), as AlgoSeek's US equity data come in.

A line of a quote file: milliseconds since midnight in New York, bid × 10,000, bid size, ask × 10,000, ask size, SIP
letter of the exchange, quote condition, suspicious (0 or 1); the last three may be missing. ``0,0`` for a side says
that it has not changed, so each line becomes the whole NBBO as it then stood. Nothing is carried from one file into
the next: a side is absent until its first line. The date is in the file's name, the symbol in the member's name
(``20131007_ibm_Quote_Tick.csv``) or else the folder's; a member that names another date than its zip goes by its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from msgspec import Struct

from monitor.config.toml import Mistake, Mistaken
from monitor.feeds.files import exact_values
from monitor.feeds.files.delimited import Layout, Piece, Text, head, pieces, texts
from monitor.feeds.files.exact_values import Mask
from monitor.feeds.files.time_order import in_order
from monitor.feeds.quote_table import Stream, Table
from monitor.feeds.rejects import Rejects
from monitor.wire.blocks import ABSENT, Column
from monitor.wire.events import DAY_NS

NEW_YORK = ZoneInfo("America/New_York")
HOUR_NS = 3_600 * 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)(?!\d)")
_SYMBOL = re.compile(r"^\d{8}_(.+?)_(?:quote_tick|tick_quote|quote|trade_tick|tick_trade|trade)\b", re.IGNORECASE)
_OPTION = re.compile(r"_(american|european)_(call|put)_", re.IGNORECASE)
_KIND = re.compile(r"_(quote|trade|openinterest)", re.IGNORECASE)
_FEWEST = 5


class Day(Struct, frozen=True):
    """One symbol's ticks of one day."""

    text: Text
    symbol: str
    day: date
    layout: Layout


def streams(path: Path, complaints: Rejects, suspicious: bool = True) -> list[Stream]:
    """The quotes of one file, one stream for each member; raises `Mistaken` when date or symbol are unknown."""
    days = [_day(text) for text in _texts(path)]
    return [
        Stream(open=partial(_tables, day, suspicious, complaints), not_before=_nanos(day.day, time())) for day in days
    ]


def is_quote_file(name: str) -> bool:
    """Whether a file in a Lean folder holds tick quotes, by its name."""
    return bool(re.fullmatch(r"\d{8}_(\w.*_)?(quote|quote_tick|tick_quote)\.(zip|csv|csv\.gz)", name, re.IGNORECASE))


def _tables(day: Day, suspicious: bool, complaints: Rejects) -> Iterator[Table]:
    def changes() -> Iterator[Table]:
        for piece in pieces(day.text, day.layout, complaints):
            yield _changes(day, piece, suspicious, complaints)

    return _standing(in_order(day.text.name, changes, partial(_only_times, day)))


def _only_times(day: Day) -> Iterator[Column]:
    layout = Layout(fields=day.layout.fields, wanted=(0,))
    for piece in pieces(day.text, layout, Rejects.deaf()):
        at, wrong = _times(piece, day.day)
        yield at[~wrong]


def _changes(day: Day, piece: Piece, suspicious: bool, complaints: Rejects) -> Table:
    """The lines as they stand: `ABSENT` for a side that has not changed."""
    at, no_time = _times(piece, day.day)
    bid, no_bid = _prices(piece.columns[1])
    bid_size, no_bid_size = _whole(piece.columns[2])
    ask, no_ask = _prices(piece.columns[3])
    ask_size, no_ask_size = _whole(piece.columns[4])
    wrong = {"time": no_time, "bid": no_bid, "bid size": no_bid_size, "ask": no_ask, "ask size": no_ask_size}
    bid, ask = np.where(bid == 0, ABSENT, bid), np.where(ask == 0, ABSENT, ask)
    wrong["sides (neither is set, which"] = (bid == ABSENT) & (ask == ABSENT)
    good = _good(day, piece, wrong, complaints)
    if not suspicious and day.layout.fields == 8:
        good &= _words(piece.columns[7]) != "1"
    table = Table(
        symbols=(day.symbol,),
        time=at,
        symbol=np.zeros(len(at), np.int32),
        bid=bid,
        ask=ask,
        bid_size=np.where(bid == ABSENT, ABSENT, bid_size),
        ask_size=np.where(ask == ABSENT, ABSENT, ask_size),
    )
    return table.take(good)


def _good(day: Day, piece: Piece, wrong: dict[str, Mask], complaints: Rejects) -> Mask:
    bad: Mask = np.logical_or.reduce(list(wrong.values()))
    for row in np.flatnonzero(bad):
        name = next(n for n, mask in wrong.items() if mask[row])
        said = ",".join(c[int(row)].as_py().decode("utf-8", "replace") for c in piece.columns)
        complaints.add(f"{day.text.name}:{piece.lines[row]}", f"{name} cannot be read", said)
    return ~bad


def _standing(tables: Iterator[Table]) -> Iterator[Table]:
    """Each side as it stood after the line: its own value, or that of the last line that set it."""
    last = {"bid": (ABSENT, ABSENT), "ask": (ABSENT, ABSENT)}
    for table in tables:
        if not len(table):
            continue
        for side, (price, size) in last.items():
            prices, sizes = getattr(table, side), getattr(table, f"{side}_size")
            row = np.maximum.accumulate(np.where(prices != ABSENT, np.arange(len(table)), -1))
            setattr(table, side, np.where(row < 0, price, prices[row]))
            setattr(table, f"{side}_size", np.where(row < 0, size, sizes[row]))
            last[side] = (int(getattr(table, side)[-1]), int(getattr(table, f"{side}_size")[-1]))
        yield table


def _times(piece: Piece, day: date) -> tuple[Column, Mask]:
    """Time of day in New York → ns UTC: the offset is looked up once for each hour that occurs."""
    millis, wrong = exact_values.prices(piece.columns[0])
    wrong = wrong | (millis == ABSENT) | (millis < 0) | (millis >= 2 * DAY_NS // 10**6 * 10**9)
    since = np.where(wrong, 0, millis) // 1000
    hours, which = np.unique(since // HOUR_NS, return_inverse=True)
    begins = np.array([_nanos(day, time(), int(h)) for h in hours], np.int64)
    return begins[which] + since % HOUR_NS, wrong


def _nanos(day: date, at: time, hours: int = 0) -> int:
    """A time of day in New York as ns UTC."""
    local = datetime.combine(day, at) + timedelta(hours=hours)
    since = local.replace(tzinfo=NEW_YORK).astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9


def _prices(column: Any) -> tuple[Column, Mask]:
    """Prices × 10,000 → 1e-9; nothing is said as 0 is."""
    values, wrong = exact_values.prices(column)
    values = np.where((values == ABSENT) & ~wrong, 0, values)
    return values // 10_000, wrong | (values < 0)


def _whole(column: Any) -> tuple[Column, Mask]:
    values, wrong = exact_values.whole_shares(column)
    values = np.where((values == ABSENT) & ~wrong, 0, values)
    return values, wrong | (values < 0)


def _words(column: Any) -> npt.NDArray[np.str_]:
    return np.asarray(pc.cast(column, "string").to_pylist(), dtype=np.str_)


def _texts(path: Path) -> list[Text]:
    found = texts(path)
    names = [Path(t.member or t.path).name for t in found]
    named = [t for t, name in zip(found, names, strict=True) if "quote" in name.lower()]
    chosen = named or [t for t, name in zip(found, names, strict=True) if not _KIND.search(name)]
    if not chosen:
        raise Mistaken(str(path), [Mistake(None, "holds no quote file")])
    return chosen


def _day(text: Text) -> Day:
    names = [text.path.name, *([] if text.member is None else [Path(text.member).name])]
    if _OPTION.search(names[-1]):
        raise Mistaken(text.name, [Mistake(None, "holds quotes of an option, and only equities are read")])
    day = next((d for name in reversed(names) for d in _dates(name)), None)
    if day is None:
        raise Mistaken(text.name, [Mistake(None, "its name holds no date, such as 20131007_quote.zip")])
    said = next((m[1] for name in reversed(names) if (m := _SYMBOL.match(Path(name).name))), None)
    symbol = (said or text.path.resolve().parent.name).upper()
    if not symbol:
        raise Mistaken(text.name, [Mistake(None, "neither its name nor its folder says which symbol it is about")])
    counts = Counter(line.count(",") + 1 for line in head(text, 1000) if line.strip())
    fields = counts.most_common(1)[0][0] if counts else _FEWEST
    if fields < _FEWEST:
        raise Mistaken(text.name, [Mistake(1, f"{fields} fields a line, expected {_FEWEST} or more")])
    return Day(text, symbol, day, Layout(fields=fields, wanted=tuple(range(fields))))


def _dates(name: str) -> list[date]:
    found = []
    for year, month, day in _DATE.findall(name):
        try:
            found.append(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return found
