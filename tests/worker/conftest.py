"""A worker's settings and processes for the tests of this area."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from monitor.config import settings
from tests.worker import feed
from tests.worker.worker_line import Watcher


@pytest.fixture
def sender(kafka: settings.Kafka) -> Iterator[feed.Sender]:
    made = feed.Sender(kafka)
    yield made
    made.close()


@pytest.fixture
def config(kafka: settings.Kafka, tmp_path: Path) -> Path:
    path = tmp_path / "sorwatch.toml"
    path.write_text(
        f"""
state = "{tmp_path}/state"
[kafka]
bootstrap = ["{kafka.servers[0]}"]
prefix = "{kafka.prefix}"
[watch]
group = "{kafka.prefix}watch"
probe = "127.0.0.1:0"
session_timeout_s = 6.0
checkpoint_s = 0.3
"""
    )
    return path


@pytest.fixture
def started() -> Iterator[list[Watcher]]:
    """Workers of this test; at the end all are killed."""
    watchers: list[Watcher] = []
    yield watchers
    for watcher in watchers:
        if watcher.process.poll() is None:
            watcher.signal(signal.SIGCONT)
            watcher.kill()


@pytest.fixture
def start(config: Path, tmp_path: Path, started: list[Watcher]) -> Callable[[], Watcher]:
    """Starts a worker with the small engine of the tests."""

    def begin() -> Watcher:
        words = ("-m", "tests.worker.worker_process", str(config))
        started.append(Watcher(words, tmp_path / f"watch-{len(started)}.log"))
        return started[-1]

    return begin


@pytest.fixture
def start_command(config: Path, tmp_path: Path, started: list[Watcher]) -> Callable[[], Watcher]:
    """Starts a worker as people do."""

    def begin() -> Watcher:
        words = ("-m", "monitor", "watch", "--config", str(config))
        started.append(Watcher(words, tmp_path / f"watch-{len(started)}.log"))
        return started[-1]

    return begin


@pytest.fixture
def pass_over(kafka: settings.Kafka) -> Callable[[], None]:
    """Commits the ends of both topics in the worker's group, as if everything had been taken in."""

    def commit() -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=list(kafka.servers), group_id=f"{kafka.prefix}watch", enable_auto_commit=False
        )
        places = [TopicPartition(f"{kafka.prefix}{t}", p) for t in ("reports", "nbbo") for p in range(4)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        consumer.commit({place: OffsetAndMetadata(end, "", -1) for place, end in ends.items()})
        consumer.close()

    return commit
