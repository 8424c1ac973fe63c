"""Files of delimited text, read in pieces: plain, compressed or zip; every row that is not one is named with its line.

A piece is a few megabytes of whole lines, parsed by Arrow into columns of bytes. Bytes that are not UTF-8 are
replaced before Arrow sees them, so that they spoil their own field and nothing else.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
from msgspec import Struct

from monitor.config.toml import Mistake, Mistaken
from monitor.feeds.rejects import Rejects
from monitor.files.compression import DAMAGED, ZIP, unpacked
from monitor.wire.blocks import Column

PIECE = 4 << 20
_STEP = 1 << 16
"""Bytes read at once: what stands before a damage is had to the last step."""
_HEAD = 1 << 16
_MARK = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16."""
_LINE_ENDS = re.compile("\r\n|\n|\r")


class Text(Struct, frozen=True):
    """One text inside a file: the file itself, or one member of a zip."""

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """How people find it."""
        return str(self.path) if self.member is None else f"{self.path}#{self.member}"

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes, decompressed."""
        if self.member is not None:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as member:
                yield unpacked(member)
        else:
            with self.path.open("rb") as file:
                yield unpacked(file)


class Piece(Struct, frozen=True, eq=False):
    """Columns of bytes of some rows, and the line each row stands on."""

    columns: list[Any]
    lines: Column

    def __len__(self) -> int:
        return len(self.lines)


class Layout(Struct, frozen=True, kw_only=True):
    """How the rows of a text are written."""

    fields: int
    separator: str = ","
    skip: int = 0
    """Lines before the first row."""
    wanted: tuple[int, ...]
    """Which fields are read."""


def texts(path: Path, suits: Callable[[str], bool] = lambda _: True) -> list[Text]:
    """The texts in a file; raises `Mistaken` when it cannot be opened, or can be read only once."""
    try:
        if path.is_fifo() or path.is_socket():
            raise _mistaken(str(path), "can be read only once, and files are read twice: write it to a file first")
        with path.open("rb") as file:
            zipped = file.read(4) in ZIP
        if not zipped:
            return [Text(path)]
        with zipfile.ZipFile(path) as archive:
            members = [Text(path, n) for n in archive.namelist() if not n.endswith("/") and suits(n)]
    except (*DAMAGED, ValueError) as error:
        if isinstance(error, Mistaken):
            raise
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _mistaken(str(path), f"cannot be read: {why}") from None
    if not members:
        raise _mistaken(str(path), "holds no file")
    return members


def head(text: Text, lines: int = 1000) -> list[str]:
    """Its first lines; raises `Mistaken` when nothing at all can be read, or nothing as UTF-8."""
    start = b""
    try:
        with text.open() as file:
            while (len(start) < _HEAD or (b"\n" not in start and len(start) < PIECE)) and (more := _some(file)):
                start += more
    except DAMAGED as error:
        if not start:
            raise _mistaken(text.name, f"cannot be read: {error}") from None
    if start.startswith(_WIDE):
        raise _mistaken(text.name, "is UTF-16, which is not read: save it as UTF-8")
    return _LINE_ENDS.split(start.decode("utf-8-sig", "replace"))[:lines]


def fields_of(line: str, separator: str) -> list[str]:
    """The fields of one line."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a field longer than any of ours
        return line.split(separator)


def _some(file: Any) -> bytes:
    more: bytes = file.read1(_STEP)
    return more


def _mistaken(name: str, what: str) -> Mistaken:
    return Mistaken(name, [Mistake(None, what)])


def pieces(text: Text, layout: Layout, complaints: Rejects) -> Iterator[Piece]:
    """Every readable row; the others go to ``complaints``, as does the place where a damaged file ends."""
    line = 1
    for block in _blocks(text, complaints):
        count = block.count(b"\n") + (not block.endswith(b"\n"))
        skipped = min(max(layout.skip - (line - 1), 0), count)
        if skipped < count:
            piece = _parse(block, line, skipped, layout, text.name, complaints)
            if len(piece):
                yield piece
        line += count


