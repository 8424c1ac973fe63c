"""How events stand on a topic: lines of JSON, headers, topic names and the partition of a symbol."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

import msgspec

from monitor.wire.events import SCHEMA, Execution, Finding, LineHealth, ReportLine

TOPICS = ("reports", "nbbo", "executions", "findings", "checkpoints")
"""Topics that share their number of partitions, so that a symbol has the same number in each."""
SINGLE_TOPICS = ("line", "dead_letters")
"""Topics of one partition."""
NOTHING_BEFORE = -1
"""``prev`` of the first message a source sends to a partition."""

_encoder = msgspec.json.Encoder(decimal_format="number")
_report = msgspec.json.Decoder(ReportLine)
_execution = msgspec.json.Decoder(Execution)
_finding = msgspec.json.Decoder(Finding)
_health = msgspec.json.Decoder(LineHealth)

Value = ReportLine | Execution | Finding | LineHealth
V = TypeVar("V", bound=Value)


def encode_lines(values: Iterable[Value]) -> bytes:
    """One JSON object a line, each ended by a newline."""
    return _encoder.encode_lines(values)


def decode_reports(message: bytes) -> list[ReportLine]:
    """Read a message of ``reports``; raises ``msgspec.DecodeError`` when any line is not a known event."""
    return _lines(_report, message)


def decode_executions(message: bytes) -> list[Execution]:
    """Read a message of ``executions``; raises ``msgspec.DecodeError``."""
    return _lines(_execution, message)


def decode_findings(message: bytes) -> list[Finding]:
    """Read a message of ``findings``; raises ``msgspec.DecodeError``."""
    return _lines(_finding, message)


def decode_health(message: bytes) -> list[LineHealth]:
    """Read a message of ``line``; raises ``msgspec.DecodeError``."""
    return _lines(_health, message)


def _lines(decoder: msgspec.json.Decoder[V], message: bytes) -> list[V]:
    try:
        return decoder.decode_lines(message)
    except UnicodeDecodeError as error:  # msgspec lets it through as it is
        raise msgspec.DecodeError(f"not UTF-8: {error}") from None


def headers(source: str, first: int, last: int, prev: int) -> list[tuple[str, bytes]]:
    """Headers of a message of ``reports``.

    ``first`` and ``last`` are the journal numbers of its lines, ``prev`` the ``last`` of the message this source
    sent before it to the same partition (`NOTHING_BEFORE` at the beginning): so a reader knows a repeat from a hole.
    """
    return [
        ("schema", str(SCHEMA).encode()),
        ("source", source.encode()),
        ("first", str(first).encode()),
        ("last", str(last).encode()),
        ("prev", str(prev).encode()),
    ]


def topic(prefix: str, name: str) -> str:
    """Full name of one of sorwatch's topics."""
    return prefix + name


@lru_cache(maxsize=1 << 16)
def partition_of(symbol: str, partitions: int) -> int:
    """Partition of a symbol: Kafka's own murmur2 of its UTF-8 bytes, so that any Kafka producer agrees."""
    return (murmur2(symbol.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2 with Kafka's seed, as an unsigned 32-bit integer."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    if length > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)
