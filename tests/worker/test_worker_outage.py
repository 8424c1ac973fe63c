"""A broker that goes away and comes back: the worker waits, and loses nothing."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.config import settings
from monitor.config.settings import Watch
from monitor.kafka import topics
from monitor.kafka.embedded.broker import Broker
from monitor.worker import engines
from tests.waiting import until
from tests.worker import direct, feed
from tests.worker.worker_line import Watcher, executions, findings

pytestmark = pytest.mark.line
AWAY_S = float(os.environ.get("SORWATCH_TEST_AWAY_S", "15"))
"""Longer by hand; long enough for the worker to give up its producer needs 25."""


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as started:
        yield started


@pytest.fixture
def broker(own_broker: Broker) -> Broker:
    """In place of the session's broker: this one is killed."""
    return own_broker


@pytest.fixture
def kafka(broker: Broker) -> settings.Kafka:
    chosen = settings.Kafka(bootstrap=(broker.bootstrap,), prefix=f"t{uuid.uuid4().hex[:8]}.")
    assert topics.ensure(chosen) == []
    return chosen


def send(kafka: settings.Kafka, sent: list[feed.Sent]) -> None:
    """With a sender that lives no longer than it must: this area's broker goes away."""
    sender = feed.Sender(kafka)
    for message in sent:
        sender.send(message)
    sender.flush()
    sender.close()


def test_a_broker_away_for_a_while(broker: Broker, kafka: settings.Kafka, start_command: Callable[[], Watcher]) -> None:
    sent = [*(m for part in feed.slices(200, 4) for m in part), *feed.closing(4)]
    expected = direct.judge(sent, engines.maker(Watch()))
    watcher = start_command()
    send(kafka, sent[:600])
    until(lambda: len(executions(kafka)) > 50)
    send(kafka, sent[600:700])
    broker.kill()
    back = time.monotonic() + AWAY_S
    until(lambda: time.monotonic() > back, AWAY_S + 5)
    assert watcher.process.poll() is None
    broker.start()
    send(kafka, sent[700:])
    until(
        lambda: len(executions(kafka)) == len(expected.executions) and len(findings(kafka)) == len(expected.findings),
        90,
    )
    assert executions(kafka) == expected.executions
    assert findings(kafka) == expected.findings
    assert watcher.stop() == 0
