"""The embedded broker: starts, keeps its data, says why it cannot start, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import psutil
import pytest

from monitor.config import settings
from monitor.kafka import topics
from monitor.kafka.embedded import jars
from monitor.kafka.embedded.broker import Broker, BrokerFailed
from tests.waiting import until

pytestmark = pytest.mark.line


def test_data_survive_a_stop_and_a_kill(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "kafka")
    with broker:
        kafka = settings.Kafka(bootstrap=(broker.bootstrap,))
        assert topics.ensure(kafka) == []
        port = broker.port
        broker.stop()
        assert not broker.running
        broker.start()
        broker.kill()
        broker.start()
        assert broker.port == port
        wrong = topics.ensure(msgspec.structs.replace(kafka, partitions=5))
        assert len(wrong) == 5
        assert "sorwatch.reports: has 4 partitions, needs 5" in wrong[0]


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    with Broker(tmp_path / "first") as first:
        with pytest.raises(BrokerFailed, match=r"is in use.*kafka\.embedded_port"):
            Broker(tmp_path / "second", first.port).start()
        with pytest.raises(BrokerFailed, match=r"another broker runs on the data in .*first"):
            Broker(tmp_path / "first").start()
        # it has not been touched: a second node on its data would have ended it
        topics.ensure(settings.Kafka(bootstrap=(first.bootstrap,)))
        assert first.running


def test_the_command_runs_until_told_and_takes_its_broker_along(tmp_path: Path) -> None:
    config = tmp_path / "sorwatch.toml"
    config.write_text(f'state = "{tmp_path}"\n')
    command = [sys.executable, "-m", "monitor", "kafka", "--config", str(config), "--port", "0"]
    for number, code in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "listens on 127.0.0.1:" in process.stdout.readline()
            children = psutil.Process(process.pid).children(recursive=True)
            assert len(children) == 1
            os.kill(process.pid, number)
            assert process.wait(30) == code
        until(lambda started=children: not any(c.is_running() and c.status() != "zombie" for c in started))


def test_two_processes_may_fetch_the_jars_at_once(tmp_path: Path) -> None:
    wanted = jars.locked(jars.LOCK.read_text("utf-8"))[:6]
    mirror = repository(tmp_path, wanted)
    cache = tmp_path / "cache"
    threads = [threading.Thread(target=jars.fetch, args=(mirror, cache, wanted)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(p.name for p in cache.iterdir()) == sorted(jar.name for jar in wanted)


def test_a_jar_with_the_wrong_hash_is_refused_and_fetched_again(tmp_path: Path) -> None:
    wanted = jars.locked(jars.LOCK.read_text("utf-8"))[:2]
    mirror = repository(tmp_path, wanted)
    false = tmp_path / "repository" / wanted[1].path
    right = false.read_bytes()
    false.write_bytes(right[:-1] + b"?")
    with pytest.raises(jars.JarsUnavailable, match=rf"{wanted[1].name} is not the file of the lock.*kafka\.mirror"):
        jars.fetch(mirror, tmp_path / "cache", wanted)
    assert not (tmp_path / "cache" / wanted[1].name).exists()
    false.write_bytes(right)
    paths = jars.fetch(mirror, tmp_path / "cache", wanted)
    paths[0].write_bytes(b"bit rot")
    assert [p.stat().st_size for p in jars.fetch(mirror, tmp_path / "cache", wanted)] == [j.size for j in wanted]


def test_a_mirror_that_is_not_there_is_named(tmp_path: Path) -> None:
    wanted = jars.locked(jars.LOCK.read_text("utf-8"))[:1]
    with pytest.raises(jars.JarsUnavailable, match=r"cannot fetch file:///nowhere/at/yawk.*SORWATCH_MAVEN_MIRROR"):
        jars.fetch("file:///nowhere", tmp_path, wanted)
    with pytest.raises(jars.JarsUnavailable, match="must begin with"):
        jars.fetch("ftp://nowhere", tmp_path, wanted)


def repository(directory: Path, wanted: list[jars.Jar]) -> str:
    """A Maven repository of the jars in the cache, on disk."""
    for path, jar in zip(jars.fetch(settings.Kafka().mirror, jars.cache_directory(), wanted), wanted, strict=True):
        place = directory / "repository" / jar.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    return (directory / "repository").as_uri()
