"""Reading a journal, and following it while it grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from fix_ingest.journal.files import segment_path, segments, size
from fix_ingest.journal.record import Record
from fix_ingest.journal.segment import Damage, Frame, decode, length, next_whole

_CHUNK: Final = 1 << 20


class Position(Struct, frozen=True):
    """How far a reader has come."""

    segment: int
    """Number of the segment's first record, which is its name."""
    offset: int
    n: int
    """Number of the last record read; 0 before the first."""


class Reader:
    """Reads a journal from a position on and follows it while it grows."""

    def __init__(self, directory: Path, position: Position | None = None) -> None:
        """Begin behind ``position``, or at the oldest record there is."""
        self.directory = directory
        self.position = position if position is not None else Position(0, 0, 0)
        self._damage: list[Damage] = []

    def read(self, limit: int) -> list[Record]:
        """The next records, at most ``limit``; an empty list at the end of the journal."""
        records: list[Record] = []
        while len(records) < limit:
            following = self._following()
            progress = self._read_segment(records, limit, last=following is None)
            if not progress and following is None:
                break
            if not progress and following is not None:
                self._enter(following)
        return records

    def damage(self) -> list[Damage]:
        """The damage met since this was last asked."""
        met, self._damage = self._damage, []
        return met

    def backlog(self) -> int:
        """Bytes of the journal that have not been read."""
        ahead = [s for s in segments(self.directory) if s >= self.position.segment]
        sizes = [size(segment_path(self.directory, s)) for s in ahead]
        inside = self.position.offset if ahead[:1] == [self.position.segment] else 0
        return max(0, sum(sizes) - inside)

    def _following(self) -> int | None:
        """The segment after the present one, asked before that is read: what is missing in it then stays missing."""
        return next((s for s in segments(self.directory) if s > self.position.segment), None)

    def _enter(self, segment: int) -> None:
        self.position = Position(segment, 0, self.position.n)

    def _read_segment(self, records: list[Record], limit: int, *, last: bool) -> bool:
        """Read on in the present segment; answers whether anything was got out of it."""
        data = self._chunk(_CHUNK)
        if not data:
            return False
        used = self._take(data, records, limit)
        if used == 0:
            used = self._take_large_or_damaged(records, limit, last=last)
        return used > 0

    def _take(self, data: bytes, records: list[Record], limit: int) -> int:
        """Whole frames from the beginning of ``data``; answers how many bytes they are."""
        offset, n = 0, self.position.n
        while len(records) < limit:
            found = decode(data, offset)
            if isinstance(found, Frame):
                records.append(found.record)
                offset, n = found.end, found.record.n
            elif found is not None:
                offset += length(data, offset)
            else:
                break
        self.position = Position(self.position.segment, self.position.offset + offset, n)
        return offset

    def _take_large_or_damaged(self, records: list[Record], limit: int, *, last: bool) -> int:
        """No whole frame in a chunk: a long one, one being written, or damage, which is skipped and kept."""
        data = self._chunk(None)
        used = self._take(data, records, limit)
        if used > 0:
            return used
        whole = next_whole(data, 1)
        if whole is None and last:
            return 0
        damaged = len(data) if whole is None else whole
        at = self.position
        why = "torn tail" if whole is None else "not a record"
        self._damage.append(Damage(at.segment, at.offset, damaged, why))
        self.position = Position(at.segment, at.offset + damaged, at.n)
        return damaged

    def _chunk(self, most: int | None) -> bytes:
        try:
            with segment_path(self.directory, self.position.segment).open("rb") as file:
                file.seek(self.position.offset)
                return file.read(-1 if most is None else most)
        except FileNotFoundError:
            return b""


def read_all(directory: Path) -> Iterator[Record]:
    """Every record there is now, oldest first."""
    reader = Reader(directory)
    while records := reader.read(10_000):
        yield from records
