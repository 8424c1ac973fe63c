"""Notices on their way: tried until delivered, in their order, every attempt on record."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.channels import Delivered, Outcome, Refused, Retry
from alerts.delivery import ChannelDelivery, backoff_ns
from alerts.incidents import Pace
from alerts.notify import Timing
from alerts.outbox import NoticeState, Outbox
from alerts.render import Message
from alerts.service import AlertService, Received
from alerts.store import Store, WrongStore
from monitor.wire import codec
from tests.alerts.alert_samples import T0, S, execution, finding, health, steps

TIMING = Timing(gather_ns=0, again_ns=S)
PACE = Pace(growing_ns=S, close_ns=1000 * S)


class Clock:
    """Moves on by a minute each time it is asked, so that no backoff is waited for."""

    def __init__(self) -> None:
        self.at = T0

    def __call__(self) -> int:
        self.at += 60 * S
        return self.at


class Recorder:
    """A channel that answers as it is told and keeps what it was given."""

    name = "recorder"

    def __init__(self, *answers: Outcome) -> None:
        self.answers = list(answers)
        self.given: list[tuple[str, str, str | None]] = []

    async def deliver(self, key: str, message: Message, thread: str | None) -> Outcome:
        self.given.append((key, message.subject, thread))
        return self.answers.pop(0) if self.answers else Delivered(thread="t1")

    async def close(self) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.close()


def office_of(store: Store) -> AlertService:
    return AlertService(store, Outbox(store), {}, TIMING, PACE, ("recorder",), None)


def said(service: AlertService, *findings: object, offset: int = 0) -> None:
    value = codec.encode_lines(findings)  # type: ignore[arg-type]  # any fields of it
    service.take([Received(topic="findings", part=0, offset=offset, value=value)], T0)


async def carried(service: AlertService, channel: Recorder, done: Callable[[], bool]) -> ChannelDelivery:
    delivery = ChannelDelivery(channel, service.store, service.outbox, Clock(), service.count_attempt)
    task = asyncio.create_task(delivery.run())
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - what is waited for is on record, not in an event
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return delivery


def states(service: AlertService) -> list[NoticeState]:
    return [n.state for n in reversed(service.outbox.newest(100))]


async def test_put_off_until_delivered_with_every_attempt_on_record(store: Store) -> None:
    service = office_of(store)
    said(service, finding())
    service.tell(T0)
    channel = Recorder(Retry(why="busy"), Retry(why="busy", after_s=5))
    await carried(service, channel, lambda: states(service) == [NoticeState.DELIVERED])
    (notice,) = service.outbox.newest(10)
    assert [(a.outcome, a.detail) for a in service.outbox.attempts(notice.key)] == [
        ("put off", "busy"),
        ("put off", "busy"),
        ("delivered", ""),
    ]
    assert len({key for key, _, _ in channel.given}) == 1
    assert service.totals[("sorwatch_notice_attempts", (("channel", "recorder"), ("outcome", "put off")))] == 2


async def test_notices_of_one_incident_keep_their_order_and_share_a_thread(store: Store) -> None:
    service = office_of(store)
    said(service, finding("A"))
    service.tell(T0)
    said(service, finding("A", revision=1, state="withdrawn"), offset=1)
    service.tell(T0 + 5 * S)
    channel = Recorder(Retry(why="busy"))
    await carried(service, channel, lambda: states(service) == [NoticeState.DELIVERED] * 2)
    assert [thread for _, _, thread in channel.given] == [None, None, "t1"]
    assert ["Withdrawn" in subject for _, subject, _ in channel.given] == [False, False, True]


async def test_refused_is_kept_and_tried_again_at_the_next_start(store: Store) -> None:
    service = office_of(store)
    said(service, finding())
    service.tell(T0)
    delivery = await carried(
        service, Recorder(Refused(why="no such channel")), lambda: states(service) == [NoticeState.REFUSED]
    )
    assert delivery.trouble == "no such channel"
    with store.transaction():
        assert service.outbox.resume(T0, ("recorder",)) == 0
    await carried(service, Recorder(), lambda: states(service) == [NoticeState.DELIVERED])


async def test_an_attempt_that_was_cut_off_is_made_again_and_says_so(store: Store) -> None:
    service = office_of(store)
    said(service, finding())
    service.tell(T0)
    (notice,) = service.outbox.newest(10)
    with store.transaction():
        service.outbox.begin(notice.key, T0)
    with store.transaction():
        assert service.outbox.resume(T0 + S, ("recorder",)) == 1
    await carried(service, Recorder(), lambda: states(service) == [NoticeState.DELIVERED])
    assert [a.outcome for a in service.outbox.attempts(notice.key)] == ["interrupted", "delivered"]


async def test_a_channel_that_fails_unexpectedly_loses_nothing(store: Store) -> None:
    class Broken(Recorder):
        async def deliver(self, key: str, message: Message, thread: str | None) -> Outcome:
            if not self.given:
                self.given.append((key, "", None))
                raise ValueError("a fault of ours")
            return await super().deliver(key, message, thread)

    service = office_of(store)
    said(service, finding())
    service.tell(T0)
    await carried(service, Broken(), lambda: states(service) == [NoticeState.DELIVERED])


def test_a_restart_tells_nothing_again(store: Store) -> None:
    service = office_of(store)
    said(service, *(finding(f"O{i}", venue=f"X00{i}") for i in range(5)))
    assert service.tell(T0) == 5
    again = office_of(store)
    said(again, *(finding(f"O{i}", venue=f"X00{i}") for i in range(5)))
    assert again.tell(T0 + 10 * S) == 0
    assert again.all_incidents(T0) == service.all_incidents(T0)
    assert again.totals[("sorwatch_incidents_told", (("reason", "first"),))] == 5


def test_a_transaction_that_fails_leaves_no_trace(store: Store) -> None:
    service = office_of(store)
    said(service, finding("A"))
    store.db.execute("CREATE TRIGGER full BEFORE INSERT ON offsets BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        said(service, finding("B"), offset=1)
    store.db.execute("DROP TRIGGER full")
    assert service.incidents.incident(service.incidents.ids()[0], T0, PACE).orders == 1
    said(service, finding("B"), offset=1)
    assert service.incidents.incident(service.incidents.ids()[0], T0, PACE).orders == 2
    assert store.offsets() == {("findings", 0): 2}
    assert service.totals == store.totals()


def test_what_cannot_be_read_is_kept_and_passed(store: Store) -> None:
    service = office_of(store)
    for offset, value in enumerate((b"\xff\xfe", b'{"id": 1}\n', b"")):
        service.take([Received(topic="findings", part=2, offset=offset, value=value)], T0)
    assert [u.place for u in store.unreadable(10)] == [1, 0]
    assert store.offsets() == {("findings", 2): 3}


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    made = Store(tmp_path)
    made.db.execute("PRAGMA user_version=99")
    made.close()
    with pytest.raises(WrongStore, match="move it away"):
        Store(tmp_path)


def test_the_ledger_is_for_its_owner_only(store: Store, tmp_path: Path) -> None:
    assert (tmp_path / "alerts.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("tries", "after", "seconds"),
    [
        (1, None, 1),
        (4, None, 8),
        (30, None, 120),
        (1, 300.0, 300),
        (1, 31_536_000.0, 3600),
        (1, 1e300, 3600),
        (1, float("inf"), 3600),
    ],
)
def test_backoff_doubles_to_a_bound_and_heeds_what_was_asked(tries: int, after: float | None, seconds: int) -> None:
    assert backoff_ns(tries, after) == seconds * S


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        ("findings", finding(at=1 << 70)),
        ("findings", finding(cost=1 << 64)),
        ("findings", finding(evidence={"x_ns": 1 << 80})),
        ("executions", execution(price=1 << 70)),
        ("line", health(wall=1 << 70)),
    ],
)
def test_numbers_that_nobody_can_work_with_are_kept_as_unreadable(store: Store, topic: str, value: object) -> None:
    service = office_of(store)
    text = json.dumps(msgspec.to_builtins(value, builtin_types=(Decimal,)), default=float).encode()
    service.take([Received(topic=topic, part=0, offset=0, value=text)], T0)
    assert [u.topic for u in store.unreadable(10)] == [topic]
    assert not service.incidents.ids()


def test_a_quantity_that_is_no_number_is_unreadable(store: Store) -> None:
    service = office_of(store)
    text = codec.encode_lines([finding()]).replace(b'"qty":300,"cost"', b'"qty":"NaN","cost"')
    service.take([Received(topic="findings", part=0, offset=0, value=text)], T0)
    assert [u.topic for u in store.unreadable(10)] == ["findings"]


def test_old_notices_go_and_what_is_not_delivered_stays(store: Store) -> None:
    service = office_of(store)
    said(service, finding("A", venue="X001"), finding("B", venue="X002"))
    service.tell(T0)
    one, two = service.outbox.newest(10)
    with store.transaction():
        service.outbox.begin(one.key, T0)
        service.outbox.settle(one.key, NoticeState.DELIVERED, T0, None)
        service.outbox.trim(T0 + 1)
    assert [n.key for n in service.outbox.newest(10)] == [two.key]
    assert service.outbox.attempts(one.key) == []
    assert len(service.outbox.told()) == 2


def hops_counted(service: AlertService) -> float:
    return sum(v for (name, labels), v in service.totals.items() if name.endswith("hop_seconds_bucket") and labels)


def executed(service: AlertService, offset: int, exec_id: str, **more: Any) -> None:
    told = execution("C1", exec_id=exec_id, steps=steps("C1"), **more)
    service.take([Received(topic="executions", part=0, offset=offset, value=codec.encode_lines([told]))], T0)


def test_the_hops_before_a_route_count_once_also_over_a_restart_and_a_batch_undone(store: Store) -> None:
    service = office_of(store)
    executed(service, 0, "x1")
    first = hops_counted(service)
    executed(office_of(store), 1, "x2")
    once_more = hops_counted(office_of(store))
    assert first > once_more - first, "a further fill of the route adds the hop from its acknowledgement only"
    executed(office_of(store), 2, "x1", session="ANOTHER")
    assert hops_counted(office_of(store)) - once_more == first, "the same ids of another session are another route"


def test_latencies_of_a_batch_that_is_undone_count_once(store: Store) -> None:
    service = office_of(store)
    body = codec.encode_lines([health(latency_ns=(5 * S,), patience_ns=S)])
    batch = [Received(topic="line", part=0, offset=0, value=body)]
    store.db.execute("CREATE TEMP TRIGGER full BEFORE INSERT ON offsets BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(sqlite3.Error):
        service.take(batch, T0)
    assert list(service.latencies) == []
    store.db.execute("DROP TRIGGER full")
    service.take(batch, T0)
    assert list(service.latencies) == [4 * S]


def test_a_channel_that_is_no_longer_set_gives_up_its_notices_with_that_reason(store: Store) -> None:
    service = office_of(store)
    said(service, finding())
    service.tell(T0 + 10 * S)
    (notice,) = service.outbox.newest(10)
    for start in (20, 30):
        with store.transaction():
            service.outbox.resume(T0 + start * S, ("another",))
    assert states(service) == [NoticeState.REFUSED]
    assert [(a.outcome, a.detail) for a in service.outbox.attempts(notice.key)] == [
        ("given up", "the settings name no such channel any more")
    ]


async def test_a_ledger_that_cannot_be_read_for_a_while_does_not_end_the_delivery(store: Store) -> None:
    service = office_of(store)
    channel = Recorder()
    delivery = ChannelDelivery(channel, store, service.outbox, Clock(), service.count_attempt)
    store.db.execute("ALTER TABLE notices RENAME TO away")
    task = asyncio.create_task(delivery.run())
    await asyncio.sleep(0)
    assert not task.done()
    store.db.execute("ALTER TABLE away RENAME TO notices")
    said(service, finding())
    service.tell(T0 + 10 * S)
    async with asyncio.timeout(30):
        while not channel.given:
            delivery.wake()
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