def _blocks(text: Text, complaints: Rejects) -> Iterator[bytes]:
    """Whole lines, a few megabytes at a time."""
    rest, lines = b"", 0
    damage: list[Exception] = []
    old = False  # lines end with CR alone
    for number, more in enumerate(_portions(text, damage)):
        whole = more.removeprefix(_MARK) if number == 0 else more
        old = old or (number == 0 and b"\n" not in whole and b"\r" in whole)
        whole = whole.replace(b"\r", b"\n") if old else whole
        cut = whole.rfind(b"\n") + 1
        if cut:
            lines += whole.count(b"\n")
            yield rest + whole[:cut]
            rest = whole[cut:]
        else:
            rest += whole
    if damage:
        what = f"the file is damaged from here on ({type(damage[0]).__name__})"
        complaints.add(f"{text.name}:{lines + 1}", what, "")
    elif rest:
        yield rest


def _portions(text: Text, damage: list[Exception]) -> Iterator[bytes]:
    """A few megabytes at a time, up to where it is damaged, which is said in ``damage``."""
    portion = bytearray()
    try:
        with text.open() as file:
            while more := _some(file):
                portion += more
                if len(portion) >= PIECE:
                    yield bytes(portion)
                    portion.clear()
    except DAMAGED as error:
        damage.append(error)
    if portion:
        yield bytes(portion)


def _parse(block: bytes, line: int, skip: int, layout: Layout, name: str, complaints: Rejects) -> Piece:
    block = _legible(block)
    wrong: list[tuple[int, str]] = []

    def refuse(row: Any) -> str:
        wrong.append((row.number - 1, row.text))
        return "skip"

    quoted = b'"' in block
    columns = _columns(block, skip, layout, quoted, refuse)
    count = len(columns[0]) + len(wrong) + skip
    if quoted and count != block.count(b"\n") + (not block.endswith(b"\n")):
        return _line_by_line(block, line, skip, layout, name, complaints)
    rows = np.setdiff1d(np.arange(skip, count), np.array([n for n, _ in wrong], np.int64), assume_unique=True)
    for number, row in wrong:
        _complain(row, f"{name}:{line + number}", layout, complaints)
    return _without_blank(Piece(columns, rows + line), layout)


def _columns(block: bytes, skip: int, layout: Layout, quoted: bool, refuse: Callable[[Any], str]) -> list[Any]:
    names = [str(i) for i in range(layout.fields)]
    wanted = [str(i) for i in layout.wanted]
    table = pyarrow.csv.read_csv(
        BytesIO(block),
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False, block_size=len(block) + 1, column_names=names, skip_rows=skip
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=layout.separator,
            invalid_row_handler=refuse,
            ignore_empty_lines=False,
            quote_char='"' if quoted else False,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()), include_columns=wanted, check_utf8=False
        ),
    )
    return [table.column(i).combine_chunks() for i in range(len(wanted))]


def _line_by_line(block: bytes, line: int, skip: int, layout: Layout, name: str, complaints: Rejects) -> Piece:
    """A quote that is never closed would swallow its neighbours: here it spoils its own line only."""
    rows, lines = [], []
    for number, row in enumerate(_LINE_ENDS.split(block.decode())):
        fields = fields_of(row, layout.separator)
        if number >= skip and len(fields) == layout.fields:
            rows.append(fields)
            lines.append(line + number)
        elif number >= skip:
            _complain(row, f"{name}:{line + number}", layout, complaints)
    columns = [pa.array([r[i].encode() for r in rows], pa.binary()) for i in layout.wanted]
    return _without_blank(Piece(columns, np.array(lines, np.int64)), layout)


def _complain(row: str, place: str, layout: Layout, complaints: Rejects) -> None:
    if row.strip():
        complaints.add(place, f"not {layout.fields} fields", row)


def _without_blank(piece: Piece, layout: Layout) -> Piece:
    """Blank lines are no rows: a field or more that is all empty."""
    first = pa.compute.binary_length(piece.columns[0]).to_numpy(zero_copy_only=False)
    if first.all():
        return piece
    full = np.zeros(len(piece), bool)
    for column in piece.columns:
        full |= pa.compute.binary_length(column).to_numpy(zero_copy_only=False) > 0
    return Piece([c.filter(pa.array(full)) for c in piece.columns], piece.lines[full])


def _legible(block: bytes) -> bytes:
    try:
        block.decode()
    except UnicodeDecodeError:
        return block.decode("utf-8", "replace").encode()
    return block
