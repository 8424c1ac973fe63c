"""The session of a drop-copy source: its connection, what it answers, and what the threads that use it wait for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from typing import Final, Literal

import structlog

from monitor.demo.dropcopy.outgoing import Outgoing
from monitor.demo.dropcopy.pace import Pace
from monitor.demo.dropcopy.wakeup import Bell
from monitor.demo.dropcopy.wire import Fields, Inbound, encoded, logon_fields

log = structlog.get_logger()

_BATCH: Final = 200
_RECONNECT_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.5
"""How often the heartbeat is looked at while nothing happens."""


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
        self.role, self.host = role, host
        self.logons = 0
        self.refusals: list[str] = []
        """Texts of the logouts with which logons were refused."""
        self._heartbeat = heartbeat
        self._logon = logon_fields(heartbeat, username, password, default_appl_ver)
        self._outgoing, self._pace, self._bell = Outgoing(begin_string, sender, target), Pace(rate, _BATCH), Bell()
        self._queue: list[bytes] = []
        self._changed = threading.Condition()
        """Held to read or change the queue and what follows here."""
        self._up = self._stopping = self._logging_out = self._logged_out = False
        self._wanted = self._asked = self._confirmed = 0
        """Numbers of test requests: to be sent, sent, and answered."""
        self._listening = _listen(host, port) if role == "acceptor" else None
        self.port = port if self._listening is None else int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="drop-copy-source", daemon=True)

    @property
    def resent(self) -> int:
        """How many messages were sent again because the other side asked."""
        return self._outgoing.resent

    def start(self) -> None:
        """Log on, and again whenever the connection breaks."""
        self._thread.start()

    def send(self, bodies: Iterable[bytes | Fields]) -> int:
        """Queue messages; they are sent in this order. Answers how many."""
        made = [body if isinstance(body, bytes) else encoded(body) for body in bodies]
        with self._changed:
            self._queue.extend(made)
        self._bell.ring()
        return len(made)

    def wait_confirmed(self, timeout: float) -> bool:
        """Whether the other side has answered, within ``timeout`` seconds, a test request sent after all messages.

        The answer comes only when every number before it has been taken in, over however many connections.
        """
        with self._changed:
            self._wanted = wanted = max(self._wanted, self._asked) + 1
            self._bell.ring()
            return self._changed.wait_for(lambda: self._confirmed >= wanted, timeout)

    def sent(self) -> int:
        """How many messages have been sent at least once, session messages left out."""
        return self._outgoing.messages

    def logout(self, timeout: float = 5.0) -> None:
        """End the session in order, and the source with it."""
        with self._changed:
            self._logging_out = True
        self._bell.ring()
        self._thread.join(timeout)
        self.close()

    def close(self) -> None:
        """End the source as it is: an open connection just breaks."""
        with self._changed:
            if self._stopping and not self._thread.is_alive():
                return
            self._stopping = True
        self._bell.ring()
        if self._thread.is_alive():
            self._thread.join()
        if self._listening is not None:
            self._listening.close()
        self._bell.close()

    def __enter__(self) -> DropCopySource:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        """Connections, one after the other."""
        while not self._stopping:
            connection = self._connect()
            if connection is not None:
                with connection:
                    self._talk_until_lost(connection)
                with self._changed:
                    self._up = False
                    self._changed.notify_all()
            if self._logging_out:
                return

    def _connect(self) -> socket.socket | None:
        if self._listening is not None:
            return self._listening.accept()[0] if self._bell.wait(1.0, self._listening) else None
        try:
            return socket.create_connection((self.host, self.port), timeout=10)
        except OSError:
            self._bell.wait(_RECONNECT_SECONDS)
            return None

    def _talk_until_lost(self, connection: socket.socket) -> None:
        try:
            self._talk(connection)
        except OSError as error:
            log.debug("drop-copy source: connection lost", error=str(error))

    def _talk(self, connection: socket.socket) -> None:
        """One connection from logon to its end."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(30)
        inbound = Inbound()
        if self.role == "initiator":
            self._say(connection, b"A", self._logon)
        self._asked = self._confirmed
        last_out = time.monotonic()
        while not self._stopping:
            if self._bell.wait(self._patience(), connection) and not self._hear(connection, inbound):
                return
            if self._up and self._speak(connection, silent_since=last_out):
                last_out = time.monotonic()

    def _patience(self) -> float:
        """Seconds to wait for the other side before something is to be sent."""
        if not self._up or self._logged_out:
            return _LOOK_SECONDS
        with self._changed:
            if self._queue:
                return self._pace.pause(time.monotonic())
            return 0.0 if self._wanted > self._asked or self._logging_out else _LOOK_SECONDS

    def _hear(self, connection: socket.socket, inbound: Inbound) -> bool:
        """Take in what the other side sent; answers whether the session goes on."""
        data = connection.recv(65536)
        return data != b"" and all(self._answer(connection, message) for message in inbound.feed(data))

    def _answer(self, connection: socket.socket, message: dict[bytes, bytes]) -> bool:
        """React to one message of the other side; answers whether the session goes on."""
        kind = message[b"35"]
        if kind == b"A":
            self._logged_on(connection)
        elif kind == b"1":
            self._say(connection, b"0", b"112=%s\x01" % message.get(b"112", b""))
        elif kind == b"2":
            connection.sendall(b"".join(self._outgoing.again(int(message[b"7"]), int(message[b"16"]), time.time_ns())))
        elif kind == b"0" and b"112" in message:
            with self._changed:
                self._confirmed = max(self._confirmed, int(message[b"112"]))
                self._changed.notify_all()
        elif kind == b"5":
            self._told_to_go(connection, message)
            return False
        return True

    def _logged_on(self, connection: socket.socket) -> None:
        if self.role == "acceptor":
            self._say(connection, b"A", self._logon)
        with self._changed:
            self._up = True
            self.logons += 1
            self._changed.notify_all()

    def _told_to_go(self, connection: socket.socket, logout: dict[bytes, bytes]) -> None:
        if not self._up:
            self.refusals.append(logout.get(b"58", b"").decode("utf-8", "replace"))
            time.sleep(_RECONNECT_SECONDS)
        elif not self._logging_out:
            self._say(connection, b"5")

    def _speak(self, connection: socket.socket, silent_since: float) -> bool:
        """Send what may go out now, or a heartbeat when it is time; answers whether anything was sent."""
        if out := self._next_batch():
            connection.sendall(out)
        elif time.monotonic() - silent_since >= self._heartbeat:
            self._say(connection, b"0")
        else:
            return False
        return True

    def _next_batch(self) -> bytes:
        """What may go out now: messages first, then the test request that confirms them, then the logout."""
        if self._logged_out:
            return b""
        most = self._pace.allowed(time.monotonic())
        with self._changed:
            batch = self._queue[:most]
            del self._queue[:most]
            left = len(self._queue)
        if batch:
            self._pace.gone(len(batch))
            return self._outgoing.batch(batch, time.time_ns())
        return b"" if left else self._next_question()

    def _next_question(self) -> bytes:
        if self._wanted > self._asked:
            self._asked = self._wanted
            return self._outgoing.session_message(b"1", b"112=%d\x01" % self._asked, time.time_ns())
        if self._logging_out and not self._stopping:
            self._logged_out = True
            return self._outgoing.session_message(b"5", b"", time.time_ns())
        return b""

    def _say(self, connection: socket.socket, kind: bytes, body: bytes = b"") -> None:
        connection.sendall(self._outgoing.session_message(kind, body, time.time_ns()))


def _listen(host: str, port: int) -> socket.socket:
    made = socket.create_server((host, port))
    made.settimeout(10)
    return made
