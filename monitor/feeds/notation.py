"""The notation ``FORMAT:PATH`` of every quote source, and files as blocks for replay.

``lean:``, ``csv:`` and ``parquet:`` take a file, a folder or a pattern (``*``, ``**``); several files of one source
are merged by time, so that time never falls within it. After the path, ``?time=ts&bid=bid_px`` names columns that
are called otherwise.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl

from msgspec import Struct

from monitor.config.toml import Mistake, Mistaken, Several
from monitor.feeds.files import csv as csv_file
from monitor.feeds.files import lean
from monitor.feeds.files import parquet as parquet_file
from monitor.feeds.files.csv import NEEDED, OPTIONAL
from monitor.feeds.files.time_units import DIGITS
from monitor.feeds.quote_table import Stream, Table, merged
from monitor.feeds.rejects import Rejects
from monitor.feeds.to_blocks import blocks_of
from monitor.wire.blocks import Block

T = TypeVar("T")
FILE_FORMATS = ("lean", "csv", "parquet")
LIVE_FORMATS = ("jsonl", "demo")
_SUFFIXES = {"csv": csv_file.SUFFIXES, "parquet": (".parquet", ".pq")}
UNIT = "time_unit"
_QUERY = re.compile(r"\?(\w+=[^?]*)$")


class Notation(Struct, frozen=True):
    """A quote source as it was written."""

    format: str
    path: str
    options: dict[str, str]

    def __str__(self) -> str:
        return f"{self.format}:{self.path}"


def parse(notation: str) -> Notation:
    """Read ``FORMAT:PATH?name=value&…``; raises `Mistaken`."""
    form, colon, rest = notation.partition(":")
    if not colon or form not in FILE_FORMATS + LIVE_FORMATS:
        known = ", ".join(f"{f}:" for f in FILE_FORMATS + LIVE_FORMATS)
        raise _mistaken(notation, f"not a quote source: write FORMAT:PATH with one of {known}")
    query = None if _exists(rest) else _QUERY.search(rest)
    pairs = parse_qsl(query[1], keep_blank_values=True) if query else []
    options = dict(pairs)
    if len(options) < len(pairs):
        raise _mistaken(notation, f"names {', '.join(sorted({n for n, _ in pairs if _count(pairs, n) > 1}))} twice")
    return Notation(form, rest[: query.start()] if query else rest, options)


def _count(pairs: list[tuple[str, str]], name: str) -> int:
    return sum(n == name for n, _ in pairs)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # a name too long, or that no file can have
        return False


def column_map(text: str) -> dict[str, str]:
    """Read ``time=ts,bid=bid_px``; raises `Mistaken`."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    named = {ours.strip(): theirs.strip() for ours, _, theirs in pairs}
    return _known(named, f"--columns {text}")


def streams(notation: str, complaints: Rejects, columns: Mapping[str, str] | None = None) -> list[Stream]:
    """The streams of a source of files; raises `Mistaken` when there are none or one cannot be read at all."""
    parsed = parse(notation)
    if parsed.format == "lean":
        return _lean(parsed, complaints)
    if parsed.format not in FILE_FORMATS:
        raise _mistaken(notation, f"{parsed.format}: is a live source; files are lean:, csv: and parquet:")
    named = {**(columns or {}), **_known(parsed.options, str(parsed))}
    unit = named.pop(UNIT, None)
    read = csv_file.streams if parsed.format == "csv" else parquet_file.streams
    return each(files(parsed), lambda path: read(path, named, unit, complaints))


def tables(notations: Sequence[str], complaints: Rejects, columns: Mapping[str, str] | None = None) -> Iterator[Table]:
    """All quotes of several sources of files as one stream in order of time; raises `Mistaken` at once."""
    return merged(each(notations, lambda notation: streams(notation, complaints, columns)))


def read_blocks(
    notations: Sequence[str],
    source: str,
    block_rows: int,
    *,
    complaints: Rejects | None = None,
    columns: Mapping[str, str] | None = None,
) -> Iterator[Block]:
    """Files as blocks of one source, in order of time, the last one ``ended``; raises `Mistaken` at once.

    ``through`` of each block is the last instant of which no row is still to come. Memory is that of a few pieces
    of a file, except for files that are not in order.
    """
    rows = tables(notations, Rejects() if complaints is None else complaints, columns)
    return blocks_of(rows, source, block_rows)


def files(notation: Notation) -> list[Path]:
    """The files a notation names, by name; raises `Mistaken` when there are none."""
    if notation.path == "":
        raise _mistaken(str(notation), "names no file: write the path after the colon")
    try:
        found = _found(notation)
    except (OSError, RuntimeError) as error:  # a name too long, or ~somebody who is not known here
        why = error.strerror if isinstance(error, OSError) else error
        raise _mistaken(str(notation), f"cannot be read: {why}") from None
    if not found:
        raise _mistaken(str(notation), "names no file that is there")
    return found


def _found(notation: Notation) -> list[Path]:
    path = Path(notation.path).expanduser()
    if path.is_dir():
        return [p for p in sorted(path.rglob("*")) if p.is_file() and _suits(notation.format, p.name)]
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    return [Path(p) for p in sorted(glob.glob(str(path), recursive=True)) if Path(p).is_file()]  # noqa: PTH207 - Path.glob cannot take an absolute pattern


def _suits(form: str, name: str) -> bool:
    return lean.is_quote_file(name) if form == "lean" else name.lower().endswith(_SUFFIXES[form])


def _lean(parsed: Notation, complaints: Rejects) -> list[Stream]:
    suspicious = parsed.options.get("suspicious", "keep")
    if set(parsed.options) - {"suspicious"} or suspicious not in ("keep", "drop"):
        raise _mistaken(str(parsed), "the only option of lean: is suspicious=keep or suspicious=drop")
    return [s for path in files(parsed) for s in lean.streams(path, complaints, suspicious == "keep")]


def each(named: Iterable[T], read: Callable[[T], list[Stream]]) -> list[Stream]:
    """The streams of each; raises `Mistaken` with the mistakes of all of them."""
    found: list[Stream] = []
    wrong: list[Mistaken] = []
    for one in named:
        try:
            found += read(one)
        except Mistaken as mistaken:
            wrong.append(mistaken)
    if wrong:
        raise Several(wrong) if len(wrong) > 1 else wrong[0]
    return found


def _known(named: dict[str, str], place: str) -> dict[str, str]:
    unknown = sorted(set(named) - set(NEEDED + OPTIONAL) - {UNIT}) + [n for n, theirs in named.items() if theirs == ""]
    wrong = []
    if unknown:
        wrong.append(f"{', '.join(unknown)}: write OURS=THEIRS, ours being {', '.join(NEEDED + OPTIONAL)}, or {UNIT}")
    if named.get(UNIT, "ns") not in DIGITS and named.get(UNIT) != "":
        wrong.append(f"{UNIT}={named[UNIT]}: is one of {', '.join(DIGITS)}")
    if wrong:
        raise Mistaken(place, [Mistake(None, what) for what in wrong])
    return named


def _mistaken(place: str, what: str) -> Mistaken:
    return Mistaken(place, [Mistake(None, what)])
