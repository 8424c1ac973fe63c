"""FIX on the wire as the drop-copy source speaks it: messages built, framed and cut apart again. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

Fields = Iterable[tuple[int, str | int | bytes]]
_STEP: Final = 256
_APPL_VER_IDS: Final = {"FIX.4.2": "4", "FIX.4.4": "6", "FIX.5.0": "7", "FIX.5.0SP1": "8", "FIX.5.0SP2": "9"}
"""ApplVerID(1128) codes."""


class Inbound:
    """Cuts what the other side sends into messages; it is trusted to frame them properly."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[dict[bytes, bytes]]:
        """Whole messages, as dictionaries of the first value of each tag."""
        self._buffer += data
        while (end := self._buffer.find(b"\x0110=")) >= 0 and len(self._buffer) >= end + 8:
            message, self._buffer = self._buffer[: end + 1], self._buffer[end + 8 :]
            fields: dict[bytes, bytes] = {}
            for part in message.split(b"\x01"):
                tag, _, value = part.partition(b"=")
                fields.setdefault(tag, value)
            yield fields


def encoded(fields: Fields) -> bytes:
    """Message of tags and values, MsgType(35) first."""
    made = _joined(fields)
    if not made.startswith(b"35="):
        raise ValueError("a message begins with MsgType(35)")
    return made


def prepared(line: bytes) -> bytes:
    """A line of a message file as a message: header and trailer fields the source writes itself are left out."""
    separator = b"\x01" if b"\x01" in line else b"|"
    parts = [part for part in line.strip().split(separator) if part]
    own = (b"8=", b"9=", b"49=", b"56=", b"34=", b"52=", b"10=")
    kept = [part for part in parts if not part.startswith(own)]
    first = [part for part in kept if part.startswith(b"35=")][:1]
    return b"".join(part + b"\x01" for part in [*first, *(part for part in kept if not part.startswith(b"35="))])


def logon_fields(heartbeat: int, username: str | None, password: str | None, appl_ver: str | None) -> bytes:
    """Body of a logon: heartbeat in seconds, and what of the rest is given."""
    version = None if appl_ver is None else _APPL_VER_IDS.get(appl_ver, appl_ver)
    fields = ((98, 0), (108, heartbeat), (553, username), (554, password), (1137, version))
    return _joined((tag, value) for tag, value in fields if value is not None)


def framed(begin_string: str, inside: bytes) -> bytes:
    """BeginString, BodyLength and CheckSum around everything between them."""
    data = b"8=%s\x019=%d\x01%s" % (begin_string.encode(), len(inside), inside)
    return b"%s10=%03d\x01" % (data, checksum(data))


def checksum(data: bytes) -> int:
    """Sum of the bytes modulo 256; Adler-32's first half is that sum, and is computed in C."""
    steps = range(0, len(data), _STEP)
    return sum((zlib.adler32(data[i : i + _STEP]) & 0xFFFF) - 1 for i in steps) % 256


def sending_time(ns: int) -> bytes:
    """UTCTimestamp with nanoseconds."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H:%M:%S}.{rest:09d}".encode()


def _joined(fields: Fields) -> bytes:
    return b"".join(
        b"%d=%s\x01" % (tag, value if isinstance(value, bytes) else str(value).encode()) for tag, value in fields
    )
