"""What a session has sent: it numbers messages and gives them out again when the other side missed some. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.demo.dropcopy.wire import framed, sending_time


class Outgoing:
    """Every message a session has sent. Times are ns UTC. Used by one thread; others may ask for the counts."""

    def __init__(self, begin_string: str, sender: str, target: str) -> None:
        self.messages = 0
        """How many messages were sent at least once, session messages left out."""
        self.resent = 0
        self._begin = begin_string
        self._ids = f"49={sender}\x0156={target}\x01".encode()
        self._sent: list[tuple[bytes, bytes] | None] = []
        """Message and SendingTime by number; None for session messages, which are gap-filled."""

    def session_message(self, kind: bytes, body: bytes, now: int) -> bytes:
        """A session message of that MsgType with the next number, as wire bytes."""
        self._sent.append(None)
        return self._framed(b"35=%s\x01" % kind, len(self._sent), sending_time(now), body)

    def batch(self, bodies: list[bytes], now: int) -> bytes:
        """Messages, MsgType first, with the next numbers, as wire bytes."""
        stamp, out = sending_time(now), []
        for body in bodies:
            self._sent.append((body, stamp))
            kind, rest = _kind_apart(body)
            out.append(self._framed(kind, len(self._sent), stamp, rest))
        self.messages += len(bodies)
        return b"".join(out)

    def again(self, first: int, last: int, now: int) -> Iterator[bytes]:
        """Numbers ``first`` to ``last`` (0: all) again: messages as possible duplicates, the rest as gap fills."""
        stamp, hole = sending_time(now), first
        entries = self._sent[first - 1 : last if last > 0 else None]
        for number, entry in enumerate(entries, first):
            if entry is None:
                continue
            if hole < number:
                yield self._filled(hole, number, stamp)
            yield self._repeated(number, *entry, stamp)
            hole = number + 1
        if hole < first + len(entries):
            yield self._filled(hole, first + len(entries), stamp)

    def _repeated(self, number: int, body: bytes, original: bytes, stamp: bytes) -> bytes:
        self.resent += 1
        kind, rest = _kind_apart(body)
        return self._framed(kind, number, stamp, b"43=Y\x01122=%s\x01%s" % (original, rest))

    def _filled(self, first: int, following: int, stamp: bytes) -> bytes:
        body = b"43=Y\x01122=%s\x01123=Y\x0136=%d\x01" % (stamp, following)
        return self._framed(b"35=4\x01", first, stamp, body)

    def _framed(self, kind: bytes, number: int, stamp: bytes, body: bytes) -> bytes:
        return framed(self._begin, b"%s%s34=%d\x0152=%s\x01%s" % (kind, self._ids, number, stamp, body))


def _kind_apart(body: bytes) -> tuple[bytes, bytes]:
    """A message's MsgType field, and the rest."""
    end = body.index(b"\x01") + 1
    return body[:end], body[end:]
