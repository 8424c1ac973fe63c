"""The alert process on real Kafka: nothing is lost and nothing is told twice, whenever it is killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alerts.consumer import FindingsConsumer
from alerts.incidents import entry_of
from alerts.store import Store
from monitor.config import settings
from monitor.demo.receiver import Receiver
from monitor.kafka import topics
from monitor.kafka.embedded.broker import Broker
from tests.alerts.alert_process import Alerting, Speaker
from tests.alerts.alert_samples import S, execution, finding, health
from tests.waiting import until

pytestmark = pytest.mark.line


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def speaker(kafka: settings.Kafka) -> Iterator[Speaker]:
    made = Speaker(kafka)
    yield made
    made.close()


@pytest.fixture
def alerting(tmp_path: Path, kafka: settings.Kafka, receiver: Receiver) -> Iterator[Alerting]:
    made = Alerting(tmp_path, kafka, receiver)
    yield made
    made.clear()


def told_by_slack(receiver: Receiver) -> Counter[str]:
    return Counter(re.search(r"/incident/([0-9a-f]{16})", post.text)[1] for post in receiver.slack)


def told_by_mail(receiver: Receiver) -> Counter[str]:
    return Counter(letter.message_id for letter in receiver.mail)


def test_killed_in_mid_delivery_every_incident_is_told_and_only_the_one_in_flight_twice(
    alerting: Alerting, speaker: Speaker, receiver: Receiver
) -> None:
    """Three kills, each while Slack has the message and has not answered: the bound is one repeat a kill."""
    venues = [f"X{i:03d}" for i in range(24)]
    findings = [finding(f"O{i}", venue=venue) for i, venue in enumerate(venues)]
    incidents = {entry_of(f, 0).cause.id for f in findings}
    in_flight, go_on = threading.Event(), threading.Event()
    wait_at = [3, 9, 15]

    def hold() -> None:
        if wait_at and len(receiver.slack) >= wait_at[0]:
            wait_at.pop(0)
            in_flight.set()
            go_on.wait(30)

    receiver.before_answer = hold
    kills = len(wait_at)
    for turn in range(kills):
        alerting.start()
        for f in findings[turn * 8 : turn * 8 + 8]:
            speaker.say("findings", [f], partition=turn)
        assert in_flight.wait(40), alerting.log.read_text()
        alerting.end(signal.SIGKILL)
        in_flight.clear()
        go_on.set()
        go_on = threading.Event()
    receiver.before_answer = None
    alerting.start()
    until(lambda: set(told_by_slack(receiver)) == incidents and len(told_by_mail(receiver)) == len(incidents))
    until(lambda: all(n["state"] == "delivered" for n in alerting.json("/api/health.json")["notices"]))
    slack, mail = told_by_slack(receiver), told_by_mail(receiver)
    assert sum(slack.values()) - len(slack) <= kills
    assert sum(mail.values()) - len(mail) <= kills
    assert alerting.end(signal.SIGTERM) == 0


def test_killed_at_random_every_incident_is_told(alerting: Alerting, speaker: Speaker, receiver: Receiver) -> None:
    """Findings flow all the time; the bound is one repeat for each channel and kill."""
    findings = [finding(f"O{i}", venue=f"X{i:03d}") for i in range(60)]
    incidents = {entry_of(f, 0).cause.id for f in findings}
    random, kills = Random(7), 4  # noqa: S311 - a repeatable choice of instants, not a secret
    for turn in range(kills):
        alerting.start()
        for f in findings[turn * 15 : turn * 15 + 15]:
            speaker.say("findings", [f, f], partition=random.randrange(4))
        enough = len(receiver.slack) + random.randrange(1, 12)
        until(lambda enough=enough: len(receiver.slack) >= enough)
        alerting.end(signal.SIGKILL)
    alerting.start()
    until(lambda: set(told_by_slack(receiver)) == incidents and len(told_by_mail(receiver)) == len(incidents))
    until(lambda: all(n["state"] == "delivered" for n in alerting.json("/api/health.json")["notices"]))
    for told in (told_by_slack(receiver), told_by_mail(receiver)):
        assert sum(told.values()) - len(told) <= kills


def test_offsets_beyond_the_end_read_from_the_beginning(
    alerting: Alerting, speaker: Speaker, receiver: Receiver, tmp_path: Path
) -> None:
    """Kafka's data was thrown away and the store was not: nothing that is there now is missed."""
    directory = tmp_path / "state" / "alert"
    directory.mkdir(parents=True)
    store = Store(directory)
    with store.transaction():
        store.reached("findings", 0, 1000)
    store.close()
    speaker.say("findings", [finding()])
    alerting.start()
    until(lambda: len(receiver.slack) == 1)
    until(lambda: alerting.status("/healthz") == 200)


