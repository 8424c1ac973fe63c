"""The checkpoint of a partition: one record from which any worker goes on as if nothing had happened.

It holds the engine's snapshot, the doorkeeper and the offsets from which the two topics are to be read on. A worker
that was frozen and has woken up may write an older checkpoint after a newer one of its successor, so a reader looks
at several of the last records and takes the one that is furthest.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from monitor.doorkeeper import Doorkeeper

FORM = 1
"""Version of the record."""
_PLAIN, _DEFLATED = b"sorwatch/1 plain\n", b"sorwatch/1 deflate\n"
COMPRESS_ABOVE = 64 << 10
"""Bytes from which a record is compressed."""


class UnreadableCheckpoint(ValueError):
    """A record of ``checkpoints`` that this worker cannot use."""


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What one record holds."""

    form: int = FORM
    partition: int
    generation: int
    """Rises with every checkpoint of the partition."""
    written_at: int
    reports_next: int
    """First offset of ``reports`` that it does not cover."""
    nbbo_next: int
    """First offset of ``nbbo`` that is not wholly in the book."""
    doorkeeper: Doorkeeper
    counts: dict[str, int] = field(default_factory=dict)
    """What the worker itself has counted."""
    engine: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Checkpoint)


def encode(checkpoint: Checkpoint) -> bytes:
    """The record's bytes, compressed when large."""
    return squeeze(pack(checkpoint))


def pack(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as bytes, which no longer change with the partition."""
    return _encoder.encode(checkpoint)


def squeeze(plain: bytes) -> bytes:
    """The record's bytes from what `pack` gave; leaves the interpreter to others while it compresses."""
    if len(plain) <= COMPRESS_ABOVE:
        return _PLAIN + plain
    return _DEFLATED + zlib.compress(plain, 1)


def decode(record: bytes) -> Checkpoint:
    """Read a record; raises `UnreadableCheckpoint`."""
    try:
        if record.startswith(_DEFLATED):
            return _decoder.decode(zlib.decompress(record[len(_DEFLATED) :]))
        if record.startswith(_PLAIN):
            return _decoder.decode(record[len(_PLAIN) :])
    except (zlib.error, msgspec.DecodeError) as error:
        raise UnreadableCheckpoint(f"not a checkpoint of form {FORM}: {error}") from error
    raise UnreadableCheckpoint(f"not a checkpoint of form {FORM}: it begins with {record[:20]!r}")


def furthest_first(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """Those that cover most first; among equals the newest."""
    return sorted(checkpoints, key=lambda c: (c.reports_next, c.nbbo_next, c.generation), reverse=True)
