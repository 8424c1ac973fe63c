"""Which wire bytes of a session are journaled, in which order, and which number the session needs next. Pure.

QuickFIX shows every inbound message twice: its exact bytes as they come (also those it will refuse), and later, in
the order of the sequence numbers and each number once, the parsed message it delivers. The journal needs the bytes
of the first in the order of the second:

- What is **delivered** is journaled as ``message``, before the delivery returns, with the next number as its mark.
  At start the mark decides what the session expects, so a message is asked for again exactly when it is not in the
  journal: a number is never journaled twice, and readers need not look for repeats.
- What comes **ahead of a gap** waits here as it waits in QuickFIX, and is journaled when its turn comes. If the
  process dies first it is not in the journal, and is asked for again.
- What was **neither delivered nor kept** (wrong checksum, rejected by the session layer, too low a number) is
  journaled as ``refused`` once that is known: when its reject is sent, or when the next bytes come.
- A possible duplicate (43=Y) of a number that is already in the journal is counted and otherwise left out.

Each message between one `Delivery.came` and the next belongs to the same engine thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from fix_ingest.journal.record import RecordKind
from fix_ingest.session.raw_fields import field, is_whole, number, number_of, without_secrets

LARGEST_NUMBER: Final = (1 << 63) - 1


class Put(Protocol):
    """Appends one record of the session to the journal; raises `OSError` when it cannot."""

    def __call__(self, session: str, kind: RecordKind, body: bytes, seen: int, mark: int | None = None) -> int:
        """Answer the number of the record."""


class Parsed(Protocol):
    """A message as the session layer delivers it."""

    def seq(self) -> int:
        """MsgSeqNum(34)."""

    def text(self) -> bytes:
        """The message written out anew: not its wire bytes, but better than nothing."""


class Delivery:
    """One session's way into the journal."""

    def __init__(self, name: str, put: Put, ask: Callable[[], int]) -> None:
        """``ask`` answers the number the session layer expects next."""
        self.name = name
        self.expected = ask()
        self.up = False
        self.messages = self.refused = self.garbled = self.duplicates = self.gaps = self.resets = self.rebuilt = 0
        self.raw = b""
        self.seen = 0
        self.seq: int | None = None
        self.open = False
        """Whether it is not yet known what becomes of ``raw``."""
        self._put, self._ask = put, ask
        self._ahead: dict[int, tuple[bytes, int]] = {}
        self._missing: list[tuple[int, int]] = []
        self._unsure = True
        self._progress = (self.expected, 0)

    def came(self, raw: bytes, seen: int) -> None:
        """Bytes have come over the wire."""
        if self.open or self._unsure:
            self.settle(seen)
        self.raw, self.seen, self.open = raw, seen, True
        self.seq = number(raw)

    def deliver(self, message: Parsed) -> None:
        """The session layer delivers an application message."""
        if self.open and self.seq is not None and self.seq == self.expected:
            seq, raw, seen, self.open = self.seq, self.raw, self.seen, False
        else:
            seq, raw, seen = self._bytes(message)
        self._put(self.name, "message", raw, seen, marked(seq + 1))
        self.expected = seq + 1
        self.messages += 1
        if self._missing:
            self._fill(seen)

    def deliver_admin(self, message: Parsed) -> None:
        """The session layer delivers a session message; these may come out of turn, and only some use their number."""
        seq, raw, seen = self._bytes(message)
        if field(raw, 35) == b"A" and field(raw, 141) == b"Y":
            self._reset(f"logon with 141=Y while {self.expected} was expected", seen)
        after = _after(raw, seq, self.expected)
        if field(raw, 35) == b"4" and field(raw, 123) != b"Y" and after is not None:
            self._reset(f"sequence reset from {self.expected} to {after}", seen)
        self._put(self.name, "message", without_secrets(raw), seen, marked(after))
        self.messages += 1
        self._unsure = True
        if after is not None:
            self.expected = after
            self._fill(seen)

    def undelivered(self) -> None:
        """What was just delivered could not be written: it will be asked for again."""
        self.open, self._unsure = False, True
        self.expected = min(self.expected, self._ask())

    def rejected(self) -> None:
        """The session layer answers the message with a reject: its number is used, it will not be delivered."""
        if self.open:
            self._refuse(self._ask())

    def asked_again(self, first: int, now: int) -> None:
        """The session layer asks for everything from ``first`` on again."""
        last = max((seq for seq in (self.seq, *self._ahead) if seq is not None), default=first) - 1
        first = max([first, *(known + 1 for _, known in self._missing)])
        if first <= last:
            self._missing.append((first, last))
            self.gaps += 1
            self._put(self.name, "gap", f"{first}-{last}".encode(), now)

    def stalled(self, limit_ns: int) -> bool:
        """Whether a gap has not shrunk for so long: a resent message was garbled, say, and QuickFIX asks only once."""
        if not self.up or not self._missing or self._progress[0] != self.expected:
            self._progress = (self.expected, self.seen)
            return False
        return self.seen - self._progress[1] > limit_ns

    def went_up(self, text: str, now: int) -> None:
        """The session is logged on; also told of another logon while it is."""
        if not self.up:
            self.up = True
            self._put(self.name, "up", text.encode(), now)

    def went_down(self, text: str, now: int) -> None:
        """The session ended; also told of logons that never succeeded."""
        if self.open:
            self.settle(now)
        self._unsure = True
        self._ahead.clear()
        if self.up:
            self.up = False
            self._put(self.name, "down", text.encode(), now)

    def settle(self, now: int) -> None:
        """Find out what has become of the last bytes, and what the session layer expects now."""
        expected = self._ask()
        if expected < self.expected:
            self._reset(f"numbers begin again at {expected} while {self.expected} was expected", now, expected)
        self.expected = expected
        if self.open:
            self._leave()
        if self._missing:
            self._fill(now)
        self._unsure = not self.up or bool(self._ahead)

    def _leave(self) -> None:
        if self.seq is not None and self.seq > self.expected and is_whole(self.raw):
            self._ahead[self.seq] = (self.raw, self.seen)
            self.open = False
        elif self.seq is not None and self.seq < self.expected and field(self.raw, 43) == b"Y" and is_whole(self.raw):
            self.duplicates += 1
            self.open = False
        else:
            self._refuse(None)

    def _refuse(self, mark: int | None) -> None:
        self.open = False
        self.refused += 1
        self.garbled += not is_whole(self.raw)
        self._put(self.name, "refused", without_secrets(self.raw), self.seen, marked(mark))
        self._unsure = True

    def _bytes(self, message: Parsed) -> tuple[int, bytes, int]:
        """Number, bytes and receive time of what is delivered: just come, or having waited for a gap."""
        seq = message.seq()
        if self.seq == seq and self.open:
            self.open = False
            return seq, self.raw, self.seen
        self._unsure = True
        waited = self._ahead.pop(seq, None)
        if waited is None:
            self.rebuilt += 1
            return seq, message.text(), self.seen
        return seq, *waited

    def _fill(self, now: int) -> None:
        while self._missing and self._missing[0][1] < self.expected:
            first, last = self._missing.pop(0)
            self._put(self.name, "gap_filled", f"{first}-{last}".encode(), now)
        for seq in [seq for seq in self._ahead if seq < self.expected]:
            del self._ahead[seq]

    def _reset(self, text: str, now: int, mark: int | None = None) -> None:
        self.resets += 1
        self._ahead.clear()
        self._missing.clear()
        self._put(self.name, "reset", text.encode(), now, marked(mark))


def marked(number: int | None) -> int | None:
    """The number as a mark of the journal; None for one beyond what the journal or a session layer can hold.

    No counterparty means such a number. Without a mark the one before it holds at the next start.
    """
    return number if number is None or number <= LARGEST_NUMBER else None


def _after(raw: bytes, seq: int, expected: int) -> int | None:
    """Number that is expected once the session message counts; None when it leaves the number as it was."""
    kind = field(raw, 35)
    if kind == b"4":
        new = number_of(field(raw, 36))
        return new if new is not None and new > expected else None
    if kind == b"A" and field(raw, 141) == b"Y":
        return seq + 1
    return seq + 1 if seq == expected else None
