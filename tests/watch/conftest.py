"""A worker's settings and processes for the tests of this area."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import watch_feed
from watch_line import Watcher

from monitor import settings


@pytest.fixture
def sender(kafka: settings.Kafka) -> Iterator[watch_feed.Sender]:
    made = watch_feed.Sender(kafka)
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
def start(config: Path, tmp_path: Path) -> Iterator[Callable[[], Watcher]]:
    """Starts a worker; at the end all are killed."""
    started: list[Watcher] = []

    def begin() -> Watcher:
        started.append(Watcher(config, tmp_path / f"watch-{len(started)}.log"))
        return started[-1]

    yield begin
    for watcher in started:
        if watcher.process.poll() is None:
            os.kill(watcher.process.pid, signal.SIGCONT)
            watcher.kill()
