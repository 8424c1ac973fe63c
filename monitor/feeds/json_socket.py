"""Takes in lines of JSON from standard input (``jsonl:-``) or over TCP (``jsonl:tcp://127.0.0.1:9440``).

Whose clock the ticks follow is decided by what comes first, or by ``?clock=``: a feed that sends ticks of its own is
believed (``feed``); a first quote that is older than a minute is history sent through a pipe, whose ticks follow the
quotes (``rows``); for any other they tell the time of day (``wall``). Over TCP nothing is promised while nobody is
connected, so that a feed that is cut off is noticed as silent.
"""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import structlog

from monitor.config.toml import Mistake, Mistaken
from monitor.feeds.batches import Round
from monitor.feeds.json_lines import (
    LONGEST,
    FeedEnd,
    FeedTick,
    Garbled,
    Heard,
    Quote,
    believable,
    heard,
    table_of,
    whole_lines,
)
from monitor.feeds.quote_table import Names
from monitor.feeds.rejects import Rejects, Unreadable

log = structlog.get_logger()

HISTORY_NS = 60 * 10**9
MOST_HEARD = 200_000
"""Lines that wait to be taken; then the feed has to wait."""
_READ = 1 << 16
_ASKED = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A connection that is silent for so many seconds is asked, so often, whether it is still there."""


class Inbox:
    """What has been heard and not yet taken, in order; garbled lines go to the complaints."""

    def __init__(self, complaints: Rejects) -> None:
        self._complaints = complaints
        self._lock = threading.Condition()
        self._heard: list[Heard] = []
        self._wrong: list[Unreadable] = []
        self.connected = 0

    def add(self, lines: list[bytes], number: int, name: str) -> None:
        """Lines that have just come; ``number`` is that of the first one on its connection."""
        with self._lock:
            self._lock.wait_for(lambda: len(self._heard) < MOST_HEARD)
            now = time.time_ns()
            for i, line in enumerate(lines):
                if not line.strip():
                    continue
                try:
                    self._heard.append(believable(heard(line, now), now))
                except Garbled as error:
                    text = line[:LONGEST].decode("utf-8", "replace")
                    place = f"{name}:{number + i}"
                    self._wrong.append(Unreadable(place=place, reason=error.reason, text=text, detail=str(error)))

    def cut_short(self, rest: bytes, number: int, name: str) -> None:
        """What was left of a line when the connection ended."""
        if rest.strip():
            self.add([rest], number, name)

    def take(self) -> tuple[list[Heard], int]:
        """Everything heard so far, and the time of day at which that was all."""
        with self._lock:
            taken, self._heard = self._heard, []
            wrong, self._wrong = self._wrong, []
            now = time.time_ns()
            self._lock.notify_all()
        for row in wrong:
            self._complaints.add(row.place, row.reason, row.text, row.detail)
        return taken, now

    def come_and_go(self, change: int) -> None:
        """Somebody connected (1) or left (-1)."""
        with self._lock:
            self.connected += change


class Jsonl:
    """A live source of lines: `poll` gives what has come since, as a round."""

    def __init__(self, path: str, options: Mapping[str, str], complaints: Rejects, patience_ns: int) -> None:
        """Listen or read; raises `Mistaken` when the address is none or is taken, or an option is unknown.

        ``patience_ns`` is how much older than the time of day a quote may be before it counts as late.
        """
        self._patience = patience_ns
        self._clock = _clock(path, options)
        self.inbox = Inbox(complaints)
        self.late = 0
        self._names = Names()
        self._through: int | None = None
        self._newest: int | None = None
        """Time of the latest quote so far."""
        self._eof = threading.Event()
        self._server = None if path == "-" else _server(path, self.inbox)
        self.where = "standard input" if self._server is None else "tcp://{}:{}".format(*self._server.server_address)
        self.behind = False
        if self._server is None:
            self.inbox.come_and_go(1)
            run: Callable[[], object] = partial(_read_all, sys.stdin.buffer, self.inbox, self._eof)
        else:
            run = self._server.serve_forever
        threading.Thread(target=run, name="jsonl", daemon=True).start()
        log.info("taking quotes as lines of JSON", at=self.where)

    @property
    def patient(self) -> bool:
        """History waits for Kafka; a live feed does not."""
        return self._clock == "rows"

    def poll(self) -> Round | None:
        """What has come, and how far that is everything; None when there is nothing to say."""
        eof = self._eof.is_set()
        said, now = self.inbox.take()
        quotes = [h for h in said if isinstance(h, Quote)]
        if not said and not eof and not self.inbox.connected:
            return None
        self._learn(said, now)
        rows = table_of(quotes, self._names).sorted()
        if self._through is not None and len(rows):
            self.late += int((rows.time <= self._through - (self._patience if self._clock == "wall" else 0)).sum())
        ended = eof or any(isinstance(h, FeedEnd) for h in said)
        self._promise([h.at for h in said if isinstance(h, FeedTick)], rows.time.tolist(), now, ended)
        return Round(rows=rows, through=self._through, ended=ended)

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _learn(self, said: list[Heard], now: int) -> None:
        """Whose clock the ticks follow, by the first things heard."""
        if self._clock is None and any(isinstance(h, FeedTick) for h in said):
            self._clock = "feed"
        first = next((h for h in said if isinstance(h, Quote)), None)
        if self._clock is None and first is not None:
            history = first.stamped and first.time < now - HISTORY_NS
            self._clock = "rows" if history else "wall"
            if history:
                log.info("the first quote is older than a minute: ticks follow the quotes' times, not the clock")

    def _promise(self, ticks: list[int], times: list[int], now: int, ended: bool) -> None:
        newest = max(times, default=None)
        promises: list[int] = [] if self._through is None else [self._through]
        if self._clock == "feed":
            promises += ticks
        if self._clock == "rows" and newest is not None:
            promises.append(newest - 1)
        if self._clock == "wall":
            promises.append(now - 1)
        self._newest = max((time for time in (self._newest, newest) if time is not None), default=None)
        if ended and self._newest is not None:
            # the end may be noticed later than the last quote: it still vouches for it
            promises.append(self._newest)
        self._through = max(promises, default=None)


def _read_all(stream: BinaryIO, inbox: Inbox, eof: threading.Event) -> None:
    held, number = bytearray(), 1
    read = getattr(stream, "read1", stream.read)
    while more := read(_READ):
        lines = list(whole_lines(held, more))
        inbox.add(lines, number, "standard input")
        number += len(lines)
    inbox.cut_short(bytes(held), number, "standard input")
    eof.set()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def get_request(self) -> tuple[socket.socket, Any]:
        accepted, address = super().get_request()
        watch(accepted)
        return accepted, address


def watch(connection: socket.socket) -> None:
    """Let the system find out when the other end has vanished without a word, which nothing else would tell."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _ASKED.items():
        if hasattr(socket, name):  # not every system has all of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _server(path: str, inbox: Inbox) -> _Server:
    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            _connection(self.request.recv, "{}:{}".format(*self.client_address), inbox)

    address = _address(path)
    try:
        return _Server(address, Connection)
    except OSError as error:
        raise _mistaken(path, f"cannot listen there: {error.strerror}") from None


