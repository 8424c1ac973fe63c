"""What the worker has to do for a second of the whole line's load, without Kafka and Faust: processor time by stage.

The messages are those that `line_feed` sends to one partition; they are taken in, judged every 10 ms of event time,
encoded, and once a second a checkpoint is made, as the worker does. Multiplied by the number of partitions.
"""

from __future__ import annotations

import time
from typing import Any

from bench.line_feed import SLOT_NS, Load, Share, shares_of
from monitor.engine.engine import Engine, EngineConfig
from monitor.policy.file import load as load_policy
from monitor.process import gc_tuning
from monitor.wire import codec
from monitor.worker import checkpoint
from monitor.worker.partition import Partition, Position
from rules import RULES

SECONDS = 6
LOAD = Load(bootstrap="", prefix="", quotes_per_s=1_000_000, reports_per_s=20_000)
BEGIN = 1_780_272_000_000_000_000
PATIENCE_NS = 100_000_000
CHECKPOINT_SLOTS = 100
STAGES = ("blocks", "reports", "judging", "encoding", "checkpoint", "compressing")

Slot = tuple[list[bytes], bytes, list[tuple[str, bytes]]]


def run() -> dict[str, Any]:
    """Milliseconds of one core for each second of load, of all partitions together."""
    share = shares_of(LOAD)[0]
    opening = share.opening(BEGIN)
    slots = _slots(share)
    partition = Partition(
        0, Engine(load_policy(None, RULES), RULES, EngineConfig(patience_ns=PATIENCE_NS)), Position(reports=0, nbbo=0)
    )
    partition.take("nbbo", 0, opening, [])
    gc_tuning.collect_rarely()
    spent, longest = _work(partition, slots)
    times = {stage: round(s * LOAD.partitions / SECONDS * 1000) for stage, s in spent.items()}
    return {
        "quotes_per_s": LOAD.quotes_per_s,
        "reports_per_s": LOAD.reports_per_s,
        "ms_of_a_core_each_second": times | {"all": sum(times.values())},
        "longest_checkpoint_stall_ms": round(longest * 1000, 1),
    }


def _slots(share: Share) -> list[Slot]:
    """The messages of each 10 ms, made beforehand."""
    orders = LOAD.reports_per_s * SLOT_NS / 1e9 / LOAD.partitions / 4
    slots, n = [], 0
    for slot in range(SECONDS * 1_000_000_000 // SLOT_NS):
        at = BEGIN + slot * SLOT_NS
        mine = range(int(slot * orders), int((slot + 1) * orders))
        slots.append((share.blocks(slot, at), *share.reports(mine, at, n)))
        n += 4 * len(mine) + 1
    return slots


def _work(partition: Partition, slots: list[Slot]) -> tuple[dict[str, float], float]:
    clock, spent, longest, token = time.process_time, dict.fromkeys(STAGES, 0.0), 0.0, 1
    for number, (blocks, reports, headers) in enumerate(slots):
        times = [clock()]
        for block in blocks:
            partition.take("nbbo", token, block, [])
            token += 1
        times.append(clock())
        partition.take("reports", number, reports, headers)
        times.append(clock())
        out = partition.judge.advance()
        times.append(clock())
        codec.encode_lines(out.executions)
        codec.encode_lines(out.findings)
        times.append(clock())
        if number % CHECKPOINT_SLOTS == CHECKPOINT_SLOTS - 1:
            packed = checkpoint.pack(partition.checkpoint(0))
            times.append(clock())
            checkpoint.records(packed)
            times.append(clock())
            longest = max(longest, times[-2] - times[-3])
        for stage, begun, ended in zip(STAGES, times, times[1:], strict=False):
            spent[stage] += ended - begun
    return spent, longest
