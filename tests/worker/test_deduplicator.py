"""Whatever a publisher sends again, every event is let in exactly once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from monitor.wire import codec
from monitor.wire.events import ReportLine, SessionUp, Tick
from monitor.worker.deduplicator import (
    HOLES_KEPT,
    Deduplicator,
    Envelope,
    UnreadableHeaders,
    check_schema,
    envelope_of,
)


def event(n: int, part: int = 0) -> ReportLine:
    return SessionUp(source="s", n=n, part=part, at=n, seen=n, session="x")


def tick(n: int) -> ReportLine:
    return Tick(source="s", n=n, at=n, seen=n)


class Message(Struct, frozen=True):
    envelope: Envelope
    events: list[ReportLine]


def message(prev: int, *events: ReportLine, last: int | None = None) -> Message:
    first = min(e.n for e in events)
    return Message(Envelope(source="s", first=first, last=last or max(e.n for e in events), prev=prev), list(events))


def admitted(keeper: Deduplicator, *messages: Message) -> list[tuple[int, int]]:
    let_in = [keeper.admit(m.envelope, m.events) for m in messages]
    return [(e.n, e.part) for events in let_in for e in events if not isinstance(e, Tick)]


def publish(records: list[tuple[int, int]], begin: int, cuts: list[int]) -> Iterator[tuple[int, Message]]:
    """One life of a publisher: from record index ``begin``, in messages cut after so many records; end of each."""
    at = begin
    for size in cuts:
        some = records[at : at + size]
        if not some:
            return
        prev = records[at - 1][0] if at else codec.NOTHING_BEFORE
        events = [event(n, part) for n, parts in some for part in range(parts)]
        at += len(some)
        yield at, message(prev, *events, tick(some[-1][0]))


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[Message]]:
    """Records of one partition (numbers rise with gaps, each of some parts), published over several lives.

    A life ends anywhere; the next begins where the messages were acknowledged without a break. Of a life's last
    messages some may be lost, and what Kafka got may hold any of those behind them.
    """
    steps = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=40))
    records, n = [], 0
    for step, parts in steps:
        n += step
        records.append((n, parts))
    log: list[Message] = []
    position = 0
    for _ in range(draw(st.integers(0, 4))):
        cuts = draw(st.lists(st.integers(1, 6), max_size=8))
        acknowledged, unbroken = position, True
        for end, sent in publish(records, position, cuts):
            arrived = draw(st.booleans()) or draw(st.booleans())
            if arrived:
                log.append(sent)
            unbroken = unbroken and arrived
            acknowledged = end if unbroken else acknowledged
        position = draw(st.integers(position, acknowledged))
    log.extend(sent for _, sent in publish(records, position, draw(st.lists(st.integers(1, 6), max_size=8))))
    done = sum(1 for _ in records)
    log.extend(sent for _, sent in publish(records, position, [5] * done))
    return records, log


@given(histories())
def test_each_event_is_let_in_exactly_once(history: tuple[list[tuple[int, int]], list[Message]]) -> None:
    records, log = history
    keeper = Deduplicator()
    let_in = admitted(keeper, *log)
    assert sorted(let_in) == [(n, part) for n, parts in records for part in range(parts)]
    assert keeper.repeats == sum(not isinstance(e, Tick) for m in log for e in m.events) - len(let_in)
    assert all(not door.holes for door in keeper.doors.values())


def test_a_message_partly_seen_is_cut() -> None:
    keeper = Deduplicator()
    assert admitted(keeper, message(-1, event(1), event(2), event(3))) == [(1, 0), (2, 0), (3, 0)]
    assert admitted(keeper, message(-1, event(2), event(3), event(4))) == [(4, 0)]
    assert keeper.repeats == 2


def test_a_hole_is_noticed_and_may_be_filled_later() -> None:
    keeper = Deduplicator()
    assert admitted(keeper, message(-1, event(1)), message(7, event(9))) == [(1, 0), (9, 0)]
    assert keeper.holes == 1
    assert admitted(keeper, message(1, event(4), event(7)), message(1, event(4), event(7))) == [(4, 0), (7, 0)]
    assert keeper.holes == 1


def test_parts_of_one_record_may_come_in_two_messages() -> None:
    keeper = Deduplicator()
    torn = (message(-1, event(5, 0)), message(5, event(5, 1), event(5, 2)))
    assert admitted(keeper, *torn) == [(5, 0), (5, 1), (5, 2)]
    assert admitted(keeper, *torn) == []


def test_ticks_always_pass() -> None:
    keeper = Deduplicator()
    told = message(-1, tick(3))
    assert keeper.admit(told.envelope, told.events) == keeper.admit(told.envelope, told.events) == [tick(3)]
    assert keeper.repeats == 0


def test_messages_without_numbers_pass() -> None:
    keeper = Deduplicator()
    assert keeper.admit(None, [event(1)]) == keeper.admit(None, [event(1)]) == [event(1)]


def test_sources_have_doors_of_their_own() -> None:
    keeper = Deduplicator()
    other = Envelope(source="other", first=1, last=1, prev=-1)
    assert admitted(keeper, message(-1, event(1))) == [(1, 0)]
    assert keeper.admit(other, [event(1)]) == [event(1)]


def test_holes_remembered_are_bounded() -> None:
    keeper = Deduplicator()
    for n in range(HOLES_KEPT + 50):
        admitted(keeper, message(2 * n + 1, event(2 * n + 2)))
    assert len(keeper.doors["s"].holes) == HOLES_KEPT
    assert keeper.holes == HOLES_KEPT + 50


def test_headers() -> None:
    headers = codec.headers("dropcopy", 3, 9, 2)
    assert envelope_of(headers) == Envelope(source="dropcopy", first=3, last=9, prev=2)
    assert envelope_of([("schema", b"1")]) is None
    check_schema(headers)


@pytest.mark.parametrize("wrong", [[("source", b"x")], [("source", b"x"), ("first", b"a"), ("last", b"2")]])
def test_unreadable_headers(wrong: list[tuple[str, bytes]]) -> None:
    with pytest.raises(UnreadableHeaders, match="headers are not"):
        envelope_of(wrong)


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(UnreadableHeaders, match="schema b'2' is unknown"):
        check_schema([("schema", b"2")])
