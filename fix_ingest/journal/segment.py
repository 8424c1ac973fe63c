"""How a journal record lies in a segment file: framing and the search for the next whole record. Pure.

A frame is ``sync crc32 size`` and then ``n seen mark kind name session body``, little endian. The checksum covers
everything behind it. ``mark`` is a number the writer wants back after a restart (the FIX session's next expected
sequence number once the record counts; 0: nothing new). The first frame of a segment is its head: no record,
but the newest mark of every session before it, so that recovery reads one segment and old ones can be deleted.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from fix_ingest.journal.record import Record, RecordKind

KINDS: Final[tuple[RecordKind, ...]] = ("message", "up", "down", "gap", "gap_filled", "reset", "refused")
LARGEST: Final = 64 << 20
"""No frame is longer; a longer size is damage."""

_SYNC: Final = b"\xf1jr\n"
_HEAD_KIND: Final = 255
_OUTER: Final = struct.Struct("<4sII")
_INNER: Final = struct.Struct("<QqQBB")
_CODE: Final = {kind: code for code, kind in enumerate(KINDS)}


class Mark(Struct, frozen=True):
    """What a session's number was to be, and the receive time (ns UTC) of the record that said so."""

    next: int
    seen: int


class Head(Struct, frozen=True):
    """The first frame of a segment."""

    first: int
    """Number of the first record that may follow."""
    marks: dict[str, Mark]


class Frame(Struct, frozen=True):
    """A whole record with where the next frame begins, and its mark."""

    record: Record
    mark: int | None
    end: int


class Damage(Struct, frozen=True):
    """Bytes of a segment that are no record."""

    segment: int
    offset: int
    size: int
    why: str


def encode(n: int, seen: int, session: bytes, kind: RecordKind, mark: int | None, body: bytes) -> bytes:
    """One record as bytes; of a body too long for a record, as much as there is room for, which can be read back."""
    head = _INNER.pack(n, seen, mark or 0, _CODE[kind], len(session)) + session
    return _framed(head + body[: LARGEST - len(head)])


def encode_head(head: Head) -> bytes:
    """A segment's first frame as bytes."""
    return _framed(_INNER.pack(head.first, 0, 0, _HEAD_KIND, 0) + msgspec.json.encode(head))


def decode(data: bytes, offset: int) -> Frame | Head | None:
    """The whole frame that begins at ``offset``; None when there is none, or not all of it."""
    start = offset + _OUTER.size
    if len(data) < start + _INNER.size:
        return None
    sync, crc, size = _OUTER.unpack_from(data, offset)
    end = start + size
    if sync != _SYNC or not _INNER.size <= size <= LARGEST or len(data) < end:
        return None
    inner = data[start:end]
    if zlib.crc32(inner) != crc:
        return None
    n, seen, mark, kind, name = _INNER.unpack_from(inner)
    if kind == _HEAD_KIND:
        return msgspec.json.decode(inner[_INNER.size :], type=Head)
    body = _INNER.size + name
    record = Record(n, seen, inner[_INNER.size : body].decode(), KINDS[kind], inner[body:])
    return Frame(record, mark if mark != 0 else None, end)


def length(data: bytes, offset: int) -> int:
    """Length of the whole frame at ``offset``, which `decode` has accepted."""
    size: int = _OUTER.unpack_from(data, offset)[2]
    return _OUTER.size + size


def next_whole(data: bytes, offset: int) -> int | None:
    """Where the next whole frame at or behind ``offset`` begins."""
    at = data.find(_SYNC, offset)
    while at >= 0:
        if decode(data, at) is not None:
            return at
        at = data.find(_SYNC, at + 1)
    return None


def scan(data: bytes, segment: int, offset: int = 0) -> Iterator[Frame | Head | Damage]:
    """Every whole frame from ``offset`` on, and the damage between them; a torn tail is the last damage."""
    while offset < len(data):
        found = decode(data, offset)
        if found is not None:
            yield found
            offset += length(data, offset)
            continue
        whole = next_whole(data, offset + 1)
        stop = len(data) if whole is None else whole
        yield Damage(segment, offset, stop - offset, "torn tail" if whole is None else "not a record")
        offset = stop


def _framed(inner: bytes) -> bytes:
    return _OUTER.pack(_SYNC, zlib.crc32(inner), len(inner)) + inner
