"""The worker on a real Kafka tells what the engine tells when it is fed directly, whatever happens to it."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Mapping

import pytest
from msgspec import Struct

from monitor.config import settings
from monitor.config.settings import Watch
from monitor.kafka import readback, topics
from monitor.kafka.embedded.properties import MESSAGE_BYTES
from monitor.wire import codec
from monitor.worker import checkpoint, engines
from tests.waiting import until
from tests.worker import direct, fake_engine, feed
from tests.worker.feed import Sender, Sent
from tests.worker.worker_line import Watcher, executions, findings

pytestmark = pytest.mark.line

Start = Callable[[], Watcher]
LARGEST = MESSAGE_BYTES - 100
"""With the record's own bytes as large as a message may be."""
REAL = engines.maker(Watch())


def a_day(slices: int, seed: int = 1) -> list[Sent]:
    return [message for part in feed.slices(slices, 4, seed) for message in part]


def send(sender: Sender, sent: list[Sent]) -> None:
    for message in sent:
        sender.send(message)
    sender.flush()


def told_all(kafka: settings.Kafka, expected: direct.Verdicts) -> bool:
    return len(executions(kafka)) == len(expected.executions) and len(findings(kafka)) == len(expected.findings)


def check(kafka: settings.Kafka, expected: direct.Verdicts) -> None:
    until(lambda: told_all(kafka, expected))
    assert differences(executions(kafka), expected.executions) == []
    assert differences(findings(kafka), expected.findings) == []


def differences(told: Mapping[str, Struct], expected: Mapping[str, Struct]) -> list[str]:
    """What differs, field by field: a whole finding is too long to compare by eye."""
    found = [f"only on one side: {key}" for key in told.keys() ^ expected.keys()]
    for key in told.keys() & expected.keys():
        for name in told[key].__struct_fields__:
            a, b = getattr(told[key], name), getattr(expected[key], name)
            found += [f"{key} {name}: {a} instead of {b}"] if a != b else []
    return found


def test_live_equals_replay(kafka: settings.Kafka, sender: Sender, start: Start) -> None:
    sent = a_day(60)
    watcher = start()
    send(sender, sent)
    check(kafka, direct.judge(sent, fake_engine.make))
    assert watcher.stop() == 0
    assert list(readback.read(kafka, "dead_letters")) == []


def test_the_command_with_the_real_engine(kafka: settings.Kafka, sender: Sender, start_command: Start) -> None:
    sent = [*a_day(60), *feed.closing(4)]
    send(sender, sent)
    watcher = start_command()
    expected = direct.judge(sent, REAL)
    assert len(expected.executions) > 100
    check(kafka, expected)
    metrics = watcher.get("/metrics")
    assert "sorwatch_watermark_lag_seconds" in metrics
    assert json.loads(watcher.get("/healthz"))["ok"] is True
    until(lambda: len({h.partition for m in readback.read(kafka, "line") for h in codec.decode_health(m.value)}) == 4)
    assert watcher.stop() == 0


def test_an_unreadable_message_is_put_aside_and_the_others_go_on(
    kafka: settings.Kafka, sender: Sender, start: Start
) -> None:
    sent = a_day(40)
    watcher = start()
    bad = [
        Sent(topic="reports", partition=2, value=b"no json", headers=(("schema", b"1"),)),
        Sent(topic="nbbo", partition=2, value=b"no arrow"),
        Sent(topic="reports", partition=1, value=b"", headers=(("schema", b"99"),)),
        Sent(topic="nbbo", partition=1, value=b"x" * LARGEST),
    ]
    send(sender, [*sent[:100], *bad, *sent[100:]])
    check(kafka, direct.judge(sent, fake_engine.make))
    until(lambda: len(list(readback.read(kafka, "dead_letters"))) == 4)
    letters = list(readback.read(kafka, "dead_letters"))
    said = {(m.headers["topic"], m.headers["partition"]): m for m in letters}
    assert set(said) == {(b"reports", b"2"), (b"nbbo", b"2"), (b"reports", b"1"), (b"nbbo", b"1")}
    assert b"schema b'99' is unknown" in said[b"reports", b"1"].headers["reason"]
    assert {m.value[:9] for m in letters} == {b"no json", b"no arrow", b"", b"x" * 9}
    assert said[b"nbbo", b"1"].headers["bytes"] == str(LARGEST).encode()
    assert watcher.stop() == 0


def test_what_a_publisher_sends_again_is_judged_once(kafka: settings.Kafka, sender: Sender, start: Start) -> None:
    sent = a_day(40)
    start()
    half = len(sent) // 2
    send(sender, [*sent[:half], *(m for m in sent[half - 60 : half] if m.topic == "reports"), *sent[half:]])
    expected = direct.judge(sent, fake_engine.make)
    check(kafka, expected)
    told = [e for m in readback.read(kafka, "executions") for e in codec.decode_executions(m.value)]
    assert len(told) == len(expected.executions)


