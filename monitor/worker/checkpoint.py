"""The checkpoint of a partition: that from which any worker goes on as if nothing had happened.

It holds the engine's snapshot, the deduplicator and the offsets from which the two topics are to be read on. A worker
that was frozen and has woken up may write an older checkpoint after a newer one of its successor, so a reader looks
at several of the last and takes the one that is furthest.

A checkpoint is written as one record or, when it is large, as several, its *parts*. The keys of two checkpoints that
follow each other differ, so that compaction never takes a part of the last whole one while the next is being written.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from monitor.worker.deduplicator import Deduplicator

FORM = 2
"""Version of the records."""
PART_BYTES = 1 << 20
"""Largest share of a checkpoint in one record."""
COMPRESS_ABOVE = 64 << 10
"""Bytes from which a checkpoint is compressed."""
_HEAD = b"sorwatch checkpoint %d\n" % FORM


class UnreadableCheckpoint(ValueError):
    """A record of ``checkpoints`` that this worker cannot use."""


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What a worker goes on from."""

    partition: int
    generation: int
    """Rises with every checkpoint of the partition."""
    written_at: int
    reports_next: int
    """First offset of ``reports`` that it does not cover."""
    nbbo_next: int
    """First offset of ``nbbo`` that is not wholly in the book."""
    deduplicator: Deduplicator
    counts: dict[str, int] = field(default_factory=dict)
    """What the worker itself has counted."""
    engine: bytes


class Part(Struct, frozen=True, kw_only=True):
    """What one record holds: a share of a checkpoint's bytes."""

    partition: int
    generation: int
    written_at: int
    index: int
    of: int
    """How many parts there are."""
    check: int
    """CRC-32 of all parts' bytes together."""
    deflated: bool
    body: bytes

    @property
    def whole(self) -> tuple[int, int, int, int]:
        """What the parts of one checkpoint have in common, and no others."""
        return self.partition, self.generation, self.written_at, self.check


class Packed(Struct, frozen=True, kw_only=True):
    """A checkpoint as bytes, which no longer change with the partition."""

    partition: int
    generation: int
    written_at: int
    plain: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Checkpoint)
_parts = msgspec.msgpack.Decoder(Part)


def pack(checkpoint: Checkpoint) -> Packed:
    """The checkpoint's bytes as it is now."""
    return Packed(
        partition=checkpoint.partition,
        generation=checkpoint.generation,
        written_at=checkpoint.written_at,
        plain=_encoder.encode(checkpoint),
    )


def records(packed: Packed, part_bytes: int = PART_BYTES) -> list[tuple[bytes, bytes]]:
    """The keys and values to be written; leaves the interpreter to others while it compresses."""
    deflated = len(packed.plain) > COMPRESS_ABOVE
    data = zlib.compress(packed.plain, 1) if deflated else packed.plain
    check = zlib.crc32(data)
    starts = range(0, len(data), part_bytes)
    return [
        (
            b"%d-%d-%d" % (packed.partition, packed.generation % 2, index),
            _HEAD
            + _encoder.encode(
                Part(
                    partition=packed.partition,
                    generation=packed.generation,
                    written_at=packed.written_at,
                    index=index,
                    of=len(starts),
                    check=check,
                    deflated=deflated,
                    body=data[start : start + part_bytes],
                )
            ),
        )
        for index, start in enumerate(starts)
    ]


def part(record: bytes) -> Part:
    """Read one record; raises `UnreadableCheckpoint`."""
    if not record.startswith(_HEAD):
        raise UnreadableCheckpoint(f"not a checkpoint of form {FORM}: it begins with {record[:20]!r}")
    try:
        return _parts.decode(memoryview(record)[len(_HEAD) :])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableCheckpoint(f"not a checkpoint of form {FORM}: {error}") from error


def joined(parts: Iterable[Part]) -> tuple[list[Checkpoint], list[str]]:
    """The checkpoints all of whose parts are there, and what is wrong with others: one cut short is not wrong."""
    together: dict[tuple[int, int, int, int], dict[int, Part]] = {}
    for each in parts:
        together.setdefault(each.whole, {})[each.index] = each
    whole, wrong = [], []
    for shares in together.values():
        if len(shares) < next(iter(shares.values())).of:
            continue
        try:
            whole.append(_join([shares[index] for index in sorted(shares)]))
        except UnreadableCheckpoint as error:
            wrong.append(str(error))
    return whole, wrong


def _join(parts: list[Part]) -> Checkpoint:
    data = b"".join(part.body for part in parts)
    if zlib.crc32(data) != parts[0].check:
        raise UnreadableCheckpoint(f"not a checkpoint of form {FORM}: generation {parts[0].generation} was altered")
    try:
        return _decoder.decode(zlib.decompress(data) if parts[0].deflated else data)
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableCheckpoint(f"not a checkpoint of form {FORM}: {error}") from error


def furthest_first(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """Those that cover most first; among equals the newest."""
    return sorted(checkpoints, key=lambda c: (c.reports_next, c.nbbo_next, c.generation), reverse=True)
