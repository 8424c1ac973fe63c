"""``sorwatch quotes`` as a process, and what it has put on a real Kafka."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monitor.config import settings
from monitor.kafka import readback
from monitor.process.leash import leashed
from monitor.wire.blocks import Block, decode
from tests.waiting import free_port


class Player:
    """A command, its settings and its state directory."""

    def __init__(self, directory: Path, kafka: settings.Kafka, *words: str) -> None:
        self.kafka = kafka
        self.words = words
        self.probe = f"127.0.0.1:{free_port()}"
        self.config = directory / "sorwatch.toml"
        self.config.write_text(
            f'state = "{directory / "state"}"\n'
            f'[kafka]\nbootstrap = ["{kafka.bootstrap[0]}"]\nprefix = "{kafka.prefix}"\n'
            f'[quotes]\nprobe = "{self.probe}"\n'
        )
        self.log = directory / "quotes.log"

    def command(self) -> list[str]:
        return leashed([sys.executable, "-m", "monitor", "quotes", *self.words, "--config", str(self.config)])

    def summary(self, stdin: bytes | None = None) -> dict[str, Any]:
        """Run it to its end and read what it prints."""
        with self.log.open("ab") as log:
            done = subprocess.run(self.command(), input=stdin, stdout=subprocess.PIPE, stderr=log, timeout=120)
        assert done.returncode == 0, self.log.read_text()
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def health(self) -> dict[str, Any]:
        """What /healthz says, empty while it is not up."""
        try:
            with urllib.request.urlopen(f"http://{self.probe}/healthz", timeout=5) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
        except OSError:
            return {}

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{self.probe}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def blocks(self) -> dict[int, list[Block]]:
        """Every block on the topic, by partition, as it stands there."""
        found: dict[int, list[Block]] = {p: [] for p in range(self.kafka.partitions)}
        for message in readback.read(self.kafka, "nbbo"):
            assert message.headers == {"schema": b"1"}
            found[message.partition].append(decode(message.value))
        return found


def quotes(blocks: list[Block]) -> list[tuple[int, str, int]]:
    """Time, symbol and bid of every row."""
    return [
        (t, b.symbols[s], v)
        for b in blocks
        for t, s, v in zip(b.time.tolist(), b.symbol.tolist(), b.bid.tolist(), strict=True)
    ]


def as_content(block: Block) -> tuple[object, ...]:
    """Everything a block says, to compare it with its repeat."""
    return block.n, block.through, block.ended, tuple(quotes([block]))
