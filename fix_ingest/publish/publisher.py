"""``sorwatch publish``: journal → decoder → ``reports`` on Kafka.

The position on disk is only ever what Kafka has acknowledged without a gap, together with the decoder's memory and the
chain of numbers as they were at that very record. So a publisher killed at any instant goes on at or before where it
was, says the same again with the same numbers, and readers drop the repeats. While Kafka is away the journal waits on
disk, and no more than ``publish.in_flight_bytes`` wait in memory.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, Protocol

import structlog
from msgspec import Struct

from fix_ingest.decode import dialects
from fix_ingest.decode.decoder import Decoder
from fix_ingest.journal import Reader
from fix_ingest.journal.record import Record
from fix_ingest.journal.retention import Pruner
from fix_ingest.publish import position
from fix_ingest.publish.messages import Clock, Outbound
from fix_ingest.publish.metrics import PublishMetrics, Reading
from fix_ingest.publish.position import Saved, Scribe
from monitor.config import load, settings
from monitor.kafka.producer import BoundedProducer
from monitor.process import command_line, gc_tuning
from monitor.process.health_server import CannotListen, Health, HealthServer
from monitor.process.signals import stopping
from monitor.venues import shipped
from monitor.wire import codec
from monitor.wire.events import Garbled, ReportLine

log = structlog.get_logger()

RECORDS: Final = 1000
"""Most records taken from the journal at once."""
PAUSE_S: Final = 0.002
"""How long the journal is left alone once it has been read to its end: a little gathers into one message."""
MARK_S: Final = 0.5
"""How often the position is written."""
MARKS_WAITING: Final = 4
"""Positions remembered at once; each holds the decoder's memory."""
MARK_SHARE: Final = 20
"""A mark that takes long is made more rarely: it may use one part in so many of the time."""
SILENT_S: Final = 1.0
"""While Kafka has been away for so long no ticks are added to what waits: the next one says as much."""
STALLED_S: Final = 5.0
"""Without any acknowledgement for so long the process is unhealthy."""


class Decodes(Protocol):
    """What the publisher needs of a decoder."""

    counts: Counter[str]

    def decode(self, record: Record) -> list[ReportLine]:
        """The events of one record, in order."""

    def snapshot(self) -> bytes:
        """Its memory."""

    def restore(self, data: bytes) -> None:
        """Take a memory over."""


class _Mark(Struct, frozen=True):
    token: int
    since: int | None
    """When the first record it covers was seen."""
    saved: Saved


