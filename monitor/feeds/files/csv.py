"""Quotes in delimited text (``csv:``): a header, or columns in the order time, symbol, bid, ask, bid_size, ask_size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct

from monitor.config.toml import Mistake, Mistaken
from monitor.feeds.files import exact_values
from monitor.feeds.files.columns import column_of_times, table_of
from monitor.feeds.files.delimited import Layout, Piece, Text, fields_of, head, pieces, texts
from monitor.feeds.files.time_order import in_order
from monitor.feeds.files.time_units import DIGITS, Stamp, doubt
from monitor.feeds.quote_table import Stream, Table
from monitor.feeds.rejects import Rejects
from monitor.wire.blocks import ABSENT, Column

NEEDED = ("time", "symbol", "bid", "ask")
OPTIONAL = ("bid_size", "ask_size")
SUFFIXES = tuple(
    f"{kind}{packing}"
    for kind in (".csv", ".tsv", ".txt")
    for packing in ("", ".gz", ".zst", ".zip", ".xz", ".bz2", ".lz4")
)
"""Names of files that are looked into where a folder or a zip is named."""
_SEPARATORS = ",\t;|"
_SHOWN = 200
"""Characters of a header that are shown when it is wrong."""
_LOOKED_AT = 200
"""Rows by whose times a unit is told."""


class Columns(Struct, frozen=True):
    """Where each value stands."""

    layout: Layout
    names: tuple[str, ...]
    unit: str | None = None
    """Unit of times that are numbers."""


def streams(path: Path, columns: Mapping[str, str], unit: str | None, complaints: Rejects) -> list[Stream]:
    """The quotes of a file, one stream for each text in it; raises `Mistaken` when its header is wrong."""
    found = texts(path, lambda name: not name.rsplit("/", 1)[-1].startswith("."))
    named = [t for t in found if t.member is None or t.member.lower().endswith(SUFFIXES)]
    return [Stream(open=partial(_tables, t, _columns(t, columns, unit), complaints)) for t in named or found]


def _tables(text: Text, columns: Columns, complaints: Rejects) -> Iterator[Table]:
    def read() -> Iterator[Table]:
        for piece in pieces(text, columns.layout, complaints):
            values = dict(zip(columns.names, piece.columns, strict=True))
            yield table_of(values, partial(_place, text, piece), complaints, columns.unit)

    return in_order(text.name, read, partial(_times, text, columns))


def _times(text: Text, columns: Columns) -> Iterator[Column]:
    """Only the times, to see whether they ever fall."""
    layout = Layout(
        fields=columns.layout.fields,
        separator=columns.layout.separator,
        skip=columns.layout.skip,
        wanted=(columns.layout.wanted[0],),
    )
    for piece in pieces(text, layout, Rejects.deaf()):
        time, wrong = column_of_times(piece.columns[0], columns.unit)
        yield time[~wrong & (time != ABSENT)]


def _place(text: Text, piece: Piece, row: int) -> tuple[str, str]:
    said = ",".join(c[row].as_py().decode("utf-8", "replace") for c in piece.columns)
    return f"{text.name}:{piece.lines[row]}", said


def _columns(text: Text, mapped: Mapping[str, str], unit: str | None) -> Columns:
    """Find the columns by the header, or by their order where the first line is a row already."""
    lines = head(text)
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return Columns(Layout(fields=1, wanted=(0,)), ())
    separator = max(_SEPARATORS, key=lines[first].count)
    fields = fields_of(lines[first], separator)
    if not mapped and _is_row(fields, unit):
        names = (NEEDED + OPTIONAL)[: len(fields)] if len(fields) >= 6 else NEEDED
        wanted, skip = tuple(range(len(names))), first
    else:
        places = header_places(fields, mapped, text.name, first + 1)
        names, wanted, skip = tuple(places), tuple(places.values()), first + 1
    if unit is None:
        _certain(text.name, lines[skip:], skip + 1, separator, wanted[0])
    return Columns(Layout(fields=len(fields), separator=separator, skip=skip, wanted=wanted), names, unit)


def _certain(name: str, lines: list[str], line: int, separator: str, place: int) -> None:
    """Raises `Mistaken` when the first times cannot be ns."""
    rows = ((line + i, fields_of(text, separator)) for i, text in enumerate(lines[:_LOOKED_AT]))
    doubtful = doubt([Stamp(number, row[place].strip()) for number, row in rows if len(row) > place])
    if doubtful is not None:
        raise Mistaken(name, [Mistake(*doubtful)])


def header_places(found: list[str], mapped: Mapping[str, str], name: str, line: int | None) -> dict[str, int]:
    """Place of each column we read; raises `Mistaken` naming every one that is missing or not certain."""
    places: dict[str, int] = {}
    missing: list[str] = []
    wrong: list[str] = []
    for ours in NEEDED + OPTIONAL:
        theirs = mapped.get(ours, ours)
        at = _places(found, theirs)
        if len(at) > 1:
            wrong.append(f"has several columns called {theirs}")
        elif not at and (ours in mapped or ours in NEEDED):
            missing.append(ours)
        elif at and at[0] in places.values():
            other = next(o for o, place in places.items() if place == at[0])
            wrong.append(f"{other} and {ours} cannot both be column {found[at[0]]}")
        elif at:
            places[ours] = at[0]
    if missing:
        wrong.insert(0, _missing(found, mapped, missing))
    if wrong:
        raise Mistaken(name, [Mistake(line, what) for what in wrong])
    return places


def _missing(found: list[str], mapped: Mapping[str, str], missing: list[str]) -> str:
    among = ", ".join(found)
    among = among if among.isprintable() and len(among) <= _SHOWN else f"{among[:_SHOWN]!r}…"
    if not mapped and len(found) >= len(NEEDED) and all(_is_price(f) for f in found[2:4]):
        return f"neither a header, nor a row that begins with a time (ns UTC or ISO 8601) and a symbol: {among}"
    lacking = ", ".join(mapped.get(ours, ours) for ours in missing)
    name = missing[0]
    return f"no column {lacking} among {among}; name yours with --columns {name}=NAME, or ?{name}=NAME after the path"


def _places(found: list[str], name: str) -> list[int]:
    """Where a name stands: as it is written, else whatever its case."""
    exactly = [i for i, f in enumerate(found) if f == name]
    return exactly or [i for i, f in enumerate(found) if _plain(f) == _plain(name)]


def _is_row(fields: list[str], unit: str | None) -> bool:
    if len(fields) < len(NEEDED):
        return False
    try:
        exact_values.time_of(fields[0]) if unit is None else exact_values.count_of(fields[0], DIGITS[unit])
    except ValueError:
        return False
    return True


def _is_price(text: str) -> bool:
    try:
        return exact_values.price_of(text) is not None
    except ValueError:
        return False


def _plain(name: str) -> str:
    """Upper case, blanks and underscores make no difference."""
    return name.strip().strip('"').lower().replace(" ", "").replace("_", "")
