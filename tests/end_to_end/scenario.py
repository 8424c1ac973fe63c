"""`sorwatch run` as people start it, with a counterparty, a quote feed and receivers that a test speaks for."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from monitor.config import load
from monitor.demo.dropcopy import sending_time
from monitor.demo.receiver import Receiver
from monitor.kafka import readback
from monitor.process.leash import leashed
from monitor.wire import codec, events
from tests.fix_ingest.session.listening import Peer
from tests.waiting import free_port, until

SECRETS = {"fix": "fix-marker-5150", "mail": "mail-marker-5151", "slack": "slack-marker-5152"}
CONFIG = """
state = "{state}"
[kafka]
bootstrap = ["{kafka}"]
{access}
[listen]
source = "faults"
probe = "127.0.0.1:{listen}"
[[listen.session]]
name = "sor"
sender = "SORWATCH"
target = "ROUTER"
port = {fix}
username = "router"
password_file = "{secrets}/fix"
[publish]
probe = "127.0.0.1:{publish}"
[quotes]
probe = "127.0.0.1:{quotes}"
[watch]
probe = "127.0.0.1:{watch}"
session_timeout_s = 6.0
[alert]
page = "127.0.0.1:{alert}"
quiet_s = 0.2
[alert.slack]
webhook_file = "{secrets}/slack"
[alert.mail]
host = "127.0.0.1"
port = {smtp}
tls = "none"
sender = "sorwatch@line.invalid"
to = ["desk@line.invalid"]
"""
NAMES = ("listen", "publish", "quotes", "watch", "alert")


class Stage:
    """The supervisor's process and everything around it; ``access`` is more TOML for the table of Kafka."""

    def __init__(self, directory: Path, kafka_port: int, receiver: Receiver, access: str = "") -> None:
        self.state = directory / "state"
        self.ports = {name: free_port() for name in (*NAMES, "fix", "feed")}
        self.log = directory / "run.log"
        secrets = directory / "secrets"
        secrets.mkdir(mode=0o700)
        for name, value in SECRETS.items():
            (secrets / name).write_text(value)
        (secrets / "slack").write_text(
            f"http://127.0.0.1:{receiver.slack_port}/services/T0DEMO/B0DEMO/{SECRETS['slack']}"
        )
        text = CONFIG.format(
            state=self.state,
            kafka=f"127.0.0.1:{kafka_port}",
            access=access,
            secrets=secrets,
            smtp=receiver.smtp_port,
            **{name: port for name, port in self.ports.items() if name != "feed"},
        )
        self.config = directory / "sorwatch.toml"
        self.config.write_text(text)
        self.settings = load.parse(text, "sorwatch.toml")
        self.process: subprocess.Popen[bytes] | None = None
        self._feed: socket.socket | None = None
        self._peers: list[Peer] = []

    def start(self) -> None:
        source = f"jsonl:tcp://127.0.0.1:{self.ports['feed']}"
        words = [sys.executable, "-m", "monitor", "run", "--config", str(self.config), "--quotes", source]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(leashed(words), stdout=out, stderr=out)
        until(lambda: self.get("listen", "/healthz") is not None, why=self.said)

    def stop(self) -> int:
        """Stop as Ctrl-C does; answers the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def close(self) -> None:
        """Let go of everything, however far it came."""
        for one in (self._feed, *(peer.socket for peer in self._peers)):
            if one is not None:
                one.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        return self.log.read_text()

    def logs(self) -> str:
        return self.said() + "\n".join(path.read_text() for path in sorted((self.state / "logs").glob("*.log")))

    def events(self) -> list[dict[str, Any]]:
        """What the supervisor logged."""
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]

    def get(self, name: str, path: str) -> str | None:
        """A page of one process; ``None`` when it does not answer well."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            error.close()
            return None
        except OSError:
            return None

    def metric(self, name: str, metric: str, *labels: str) -> float:
        """The sum over the samples of a metric that carry all these labels (``key="value"``)."""
        samples = [line.rsplit(" ", 1) for line in (self.get(name, "/metrics") or "").splitlines()]
        return sum(
            float(value)
            for head, value in samples
            if head.split("{")[0] == metric and all(label in head for label in labels)
        )

    def feed(self, *quotes: dict[str, Any] | bytes) -> None:
        """Quotes, or bytes that are none, on one connection."""
        if self._feed is None:
            self._feed = socket.create_connection(("127.0.0.1", self.ports["feed"]), timeout=10)
        self._feed.sendall(b"".join(q if isinstance(q, bytes) else json.dumps(q).encode() + b"\n" for q in quotes))

    def logon(self, number: int = 1, password: str = SECRETS["fix"]) -> Peer:
        peer = Peer(self.ports["fix"])
        self._peers.append(peer)
        peer.send("A", number, "98=0", "108=30", "553=router", f"554={password}")
        return peer

    def executions(self) -> dict[str, events.Execution]:
        kept: dict[str, events.Execution] = {}
        for message in readback.read(self.settings.kafka, "executions"):
            kept |= {e.exec_id: e for e in codec.decode_executions(message.value)} if message.value[:1] == b"{" else {}
        return kept

    def reports(self) -> list[events.ReportLine]:
        whole = [m.value for m in readback.read(self.settings.kafka, "reports") if m.value[:1] == b"{"]
        return [event for value in whole for event in codec.decode_reports(value)]


def now() -> str:
    """The time of day as FIX writes it."""
    return sending_time(time.time_ns()).decode()


def order(cl_ord_id: str, symbol: str, *more: str) -> tuple[str, ...]:
    """A customer's order or a route of one, from 11= on."""
    return (f"11={cl_ord_id}", f"55={symbol}", "54=1", "38=100", "40=1", f"60={now()}", *more)


def report(kind: str, exec_id: str, cl_ord_id: str, symbol: str, *more: str) -> tuple[str, ...]:
    """An execution report, from 37= on."""
    status = {"0": "0", "F": "2", "H": "0"}[kind]
    head = (f"37=X{cl_ord_id}", f"11={cl_ord_id}", f"17={exec_id}", f"150={kind}", f"39={status}", f"55={symbol}")
    return (*head, "54=1", "38=100", "14=100", "6=10.05", "151=0", f"60={now()}", *more)


def fill(exec_id: str, cl_ord_id: str, symbol: str, *more: str, price: str = "10.05") -> tuple[str, ...]:
    return report("F", exec_id, cl_ord_id, symbol, "32=100", f"31={price}", "30=XNYS", *more)
