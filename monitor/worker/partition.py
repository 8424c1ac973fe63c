"""One partition of the worker: its engine, its deduplicator and how far the two topics have been taken in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from monitor.engine.joined import Note
from monitor.wire import blocks, codec
from monitor.wire.blocks import Block
from monitor.wire.events import Execution, Finding, LineHealth, ReportLine
from monitor.worker.checkpoint import Checkpoint
from monitor.worker.deduplicator import Deduplicator, Envelope, Headers, UnreadableHeaders, check_schema, envelope_of

Topic = Literal["reports", "nbbo"]


class Judged(Protocol):
    """What the engine hands back."""

    @property
    def executions(self) -> Sequence[Execution]:
        """Fills, scored."""

    @property
    def findings(self) -> Sequence[Finding]:
        """Verdicts of the rules."""

    @property
    def notes(self) -> Sequence[Note]:
        """Oddities of single reports, with their places."""


class Judge(Protocol):
    """What a partition needs of the engine (`monitor.engine.engine.Engine`)."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What has been counted since the first start."""

    @property
    def watermark(self) -> int | None:
        """Everything up to here has been heard from every source."""

    @property
    def settled(self) -> int | None:
        """Everything up to here has been judged."""

    @property
    def held(self) -> int:
        """Events waiting to be judged."""

    @property
    def open_orders(self) -> int:
        """Orders that are not over."""

    @property
    def sources(self) -> Mapping[str, int]:
        """Last tick of each source."""

    @property
    def silent(self) -> Sequence[str]:
        """Sources set aside."""

    @property
    def sessions(self) -> Mapping[str, Literal["up", "down"]]:
        """FIX sessions."""

    def report(self, event: ReportLine) -> None:
        """Hold one event of ``reports``."""

    def block(self, block: Block, token: int) -> None:
        """Hold one block; ``token`` is its offset."""

    def wall(self, now_ns: int) -> None:
        """Tell the time of day."""

    def advance(self) -> Judged:
        """Judge all that the watermark allows."""

    def snapshot(self) -> bytes:
        """All that another engine needs to go on."""

    def first_unsettled(self) -> int | None:
        """Token of the first block that is not wholly in the book."""


MakeJudge = Callable[[bytes | None], Judge]
"""A new engine, or one restored from a snapshot."""


class Unreadable(ValueError):
    """A message that cannot be used, with the reason: it goes to ``dead_letters``."""


class Position(Struct, frozen=True, kw_only=True):
    """First offsets that are not covered."""

    reports: int
    nbbo: int


class Partition:
    """Takes messages in the order of their offsets; knows no Kafka and no clock."""

    def __init__(self, number: int, judge: Judge, start: Position, restored: Checkpoint | None = None) -> None:
        self.number = number
        self.judge = judge
        self.next: dict[Topic, int] = {"reports": start.reports, "nbbo": start.nbbo}
        self.deduplicator = Deduplicator() if restored is None else restored.deduplicator
        self.generation = 0 if restored is None else restored.generation
        self.counts: dict[str, int] = {"dead_letters": 0, "lost_messages": 0}
        self.counts.update({} if restored is None else restored.counts)

    def take(self, topic: Topic, offset: int, value: bytes | None, headers: Headers) -> None:
        """Take in the message that stands at the next offset; raises `Unreadable`, and is past it all the same."""
        self.next[topic] = offset + 1
        try:
            self._take(topic, offset, value, headers)
        except Unreadable:
            self.counts["dead_letters"] += 1
            raise

    def _take(self, topic: Topic, offset: int, value: bytes | None, headers: Headers) -> None:
        if value is None:
            raise Unreadable("a message without a value")
        try:
            check_schema(headers)
            if topic == "nbbo":
                self.judge.block(blocks.decode(value), offset)
                return
            envelope = envelope_of(headers)
        except (UnreadableHeaders, blocks.UnreadableBlock) as error:
            raise Unreadable(str(error)) from error
        self._take_reports(envelope, value)

    def _take_reports(self, envelope: Envelope | None, value: bytes) -> None:
        events, wrong = _readable(envelope, value)
        for event in self.deduplicator.admit(envelope, events):
            self.judge.report(event)
        if wrong:
            raise Unreadable("; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""))

    def position(self) -> Position:
        """How far a checkpoint made now would reach."""
        unsettled = self.judge.first_unsettled()
        return Position(reports=self.next["reports"], nbbo=self.next["nbbo"] if unsettled is None else unsettled)

    def checkpoint(self, now: int) -> Checkpoint:
        """The record to be written now."""
        self.generation += 1
        position = self.position()
        return Checkpoint(
            partition=self.number,
            generation=self.generation,
            written_at=now,
            reports_next=position.reports,
            nbbo_next=position.nbbo,
            deduplicator=self.deduplicator,
            counts=self.counts,
            engine=self.judge.snapshot(),
        )

    def health(self, now: int, latency_ns: tuple[int, ...], patience_ns: int) -> LineHealth:
        """What the partition knows about the state of the line."""
        judge, keeper = self.judge, self.deduplicator
        counts = dict(judge.counts) | self.counts
        counts["duplicates"] = counts.get("duplicates", 0) + keeper.repeats
        counts["holes"] = keeper.holes
        return LineHealth(
            partition=self.number,
            wall=now,
            watermark=judge.watermark,
            settled=judge.settled,
            held=judge.held,
            open_orders=judge.open_orders,
            counts=counts,
            sources=dict(judge.sources),
            silent=tuple(judge.silent),
            sessions=dict(judge.sessions),
            latency_ns=latency_ns,
            patience_ns=patience_ns,
        )


def _readable(envelope: Envelope | None, value: bytes) -> tuple[list[ReportLine], list[str]]:
    """The lines that can be used, and what is wrong with the others: one bad line must not cost its neighbours."""
    try:
        events = codec.decode_reports(value)
    except msgspec.DecodeError:
        return _line_by_line(envelope, value)
    if envelope is None or all(event.source == envelope.source for event in events):
        return events, []
    return _line_by_line(envelope, value)


def _line_by_line(envelope: Envelope | None, value: bytes) -> tuple[list[ReportLine], list[str]]:
    good: list[ReportLine] = []
    wrong: list[str] = []
    for number, line in enumerate(value.splitlines(), 1):
        try:
            events = codec.decode_reports(line)
        except msgspec.DecodeError as error:
            wrong.append(f"line {number}: {error}")
            continue
        for event in events:
            if envelope is None or event.source == envelope.source:
                good.append(event)
            else:
                wrong.append(f"line {number}: source {event.source!r} in a message of source {envelope.source!r}")
    return good, wrong
