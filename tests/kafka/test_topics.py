"""``sorwatch topics``: creates what is missing, says what is wrong with the rest."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from monitor.config import settings
from monitor.kafka import readback, topics
from monitor.kafka.embedded.broker import Broker
from tests.waiting import free_port, until

pytestmark = pytest.mark.line


def command(directory: Path, kafka: settings.Kafka) -> subprocess.CompletedProcess[str]:
    config = directory / "sorwatch.toml"
    config.write_text(
        f'[kafka]\nbootstrap = ["{kafka.bootstrap[0]}"]\nprefix = "{kafka.prefix}"\npartitions = {kafka.partitions}\n'
    )
    words = [sys.executable, "-m", "monitor", "topics", "--config", str(config)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def test_the_command_creates_checks_and_says_what_is_wrong(
    broker: Broker, new_prefix: Callable[[], str], tmp_path: Path
) -> None:
    kafka = settings.Kafka(bootstrap=(broker.bootstrap,), prefix=new_prefix(), partitions=3)
    try:
        for _ in range(2):
            done = command(tmp_path, kafka)
            assert (done.returncode, done.stderr) == (0, "")
            assert f"{kafka.prefix}reports: 3 partitions\n" in done.stdout
            assert f"{kafka.prefix}dead_letters: 1 partitions\n" in done.stdout
        wrong = command(tmp_path, msgspec.structs.replace(kafka, partitions=5))
        assert wrong.returncode == 2
        assert len(wrong.stderr.splitlines()) == 5
        assert f"{kafka.prefix}nbbo: has 3 partitions, needs 5" in wrong.stderr
    finally:
        topics.delete(kafka)
    away = command(tmp_path, settings.Kafka(bootstrap=("127.0.0.1:9",)))
    assert away.returncode == 69
    assert "kafka.bootstrap" in away.stderr


def test_checkpoints_are_compacted_and_quotes_bounded(kafka: settings.Kafka) -> None:
    names = [f"{kafka.prefix}{name}" for name in ("checkpoints", "nbbo", "reports")]
    with KafkaAdminClient(bootstrap_servers=list(kafka.servers)) as admin:
        answer = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
        (configs,) = answer.values()
        checkpoints, nbbo, reports = (configs[name] for name in names)
        assert checkpoints["cleanup.policy"]["value"] == "compact"
        assert checkpoints["segment.bytes"]["value"] == str(16 << 20)
        assert int(nbbo["retention.bytes"]["value"]) * kafka.partitions == kafka.nbbo_kept_bytes
        assert {c["message.timestamp.type"]["value"] for c in (checkpoints, nbbo, reports)} == {"LogAppendTime"}
        changed = ConfigResource(ConfigResourceType.TOPIC, names[0], configs={"cleanup.policy": "delete"})
        admin.alter_configs([changed])
    wrong = [f"{names[0]}: cleanup.policy is 'delete', needs 'compact': alter the topic"]
    until(lambda: topics.ensure(kafka) == wrong)


def test_several_may_create_them_at_once(broker: Broker, new_prefix: Callable[[], str]) -> None:
    kafka = settings.Kafka(bootstrap=(broker.bootstrap,), prefix=new_prefix())
    problems: list[list[str]] = []
    threads = [threading.Thread(target=lambda: problems.append(topics.ensure(kafka))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [[]] * 4
    topics.delete(kafka)


def test_more_copies_than_brokers_is_told(broker: Broker, new_prefix: Callable[[], str]) -> None:
    kafka = settings.Kafka(bootstrap=(broker.bootstrap,), prefix=new_prefix(), replication=3)
    problems = topics.ensure(kafka)
    assert len(problems) == 7
    assert "InvalidReplicationFactorError" in problems[0]


def test_a_check_speaks_to_kafka_and_makes_nothing(broker: Broker, new_prefix: Callable[[], str]) -> None:
    kafka = settings.Kafka(bootstrap=(broker.bootstrap,), prefix=new_prefix())
    topics.check(kafka)
    assert [m for name in ("reports", "findings") for m in readback.read(kafka, name)] == []


def test_reading_back_from_a_broker_that_is_away_says_so() -> None:
    server = f"127.0.0.1:{free_port()}"
    with pytest.raises(topics.Unavailable, match=server):
        list(readback.read(settings.Kafka(bootstrap=(server,)), "reports"))
