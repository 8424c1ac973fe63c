"""What the worker shows Prometheus: few labels of few values, children kept, so that a scrape stays cheap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitor.events import Execution, LineHealth
from monitor.partition import Judged

_HOP_BUCKETS = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30)
_LATENCY_BUCKETS = (0.05, 0.1, 0.2, 0.25, 0.26, 0.27, 0.28, 0.3, 0.35, 0.4, 0.5, 0.75, 1, 2, 5, 30)
HOP_CHILDREN = 240
"""Label sets the hop histogram may have; what comes beyond is counted under ``other``."""


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
        self._hops = Histogram(
            "sorwatch_hop_seconds",
            "Time between two steps of an order",
            ["hop", "venue", "vendor", "order_class"],
            buckets=_HOP_BUCKETS,
            registry=r,
        )
        self._latency = Histogram(
            "sorwatch_fill_to_finding_seconds",
            "Fill seen here until its finding was acknowledged by Kafka, patience included",
            buckets=_LATENCY_BUCKETS,
            registry=r,
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
        self._hop_children: dict[tuple[str, str, str, str], Histogram] = {}

    def taken(self, topic: str) -> None:
        """A message was taken in."""
        self._quiet(topic).inc()

    def dead_letter(self, topic: str) -> None:
        """A message could not be read."""
        self._dead.labels(topic).inc()

    def judged(self, judged: Judged) -> None:
        """Verdicts were sent."""
        for finding in judged.findings:
            self._findings.labels(finding.rule, finding.state, finding.certainty).inc()
        for execution in judged.executions:
            self._executions.labels(execution.quote_state).inc()
            if execution.revision == 0:
                self._observe_hops(execution)

    def _observe_hops(self, execution: Execution) -> None:
        for hop, seconds in hops(execution):
            self._hop(hop, execution).observe(seconds)

    def _hop(self, hop: str, execution: Execution) -> Histogram:
        key = (hop, execution.venue or "unknown", execution.vendor or "unknown", execution.order_class or "unknown")
        child = self._hop_children.get(key)
        if child is None:
            if len(self._hop_children) >= HOP_CHILDREN:
                return self._hops.labels(hop, "other", "other", "other")
            child = self._hop_children[key] = self._hops.labels(*key)
        return child

    def latencies(self, taken_ns: Iterable[int]) -> None:
        """Findings were acknowledged by Kafka."""
        for ns in taken_ns:
            self._latency.observe(ns / 1e9)

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


def hops(execution: Execution) -> list[tuple[str, float]]:
    """The hops that lead to a fill, from the first steps of their kinds, in seconds."""
    at: Mapping[str, int] = _first_steps(execution)
    pairs = (("receipt_route", "received", "routed"), ("route_ack", "routed", "acked"))
    found = [(name, (at[end] - at[begin]) / 1e9) for name, begin, end in pairs if begin in at and end in at]
    if "acked" in at:
        found.append(("ack_fill", (execution.at - at["acked"]) / 1e9))
    if execution.receipt_at is not None:
        found.append(("receipt_fill", (execution.at - execution.receipt_at) / 1e9))
    return found


def _first_steps(execution: Execution) -> dict[str, int]:
    at: dict[str, int] = {}
    for step in execution.steps:
        if step.what == "received" or step.order_id == execution.route_id:
            at.setdefault(step.what, step.at)
    if execution.receipt_at is not None:
        at.setdefault("received", execution.receipt_at)
    return at
