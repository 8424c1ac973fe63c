"""Raw bytes → a FIX message, or the reason why they are none.

A message keeps every field in the order it was sent. ``top`` holds the first occurrence of each tag outside repeating
groups, so that what stands inside a group never passes for a field of the message itself.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from fix_ingest.decode import repeating_groups

SOH = "\x01"
_ADLER_BLOCK, _ADLER_ASCII_BLOCK = 256, 512
_FRAME = re.compile(rb"8=FIX[^\x01]*\x019=([0-9]{1,9})(\x01)35=.*\x0110=([0-9]{3})\x01", re.DOTALL)
_ALTERNATING = b"=\x01" * 4096
"""The separators of a plain message, in order: one = and one SOH by field."""
_NO_SEPARATORS = bytes(sorted(set(range(256)) - {0x01, 0x3D}))


class Message(Struct, frozen=True, gc=False):
    """A parsed message."""

    top: dict[str, str]
    """Tag → value, first occurrence outside repeating groups."""
    body: bytes
    """The message as it came."""
    text: str
    """The message as text, SOH between fields; bytes that are not UTF-8 are read as Latin-1."""
    odd: tuple[str, ...] = ()
    """Fields that are not ``tag=value`` with a number for a tag."""

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Every field as (tag, value), in the order it was sent."""
        return _walk(self.body)[0]

    def get(self, tag: str) -> str | None:
        """Value of a tag; None when it is absent or empty."""
        return self.top.get(tag) or None


class Broken(Struct, frozen=True):
    """Bytes that are not a message, and why."""

    reason: str


def parse(body: bytes, framed: bool = True) -> Message | Broken:
    """Read one message; ``framed`` demands header, body length and checksum as they are on the wire.

    Messages out of log files are read unframed: a log may have lost its header, and changed delimiters make the
    checksum wrong.
    """
    if framed and (reason := frame_fault(body)) is not None:
        return Broken(reason)
    if not body:
        return Broken("empty")
    text = text_of(body)
    separators = body.translate(None, _NO_SEPARATORS)
    if separators != _ALTERNATING[: len(separators)]:
        return _carefully(body, text)
    flat = iter(text.replace(SOH, "=").split("="))
    top = dict(zip(flat, flat, strict=False))
    if 2 * len(top) != len(separators) or not _plain(tuple(top)):
        return _carefully(body, text)
    return Message(top, body, text)


@lru_cache(maxsize=4096)
def _plain(tags: tuple[str, ...]) -> bool:
    """Whether all tags are numbers and none begins a repeating group or data; messages have few forms."""
    joined = "".join(tags)
    return joined.isascii() and joined.isdigit() and repeating_groups.COUNTED.isdisjoint(tags)


def text_of(body: bytes) -> str:
    """Bytes as text that can be written as JSON: UTF-8, else Latin-1, which every byte string is."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1")


def shown(text: str) -> str:
    """A message as people write it, with | for SOH."""
    return text.replace(SOH, "|")


def checksum(body: bytes) -> int:
    """FIX checksum of all bytes before ``10=``.

    The low half of Adler-32 is one plus the sum of the bytes while that stays below 65521, which 256 bytes, or 512 of
    ASCII, cannot exceed: about ten times faster than summing in Python.
    """
    block = _ADLER_ASCII_BLOCK if body.isascii() else _ADLER_BLOCK
    if len(body) <= block:
        return ((zlib.adler32(body) & 0xFFFF) - 1) & 0xFF
    total = 0
    for start in range(0, len(body), block):
        total += (zlib.adler32(body[start : start + block]) & 0xFFFF) - 1
    return total & 0xFF


def frame_fault(body: bytes) -> str | None:
    """What is wrong with header, body length or checksum; None when nothing is."""
    found = _FRAME.fullmatch(body)
    if found is not None and int(found[1]) == len(body) - 7 - found.end(2) and int(found[3]) == checksum(body[:-7]):
        return None
    return _fault(body)


def _fault(body: bytes) -> str | None:
    if not body.startswith(b"8=FIX"):
        return "does not begin with BeginString(8)"
    begin = body.find(b"\x01") + 1
    if begin == 0 or not body.startswith(b"9=", begin):
        return "BodyLength(9) is not the second field"
    start = body.find(b"\x01", begin) + 1
    if start == 0 or not body.startswith(b"35=", start):
        return "MsgType(35) is not the third field"
    if body[-8:-4] != b"\x0110=" or body[-1:] != b"\x01" or not body[-4:-1].isdigit():
        return "does not end with CheckSum(10)"
    return _sum_fault(body, body[begin + 2 : start - 1], len(body) - 7 - start)


def _sum_fault(body: bytes, stated: bytes, length: int) -> str | None:
    if not stated.isdigit() or len(stated) > 9 or int(stated) != length:
        return f"BodyLength(9) says {text_of(stated[:20])!r}, it is {length}"
    found = checksum(body[:-7])
    if found != int(body[-4:-1]):
        return f"CheckSum(10) says {text_of(body[-4:-1])}, it is {found:03d}"
    return None


def _carefully(body: bytes, text: str) -> Message | Broken:
    """Field by field: data fields by their length, repeating groups set apart, strange fields kept aside."""
    pairs, odd = _walk(body)
    if not pairs:
        return Broken("no field of the form tag=value")
    return Message(repeating_groups.outside(pairs), body, text, tuple(odd))


def _walk(body: bytes) -> tuple[list[tuple[str, str]], list[str]]:
    pairs: list[tuple[str, str]] = []
    odd: list[str] = []
    at = 0
    while at < len(body):
        end = body.find(b"\x01", at)
        end = len(body) if end < 0 else end
        equals = body.find(b"=", at, end)
        tag = text_of(body[at:equals]).strip() if equals > at else ""
        if tag.isascii() and tag.isdigit():
            end = _end_of_data(body, tag, pairs, equals + 1, end)
            pairs.append((tag, text_of(body[equals + 1 : end])))
        else:
            odd.append(text_of(body[at:end]))
        at = end + 1
    return pairs, odd


def _end_of_data(body: bytes, tag: str, pairs: list[tuple[str, str]], start: int, end: int) -> int:
    """End of a field: by the length field just before it where there is one, for data may hold separators."""
    if not pairs or repeating_groups.DATA.get(pairs[-1][0]) != tag:
        return end
    length = pairs[-1][1]
    if not (length.isascii() and length.isdigit()) or len(length) > 9:
        return end
    stop = start + int(length)
    return stop if body[stop : stop + 1] == b"\x01" else end