class Publisher:
    """Carries one journal to ``reports``; `step` does one round."""

    def __init__(
        self,
        *,
        source: str,
        reader: Reader,
        decoder: Decodes,
        outbound: Outbound,
        clock: Clock,
        producer: BoundedProducer,
        topic: str,
        scribe: Scribe,
        pruner: Pruner,
        tick_ns: int,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.reader, self.decoder, self.producer = reader, decoder, producer
        self.outbound, self.clock, self.scribe, self.pruner = outbound, clock, scribe, pruner
        self.records = self.lines = self.undecodable = self.damaged = 0
        self.n = reader.position.n
        """Last record read."""
        self.saved_n = reader.position.n
        """Last record known to be published."""
        self.at_end = False
        self.waiting_since: int | None = None
        """When the oldest record that is not known to be published was seen."""
        self._source, self._topic, self._tick_ns, self._now = source, topic, tick_ns, now
        self._token = 0
        self._marks: deque[_Mark] = deque()
        self._unmarked_since: int | None = None
        self._mark_due = 0.0

    def step(self) -> bool:
        """Read, decode, send; whether the journal has been read to its end. Raises `OSError` when it cannot be read."""
        now = self._now()
        records = self.reader.read(RECORDS)
        for record in records:
            self._take(record)
        self.at_end = len(records) < RECORDS
        self._note_damage()
        self._tick(now)
        for parcel in self.outbound.take():
            self._token += 1
            self.producer.send(self._topic, parcel.partition, parcel.value, parcel.headers, self._token)
        self._mark()
        self.settle()
        self.pruner.look(self.scribe.position)
        return self.at_end

    def settle(self) -> None:
        """Have the newest position written whose messages are all acknowledged."""
        acked = self.producer.acked() or 0
        settled: _Mark | None = None
        while self._marks and self._marks[0].token <= acked:
            settled = self._marks.popleft()
        if settled is not None:
            self.scribe.put(settled.saved)
            self.saved_n = settled.saved.position.n
        self.waiting_since = self._marks[0].since if self._marks else self._unmarked_since

    def finish(self, seconds: float) -> bool:
        """Wait for what has been sent and write the last position; whether nothing is left."""
        self._mark_due = 0.0
        self._mark()
        whole = self.producer.flush(seconds)
        self.settle()
        self.scribe.close()
        return whole

    def _take(self, record: Record) -> None:
        events = self._decode(record)
        self.clock.saw(record, events)
        self.outbound.add(record, events)
        self.records += 1
        self.lines += len(events)
        self.n = record.n
        if self._unmarked_since is None:
            self._unmarked_since = record.seen

    def _decode(self, record: Record) -> list[ReportLine]:
        try:
            return self.decoder.decode(record)
        except Exception as error:
            # one record must not stop the line, whatever is wrong with it: it becomes data with a name
            self.undecodable += 1
            log.exception("a record could not be decoded; please report this", n=record.n, session=record.session)
            return [
                Garbled(
                    source=self._source,
                    n=record.n,
                    at=record.seen,
                    seen=record.seen,
                    session=record.session,
                    reason=f"decoder failed: {type(error).__name__}",
                    raw="",
                )
            ]

    def _note_damage(self) -> None:
        for damage in self.reader.damage():
            self.damaged += 1
            log.error(
                "part of the journal cannot be read and is skipped",
                segment=damage.segment,
                offset=damage.offset,
                size=damage.size,
                why=damage.why,
                todo="check the disk; ask the counterparty to send that time again",
            )

    def _tick(self, now: int) -> None:
        if not self.clock.due(now, self._tick_ns) or self.producer.state().stalled_s > SILENT_S:
            return
        word = self.clock.word(self.n, now, self.at_end)
        if word is not None:
            self.clock.told(now)
            self.outbound.promise(word)

    def _mark(self) -> None:
        """Remember where we are; it is written once everything sent so far is acknowledged."""
        started = time.monotonic()
        if started < self._mark_due or self._unmarked_since is None or len(self._marks) >= MARKS_WAITING:
            return
        saved = Saved(
            source=self._source,
            position=self.reader.position,
            chain=tuple(self.outbound.chain),
            decoder=self.decoder.snapshot(),
            newest=self.clock.newest,
            gone=dict(self.clock.gone),
        )
        self._marks.append(_Mark(self._token, self._unmarked_since, saved))
        self._unmarked_since = None
        self._mark_due = started + max(MARK_S, MARK_SHARE * (time.monotonic() - started))


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch publish``."""
    command_line.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Publish until told to stop."""
    chosen = load.load(args.config)
    try:
        owned = position.own(chosen.directory("publish"))
    except position.InUse as error:
        sys.stderr.write(f"{error}\n")
        return command_line.UNAVAILABLE
    gc_tuning.collect_rarely()
    with owned, stopping() as stop:
        return _run(assemble(chosen), chosen.publish.probe, stop)


def _run(publisher: Publisher, address: str, stop: threading.Event) -> int:
    try:
        probe = HealthServer(
            address, "publish.probe", PublishMetrics(lambda: reading(publisher)).registry, lambda: health(publisher)
        )
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        publisher.producer.close(0.0)
        return command_line.UNAVAILABLE
    try:
        serve(publisher, stop)
        whole = publisher.finish(5.0)
    finally:
        publisher.producer.close(0.0)
        probe.close()
    log.info("stopped", published=publisher.saved_n, all_acknowledged=whole)
    return command_line.OK


def assemble(chosen: settings.Settings) -> Publisher:
    """The publisher that goes on where the last one stopped; raises `Mistaken`."""
    source, partitions = chosen.listen.source, chosen.kafka.partitions
    journal, path = chosen.directory("journal"), chosen.directory("publish") / "position"
    decoder = Decoder(source, dialects.for_sessions(chosen.listen.session), shipped.shipped())
    clock = Clock(chosen.publish.clock, source, [session.name for session in chosen.listen.session])
    saved = position.load(path, source, partitions, journal)
    if saved is not None:
        decoder.restore(saved.decoder)
        clock.newest = saved.newest
        clock.gone |= saved.gone
    topic = codec.topic(chosen.kafka.prefix, "reports")
    return Publisher(
        source=source,
        reader=Reader(journal, None if saved is None else saved.position),
        decoder=decoder,
        outbound=Outbound(source, partitions, None if saved is None else saved.chain),
        clock=clock,
        producer=BoundedProducer(
            chosen.kafka,
            {topic: partitions},
            name="sorwatch-publish",
            in_flight_bytes=chosen.publish.in_flight_bytes,
        ),
        topic=topic,
        scribe=Scribe(path, None if saved is None else saved.position),
        pruner=Pruner(journal, chosen.publish.journal_kept_days, chosen.publish.journal_kept_bytes),
        tick_ns=chosen.publish.tick_ms * 1_000_000,
    )


def serve(publisher: Publisher, stop: threading.Event) -> None:
    """Step until told to stop; a disk that fails is waited for."""
    while not stop.is_set():
        if not publisher.producer.wait_for_room(0.1):
            publisher.settle()
            continue
        try:
            at_end = publisher.step()
        except OSError as error:
            log.exception("the journal cannot be read, trying again", todo=f"check the disk: {error.strerror}")
            stop.wait(1.0)
            continue
        if at_end:
            stop.wait(PAUSE_S)


def reading(publisher: Publisher) -> Reading:
    """Its figures as they are now."""
    p, since = publisher, publisher.waiting_since
    return Reading(
        producer=p.producer.state(),
        records=p.records,
        events=p.lines,
        undecodable=p.undecodable,
        damaged=p.damaged,
        pruned_segments=p.pruner.segments,
        pruned_bytes=p.pruner.bytes,
        backlog_bytes=p.reader.backlog(),
        journal_bytes=p.pruner.size(),
        unsettled_records=max(p.n - p.saved_n, 0),
        lag_seconds=0.0 if since is None else max(time.time_ns() - since, 0) / 1e9,
        decoded=dict(p.decoder.counts),
    )


def health(publisher: Publisher) -> Health:
    """Whether it does its work."""
    state = publisher.producer.state()
    why = state.why or publisher.scribe.why
    if not why and state.stalled_s > STALLED_S:
        why = f"Kafka has acknowledged nothing for {state.stalled_s:.0f} s: is every partition of reports led?"
    return Health(
        ok=not why,
        why=why,
        restart_helps=bool(why) and not state.why and not publisher.scribe.why,
        facts={
            "read": publisher.n,
            "published": publisher.saved_n,
            "in_flight_bytes": state.bytes,
            "backlog_bytes": publisher.reader.backlog(),
        },
    )
