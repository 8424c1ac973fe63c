"""What the worker shows Prometheus: few labels of few values, children kept, so that a scrape stays cheap."""

from __future__ import annotations

from collections import Counter as Tally
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge

from monitor.wire.events import LineHealth
from monitor.worker.partition import Judged


class Meters:
    """The worker's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self._messages = Counter("sorwatch_watch_messages", "Kafka messages taken in", ["topic"], registry=r)
        self._dead = Counter("sorwatch_watch_dead_letters", "Messages that could not be read", ["topic"], registry=r)
        self._findings = Counter("sorwatch_watch_findings", "Findings told", ["rule", "state", "certainty"], registry=r)
        self._executions = Counter(
            "sorwatch_watch_executions", "Executions scored, by quote state", ["quote"], registry=r
        )
        self._lag = Gauge("sorwatch_watermark_lag_seconds", "Time of day less watermark", ["partition"], registry=r)
        self._held = Gauge("sorwatch_watch_held", "Events waiting to be judged", ["partition"], registry=r)
        self._open = Gauge("sorwatch_watch_open_orders", "Orders that are not over", ["partition"], registry=r)
        self._counts = Gauge("sorwatch_watch_count", "Counts since the first start", ["what", "partition"], registry=r)
        self._bytes = Gauge("sorwatch_checkpoint_bytes", "Size of the last checkpoint", ["partition"], registry=r)
        self._seconds = Gauge(
            "sorwatch_checkpoint_seconds", "Duration of the last checkpoint", ["partition"], registry=r
        )
        self._age = Gauge("sorwatch_checkpoint_age_seconds", "Since the last checkpoint", ["partition"], registry=r)
        self._quiet = lru_cache(maxsize=None)(self._messages.labels)

    def taken(self, topic: str) -> None:
        """A message was taken in."""
        self._quiet(topic).inc()

    def dead_letter(self, topic: str) -> None:
        """A message could not be read."""
        self._dead.labels(topic).inc()

    def judged(self, judged: Judged) -> None:
        """Verdicts were sent."""
        for labels, count in Tally((f.rule, f.state, f.certainty) for f in judged.findings).items():
            self._findings.labels(*labels).inc(count)
        for state, count in Tally(execution.quote_state for execution in judged.executions).items():
            self._executions.labels(state).inc(count)

    def health(self, told: LineHealth, now: int, since_checkpoint_s: float) -> None:
        """A partition said how it is."""
        p = str(told.partition)
        if told.watermark is not None:
            self._lag.labels(p).set((now - told.watermark) / 1e9)
        self._held.labels(p).set(told.held)
        self._open.labels(p).set(told.open_orders)
        self._age.labels(p).set(since_checkpoint_s)
        for what, count in told.counts.items():
            self._counts.labels(what, p).set(count)

    def checkpoint(self, partition: int, size: int, seconds: float) -> None:
        """A checkpoint was written."""
        self._bytes.labels(str(partition)).set(size)
        self._seconds.labels(str(partition)).set(seconds)

    def forget(self, partition: int) -> None:
        """A partition is no longer ours: what others say of it now counts."""
        p = str(partition)
        for gauge in (self._lag, self._held, self._open, self._bytes, self._seconds, self._age):
            gauge.remove_by_labels({"partition": p})
        self._counts.remove_by_labels({"partition": p})
