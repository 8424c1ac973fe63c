"""Creates the topics with explicit partitions, or says what is wrong with those that exist (``sorwatch topics``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from kafka.net.compat import KafkaNetClient
from msgspec import Struct

from monitor.config import load, settings
from monitor.kafka import connection
from monitor.kafka.embedded.properties import MESSAGE_BYTES
from monitor.process import command_line
from monitor.wire import codec

Unavailable = connection.Unavailable

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


class Wanted(Struct, frozen=True, kw_only=True):
    """A topic as it has to be."""

    name: str
    partitions: int
    replication: int
    configs: dict[str, str]


def wanted(kafka: settings.Kafka) -> list[Wanted]:
    """All topics, by the settings.

    A record's time is the broker's when it was appended, never an event's own: retention deletes by it, and a day
    of last year that is sent again must not vanish on arrival.
    """
    shared = [_topic(kafka, name, kafka.partitions) for name in codec.TOPICS]
    return shared + [_topic(kafka, name, 1) for name in codec.SINGLE_TOPICS]


def ensure(kafka: settings.Kafka, timeout_ms: int = 15_000) -> list[str]:
    """Create what is missing; the answer is what is wrong with the rest, one sentence each, empty when all is well.

    Raises `Unavailable` when Kafka cannot be spoken to, `Mistaken` when a secret cannot be read.
    """
    with _admin(kafka, timeout_ms) as admin:
        problems = _create(admin, kafka)
        return problems or _compare(admin, wanted(kafka))


def check(kafka: settings.Kafka, timeout_ms: int = 5_000) -> None:
    """Speak to Kafka as its settings say and change nothing; raises `Unavailable` or `Mistaken`."""
    with _admin(kafka, timeout_ms) as admin:
        admin.describe_topics([t.name for t in wanted(kafka)])


def delete(kafka: settings.Kafka) -> None:
    """Delete the topics and all they hold: for tests and for a demo that starts afresh. Raises `Unavailable`."""
    with _admin(kafka, 15_000) as admin:
        there = {t["name"] for t in admin.describe_topics() if t["error_code"] == 0}
        names = [t.name for t in wanted(kafka) if t.name in there]
        if names:
            admin.delete_topics(names)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch topics``."""
    command_line.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Create or check the topics; exit code 2 with the list of what is wrong, 69 when Kafka is away."""
    kafka = load.load(args.config).kafka
    try:
        problems = ensure(kafka)
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return command_line.UNAVAILABLE
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if problems:
        return command_line.USAGE
    for topic in wanted(kafka):
        sys.stdout.write(f"{topic.name}: {topic.partitions} partitions\n")
    return command_line.OK


@contextmanager
def _admin(kafka: settings.Kafka, timeout_ms: int) -> Iterator[KafkaAdminClient]:
    """A client whose threads and sockets are gone at the end, also when it could not be made."""
    made: list[KafkaNetClient] = []

    def client(**configs: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**configs))
        return made[-1]

    config = connection.client_config(kafka)
    connection.reach(kafka)
    try:
        admin = KafkaAdminClient(
            **config, client_id="sorwatch-topics", bootstrap_timeout_ms=timeout_ms, kafka_client=client
        )
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        raise connection.refused(kafka, error) from error
    finally:
        for one in made:
            one.close()


def _topic(kafka: settings.Kafka, name: str, partitions: int) -> Wanted:
    configs = {
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(MESSAGE_BYTES),
        "min.insync.replicas": "2" if kafka.replication > 2 else "1",
        **_kept(kafka, name),
    }
    return Wanted(
        name=codec.topic(kafka.prefix, name), partitions=partitions, replication=kafka.replication, configs=configs
    )


def _kept(kafka: settings.Kafka, name: str) -> dict[str, str]:
    """How long a topic keeps what it holds."""
    if name == "checkpoints":
        # only closed segments are compacted, and by default one is closed at 1 GB
        return {
            "cleanup.policy": "compact",
            "segment.bytes": str(16 << 20),
            "min.cleanable.dirty.ratio": "0.1",
        }
    if name == "nbbo":
        each = max(kafka.nbbo_kept_bytes // kafka.partitions, 64 << 20)
        return {
            "retention.ms": str(int(kafka.nbbo_kept_hours * _HOUR_MS)),
            "retention.bytes": str(each),
            "segment.bytes": str(min(256 << 20, max(each // 8, 16 << 20))),
        }
    if name == "line":
        return {"retention.ms": str(_DAY_MS), "segment.bytes": str(16 << 20)}
    return {"retention.ms": str(int(kafka.reports_kept_days * _DAY_MS)), "segment.bytes": str(256 << 20)}


def _create(admin: KafkaAdminClient, kafka: settings.Kafka) -> list[str]:
    there = _described(admin, [t.name for t in wanted(kafka)])
    missing = {t.name: _creation(t) for t in wanted(kafka) if t.name not in there}
    if not missing:
        return []
    answer = admin.create_topics(missing, raise_errors=False)
    problems = []
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        # somebody else made it in the same moment: it is compared like any other
        if topic["error_code"] != 0 and error is not TopicAlreadyExistsError:
            problems.append(f"{topic['name']}: cannot be created: {error.__name__}: {topic.get('error_message') or ''}")
    if not problems:
        admin.wait_for_topics(list(missing), timeout_ms=30_000)
    return problems


def _creation(topic: Wanted) -> dict[str, Any]:
    return {"num_partitions": topic.partitions, "replication_factor": topic.replication, "configs": topic.configs}


def _compare(admin: KafkaAdminClient, topics: list[Wanted]) -> list[str]:
    there = _described(admin, [t.name for t in topics])
    asked = [ConfigResource(ConfigResourceType.TOPIC, t.name) for t in topics]
    answer = admin.describe_configs(asked, config_filter="all")
    configs = {name: values for kind in answer.values() for name, values in kind.items()}
    problems = []
    for topic in topics:
        problems += _differences(topic, there.get(topic.name, 0), configs.get(topic.name, {}))
    return problems


def _differences(topic: Wanted, partitions: int, configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = []
    if partitions != topic.partitions:
        found.append(
            f"{topic.name}: has {partitions} partitions, needs {topic.partitions}: a symbol's events would be torn "
            "apart. Set kafka.partitions to what is there, or name another kafka.prefix, or delete the topic"
        )
    policy = topic.configs.get("cleanup.policy", "delete")
    has = configs.get("cleanup.policy", {}).get("value")
    if has is not None and has != policy:
        found.append(f"{topic.name}: cleanup.policy is {has!r}, needs {policy!r}: alter the topic")
    largest = configs.get("max.message.bytes", {}).get("value")
    if largest is not None and int(largest) < MESSAGE_BYTES:
        found.append(f"{topic.name}: max.message.bytes is {largest}, needs at least {MESSAGE_BYTES}: alter the topic")
    return found


def _described(admin: KafkaAdminClient, names: list[str]) -> dict[str, int]:
    """Partitions of those that exist."""
    return {t["name"]: len(t["partitions"]) for t in admin.describe_topics(names) if t["error_code"] == 0}