def test_what_was_counted_is_the_same_after_a_kill(alerting: Alerting, speaker: Speaker, receiver: Receiver) -> None:
    alerting.start()
    for i in range(4):
        speaker.say("findings", [finding(f"O{i}")], partition=i)
        speaker.say("executions", [execution(f"O{i}")], partition=i)
    speaker.say("line", [health()])

    def counted() -> dict[str, float]:
        families = text_string_to_metric_families(alerting.get("/metrics"))
        names = (
            "sorwatch_findings_total",
            "sorwatch_executions_total",
            "sorwatch_shares",
            "sorwatch_incidents_told_total",
        )
        return {s.name + str(sorted(s.labels.items())): s.value for f in families for s in f.samples if s.name in names}

    until(lambda: len(counted()) == 4 and sum(counted().values()) == 4 + 4 + 1200 + 1)
    until(lambda: [n["state"] for n in alerting.json("/api/health.json")["notices"]] == ["delivered", "delivered"])

    def heard() -> list[int]:
        return [partition["wall"] for partition in alerting.json("/api/health.json")["line"]]

    until(lambda: heard() == [health().wall])
    before = counted()
    alerting.end(signal.SIGKILL)
    alerting.start()
    speaker.say("line", [health(wall=health().wall + S)])
    until(lambda: heard() == [health().wall + S])
    assert counted() == before
    assert len(receiver.slack) == 1
    assert len(receiver.mail) == 1


def test_a_withdrawal_is_told_and_what_cannot_be_read_is_shown(
    alerting: Alerting, speaker: Speaker, receiver: Receiver
) -> None:
    alerting.start()
    assert "Nothing has been heard from the worker yet" in alerting.get("/")
    speaker.say("findings", [finding()])
    until(lambda: len(receiver.slack) == 1)
    speaker.say("findings", [finding(revision=1, state="withdrawn", reason="the fill was busted")])
    until(lambda: len(receiver.slack) == 2 and len(receiver.mail) == 2)
    assert "Withdrawn" in receiver.slack[1].text
    assert receiver.mail[1].headers["In-Reply-To"] == receiver.mail[0].message_id
    speaker.say_bytes("findings", b'{"not": "a finding"}\n')
    speaker.say_bytes("dead_letters", b"\xff\x00", headers=[("reason", b"<b>not JSON</b>"), ("topic", b"reports")])
    page = until(lambda: alerting.get("/") if alerting.get("/").count("<code>b") == 2 else "")
    assert "reports: &lt;b&gt;not JSON" in page
    assert alerting.status("/healthz") == 200


def test_a_channel_that_was_down_gets_everything_when_it_is_up(
    alerting: Alerting, speaker: Speaker, receiver: Receiver
) -> None:
    receiver.slack_script.extend([(503, "service_unavailable", None), (429, "rate_limited", 1)])
    alerting.start()
    for i in range(3):
        speaker.say("findings", [finding(f"O{i}", venue=f"X00{i}")])
    until(lambda: len(receiver.slack) == 3)
    assert all(n == 1 for n in told_by_slack(receiver).values())
    incident = next(iter(told_by_slack(receiver)))
    until(lambda: "delivered" in alerting.get(f"/incident/{incident}"))


