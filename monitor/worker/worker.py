"""The worker: takes messages in, sends verdicts out, writes checkpoints, and only then acknowledges.

It knows nothing of Faust: `faust_app` hands it arrivals and tells it which partitions are its own. Between two awaits
the state of a partition is always whole, so a timer may look at it at any time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import structlog

from monitor.config.settings import Watch
from monitor.kafka.rereader import Rereader
from monitor.wire import codec
from monitor.wire.events import SCHEMA, Execution, Finding
from monitor.worker import checkpoint, recovery
from monitor.worker.assignment import QUIET_S, Arrival, Seat
from monitor.worker.deduplicator import Headers
from monitor.worker.metrics import Meters
from monitor.worker.partition import Judged, MakeJudge, Topic, Unreadable
from monitor.worker.sender import Outlet, Parcel

log = structlog.get_logger()
Line = TypeVar("Line", Execution, Finding)

LINES_BYTES = 256 << 10
"""Largest message of several lines."""
DEAD_LETTER_BYTES = 1 << 20
"""Of an unreadable message so much is kept; the rest is where the headers say."""
REST = 10
"""For each second in which a checkpoint's state was taken so many pass until the next."""
LEAVE_S = 8.0
"""How long a partition's last checkpoint may take when it is given up."""
SCHEMA_HEADER = ("schema", str(SCHEMA).encode())


