"""A listener process of the tests' own, and a counterparty that can also misbehave."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from fix_ingest.journal import read_all
from fix_ingest.journal.record import Record
from monitor.demo.dropcopy import DropCopySource, Inbound, framed, sending_time
from tests.waiting import free_port, until


class Listener:
    """``sorwatch listen`` with one session, restartable over the same state."""

    def __init__(self, directory: Path, *, extra: str = "", session: str = "", **values: object) -> None:
        self.directory = directory
        self.port, self.probe = free_port(), free_port()
        fields = {"name": "sor", "sender": "SORWATCH", "target": "ROUTER", "port": self.port} | values
        lines = "\n".join(f"{key} = {value!r}".replace("'", '"') for key, value in fields.items())
        self.config = directory / "sorwatch.toml"
        self.config.write_text(
            f'state = "{directory}/state"\n[listen]\nprobe = "127.0.0.1:{self.probe}"\n{extra}\n'
            f"[[listen.session]]\n{lines}\n{session}\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Listener:
        """Start and wait until it listens."""
        command = [sys.executable, "-m", "monitor", "listen", "--config", str(self.config)]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)
        process = self.process
        until(lambda: process.poll() is not None or self.metric_text() is not None)
        assert process.poll() is None, self.log()
        return self

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def __enter__(self) -> Listener:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def metric_text(self) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.probe}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def metric(self, name: str) -> float:
        found = re.search(rf"^sorwatch_listen_{name}(?:\{{[^}}]*\}})? (\S+)$", self.metric_text() or "", re.M)
        assert found is not None, name
        return float(found[1])

    def records(self) -> list[Record]:
        return list(read_all(self.directory / "state" / "journal"))

    def messages(self, kind: bytes = b"8") -> list[bytes]:
        wanted = b"\x0135=" + kind + b"\x01"
        return [r.body for r in self.records() if r.kind == "message" and wanted in r.body]

    def wait_down(self) -> None:
        """Until the listener has noticed that the connection is gone, and takes another for the session."""
        until(lambda: self.kinds().count("up") == self.kinds().count("down"))

    def kinds(self) -> list[str]:
        return [r.kind for r in self.records()]


class Peer:
    """A counterparty whose every message is written by the test."""

    def __init__(self, port: int, begin_string: str = "FIX.4.4") -> None:
        self.begin_string = begin_string
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._inbound = Inbound()
        self._waiting: list[dict[bytes, bytes]] = []

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def wire(self, kind: str, number: int | str, *fields: str) -> bytes:
        inside = [f"35={kind}", "49=ROUTER", "56=SORWATCH", f"34={number}", *fields]
        stamp = b"52=" + sending_time(time.time_ns()) + b"\x01"
        return framed(self.begin_string, "".join(f"{f}\x01" for f in inside).encode() + stamp)

    def send(self, kind: str, number: int | str, *fields: str) -> bytes:
        raw = self.wire(kind, number, *fields)
        self.socket.sendall(raw)
        return raw

    def again(self, kind: str, number: int, *fields: str) -> bytes:
        original = sending_time(time.time_ns() - 1_000_000_000).decode()
        return self.send(kind, number, "43=Y", f"122={original}", *fields)

    def logon(self, number: int = 1, *fields: str) -> dict[bytes, bytes]:
        self.send("A", number, "98=0", "108=30", *fields)
        return self.expect(b"A")

    def expect(self, kind: bytes) -> dict[bytes, bytes]:
        """The next message of that type; others before it are passed over."""
        for message in self._messages():
            if message[b"35"] == kind:
                return message
        raise AssertionError(f"connection closed before {kind!r}")

    def confirm(self, number: int) -> None:
        """Wait until the other side has taken everything up to here."""
        self.send("1", number, f"112=c{number}")
        while self.expect(b"0").get(b"112") != f"c{number}".encode():
            """A heartbeat of its own."""

    def closing_with(self, kind: str, number: int | str, *fields: str) -> None:
        """Send one last message, and wait until the other side has taken it and let go."""
        self.send(kind, number, *fields)
        self.socket.shutdown(socket.SHUT_WR)
        self.closed()
        self.socket.close()

    def closed(self) -> bool:
        for _ in self._messages():
            """Whatever it says before it goes."""
        return True

    def _messages(self) -> Iterator[dict[bytes, bytes]]:
        while True:
            while self._waiting:
                yield self._waiting.pop(0)
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return
            if not data:
                return
            self._waiting.extend(self._inbound.feed(data))


def source_for(listener: Listener, **options: object) -> DropCopySource:
    return DropCopySource("FIX.4.4", "ROUTER", "SORWATCH", "127.0.0.1", listener.port, **options)  # type: ignore[arg-type]  # options as the test names them


def logged_on(listener: Listener, number: int, *fields: str, begin_string: str = "FIX.4.4") -> Peer | None:
    """A new connection that is logged on; None while the listener still lets go of the one before."""
    peer = Peer(listener.port, begin_string)
    try:
        peer.logon(number, *fields)
    except (AssertionError, OSError):
        peer.socket.close()
        return None
    return peer


def report(i: int) -> list[tuple[int, str | int | bytes]]:
    """An execution report with a number of its own in ExecID."""
    order = f"35=8|37=O{i}|11=C{i}|17={i}|150=F|39=1|55=IBM|54=1|38=100|32=100|31=180.25|14=100|6=180.25|151=0"
    fields = [field.partition("=") for field in f"{order}|60=20261122-17:00:00.123456789".split("|")]
    return [(int(tag), value) for tag, _, value in fields]


def exec_ids(messages: list[bytes]) -> list[int]:
    return [int(re.findall(rb"\x0117=(\d+)\x01", m)[0]) for m in messages]


def is_root() -> bool:
    return os.geteuid() == 0
