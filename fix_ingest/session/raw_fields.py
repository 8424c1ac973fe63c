"""The little the listener itself reads from a message's wire bytes: a field, its number, whether it is whole. Pure."""

from __future__ import annotations

import re
from typing import Final

SOH: Final = b"\x01"
_SECRETS: Final = re.compile(rb"(\x01(?:554|925)=)([^\x01]*)")
_TRAILER: Final = re.compile(rb"\x0110=\d{3}\x01$")
_HEADER: Final = re.compile(rb"8=[^\x01]+\x019=(\d{1,9})\x01")


def field(raw: bytes, tag: int) -> bytes | None:
    """Value of the first field with the tag, read without regard to groups or data fields; None when absent."""
    start = raw.find(b"\x01%d=" % tag)
    if start < 0:
        return None
    start = raw.index(b"=", start) + 1
    end = raw.find(SOH, start)
    return raw[start:] if end < 0 else raw[start:end]


def number(raw: bytes) -> int | None:
    """MsgSeqNum(34); None when absent or not a number."""
    start = raw.find(b"\x0134=") + 4
    if start == 3:
        return None
    try:
        return int(raw[start : raw.find(SOH, start)])
    except ValueError:
        return None


def number_of(value: bytes | None) -> int | None:
    """A field's value as a number without sign; None when it is absent, something else, or of 20 digits or more."""
    return int(value) if value is not None and value.isdigit() and len(value) < 20 else None


def checksum(data: bytes) -> int:
    """CheckSum(10) of everything before it."""
    return sum(data) % 256


def is_whole(raw: bytes) -> bool:
    """Whether BodyLength(9) and CheckSum(10) are right."""
    head = _HEADER.match(raw)
    tail = _TRAILER.search(raw)
    if head is None or tail is None:
        return False
    body = tail.start() + 1
    return int(head[1]) == body - head.end() and int(raw[-4:-1]) == checksum(raw[:body])


def without_secrets(raw: bytes) -> bytes:
    """The message with Password(554) and NewPassword(925) overwritten by stars, and its checksum put right again."""
    masked, count = _SECRETS.subn(lambda found: found[1] + b"*" * len(found[2]), raw)
    tail = _TRAILER.search(masked)
    if count == 0 or tail is None:
        return masked
    body = masked[: tail.start() + 1]
    return body + b"10=%03d\x01" % checksum(body)
