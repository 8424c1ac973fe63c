"""`sorwatch alert` as a process of its own, on real Kafka, telling the demo receiver."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from kafka import KafkaProducer

from monitor.config import settings
from monitor.demo.receiver import Receiver
from monitor.wire import codec
from tests.waiting import until


class Speaker:
    """Says on Kafka what the worker would say."""

    def __init__(self, kafka: settings.Kafka) -> None:
        self._kafka = kafka
        self._producer = KafkaProducer(bootstrap_servers=list(kafka.bootstrap), acks="all", linger_ms=0)

    def say(self, topic: str, values: Iterable[codec.Value], partition: int = 0) -> None:
        self.say_bytes(topic, codec.encode_lines(values), partition)

    def say_bytes(
        self, topic: str, value: bytes, partition: int = 0, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        name = codec.topic(self._kafka.prefix, topic)
        self._producer.send(name, value=value, partition=partition, headers=headers or []).get(20)

    def close(self) -> None:
        self._producer.close(timeout=5)


class Alerting:
    """The process; started again on the same state as often as is asked."""

    def __init__(self, directory: Path, kafka: settings.Kafka, receiver: Receiver, more: str = "") -> None:
        webhook = directory / "webhook"
        webhook.write_text(receiver.webhook_url)
        self.config = directory / "sorwatch.toml"
        self.config.write_text(
            f"""
state = "{directory / "state"}"
[kafka]
bootstrap = ["{kafka.bootstrap[0]}"]
prefix = "{kafka.prefix}"
[alert]
page = "127.0.0.1:0"
quiet_s = 0.05
{more}
[alert.slack]
webhook_file = "{webhook}"
[alert.mail]
host = "127.0.0.1"
port = {receiver.smtp_port}
tls = "none"
sender = "sorwatch@desk.example"
to = ["supervisor@desk.example"]
"""
        )
        self.log = directory / "alert.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.page = ""

    def start(self) -> None:
        begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "monitor", "alert", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=out, stderr=out)

        def listening() -> str:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            found = re.search(r"http://127\.0\.0\.1:\d+", self.log.read_text()[begun:])
            return "" if found is None else found[0]

        self.page = until(listening)

    def end(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def clear(self) -> None:
        """End it if it still runs; its log is shown when the test fails."""
        if self.log.exists():
            sys.stderr.write(self.log.read_text())
        if self.process is not None and self.process.poll() is None:
            self.end()

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.page + path, timeout=10) as answer:  # noqa: S310 - our own address
            text: str = answer.read().decode()
        return text

    def json(self, path: str) -> object:
        return json.loads(self.get(path))

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.page + path, timeout=10) as answer:  # noqa: S310 - our own address
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
