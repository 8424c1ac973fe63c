"""A partition that is ours, with what the worker has to remember about it beside what a checkpoint holds."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct, field

from monitor.worker.partition import Partition, Position, Topic

QUIET_S = 2.0
"""A topic from which nothing arrives for so long is looked at directly."""
LONGEST_STEP_NS = 1_000_000_000
"""Time that passes between two ticks beyond this is not attended time."""


class Arrival(Struct, frozen=True, kw_only=True, weakref=True):
    """One message as it came, and how to acknowledge it."""

    topic: Topic
    partition: int
    offset: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    acknowledge: Callable[[], object]


class AssignedPartition(Struct, kw_only=True, eq=False):
    """One partition that is ours, with what the worker has to remember about it."""

    partition: Partition
    unacknowledged: dict[Topic, deque[Arrival]] = field(default_factory=lambda: {"reports": deque(), "nbbo": deque()})
    heard: dict[Topic, float] = field(default_factory=dict)
    """When something last arrived or the topic was seen to be read to its end, seconds."""
    latencies: list[int] = field(default_factory=list)
    changed: bool = False
    unjudged: bool = False
    """Something has come in since the engine last judged."""
    due: float
    """When the next checkpoint is due."""
    written: float
    """When the last one was written."""
    writing: asyncio.Task[None] | None = None
    ticked: int
    """Time of day at the last tick, ns."""
    attended: int
    """The time of day less all the time in which nothing could be heard, ns."""

    def attend(self, now: int) -> bool:
        """Let time pass if both topics can be heard; answers whether it has."""
        passed, self.ticked = min(now - self.ticked, LONGEST_STEP_NS), now
        at = time.monotonic()
        if passed <= 0 or any(at - heard > 2 * QUIET_S for heard in self.heard.values()):
            return False
        self.attended += passed
        return True

    def acknowledge(self, position: Position) -> int:
        """Acknowledge, in order, what a written checkpoint covers; answers how many."""
        count = 0
        upto: dict[Topic, int] = {"reports": position.reports, "nbbo": position.nbbo}
        for topic, waiting in self.unacknowledged.items():
            while waiting and waiting[0].offset < upto[topic]:
                waiting.popleft().acknowledge()
                count += 1
        return count
