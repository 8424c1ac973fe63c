"""The producer against a real broker that is killed, away, wrongly named or refuses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from monitor.config import settings
from monitor.config.toml import Mistaken
from monitor.kafka import readback, topics
from monitor.kafka.connection import Unavailable, aiokafka_config
from monitor.kafka.embedded.broker import Broker
from monitor.kafka.producer import LARGEST, BoundedProducer, TooLarge
from monitor.wire import codec
from tests.safe_broker import PASSWORD, SafeBroker, certificate
from tests.waiting import free_port, until

pytestmark = pytest.mark.line


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SafeBroker]:
    """A broker that may be killed, with a listener that asks for a password and one that speaks TLS."""
    with SafeBroker(tmp_path_factory.mktemp("mine")) as broker:
        yield broker


@pytest.fixture
def on_mine(mine: Broker, new_prefix: object) -> settings.Kafka:
    assert callable(new_prefix)
    kafka = settings.Kafka(bootstrap=(mine.bootstrap,), prefix=new_prefix())
    assert topics.ensure(kafka) == []
    return kafka


def producer(kafka: settings.Kafka, **more: int) -> BoundedProducer:
    return BoundedProducer(kafka, {codec.topic(kafka.prefix, "reports"): kafka.partitions}, name="test", **more)


def send(one: BoundedProducer, kafka: settings.Kafka, first: int, last: int, size: int = 200) -> None:
    topic = codec.topic(kafka.prefix, "reports")
    for i in range(first, last):
        one.send(topic, i % kafka.partitions, str(i).encode().rjust(size), codec.headers("s", i, i, i - 1), i)


def sent(kafka: settings.Kafka) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for message in readback.read(kafka, "reports"):
        found[message.partition].append(int(message.value))
    return found


def whole(kafka: settings.Kafka, last: int) -> dict[int, list[int]]:
    return {p: list(range(p, last, kafka.partitions)) for p in range(kafka.partitions)}


def test_nothing_is_lost_doubled_or_moved_when_the_broker_is_killed(mine: Broker, on_mine: settings.Kafka) -> None:
    with producer(on_mine) as one:
        send(one, on_mine, 0, 5000)
        mine.kill()
        send(one, on_mine, 5000, 8000)
        until(lambda: one.state().stalled_s > 0.5)
        assert one.state().messages > 0
        mine.start()
        send(one, on_mine, 8000, 9000)
        assert one.flush(60)
        assert one.acked() == 8999
        state = one.state()
    assert state.created == 1
    assert (state.messages, state.bytes) == (0, 0)
    assert sent(on_mine) == whole(on_mine, 9000)


def test_memory_is_bounded_while_the_broker_is_away(mine: Broker, on_mine: settings.Kafka) -> None:
    with producer(on_mine, in_flight_bytes=100_000) as one:
        send(one, on_mine, 0, 1)
        assert one.flush(30)
        mine.kill()
        n = 1
        while one.wait_for_room(0):
            send(one, on_mine, n, n + 1, 1000)
            n += 1
        assert 100_000 <= one.state().bytes < 102_000
        assert not one.wait_for_room(0.05)
        mine.start()
        until(lambda: one.wait_for_room(0))
        send(one, on_mine, n, n + 500, 1000)
        assert one.flush(60)
    assert sent(on_mine) == whole(on_mine, n + 500)


def test_a_producer_that_is_broken_for_good_is_replaced(on_mine: settings.Kafka) -> None:
    """The topic loses a partition's messages behind the producer's back: what follows a failure is sent again."""
    with producer(on_mine) as one:
        send(one, on_mine, 0, 100)
        assert one.flush(30)
        with one._order:
            broken = one._producer
            assert broken is not None
            broken._sender._transaction_manager.transition_to_fatal_error(RuntimeError("as after a lost identity"))
        send(one, on_mine, 100, 3000)
        assert one.flush(60)
        state = one.state()
    assert state.created == 2
    assert sum(state.errors.values()) >= 1
    got = sent(on_mine)
    for partition, values in whole(on_mine, 3000).items():
        assert list(dict.fromkeys(got[partition])) == values


def test_a_topic_with_other_partitions_is_told_and_waited_for(on_mine: settings.Kafka) -> None:
    kafka = msgspec.structs.replace(on_mine, partitions=3)
    one = producer(kafka)
    send(one, kafka, 0, 10)
    until(lambda: "has 4 partitions, kafka.partitions says 3: run sorwatch topics" in one.state().why)
    assert not one.state().connected
    one.close(0)
    missing = msgspec.structs.replace(on_mine, prefix="nowhere.")
    other = producer(missing)
    until(lambda: "topic nowhere.reports is not there" in other.state().why)
    other.close(0)


def test_a_wrong_port_is_told_with_its_setting_and_tried_again(mine: Broker, on_mine: settings.Kafka) -> None:
    wrong = msgspec.structs.replace(on_mine, bootstrap=(f"127.0.0.1:{free_port()}",))
    with pytest.raises(Unavailable, match=r"Connection refused.*kafka\.bootstrap"):
        topics.ensure(wrong)
    one = producer(wrong)
    until(lambda: one.state().errors.get("Unavailable", 0) >= 3)
    assert "kafka.bootstrap" in one.state().why
    one.close(0)


def test_a_wrong_password_is_told_with_its_setting_and_never_shown(
    mine: SafeBroker, on_mine: settings.Kafka, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("wr0ng-secret\n")
    safe = msgspec.structs.replace(
        on_mine,
        bootstrap=(f"127.0.0.1:{mine.password}",),
        protocol="SASL_PLAINTEXT",
        mechanism="PLAIN",
        username="desk",
        password_file=str(password),
    )
    with pytest.raises(Unavailable, match=r"refuses user 'desk'.*kafka\.password_file") as told:
        topics.ensure(safe, 4000)
    assert "wr0ng" not in str(told.value)
    one = producer(safe)
    send(one, safe, 0, 10)
    until(lambda: "refuses user 'desk'" in one.state().why)
    password.write_text(f"{PASSWORD}\n")
    assert one.flush(60)
    assert one.state().why == ""
    one.close()
    assert sent(safe) == whole(safe, 10)
    with pytest.raises(Mistaken, match=r"kafka\.password_file: '/nowhere' cannot be read"):
        producer(msgspec.structs.replace(safe, password_file="/nowhere"))


async def test_tls_is_spoken_and_a_certificate_of_somebody_else_refused(
    mine: SafeBroker, on_mine: settings.Kafka, tmp_path: Path
) -> None:
    tls = msgspec.structs.replace(
        on_mine, bootstrap=(f"127.0.0.1:{mine.tls}",), protocol="SSL", ca_file=str(mine.certificate)
    )
    assert topics.ensure(tls) == []
    with producer(tls) as one:
        send(one, tls, 0, 10)
        assert one.flush(30)
    assert sent(tls) == whole(tls, 10)
    consumer = AIOKafkaConsumer(f"{tls.prefix}reports", auto_offset_reset="earliest", **aiokafka_config(tls))
    await consumer.start()
    assert (await consumer.getone()).headers
    await consumer.stop()
    other = msgspec.structs.replace(tls, ca_file=str(certificate(tmp_path)))
    with pytest.raises(Unavailable, match=r"kafka\.ca_file"):
        topics.ensure(other, 2000)
    with pytest.raises(Mistaken, match=r"kafka\.ca_file: '/nowhere' cannot be used"):
        topics.ensure(msgspec.structs.replace(tls, ca_file="/nowhere"))


def test_a_message_no_broker_takes_is_refused_at_once(on_mine: settings.Kafka) -> None:
    with producer(on_mine) as one:
        one.send(codec.topic(on_mine.prefix, "reports"), 0, b"1".rjust(LARGEST), [], 1)
        with pytest.raises(TooLarge, match="at most"):
            one.send(codec.topic(on_mine.prefix, "reports"), 0, b"1".rjust(LARGEST + 1), [], 2)
        assert one.flush(30)
    assert sent(on_mine)[0] == [1]
