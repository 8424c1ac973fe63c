"""Events → messages: nothing left out, records whole, headers that chain; what ticks may say."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as kafkas_murmur2

from fix_ingest.journal.record import Record
from fix_ingest.publish.messages import MESSAGE_BYTES, Clock, Outbound
from monitor.wire import codec
from monitor.wire.events import Ended, Garbled, Received, ReportLine, SessionUp, Tick
from monitor.worker.deduplicator import Deduplicator, envelope_of

P = 4


def record(n: int, body: bytes = b"") -> Record:
    return Record(n, n, "one", "message", body)


def received(n: int, symbol: str, text: str | None = None, part: int = 0) -> Received:
    return Received(source="s", n=n, part=part, at=n, seen=n, session="one", symbol=symbol, order_id=f"o{n}", text=text)


def test_the_partition_of_a_symbol_is_kafkas_own() -> None:
    chosen = random.Random(7)  # noqa: S311 - test data
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ./-0123456789é"
    symbols = {"".join(chosen.choices(letters, k=chosen.randint(1, 21))) for _ in range(6000)}
    assert len(symbols) > 5000
    for symbol in symbols:
        theirs = kafkas_murmur2(symbol.encode()) & 0x7FFFFFFF
        assert [codec.partition_of(symbol, p) for p in (1, 4, 7, 64)] == [theirs % p for p in (1, 4, 7, 64)]


@given(
    st.lists(st.lists(st.one_of(st.none(), st.sampled_from(["A", "BB", "CCC", "ZVZZT"])), max_size=3), max_size=40),
    st.lists(st.integers(0, 40), max_size=6),
    st.lists(st.integers(0, 40), max_size=3),
)
def test_everything_once_in_order_whatever_the_cuts_and_restarts(
    records: list[list[str | None]], cuts: list[int], restarts: list[int]
) -> None:
    """A reader that drops repeats by headers gets every line once, though the publisher begins again and again."""
    happened = [events_of(n, symbols) for n, symbols in enumerate(records, 1)]
    doors = [Deduplicator() for _ in range(P)]
    got: list[list[ReportLine]] = [[] for _ in range(P)]
    saved, chain = 0, None
    for stop in [*sorted(restarts), len(records)]:
        outbound = Outbound("s", P, chain)
        for n in range(saved + 1, min(stop + 5, len(records)) + 1):
            outbound.add(record(n), happened[n - 1])
            if n in cuts or n == stop:
                deliver(outbound, doors, got)
            if n == stop:
                saved, chain = n, list(outbound.chain)
        # what is sent beyond the saved position is sent again by the next one
        deliver(outbound, doors, got)
    for partition in range(P):
        wanted = [e for events in happened for e in events if partition in where(e)]
        assert got[partition] == wanted
        assert doors[partition].holes == 0


def events_of(n: int, symbols: list[str | None]) -> list[ReportLine]:
    return [
        SessionUp(source="s", n=n, part=i, at=n, seen=n, session="one") if s is None else received(n, s, part=i)
        for i, s in enumerate(symbols)
    ]


def where(event: ReportLine) -> range | list[int]:
    return [codec.partition_of(event.symbol, P)] if isinstance(event, Received) else range(P)


def deliver(outbound: Outbound, doors: list[Deduplicator], got: list[list[ReportLine]]) -> None:
    for parcel in outbound.take():
        said = envelope_of(parcel.headers)
        got[parcel.partition] += doors[parcel.partition].admit(said, codec.decode_reports(parcel.value))


def test_a_long_run_is_cut_and_a_record_never_is() -> None:
    outbound = Outbound("s", 1)
    for n in range(1, 400):
        outbound.add(record(n), [received(n, "A", "x" * 300), received(n, "A", "y" * 300, part=1)])
    parcels = outbound.take()
    assert len(parcels) > 3
    before = codec.NOTHING_BEFORE
    for parcel in parcels:
        lines = codec.decode_reports(parcel.value)
        said = envelope_of(parcel.headers)
        assert said is not None
        assert (said.first, said.last, said.prev) == (lines[0].n, lines[-1].n, before)
        assert (lines[0].part, lines[-1].part) == (0, 1)
        assert len(parcel.value) < MESSAGE_BYTES + 2000
        before = said.last


def test_an_event_too_large_for_a_line_becomes_garbled() -> None:
    outbound = Outbound("s", 1)
    outbound.add(record(1), [received(1, "A", "x" * (2 << 20))])
    (line,) = codec.decode_reports(outbound.take()[0].value)
    assert isinstance(line, Garbled)
    assert "at most" in line.reason


def test_the_wall_clock_speaks_only_at_the_journals_end() -> None:
    clock = Clock("wall", "s")
    assert clock.word(0, 100, at_end=False) is None
    assert clock.word(0, 100, at_end=True) == Tick(source="s", n=0, at=100, seen=100)
    clock.saw(record(1, body=logout()), [])
    assert isinstance(clock.word(1, 200, at_end=True), Tick)


def test_sent_again_history_ends_when_every_session_has_logged_out() -> None:
    clock = Clock("events", "s", ["one", "two"])
    assert clock.word(0, 999, at_end=True) is None
    clock.saw(Record(1, 5, "one", "up", b""), [SessionUp(source="s", n=1, at=999, seen=999, session="one")])
    assert clock.word(1, 999, at_end=True) is None
    clock.saw(record(2), [received(2, "A"), received(7, "A")])
    assert clock.word(2, 999, at_end=False) == Tick(source="s", n=2, at=7, seen=999)
    clock.saw(Record(3, 5, "one", "message", logout()), [])
    clock.saw(Record(4, 5, "two", "up", b""), [])
    clock.saw(Record(5, 5, "two", "down", b"connection broken"), [])
    assert isinstance(clock.word(5, 999, at_end=True), Tick)
    clock.saw(Record(6, 5, "two", "up", b""), [])
    clock.saw(Record(7, 5, "two", "message", logout()), [])
    assert isinstance(clock.word(7, 999, at_end=False), Tick)
    assert clock.word(7, 999, at_end=True) == Ended(source="s", n=7, at=7, seen=999)
    assert clock.word(7, 999, at_end=True) is None
    clock.saw(Record(8, 5, "two", "up", b""), [])
    assert isinstance(clock.word(8, 999, at_end=True), Tick)


def logout() -> bytes:
    return b"8=FIX.4.4\x019=50\x0135=5\x0134=9\x01"


def test_ticks_go_on_when_the_time_of_day_is_set_back() -> None:
    clock = Clock("wall", "drop")
    assert clock.due(1_000, 20)
    clock.told(1_000)
    assert [clock.due(now, 20) for now in (1_000, 1_019, 1_020)] == [False, False, True]
    assert clock.due(400, 20), "an hour without ticks would have the source set aside as silent"
