"""FIX log files → the same events as a live session gives.

Nothing in a log stops the reading: lines without a message are rejected and counted with their numbers, messages
printed twice are told once and named, and a damaged archive is read as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import BinaryIO

from msgspec import Struct, field

from fix_ingest.decode.decoder import Decoder
from fix_ingest.decode.dialect import Dialect
from fix_ingest.decode.field_values import time_ns, whole
from fix_ingest.decode.message import frame_fault, text_of
from fix_ingest.journal.record import Record
from fix_ingest.logs.order import Sent, in_order
from fix_ingest.logs.shapes import is_remark, messages
from monitor.files.archives import DAMAGED, texts
from monitor.venues.shipped import shipped
from monitor.venues.table import Venues
from monitor.wire.events import Garbled, ReportLine

NAMED = 1_000
"""So many of them are named; all are counted."""

_LONGEST_LINE = 1 << 20
_REMEMBERED = 500_000
"""Messages whose repetition is recognised."""
_BEFORE = re.compile(r"^8=[^\x01]*\x01(?:9=[^\x01]*\x01)?")
_AFTER = re.compile(r"10=[0-9]{3}\x01$")
_SENT = re.compile(r"\x0152=[^\x01]*\x01")
_RESENT = re.compile(r"\x01(?:(?:43|97|122)=[^\x01]*\x01)+")
"""Fields in which a message sent again differs from the first time, beside its frame and SendingTime."""


class Place(Struct, frozen=True):
    """A line of a log."""

    path: str
    line: int
    what: str


class LogCounts(Struct):
    """What was found in the logs read so far."""

    messages: int = 0
    events: int = 0
    garbled: int = 0
    """Messages that could not be used; each is told as an event with its reason."""
    rejected: int = 0
    """Lines without a message; where a damaged archive breaks off counts as one."""
    remarks: int = 0
    """Lines that tell of the session, such as QuickFIX/J events."""
    duplicates: int = 0
    """Messages that stood in the log before, and were not told again."""
    bad_frames: int = 0
    """Messages whose header, length or checksum is wrong or missing; in a log that alone does not matter."""
    places: list[Place] = field(default_factory=list)
    """The first rejected lines, duplicates and messages that could not be used, and what was damaged."""


class LogReader:
    """Reads logs one after another as one source: numbers rise over all of them, and chains go on."""

    def __init__(self, source: str, dialect: Dialect, venues: Venues | None = None) -> None:
        self.counts = LogCounts()
        self.decoder = Decoder(source, {}, shipped() if venues is None else venues, otherwise=dialect, live=False)
        self._sessions: dict[frozenset[str], str] = {}
        self._seen: dict[bytes, Place] = {}
        self._n = 0

    def read(self, path: str) -> Iterator[ReportLine]:
        """Events of one log, in the order of its lines; raises `Mistaken` when the file cannot be opened."""
        for sent in self._sent([path]):
            yield from self._events(sent)

    def read_all(self, paths: Sequence[str]) -> Iterator[ReportLine]:
        """Events of several logs, in the order in which their messages were sent, however their lines stand."""
        for sent in in_order(self._sent(paths)):
            yield from self._events(sent)

    def _sent(self, paths: Sequence[str]) -> Iterator[Sent]:
        """Every message that did not stand in the logs before."""
        n = 0
        for path in paths:
            last = 0
            for place, message in self._messages(path):
                if self._known_before(place, message):
                    continue
                self.counts.messages += 1
                self.counts.bad_frames += frame_fault(message.encode()) is not None
                last = _first_sent(message, last)
                n += 1
                seq = whole(_value(message, "34"))
                yield Sent(last, n, _value(message, "49"), seq, message, place.path, place.line)

    def _events(self, sent: Sent) -> list[ReportLine]:
        """Decoded as if received when it was sent, for a log does not say when that was."""
        self._n += 1
        message = sent.body
        times = (time_ns(_value(message, tag)) for tag in ("52", "60"))
        seen = next((time for time in times if time is not None), sent.at)
        events = self.decoder.decode(Record(self._n, seen, self._session(message), "message", message.encode()))
        self.counts.events += len(events)
        for event in events:
            if isinstance(event, Garbled):
                self._name(Place(sent.path, sent.line, ""), event.reason)
        self.counts.garbled = self.decoder.counts["garbled"]
        return events

    def _session(self, message: str) -> str:
        """``sender->target`` as first seen: both directions of a conversation are one session."""
        pair = (_value(message, "49") or "?", _value(message, "56") or "?")
        return self._sessions.setdefault(frozenset(pair), "->".join(pair))

    def _known_before(self, place: Place, message: str) -> bool:
        key = _identity(message)
        first = self._seen.get(key)
        if first is not None:
            self.counts.duplicates += 1
            self._name(place, f"same message as {first.path}:{first.line}")
            return True
        self._seen[key] = place
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return False

    def _messages(self, path: str) -> Iterator[tuple[Place, str]]:
        for place, raw in self._lines(path):
            line = text_of(raw).rstrip("\r\n")
            found = False
            for message in messages(line):
                found = True
                yield place, message
            if found or not line.strip():
                continue
            if is_remark(line):
                self.counts.remarks += 1
            else:
                self.counts.rejected += 1
                self._name(place, f"no FIX message: {line.strip()[:80]!r}")

    def _lines(self, path: str) -> Iterator[tuple[Place, bytes]]:
        place = Place(path, 1, "")
        try:
            for name, text in texts(path, "log"):
                place = Place(name, 1, "")
                for number, line in _cut(text):
                    place = Place(name, number, "")
                    yield place, line
        except DAMAGED as error:
            self.counts.rejected += 1
            self._name(place, f"damaged from here on: {error}")

    def _name(self, place: Place, what: str) -> None:
        if len(self.counts.places) < NAMED:
            self.counts.places.append(Place(place.path, place.line, what))


def _cut(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; a log without newlines is cut before a message so that no line is boundless."""
    number, rest = 1, b""
    while line := rest + stream.readline(_LONGEST_LINE):
        rest = b""
        if not line.endswith(b"\n") and len(line) >= _LONGEST_LINE:
            at = line.rfind(b"8=FIX")
            if at > 0:
                line, rest = line[:at], line[at:]
        yield number, line
        number += line.endswith(b"\n")


def _value(message: str, tag: str) -> str:
    """Value of a header field; empty when there is none."""
    start = message.find(f"\x01{tag}=")
    if start < 0:
        return ""
    start += len(tag) + 2
    return message[start : message.find("\x01", start)]


def _first_sent(message: str, otherwise: int) -> int:
    """When it was sent, for the first time where it was sent again."""
    times = (time_ns(_value(message, tag)) for tag in ("122", "52", "60"))
    return next((time for time in times if time is not None), otherwise)


def _identity(message: str) -> bytes:
    """Digest of what makes a message the same when it is printed or sent again (PossDup: by its original time)."""
    body = _BEFORE.sub("", message, count=1)
    body = _AFTER.sub("", body)
    if original := _value(body, "122"):
        body = _SENT.sub(f"\x0152={original}\x01", body, count=1)
    return blake2b(_RESENT.sub("\x01", body).encode(), digest_size=12).digest()
