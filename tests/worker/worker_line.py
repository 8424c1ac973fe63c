"""Workers as processes of their own, and what they have told on Kafka."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from monitor.config import settings
from monitor.kafka import readback
from monitor.wire import codec
from monitor.wire.events import Execution, Finding
from tests import ROOT
from tests.waiting import until

HERE = Path(__file__).parent


class Watcher:
    """One worker process."""

    def __init__(self, words: tuple[str, ...], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen([sys.executable, *words], stdout=out, stderr=out, cwd=ROOT)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop: {self.said()[-3000:]}") from None

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def probe_port(self) -> int:
        until(lambda: '"event": "probe"' in self.said() or "probe" in self.said())
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        return int(next(line["port"] for line in reversed(lines) if line.get("event") == "probe"))

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.probe_port()}{path}", timeout=5) as answer:
            return str(answer.read().decode())


def executions(kafka: settings.Kafka) -> dict[str, Execution]:
    """The newest revision of every execution told."""
    found: dict[str, Execution] = {}
    for message in readback.read(kafka, "executions"):
        for e in codec.decode_executions(message.value):
            if e.exec_id not in found or found[e.exec_id].revision <= e.revision:
                found[e.exec_id] = e
    return found


def findings(kafka: settings.Kafka) -> dict[str, Finding]:
    """The newest revision of every finding told."""
    found: dict[str, Finding] = {}
    for message in readback.read(kafka, "findings"):
        for f in codec.decode_findings(message.value):
            if f.id not in found or found[f.id].revision <= f.revision:
                found[f.id] = f
    return found
