"""Quotes in delimited text (``csv:``): a header, or columns in the order time, symbol, bid, ask, bid_size, ask_size."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct

from monitor.blocks import ABSENT, Column
from monitor.feeds import exact
from monitor.feeds.complaints import Complaints
from monitor.feeds.delimited import Layout, Piece, Text, head, pieces, texts
from monitor.feeds.rows import column_of_times, table_of
from monitor.feeds.table import Stream, Table
from monitor.feeds.whole import in_order
from monitor.located import Mistake, Mistaken

NEEDED = ("time", "symbol", "bid", "ask")
OPTIONAL = ("bid_size", "ask_size")
_SEPARATORS = ",\t;|"
_SHOWN = 200
"""Characters of a header that are shown when it is wrong."""


class Columns(Struct, frozen=True):
    """Where each value stands."""

    layout: Layout
    names: tuple[str, ...]


def streams(path: Path, columns: Mapping[str, str], complaints: Complaints) -> list[Stream]:
    """The quotes of a file, one stream for each text in it; raises `Mistaken` when its header is wrong."""
    found = texts(path, lambda name: not name.rsplit("/", 1)[-1].startswith("."))
    return [Stream(open=partial(_tables, t, _columns(t, columns), complaints)) for t in found]


def _tables(text: Text, columns: Columns, complaints: Complaints) -> Iterator[Table]:
    def read() -> Iterator[Table]:
        for piece in pieces(text, columns.layout, complaints):
            yield table_of(
                dict(zip(columns.names, piece.columns, strict=True)), partial(_place, text, piece), complaints
            )

    return in_order(text.name, read, partial(_times, text, columns))


def _times(text: Text, columns: Columns) -> Iterator[Column]:
    """Only the times, to see whether they ever fall."""
    layout = Layout(
        fields=columns.layout.fields,
        separator=columns.layout.separator,
        skip=columns.layout.skip,
        wanted=(columns.layout.wanted[0],),
    )
    for piece in pieces(text, layout, Complaints.deaf()):
        time, wrong = column_of_times(piece.columns[0])
        yield time[~wrong & (time != ABSENT)]


def _place(text: Text, piece: Piece, row: int) -> tuple[str, str]:
    said = ",".join(c[row].as_py().decode("utf-8", "replace") for c in piece.columns)
    return f"{text.name}:{piece.lines[row]}", said


def _columns(text: Text, mapped: Mapping[str, str]) -> Columns:
    """Find the columns by the header, or by their order where the first line is a row already."""
    lines = head(text)
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return Columns(Layout(fields=1, wanted=(0,)), ())
    separator = max(_SEPARATORS, key=lines[first].count)
    fields = next(csv.reader([lines[first]], delimiter=separator))
    if not mapped and _is_row(fields):
        names = (NEEDED + OPTIONAL)[: len(fields)] if len(fields) >= 6 else NEEDED
        wanted = tuple(range(len(names)))
        return Columns(Layout(fields=len(fields), separator=separator, skip=first, wanted=wanted), names)
    places = header_places(fields, mapped, f"{text.name}", first + 1)
    layout = Layout(fields=len(fields), separator=separator, skip=first + 1, wanted=tuple(places.values()))
    return Columns(layout, tuple(places))


def header_places(found: list[str], mapped: Mapping[str, str], name: str, line: int | None) -> dict[str, int]:
    """Place of each column we read; raises `Mistaken` naming every one that is missing."""
    plain = [_plain(f) for f in found]
    places: dict[str, int] = {}
    missing = []
    for ours in NEEDED + OPTIONAL:
        theirs = mapped.get(ours)
        if theirs is not None and theirs in found:
            places[ours] = found.index(theirs)
        elif theirs is None and _plain(ours) in plain:
            places[ours] = plain.index(_plain(ours))
        elif theirs is not None or ours in NEEDED:
            missing.append((ours, theirs or ours))
    if missing:
        among = ", ".join(found)
        among = among if among.isprintable() and len(among) <= _SHOWN else f"{among[:_SHOWN]!r}…"
        ours, lacking = missing[0][0], ", ".join(theirs for _, theirs in missing)
        what = (
            f"no column {lacking} among {among}; name yours with --columns {ours}=NAME, or ?{ours}=NAME after the path"
        )
        raise Mistaken(name, [Mistake(line, what)])
    return places


def _is_row(fields: list[str]) -> bool:
    if len(fields) < len(NEEDED):
        return False
    try:
        exact.time_of(fields[0])
    except ValueError:
        return False
    return True


def _plain(name: str) -> str:
    """Upper case, blanks and underscores make no difference."""
    return name.strip().strip('"').lower().replace(" ", "").replace("_", "")
