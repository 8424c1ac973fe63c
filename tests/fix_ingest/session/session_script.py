"""Runs a session script of the FIX acceptance suite (`.def`: I sends, E expects) against a listening acceptor.

The scripts are written for an acceptor that echoes orders. A drop-copy listener never answers them: expected echoes
are passed over, and the numbers of what is expected after them are lower by as many.
"""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

from monitor.demo.dropcopy import checksum

SOH = b"\x01"
_BY_SHAPE = (b"10", b"42", b"52", b"60", b"122")
_SESSION_TYPES = (b"0", b"1", b"2", b"3", b"4", b"5", b"A", b"j")
_TIME = re.compile(rb"<TIME([+-]\d+)?>")


class Mismatch(AssertionError):
    """The other side did not do what the script says."""


class Conversation:
    """One run of one script: its numbered connections."""

    def __init__(self, port: int, patience: float) -> None:
        self.port, self.patience = port, patience
        self._open: dict[int, socket.socket] = {}
        self._read: dict[int, bytes] = {}
        self._echoes: dict[int, int] = {}

    def run(self, script: Path) -> None:
        try:
            for number, line in enumerate(script.read_bytes().splitlines(), 1):
                if line.strip() and not line.startswith(b"#"):
                    self._step(line, f"{script.name}:{number}")
        finally:
            for connection in self._open.values():
                connection.close()

    def _step(self, line: bytes, place: str) -> None:
        action, rest = line[:1], line[1:]
        which = 1
        if numbered := re.match(rb"(\d+),", rest):
            which, rest = int(numbered[1]), rest[numbered.end() :]
        if rest.startswith(b"CONNECT"):
            self._open[which] = socket.create_connection(("127.0.0.1", self.port), timeout=self.patience)
            self._read[which], self._echoes[which] = b"", 0
        elif rest.startswith(b"DISCONNECT"):
            self._disconnect(action, which, place)
        elif action == b"I":
            self._open[which].sendall(finished(rest))
        elif not _is_session_message(rest):
            self._echoes[which] += b"\x0143=Y\x01" not in rest
        else:
            self._compare(_renumbered(finished(rest), self._echoes[which]), self._next(which, place), place)

    def _disconnect(self, action: bytes, which: int, place: str) -> None:
        if action == b"e":
            left = self._receive(which)
            if left:
                raise Mismatch(f"{place}: expected the connection to close, got {left!r}")
        self._open.pop(which).close()

    def _next(self, which: int, place: str) -> bytes:
        while (end := self._read[which].find(b"\x0110=")) < 0 or len(self._read[which]) < end + 8:
            data = self._receive(which)
            if not data:
                raise Mismatch(f"{place}: connection closed, or nothing came")
            self._read[which] += data
        message, self._read[which] = self._read[which][: end + 8], self._read[which][end + 8 :]
        return message

    def _receive(self, which: int) -> bytes:
        try:
            return self._open[which].recv(65536)
        except ConnectionResetError:
            return b""

    def _compare(self, want: bytes, got: bytes, place: str) -> None:
        wanted, had = ([f.partition(b"=") for f in m.split(SOH) if f] for m in (want, got))
        same = len(wanted) == len(had) and all(
            w[0] == h[0] and (w[0] in (*_BY_SHAPE, b"9") or w[2] == h[2]) for w, h in zip(wanted, had, strict=True)
        )
        if not same:
            raise Mismatch(f"{place}: expected {want!r}, got {got!r}")


def _is_session_message(raw: bytes) -> bool:
    return any(b"\x0135=%s\x01" % kind in raw for kind in _SESSION_TYPES)


def _renumbered(raw: bytes, echoes: int) -> bytes:
    return re.sub(rb"(?<=\x0134=)\d+(?=\x01)", lambda found: b"%d" % (int(found[0]) - echoes), raw, count=1)


def finished(line: bytes) -> bytes:
    """The line with its times filled in, and with BodyLength and CheckSum where they are left out."""
    raw = _TIME.sub(lambda found: _stamp(int(found[1] or 0)), line)
    if raw.startswith(b"8=") and b"\x019=" not in raw:
        head, _, body = raw.partition(SOH)
        inside = body.partition(b"\x0110=")[0]
        raw = b"%s\x019=%d\x01%s" % (head, len(inside) + (len(inside) < len(body)), body)
    if b"\x0110=" not in raw and raw.startswith(b"8="):
        raw += b"10=%03d\x01" % checksum(raw)
    return raw


def _stamp(shift: int) -> bytes:
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(time.time() + shift)).encode()