def test_a_graceful_restart_repeats_nothing(kafka: settings.Kafka, sender: Sender, start: Start) -> None:
    sent = a_day(60)
    first = start()
    send(sender, sent[: len(sent) // 2])
    until(lambda: len(executions(kafka)) > 20)
    assert first.stop() == 0
    start()
    send(sender, sent[len(sent) // 2 :])
    expected = direct.judge(sent, fake_engine.make)
    check(kafka, expected)
    told = [e for m in readback.read(kafka, "executions") for e in codec.decode_executions(m.value)]
    assert len(told) == len(expected.executions)


def test_kill_9_at_random_instants(kafka: settings.Kafka, sender: Sender, start_command: Start) -> None:
    sent = [*a_day(500), *feed.closing(4)]
    expected = direct.judge(sent, REAL)
    rng = random.Random(7)  # noqa: S311 - test data
    watcher = start_command()
    at = 0
    for _ in range(6):
        until(lambda w=watcher: "assigned" in w.said())
        upto = at + rng.randrange(200, 700)
        for message in sent[at:upto]:
            sender.send(message)
        at = upto
        seen = len(executions(kafka))
        if rng.random() < 0.7:
            until(lambda: len(executions(kafka)) > seen, 60)  # noqa: B023 - called at once
        time.sleep(rng.random() * 0.5)  # the instant is the chance of this test, nothing waits for it
        watcher.kill()
        watcher = start_command()
    send(sender, sent[at:])
    check(kafka, expected)
    assert watcher.stop() == 0


def test_more_open_orders_than_one_record_holds_survive_a_kill(
    kafka: settings.Kafka, sender: Sender, start_command: Start
) -> None:
    held = 12_000
    crowd, first = feed.crowd(held, 0)
    send(sender, crowd)
    watcher = start_command()
    until(lambda: latest_open_orders(kafka) == held, why=watcher.said)
    reports = sum(message.topic == "reports" for message in crowd)

    def covered() -> bool:
        parts = [checkpoint.part(m.value) for m in readback.read(kafka, "checkpoints")]
        whole, wrong = checkpoint.joined(part for part in parts if part.partition == 0)
        assert wrong == []
        return max(part.of for part in parts) > 1 and any(c.reports_next == reports for c in whole)

    until(covered, why=watcher.said)
    watcher.kill()
    again = start_command()
    send(sender, feed.bust(first, 0))
    until(lambda: executions(kafka)[first.exec_id].state == "busted", why=again.said)
    assert latest_open_orders(kafka) == held
    assert again.stop() == 0


def latest_open_orders(kafka: settings.Kafka) -> int:
    """Those of partition 0, as the worker said last."""
    told = [h for m in readback.read(kafka, "line") for h in codec.decode_health(m.value) if h.partition == 0]
    return told[-1].open_orders if told else 0


def test_a_frozen_worker_wakes_up_as_a_zombie(kafka: settings.Kafka, sender: Sender, start_command: Start) -> None:
    sent = [*a_day(400), *feed.closing(4)]
    expected = direct.judge(sent, REAL)
    frozen = start_command()
    send(sender, sent[:600])
    until(lambda: len(executions(kafka)) > 10)
    for message in sent[600:900]:
        sender.send(message)
    frozen.signal(signal.SIGSTOP)
    peer = start_command()
    seen = len(executions(kafka))
    send(sender, sent[900:1500])
    until(lambda: "assigned" in peer.said() and len(executions(kafka)) > seen)
    frozen.signal(signal.SIGCONT)
    send(sender, sent[1500:])
    check(kafka, expected)
    assert peer.stop() == 0
    assert frozen.stop() == 0


def test_three_workers_share_partitions_topic_by_topic_alike(
    kafka: settings.Kafka, sender: Sender, start: Start
) -> None:
    workers = [start() for _ in range(3)]
    sent = a_day(200)

    def shares() -> list[set[int]]:
        found = []
        for worker in workers:
            lines = [json.loads(line) for line in worker.said().splitlines() if line.startswith("{")]
            assigned = [line["partitions"] for line in lines if line.get("event") == "assigned"]
            found.append(set(assigned[-1]) if assigned else set())
        return found

    until(lambda: sorted(len(s) for s in shares()) == [1, 1, 2] and set.union(*shares()) == {0, 1, 2, 3})
    send(sender, sent)
    check(kafka, direct.judge(sent, fake_engine.make))
    assert workers[0].stop() == 0
    more = a_day(300)[len(sent) :]
    send(sender, more)
    check(kafka, direct.judge([*sent, *more], fake_engine.make))


def test_what_the_group_has_passed_over_is_read_all_the_same(
    kafka: settings.Kafka, sender: Sender, start: Start, pass_over: Callable[[], None]
) -> None:
    sent = a_day(80)
    first = start()
    send(sender, sent[:200])
    until(lambda: len(executions(kafka)) > 10)
    assert first.stop() == 0
    send(sender, sent[200:400])
    pass_over()
    again = start()
    send(sender, sent[400:])
    check(kafka, direct.judge(sent, fake_engine.make))
    assert "fetching what was passed over" in again.said()


def test_what_was_passed_over_at_the_very_end_is_read_too(
    kafka: settings.Kafka, sender: Sender, start: Start, pass_over: Callable[[], None]
) -> None:
    sent = a_day(40)
    first = start()
    send(sender, sent[:100])
    until(lambda: len(executions(kafka)) > 3)
    assert first.stop() == 0
    send(sender, sent[100:])
    pass_over()
    start()
    check(kafka, direct.judge(sent, fake_engine.make))


def test_told_to_stop_before_it_has_begun(start_command: Start) -> None:
    watcher = start_command()
    until(lambda: '"event": "probe"' in watcher.said())
    assert watcher.stop() == 0


def test_topics_that_were_not_there_are_taken_up_when_they_are(kafka: settings.Kafka, start_command: Start) -> None:
    """A broker that has just come back may know of none for a moment; the group must not go without them for long."""
    topics.delete(kafka)
    watcher = start_command()
    until(lambda: '"partitions": []' in watcher.said(), why=watcher.said)
    until(lambda: topics.ensure(kafka) == [])
    until(lambda: '"partitions": [0, 1, 2, 3]' in watcher.said(), why=watcher.said)
