"""Takes a partition up where its last checkpoint left it, and fetches what the consumer group passes over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog

from monitor.kafka.range_reader import Bounds, RangeReader, Record
from monitor.worker import checkpoint
from monitor.worker.checkpoint import Checkpoint, Part, UnreadableCheckpoint
from monitor.worker.partition import Judge, MakeJudge, Partition, Position, Topic

log = structlog.get_logger()

LOOK_BACK = 24
"""Records of a checkpoint partition that are looked at: a frozen worker may have written older ones last."""
WHOLE_ONES = 4
"""Of checkpoints in several parts so many are looked at."""


async def restore(number: int, range_reader: RangeReader, make: MakeJudge) -> Partition:
    """The partition as its furthest usable checkpoint has it, or a new one from the beginning of both topics."""
    reports = await range_reader.bounds("reports", number)
    nbbo = await range_reader.bounds("nbbo", number)
    for found in await _checkpoints(number, range_reader):
        try:
            judge = make(found.engine)
        except UnreadableCheckpoint as error:
            log.error("a checkpoint cannot be used, trying an older one", partition=number, why=str(error))  # noqa: TRY400 - the sentence says it
            continue
        return _restored(found, judge, reports, nbbo)
    log.info("no checkpoint: from the beginning", partition=number, reports=reports.begin, nbbo=nbbo.begin)
    return Partition(number, make(None), Position(reports=reports.begin, nbbo=nbbo.begin))


def _restored(found: Checkpoint, judge: Judge, reports: Bounds, nbbo: Bounds) -> Partition:
    start = Position(
        reports=_start(found.partition, "reports", found.reports_next, reports),
        nbbo=_start(found.partition, "nbbo", found.nbbo_next, nbbo),
    )
    partition = Partition(found.partition, judge, start, found)
    partition.counts["lost_messages"] += max(0, start.reports - found.reports_next)
    partition.counts["lost_messages"] += max(0, start.nbbo - found.nbbo_next)
    log.info("restored", partition=found.partition, generation=found.generation, reports=start.reports, nbbo=start.nbbo)
    return partition


async def passed_over(
    partition: Partition, topic: Topic, upto: int, range_reader: RangeReader
) -> AsyncIterator[Record]:
    """The messages from where the partition stands up to, not including, ``upto``."""
    begin = (await range_reader.bounds(topic, partition.number)).begin
    if begin > partition.next[topic]:
        partition.counts["lost_messages"] += begin - partition.next[topic]
        log.error(
            "messages were deleted before they were read: raise the topic's retention",
            topic=topic,
            partition=partition.number,
            first=partition.next[topic],
            last=begin - 1,
        )
        partition.next[topic] = begin
    async for record in range_reader.read(topic, partition.number, partition.next[topic], upto):
        yield record


async def _checkpoints(number: int, range_reader: RangeReader) -> list[Checkpoint]:
    """The last checkpoints, furthest first."""
    bounds = await range_reader.bounds("checkpoints", number)
    begin = max(bounds.begin, bounds.end - LOOK_BACK)
    parts = await _parts(number, range_reader, begin, bounds.end)
    # of large ones the last whole one may begin further back, behind one that was cut short
    earlier = bounds.end - WHOLE_ONES * max((part.of for part in parts), default=1)
    if bounds.begin < begin and earlier < begin:
        parts += await _parts(number, range_reader, max(bounds.begin, earlier), begin)
    whole, wrong = checkpoint.joined(part for part in parts if part.partition == number)
    for why in wrong:
        log.warning("a checkpoint cannot be used", partition=number, why=why)
    return checkpoint.furthest_first(whole)


async def _parts(number: int, range_reader: RangeReader, begin: int, end: int) -> list[Part]:
    found = []
    async for record in range_reader.read("checkpoints", number, begin, end):
        try:
            found.append(checkpoint.part(record.value or b""))
        except UnreadableCheckpoint as error:
            log.warning("a checkpoint cannot be used", partition=number, offset=record.offset, why=str(error))
    return found


def _start(number: int, topic: Topic, wanted: int, there: Bounds) -> int:
    """Where to read on, when what is wanted may have been deleted, or the topic made anew."""
    if there.begin <= wanted <= there.end:
        return wanted
    log.error(
        "the checkpoint stands outside its topic, reading from the topic's beginning",
        topic=topic,
        partition=number,
        checkpoint=wanted,
        begin=there.begin,
        end=there.end,
    )
    return there.begin