def test_kafka_may_be_away_and_come_back(tmp_path: Path, receiver: Receiver) -> None:
    with Broker(tmp_path / "broker") as broker:
        kafka = settings.Kafka(bootstrap=(broker.bootstrap,), prefix="away.")
        assert topics.ensure(kafka) == []
        broker.stop()
        alerting = Alerting(tmp_path, kafka, receiver)
        alerting.start()
        try:
            until(lambda: "Kafka: KafkaConnectionError" in alerting.get("/"))
            broker.start()
            speaker = Speaker(kafka)
            speaker.say("findings", [finding()])
            speaker.close()
            until(lambda: len(receiver.slack) == 1, 60)
            assert alerting.end(signal.SIGTERM) == 0
        finally:
            alerting.clear()


def test_a_kafka_that_dies_while_it_is_read_is_said_to_be_away(tmp_path: Path, receiver: Receiver) -> None:
    """The client library goes on answering "nothing new" when nobody is there."""
    with Broker(tmp_path / "broker") as broker:
        kafka = settings.Kafka(bootstrap=(broker.bootstrap,), prefix="dies.")
        assert topics.ensure(kafka) == []
        alerting = Alerting(tmp_path, kafka, receiver)
        alerting.start()
        try:
            until(lambda: "<b>reading</b>" in alerting.get("/"))
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGKILL)
            until(lambda: "<b>away</b>" in alerting.get("/"), 60)
            broker.start()
            speaker = Speaker(kafka)
            speaker.say("findings", [finding()])
            speaker.close()
            until(lambda: len(receiver.slack) == 1, 60)
            until(lambda: "<b>reading</b>" in alerting.get("/"))
            assert alerting.end(signal.SIGTERM) == 0
        finally:
            alerting.clear()


async def test_reading_can_be_stopped_at_any_instant(kafka: settings.Kafka) -> None:
    """A cancellation that comes as a poll ends must not be swallowed, or the process never ends."""
    for turn in range(20):
        consumer = FindingsConsumer(kafka, dict, lambda batch: None, time.time_ns)
        reading = asyncio.create_task(consumer.run())
        async with asyncio.timeout(60):
            while consumer.heard_at is None:  # noqa: ASYNC110 - a poll with a deadline of what another task sets
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.15 + 0.01 * turn)  # some instant of a poll, another each time
        reading.cancel()
        done, _ = await asyncio.wait([reading], timeout=30)
        assert done


def test_a_taken_page_is_a_clear_error(tmp_path: Path, receiver: Receiver) -> None:
    config = tmp_path / "taken.toml"
    config.write_text(f'state = "{tmp_path}"\n[alert]\npage = "127.0.0.1:{receiver.slack_port}"\n')
    ended = subprocess.run(
        [sys.executable, "-m", "monitor", "alert", "--config", str(config)], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 69
    assert f"127.0.0.1:{receiver.slack_port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_two_processes_on_one_ledger_are_a_clear_error(tmp_path: Path, receiver: Receiver) -> None:
    """Both would tell everything."""
    alerting = Alerting(tmp_path, settings.Kafka(bootstrap=("127.0.0.1:1",)), receiver)
    alerting.start()
    try:
        code, said = failing(alerting.config)
    finally:
        alerting.clear()
    assert code == 69
    assert f"another process keeps its store in {tmp_path}/state/alert" in said


@pytest.mark.parametrize("damage", ["head", "inside"])
def test_a_damaged_ledger_is_named_with_what_to_do(tmp_path: Path, receiver: Receiver, damage: str) -> None:
    alerting = Alerting(tmp_path, settings.Kafka(bootstrap=("127.0.0.1:1",)), receiver)
    path = tmp_path / "state" / "alert" / "alerts.db"
    path.parent.mkdir(parents=True)
    Store(path.parent).close()
    whole = path.read_bytes()
    path.write_bytes(b"x" * len(whole) if damage == "head" else whole[:4096] + b"x" * (len(whole) - 4096))
    code, said = failing(alerting.config)
    assert code == 1
    assert f"the store {path} cannot be read" in said
    assert "move it away" in said


def failing(config: Path) -> tuple[int, str]:
    """Exit code and words of a process that cannot start."""
    command = [sys.executable, "-m", "monitor", "alert", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr
