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
from monitor.kafka.range_reader import RangeReader
from monitor.wire import codec
from monitor.wire.events import SCHEMA, Execution, Finding
from monitor.worker import checkpoint, recovery
from monitor.worker.assignment import QUIET_S, Arrival, AssignedPartition
from monitor.worker.deduplicator import Headers
from monitor.worker.metrics import Meters
from monitor.worker.partition import Judged, MakeJudge, Topic, Unreadable
from monitor.worker.sender import KafkaSender, OutgoingMessage

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
        sender: KafkaSender,
        range_reader: RangeReader,
        meters: Meters,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._watch, self._make, self._sender, self._range_reader = watch, make, sender, range_reader
        self._meters, self._now = meters, now
        self._lock = asyncio.Lock()
        self.assigned: set[int] = set()
        self.joined = False
        """Whether the group has ever answered."""
        self.assignments: dict[int, AssignedPartition] = {}
        self.broken = asyncio.Event()
        self.failure: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """Something went wrong that must end the process."""
        if self.failure is None:
            self.failure = error
        self.broken.set()

    async def sending(self) -> None:
        """Wait until nothing can be sent any more; raises why."""
        await self._sender.failed()

    def assign(self, numbers: Iterable[int]) -> None:
        """These partitions are ours from now on."""
        self.assigned = set(numbers)
        self.joined = True

    async def take(self, arrival: Arrival) -> None:
        """Take a message in: restore its partition if need be, fetch what was passed over, skip what is known."""
        async with self._lock:
            if arrival.partition not in self.assigned:
                return
            assignment = self.assignments.get(arrival.partition) or await self._sit(arrival.partition)
            await self._reach(assignment, arrival.topic, arrival.offset)
            assignment.unacknowledged[arrival.topic].append(arrival)
            if arrival.offset >= assignment.partition.next[arrival.topic]:
                self._feed(assignment, arrival.topic, arrival.offset, arrival.value, arrival.headers)
        await self._sender.room()

    async def sit(self) -> None:
        """Take up the partitions that are ours and have not said anything yet."""
        for number in sorted(self.assigned - self.assignments.keys()):
            async with self._lock:
                if number in self.assigned and number not in self.assignments:
                    await self._sit(number)

    async def _sit(self, number: int) -> AssignedPartition:
        partition = await recovery.restore(number, self._range_reader, self._make)
        at = time.monotonic()
        period = self._watch.checkpoint_s
        share = number % 8 / 8 * period  # so that the partitions' checkpoints do not all fall together
        now = self._now()
        assignment = AssignedPartition(
            partition=partition, due=at + period / 2 + share, written=at, ticked=now, attended=now
        )
        assignment.heard = {"reports": at, "nbbo": at}
        self.assignments[number] = assignment
        return assignment

    async def _reach(self, assignment: AssignedPartition, topic: Topic, offset: int) -> None:
        """Fetch what lies between where the partition stands and ``offset``: the group has passed over it."""
        partition = assignment.partition
        if offset <= partition.next[topic]:
            return
        log.warning("fetching what was passed over", topic=topic, partition=partition.number, upto=offset)
        async for record in recovery.passed_over(partition, topic, offset, self._range_reader):
            self._feed(assignment, topic, record.offset, record.value, record.headers)
        partition.next[topic] = offset

    def _feed(
        self, assignment: AssignedPartition, topic: Topic, offset: int, value: bytes | None, headers: Headers
    ) -> None:
        assignment.changed = True
        assignment.heard[topic] = time.monotonic()
        self._meters.taken(topic)
        try:
            assignment.partition.take(topic, offset, value, headers)
        except Unreadable as error:
            self._dead_letter(assignment.partition.number, topic, offset, value or b"", str(error))
        assignment.unjudged = True

    def judge(self) -> None:
        """Judge what has come in: all of it together, for the cost is more by the time than by the message."""
        for assignment in self.assignments.values():
            if assignment.unjudged:
                assignment.unjudged = False
                self._ship(assignment, assignment.partition.judge.advance())

    def _dead_letter(self, number: int, topic: str, offset: int, value: bytes, why: str) -> None:
        log.warning("unreadable message", topic=topic, partition=number, offset=offset, why=why)
        self._meters.dead_letter(topic)
        said = {"reason": why[:500], "topic": topic, "partition": str(number), "offset": str(offset)}
        said |= {"bytes": str(len(value))} if len(value) > DEAD_LETTER_BYTES else {}
        headers = (SCHEMA_HEADER, *((name, text.encode()) for name, text in said.items()))
        # one as large as a message may be would be too large with these headers
        self._sender.post(
            OutgoingMessage(topic="dead_letters", partition=0, value=value[:DEAD_LETTER_BYTES], headers=headers)
        )

    def _ship(self, assignment: AssignedPartition, judged: Judged) -> None:
        if judged.notes:
            first = judged.notes[0]
            place = f"{first.source} {first.n}.{first.part}"
            log.warning("odd report", place=place, what=first.what, more=len(judged.notes) - 1)
        if not judged.executions and not judged.findings:
            return
        assignment.changed = True
        self._meters.judged(judged)
        for value, _ in _messages(judged.executions):
            self._post("executions", assignment, value, None)
        for value, findings in _messages(judged.findings):
            self._post("findings", assignment, value, partial(self._told, assignment, findings))

    def _post(
        self, topic: str, assignment: AssignedPartition, value: bytes, told: Callable[[int], None] | None
    ) -> None:
        number = assignment.partition.number
        self._sender.post(
            OutgoingMessage(topic=topic, partition=number, value=value, headers=(SCHEMA_HEADER,), told=told)
        )

    def _told(self, assignment: AssignedPartition, findings: Iterable[Finding], at: int) -> None:
        taken = [at - f.seen for f in findings if f.seen is not None and f.exec_id is not None]
        assignment.latencies.extend(taken)

    def tick(self) -> None:
        """Tell the engines the time of day, and judge what that allows."""
        now = self._now()
        for assignment in self.assignments.values():
            # while Kafka is away, or we were stopped, nothing can be heard: that is not a source's silence
            if assignment.attend(now):
                assignment.partition.judge.wall(assignment.attended)
            self._ship(assignment, assignment.partition.judge.advance())

    async def listen(self) -> None:
        """Look directly at topics from which nothing arrives: read to their end, or is the consumer stuck?"""
        for assignment in list(self.assignments.values()):
            for topic, heard in list(assignment.heard.items()):
                if time.monotonic() - heard < QUIET_S / 2:
                    continue
                async with self._lock:
                    await self._listen(assignment, topic)

    async def _listen(self, assignment: AssignedPartition, topic: Topic) -> None:
        number = assignment.partition.number
        if self.assignments.get(number) is not assignment:
            return
        end = (await self._range_reader.bounds(topic, number)).end
        if end <= assignment.partition.next[topic]:
            assignment.heard[topic] = time.monotonic()
        elif time.monotonic() - assignment.heard[topic] > 2 * QUIET_S:
            await self._reach(assignment, topic, end)

    def health(self) -> None:
        """Say how each partition is, on ``line``."""
        for assignment in self.assignments.values():
            latencies, assignment.latencies = tuple(assignment.latencies), []
            told = assignment.partition.health(self._now(), latencies, self._watch.patience_ms * 1_000_000)
            self._meters.health(told, self._now(), time.monotonic() - assignment.written)
            value, place = codec.encode_lines([told]), f"health of {assignment.partition.number}"
            self._sender.post(
                OutgoingMessage(topic="line", partition=0, value=value, headers=(SCHEMA_HEADER,), replaces=place)
            )

    def write_due(self) -> None:
        """Begin the checkpoints that are due; the events go on meanwhile."""
        at = time.monotonic()
        for assignment in self.assignments.values():
            if at >= assignment.due and (assignment.writing is None or assignment.writing.done()):
                assignment.due = at + self._watch.checkpoint_s
                if assignment.changed:
                    assignment.writing = asyncio.create_task(
                        self._write(assignment), name=f"checkpoint-{assignment.partition.number}"
                    )
                    assignment.writing.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _write(self, assignment: AssignedPartition) -> None:
        """Verdicts acknowledged, then the checkpoint acknowledged, then the events it covers: in this order."""
        began = time.monotonic()
        assignment.changed = False
        position = assignment.partition.position()
        number = assignment.partition.number
        packed = checkpoint.pack(assignment.partition.checkpoint(self._now()))
        assignment.due = max(assignment.due, began + self._watch.checkpoint_s + REST * (time.monotonic() - began))
        records = await asyncio.to_thread(checkpoint.records, packed)
        await self._sender.settled()
        messages = [
            OutgoingMessage(topic="checkpoints", partition=number, value=value, key=key) for key, value in records
        ]
        await self._sender.settled([self._sender.post(message) for message in messages][-1])
        assignment.acknowledge(position)
        assignment.written = time.monotonic()
        self._meters.checkpoint(number, sum(len(value) for _, value in records), assignment.written - began)

    async def release(self, numbers: Iterable[int]) -> None:
        """Give partitions up: a last checkpoint of each, as far as Kafka lets us, then forget them."""
        leaving = set(numbers)
        self.assigned -= leaving
        async with self._lock:
            assignments = [
                assignment
                for number in sorted(leaving)
                if (assignment := self.assignments.pop(number, None)) is not None
            ]
            if not assignments:
                return
            try:
                async with asyncio.timeout(LEAVE_S):  # wait_for of Python 3.11 may swallow a cancellation
                    await asyncio.gather(*(self._leave(assignment) for assignment in assignments))
            except TimeoutError:
                log.warning("left without a last checkpoint: Kafka did not answer", partitions=sorted(leaving))
            for assignment in assignments:
                self._meters.forget(assignment.partition.number)

    async def _leave(self, assignment: AssignedPartition) -> None:
        if assignment.writing is not None:
            await assignment.writing
        await self._write(assignment)


def _messages(lines: Sequence[Line]) -> Iterator[tuple[bytes, Sequence[Line]]]:
    """Lines together with what they say, several to a message, none larger than it should be."""
    body = codec.encode_lines(lines)
    if len(body) > LINES_BYTES and len(lines) > 1:
        half = len(lines) // 2
        yield from _messages(lines[:half])
        yield from _messages(lines[half:])
    elif lines:
        yield body, lines