def _address(path: str) -> tuple[str, int]:
    try:
        address = urlsplit(path)
        scheme, host, port = address.scheme, address.hostname, address.port
    except ValueError:  # a port that is none, brackets that are not closed
        scheme, host, port = "", None, None
    if host is None or port is None or scheme != "tcp":
        raise _mistaken(path, "write jsonl:- for standard input or jsonl:tcp://HOST:PORT to listen")
    return host, port


def _connection(receive: Callable[[int], bytes], name: str, inbox: Inbox) -> None:
    held, number = bytearray(), 1
    inbox.come_and_go(1)
    log.info("feed connected", peer=name)
    try:
        while more := receive(_READ):
            lines = list(whole_lines(held, more))
            inbox.add(lines, number, name)
            number += len(lines)
    except OSError as error:
        log.warning("feed connection broke", peer=name, why=str(error))
    inbox.cut_short(bytes(held), number, name)
    inbox.come_and_go(-1)
    log.info("feed disconnected", peer=name, lines=number - 1)


def _clock(path: str, options: Mapping[str, str]) -> str | None:
    clock = options.get("clock")
    if set(options) - {"clock"} or clock not in (None, "wall", "rows", "feed"):
        raise _mistaken(path, "the only option of jsonl: is clock=wall, clock=rows or clock=feed")
    return clock


def _mistaken(path: str, what: str) -> Mistaken:
    return Mistaken(f"jsonl:{path}", [Mistake(None, what)])
