"""A drop-copy source: sends prepared FIX messages over a real session, as the counterparty of the listener would.

Used by the demo, the tests and the benches. It is a FIX session of its own on plain sockets (logon, heartbeat, test
request, resend with PossDupFlag, gap fill, logout) and shares no code with the listener, so that neither hides the
other's mistakes. Everything sent is kept in memory and sent again when asked for; sequence numbers live as long as
the source.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import sys
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

import structlog

log = structlog.get_logger()

Fields = Iterable[tuple[int, str | int | bytes]]
SOH: Final = "\x01"
_BATCH: Final = 200
_RECONNECT_SECONDS: Final = 0.1
_STEP: Final = 256


class DropCopySource:
    """One session. Thread-safe: any thread may `send` while the source's own thread keeps the session up.

    A message is bytes of the form ``35=8|…|`` with SOH for ``|``: MsgType first, then the body; header fields
    8, 9, 49, 56, 34, 52 and the trailer are put around it.
    """

    def __init__(
        self,
        begin_string: str,
        sender: str,
        target: str,
        host: str,
        port: int,
        *,
        role: Literal["initiator", "acceptor"] = "initiator",
        heartbeat: int = 30,
        username: str | None = None,
        password: str | None = None,
        default_appl_ver: str | None = None,
        rate: float | None = None,
    ) -> None:
        """``sender`` is the source's CompID; an acceptor listens at once, on ``port`` 0 on one of the system's choice.

        ``rate`` limits messages a second; None: as fast as they are taken.
        """
        self.role, self.host, self.port = role, host, port
        self.logons = 0
        self.resent = 0
        self.refusals: list[str] = []
        """Texts of the logouts with which logons were refused."""
        self._begin = begin_string
        self._ids = f"49={sender}{SOH}56={target}{SOH}".encode()
        self._heartbeat = heartbeat
        self._logon = _logon_fields(heartbeat, username, password, default_appl_ver)
        self._rate = rate
        self._sent: list[tuple[bytes, bytes] | None] = []
        """Message and SendingTime by number; None for session messages, which are gap-filled."""
        self._queue: list[bytes] = []
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._stopping = False
        self._logging_out = False
        self._up = False
        self._asked = 0
        self._confirmed = 0
        self._wanted = 0
        self._allowance = 0.0
        self._allowed_at = 0.0
        self._listening = _listen(host, port) if role == "acceptor" else None
        if self._listening is not None:
            self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="drop-copy-source", daemon=True)

    def start(self) -> None:
        """Log on, and again whenever the connection breaks."""
        self._thread.start()

    def send(self, bodies: Iterable[bytes | Fields]) -> int:
        """Queue messages; they are sent in this order. Answers how many."""
        made = [body if isinstance(body, bytes) else encoded(body) for body in bodies]
        with self._lock:
            self._queue.extend(made)
        self._wake()
        return len(made)

    def wait_up(self, timeout: float) -> bool:
        """Whether the session is logged on within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._up, timeout)

    def wait_confirmed(self, timeout: float) -> bool:
        """Whether the other side has answered, within ``timeout`` seconds, a test request sent after all messages.

        The answer comes only when every number before it has been taken in, over however many connections.
        """
        with self._changed:
            self._wanted = wanted = max(self._wanted, self._asked) + 1
            self._wake()
            return self._changed.wait_for(lambda: self._confirmed >= wanted, timeout)

    def sent(self) -> int:
        """How many messages have been sent at least once, session messages left out."""
        with self._lock:
            return sum(entry is not None for entry in self._sent)

    def logout(self, timeout: float = 5.0) -> None:
        """End the session in order, and the source with it."""
        with self._lock:
            self._logging_out = True
        self._wake()
        self._thread.join(timeout)
        self.close()

    def close(self) -> None:
        """End the source as it is: an open connection just breaks."""
        with self._lock:
            if self._stopping and not self._thread.is_alive():
                return
            self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        if self._listening is not None:
            self._listening.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def __enter__(self) -> DropCopySource:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"w")
        except (BlockingIOError, OSError):
            """Full: the thread will wake anyhow. Closed: it has ended."""

    def _run(self) -> None:
        while not self._stopping:
            connection = self._connect()
            if connection is None:
                if self._logging_out:
                    return
                continue
            with connection:
                try:
                    self._talk(connection)
                except OSError as error:
                    log.debug("drop-copy source: connection lost", error=str(error))
            with self._changed:
                self._up = False
                self._changed.notify_all()
            if self._logging_out:
                return

    def _connect(self) -> socket.socket | None:
        if self._listening is not None:
            ready, _, _ = select.select([self._listening.fileno(), self._wake_read], [], [], 1.0)
            self._drain_wake()
            return self._listening.accept()[0] if self._listening.fileno() in ready else None
        try:
            return socket.create_connection((self.host, self.port), timeout=10)
        except OSError:
            select.select([self._wake_read], [], [], _RECONNECT_SECONDS)
            self._drain_wake()
            return None

    def _talk(self, connection: socket.socket) -> None:
        """One connection from logon to its end."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(30)
        inbound = Inbound()
        if self.role == "initiator":
            connection.sendall(self._numbered([(b"35=A\x01", self._logon)]))
        self._asked = self._confirmed
        last_out = time.monotonic()
        while not self._stopping:
            sending = self._up and self._has_work()
            pause = self._pause() if sending else 0.5
            ready, _, _ = select.select([connection.fileno(), self._wake_read], [], [], pause)
            self._drain_wake()
            if connection.fileno() in ready:
                data = connection.recv(65536)
                if not data:
                    return
                for message in inbound.feed(data):
                    if not self._answer(connection, message):
                        return
            out = self._next_batch() if self._up else b""
            if not out and self._up and time.monotonic() - last_out >= self._heartbeat:
                out = self._numbered([(b"35=0\x01", b"")])
            if out:
                connection.sendall(out)
                last_out = time.monotonic()

    def _answer(self, connection: socket.socket, message: dict[bytes, bytes]) -> bool:
        """React to one message of the other side; answers whether the session goes on."""
        kind = message[b"35"]
        if kind == b"A":
            if self.role == "acceptor":
                connection.sendall(self._numbered([(b"35=A\x01", self._logon)]))
            with self._changed:
                self._up = True
                self.logons += 1
                self._changed.notify_all()
        elif kind == b"1":
            connection.sendall(self._numbered([(b"35=0\x01", b"112=" + message.get(b"112", b"") + b"\x01")]))
        elif kind == b"2":
            connection.sendall(b"".join(self._again(int(message[b"7"]), int(message[b"16"]))))
        elif kind == b"0" and b"112" in message:
            with self._changed:
                self._confirmed = max(self._confirmed, int(message[b"112"]))
                self._changed.notify_all()
        elif kind == b"5":
            if not self._up:
                self.refusals.append(message.get(b"58", b"").decode("utf-8", "replace"))
                time.sleep(_RECONNECT_SECONDS)
            elif not self._logging_out:
                connection.sendall(self._numbered([(b"35=5\x01", b"")]))
            return False
        return True

    def _has_work(self) -> bool:
        with self._lock:
            return bool(self._queue) or self._wanted > self._asked or self._logging_out

    def _pause(self) -> float:
        """Seconds until the rate allows another message; 0 when it does."""
        if self._rate is None:
            return 0.0
        now = time.monotonic()
        self._allowance = min(_BATCH, self._allowance + (now - self._allowed_at) * self._rate)
        self._allowed_at = now
        return 0.0 if self._allowance >= 1 or not self._queue else (1 - self._allowance) / self._rate

    def _next_batch(self) -> bytes:
        """What may go out now: messages first, then the test request that confirms them, then the logout."""
        most = _BATCH
        if self._rate is not None:
            self._pause()
            most = int(self._allowance)
        with self._lock:
            batch = self._queue[:most]
            del self._queue[:most]
            empty = not self._queue
        if batch:
            self._allowance -= len(batch)
            return self._numbered_messages(batch)
        if not empty:
            return b""
        if self._wanted > self._asked:
            self._asked = self._wanted
            return self._numbered([(b"35=1\x01", b"112=%d\x01" % self._asked)])
        if self._logging_out and not self._stopping:
            self._stopping_soon()
            return self._numbered([(b"35=5\x01", b"")])
        return b""

    def _stopping_soon(self) -> None:
        """One logout is enough: the rest is the other side's answer, or the end of `logout`'s patience."""
        self._wanted = self._asked
        self._next_batch = lambda: b""  # type: ignore[method-assign]  # nothing more is ever sent

    def _numbered(self, messages: list[tuple[bytes, bytes]]) -> bytes:
        """Session messages with the next numbers."""
        stamp, out = sending_time(time.time_ns()), []
        with self._lock:
            for kind, body in messages:
                self._sent.append(None)
                out.append(self._framed(kind, len(self._sent), stamp, body))
        return b"".join(out)

    def _numbered_messages(self, bodies: list[bytes]) -> bytes:
        stamp, out = sending_time(time.time_ns()), []
        with self._lock:
            for body in bodies:
                self._sent.append((body, stamp))
                end = body.index(b"\x01") + 1
                out.append(self._framed(body[:end], len(self._sent), stamp, body[end:]))
        return b"".join(out)

    def _again(self, first: int, last: int) -> Iterator[bytes]:
        """Numbers ``first`` to ``last`` (0: all) again: messages as possible duplicates, the rest as gap fills."""
        stamp = sending_time(time.time_ns())
        with self._lock:
            entries = self._sent[first - 1 : last if last > 0 else None]
        hole: int | None = None
        number = first
        for number, entry in enumerate(entries, first):
            if entry is None:
                hole = number if hole is None else hole
                continue
            if hole is not None:
                yield self._filled(hole, number, stamp)
                hole = None
            body, original = entry
            end = body.index(b"\x01") + 1
            self.resent += 1
            yield self._framed(body[:end], number, stamp, b"43=Y\x01122=" + original + b"\x01" + body[end:])
        if hole is not None:
            yield self._filled(hole, number + 1, stamp)

    def _filled(self, first: int, following: int, stamp: bytes) -> bytes:
        return self._framed(b"35=4\x01", first, stamp, b"43=Y\x01122=" + stamp + b"\x01123=Y\x0136=%d\x01" % following)

    def _framed(self, kind: bytes, number: int, stamp: bytes, body: bytes) -> bytes:
        return framed(self._begin, b"%s%s34=%d\x0152=%s\x01%s" % (kind, self._ids, number, stamp, body))

    def _drain_wake(self) -> None:
        try:
            while os.read(self._wake_read, 4096):
                """Whatever woke us is looked at anyhow."""
        except BlockingIOError:
            """Empty."""


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
    parts = [b"%d=%s\x01" % (tag, value if isinstance(value, bytes) else str(value).encode()) for tag, value in fields]
    if not parts or not parts[0].startswith(b"35="):
        raise ValueError("a message begins with MsgType(35)")
    return b"".join(parts)


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
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(seconds)).encode() + b".%09d" % rest


def _logon_fields(heartbeat: int, username: str | None, password: str | None, appl_ver: str | None) -> bytes:
    fields: list[tuple[int, str | int]] = [(98, 0), (108, heartbeat)]
    if username is not None:
        fields.append((553, username))
    if password is not None:
        fields.append((554, password))
    if appl_ver is not None:
        fields.append((1137, APPL_VER_IDS.get(appl_ver, appl_ver)))
    return b"".join(f"{tag}={value}{SOH}".encode() for tag, value in fields)


APPL_VER_IDS: Final = {"FIX.4.2": "4", "FIX.4.4": "6", "FIX.5.0": "7", "FIX.5.0SP1": "8", "FIX.5.0SP2": "9"}
"""ApplVerID(1128) codes."""


def _listen(host: str, port: int) -> socket.socket:
    made = socket.create_server((host, port))
    made.settimeout(10)
    return made


def main(argv: list[str] | None = None) -> int:
    """Send a file of messages (one a line, ``|`` or SOH between fields) and wait until they are confirmed."""
    parser = argparse.ArgumentParser(prog="python -m fix_ingest.dropcopy", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", required=True, help="messages, one a line; - for standard input")
    parser.add_argument("--begin-string", default="FIX.4.4")
    parser.add_argument("--sender", default="ROUTER")
    parser.add_argument("--target", default="SORWATCH")
    parser.add_argument("--role", choices=("initiator", "acceptor"), default="initiator")
    parser.add_argument("--heartbeat", type=int, default=30)
    parser.add_argument("--rate", type=float, help="messages a second; without it as fast as they are taken")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for the confirmation")
    args = parser.parse_args(argv)
    text = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
    source = DropCopySource(
        args.begin_string,
        args.sender,
        args.target,
        args.host,
        args.port,
        role=args.role,
        heartbeat=args.heartbeat,
        rate=args.rate,
    )
    source.start()
    source.send(prepared(line) for line in text.splitlines() if line.strip())
    confirmed = source.wait_confirmed(args.timeout)
    sys.stdout.write(f'{{"sent": {source.sent()}, "resent": {source.resent}, "logons": {source.logons}}}\n')
    source.logout()
    return 0 if confirmed else 1


def prepared(line: bytes) -> bytes:
    """A line of a message file as a message: header and trailer fields the source writes itself are left out."""
    separator = b"\x01" if b"\x01" in line else b"|"
    parts = [part for part in line.strip().split(separator) if part]
    own = (b"8=", b"9=", b"49=", b"56=", b"34=", b"52=", b"10=")
    kept = [part for part in parts if not part.startswith(own)]
    first = [part for part in kept if part.startswith(b"35=")][:1]
    return b"".join(part + b"\x01" for part in [*first, *(part for part in kept if not part.startswith(b"35="))])


if __name__ == "__main__":
    sys.exit(main())