class Worker:
    """Everything that happens to the partitions that are ours."""

    def __init__(
        self,
        watch: Watch,
        make: MakeJudge,
        outlet: Outlet,
        rereader: Rereader,
        meters: Meters,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._watch, self._make, self._outlet, self._rereader = watch, make, outlet, rereader
        self._meters, self._now = meters, now
        self._lock = asyncio.Lock()
        self.assigned: set[int] = set()
        self.joined = False
        """Whether the group has ever answered."""
        self.seats: dict[int, Seat] = {}
        self.broken = asyncio.Event()
        self.failure: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """Something went wrong that must end the process."""
        if self.failure is None:
            self.failure = error
        self.broken.set()

    async def sending(self) -> None:
        """Wait until nothing can be sent any more; raises why."""
        await self._outlet.failed()

    def assign(self, numbers: Iterable[int]) -> None:
        """These partitions are ours from now on."""
        self.assigned = set(numbers)
        self.joined = True

    async def take(self, arrival: Arrival) -> None:
        """Take a message in: restore its partition if need be, fetch what was passed over, skip what is known."""
        async with self._lock:
            if arrival.partition not in self.assigned:
                return
            seat = self.seats.get(arrival.partition) or await self._sit(arrival.partition)
            await self._reach(seat, arrival.topic, arrival.offset)
            seat.unacknowledged[arrival.topic].append(arrival)
            if arrival.offset >= seat.partition.next[arrival.topic]:
                self._feed(seat, arrival.topic, arrival.offset, arrival.value, arrival.headers)
        await self._outlet.room()

    async def sit(self) -> None:
        """Take up the partitions that are ours and have not said anything yet."""
        for number in sorted(self.assigned - self.seats.keys()):
            async with self._lock:
                if number in self.assigned and number not in self.seats:
                    await self._sit(number)

    async def _sit(self, number: int) -> Seat:
        partition = await recovery.restore(number, self._rereader, self._make)
        at = time.monotonic()
        period = self._watch.checkpoint_s
        share = number % 8 / 8 * period  # so that the partitions' checkpoints do not all fall together
        now = self._now()
        seat = Seat(partition=partition, due=at + period / 2 + share, written=at, ticked=now, attended=now)
        seat.heard = {"reports": at, "nbbo": at}
        self.seats[number] = seat
        return seat

    async def _reach(self, seat: Seat, topic: Topic, offset: int) -> None:
        """Fetch what lies between where the partition stands and ``offset``: the group has passed over it."""
        partition = seat.partition
        if offset <= partition.next[topic]:
            return
        log.warning("fetching what was passed over", topic=topic, partition=partition.number, upto=offset)
        async for record in recovery.passed_over(partition, topic, offset, self._rereader):
            self._feed(seat, topic, record.offset, record.value, record.headers)
        partition.next[topic] = offset

    def _feed(self, seat: Seat, topic: Topic, offset: int, value: bytes | None, headers: Headers) -> None:
        seat.changed = True
        seat.heard[topic] = time.monotonic()
        self._meters.taken(topic)
        try:
            seat.partition.take(topic, offset, value, headers)
        except Unreadable as error:
            self._dead_letter(seat.partition.number, topic, offset, value or b"", str(error))
        seat.unjudged = True

    def judge(self) -> None:
        """Judge what has come in: all of it together, for the cost is more by the time than by the message."""
        for seat in self.seats.values():
            if seat.unjudged:
                seat.unjudged = False
                self._ship(seat, seat.partition.judge.advance())

    def _dead_letter(self, number: int, topic: str, offset: int, value: bytes, why: str) -> None:
        log.warning("unreadable message", topic=topic, partition=number, offset=offset, why=why)
        self._meters.dead_letter(topic)
        said = {"reason": why[:500], "topic": topic, "partition": str(number), "offset": str(offset)}
        said |= {"bytes": str(len(value))} if len(value) > DEAD_LETTER_BYTES else {}
        headers = (SCHEMA_HEADER, *((name, text.encode()) for name, text in said.items()))
        # one as large as a message may be would be too large with these headers
        self._outlet.post(Parcel(topic="dead_letters", partition=0, value=value[:DEAD_LETTER_BYTES], headers=headers))

    def _ship(self, seat: Seat, judged: Judged) -> None:
        if judged.notes:
            first = judged.notes[0]
            place = f"{first.source} {first.n}.{first.part}"
            log.warning("odd report", place=place, what=first.what, more=len(judged.notes) - 1)
        if not judged.executions and not judged.findings:
            return
        seat.changed = True
        self._meters.judged(judged)
        for value, _ in _messages(judged.executions):
            self._post("executions", seat, value, None)
        for value, findings in _messages(judged.findings):
            self._post("findings", seat, value, partial(self._told, seat, findings))

    def _post(self, topic: str, seat: Seat, value: bytes, told: Callable[[int], None] | None) -> None:
        number = seat.partition.number
        self._outlet.post(Parcel(topic=topic, partition=number, value=value, headers=(SCHEMA_HEADER,), told=told))

    def _told(self, seat: Seat, findings: Iterable[Finding], at: int) -> None:
        taken = [at - f.seen for f in findings if f.seen is not None and f.exec_id is not None]
        seat.latencies.extend(taken)

    def tick(self) -> None:
        """Tell the engines the time of day, and judge what that allows."""
        now = self._now()
        for seat in self.seats.values():
            # while Kafka is away, or we were stopped, nothing can be heard: that is not a source's silence
            if seat.attend(now):
                seat.partition.judge.wall(seat.attended)
            self._ship(seat, seat.partition.judge.advance())

    async def listen(self) -> None:
        """Look directly at topics from which nothing arrives: read to their end, or is the consumer stuck?"""
        for seat in list(self.seats.values()):
            for topic, heard in list(seat.heard.items()):
                if time.monotonic() - heard < QUIET_S / 2:
                    continue
                async with self._lock:
                    await self._listen(seat, topic)

    async def _listen(self, seat: Seat, topic: Topic) -> None:
        number = seat.partition.number
        if self.seats.get(number) is not seat:
            return
        end = (await self._rereader.bounds(topic, number)).end
        if end <= seat.partition.next[topic]:
            seat.heard[topic] = time.monotonic()
        elif time.monotonic() - seat.heard[topic] > 2 * QUIET_S:
            await self._reach(seat, topic, end)

    def health(self) -> None:
        """Say how each partition is, on ``line``."""
        for seat in self.seats.values():
            latencies, seat.latencies = tuple(seat.latencies), []
            told = seat.partition.health(self._now(), latencies, self._watch.patience_ms * 1_000_000)
            self._meters.health(told, self._now(), time.monotonic() - seat.written)
            value, place = codec.encode_lines([told]), f"health of {seat.partition.number}"
            self._outlet.post(Parcel(topic="line", partition=0, value=value, headers=(SCHEMA_HEADER,), replaces=place))

    def write_due(self) -> None:
        """Begin the checkpoints that are due; the events go on meanwhile."""
        at = time.monotonic()
        for seat in self.seats.values():
            if at >= seat.due and (seat.writing is None or seat.writing.done()):
                seat.due = at + self._watch.checkpoint_s
                if seat.changed:
                    seat.writing = asyncio.create_task(self._write(seat), name=f"checkpoint-{seat.partition.number}")
                    seat.writing.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _write(self, seat: Seat) -> None:
        """Verdicts acknowledged, then the checkpoint acknowledged, then the events it covers: in this order."""
        began = time.monotonic()
        seat.changed = False
        position = seat.partition.position()
        number = seat.partition.number
        packed = checkpoint.pack(seat.partition.checkpoint(self._now()))
        seat.due = max(seat.due, began + self._watch.checkpoint_s + REST * (time.monotonic() - began))
        records = await asyncio.to_thread(checkpoint.records, packed)
        await self._outlet.settled()
        parcels = [Parcel(topic="checkpoints", partition=number, value=value, key=key) for key, value in records]
        await self._outlet.settled([self._outlet.post(parcel) for parcel in parcels][-1])
        seat.acknowledge(position)
        seat.written = time.monotonic()
        self._meters.checkpoint(number, sum(len(value) for _, value in records), seat.written - began)

    async def release(self, numbers: Iterable[int]) -> None:
        """Give partitions up: a last checkpoint of each, as far as Kafka lets us, then forget them."""
        leaving = set(numbers)
        self.assigned -= leaving
        async with self._lock:
            seats = [seat for number in sorted(leaving) if (seat := self.seats.pop(number, None)) is not None]
            if not seats:
                return
            try:
                async with asyncio.timeout(LEAVE_S):  # wait_for of Python 3.11 may swallow a cancellation
                    await asyncio.gather(*(self._leave(seat) for seat in seats))
            except TimeoutError:
                log.warning("left without a last checkpoint: Kafka did not answer", partitions=sorted(leaving))
            for seat in seats:
                self._meters.forget(seat.partition.number)

    async def _leave(self, seat: Seat) -> None:
        if seat.writing is not None:
            await seat.writing
        await self._write(seat)


def _messages(lines: Sequence[Line]) -> Iterator[tuple[bytes, Sequence[Line]]]:
    """Lines together with what they say, several to a message, none larger than it should be."""
    body = codec.encode_lines(lines)
    if len(body) > LINES_BYTES and len(lines) > 1:
        half = len(lines) // 2
        yield from _messages(lines[:half])
        yield from _messages(lines[half:])
    elif lines:
        yield body, lines
