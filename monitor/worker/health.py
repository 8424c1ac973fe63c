"""Whether the worker moves: Faust never says that it is stuck, so it is judged by what has last arrived."""

from __future__ import annotations

import time

from monitor.process.health_server import Health
from monitor.worker.sender import KafkaSender
from monitor.worker.worker import Worker

STALLED_S = 30.0
"""A partition that could not be heard, or not be written, for so long is stuck."""


class WorkerHealth:
    """Answers for /healthz."""

    def __init__(self, worker: Worker, sender: KafkaSender) -> None:
        self._worker, self._sender = worker, sender
        self._begun = time.monotonic()

    def health(self) -> Health:
        """Not well when a partition stands still although there is something to read, or cannot be written."""
        now = time.monotonic()
        assignments = list(self._worker.assignments.values())
        heard = max(
            (now - at for assignment in assignments for at in assignment.heard.values()),
            default=0.0,
        )
        written = max(
            (now - assignment.written for assignment in assignments if assignment.changed),
            default=0.0,
        )
        waiting = now - self._begun if not self._worker.assigned and not self._worker.joined else 0.0
        facts: dict[str, int | float | str | None] = {
            "partitions": len(assignments),
            "seconds_since_heard": round(heard, 1),
            "seconds_since_checkpoint": round(written, 1),
            "unacknowledged_sends": self._sender.outstanding,
            "producers_replaced": self._sender.replaced,
        }
        why = _why(heard, written, waiting)
        return Health(ok=not why, why=why, restart_helps=bool(why) and self._sender.reaches_kafka(), facts=facts)


def _why(heard: float, written: float, waiting: float) -> str:
    if waiting > STALLED_S:
        return f"no partitions for {waiting:.0f} s: is Kafka there, and are the topics made (sorwatch topics)?"
    if heard > STALLED_S:
        return f"nothing could be read for {heard:.0f} s: is Kafka there?"
    if written > STALLED_S:
        return f"no checkpoint for {written:.0f} s: does Kafka acknowledge?"
    return ""
