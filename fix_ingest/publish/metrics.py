"""What a publisher tells Prometheus, read from it at each scrape."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from fix_ingest.publish.publisher import Publisher

Metric = CounterMetricFamily | GaugeMetricFamily


class Meter(Collector):
    """A collector and the registry it is in."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        yield from self._counters()
        yield from self._gauges()
        yield self._kinds(
            "sorwatch_publish_errors", "Failures of the Kafka client, by kind.", self._publisher.producer.state().errors
        )
        yield self._kinds("sorwatch_decode", "What the decoder has met.", dict(self._publisher.decoder.counts))

    def describe(self) -> list[Metric]:
        """Nothing beforehand: everything is read at the scrape."""
        return []

    def _counters(self) -> Iterator[Metric]:
        p, state = self._publisher, self._publisher.producer.state()
        yield CounterMetricFamily("sorwatch_publish_records", "Journal records read.", p.records)
        yield CounterMetricFamily("sorwatch_publish_events", "Events decoded.", p.lines)
        yield CounterMetricFamily("sorwatch_publish_messages", "Messages acknowledged by Kafka.", state.acknowledged)
        yield CounterMetricFamily(
            "sorwatch_publish_recreations", "Producers made after the first.", max(state.created - 1, 0)
        )
        yield CounterMetricFamily("sorwatch_publish_undecodable", "Records the decoder failed on.", p.undecodable)
        yield CounterMetricFamily("sorwatch_publish_damaged", "Unreadable stretches of the journal.", p.damaged)
        yield CounterMetricFamily(
            "sorwatch_publish_pruned_segments", "Journal segments deleted, published and old.", p.pruner.segments
        )
        yield CounterMetricFamily("sorwatch_publish_pruned_bytes", "Bytes of those.", p.pruner.bytes)

    def _gauges(self) -> Iterator[Metric]:
        p, state = self._publisher, self._publisher.producer.state()
        since = p.waiting_since
        yield GaugeMetricFamily("sorwatch_publish_connected", "Whether Kafka is spoken to.", int(state.connected))
        yield GaugeMetricFamily("sorwatch_publish_in_flight_bytes", "Sent and not acknowledged.", state.bytes)
        yield GaugeMetricFamily("sorwatch_publish_in_flight_messages", "Sent and not acknowledged.", state.messages)
        yield GaugeMetricFamily("sorwatch_publish_stalled_seconds", "Without acknowledgement.", state.stalled_s)
        yield GaugeMetricFamily("sorwatch_publish_backlog_bytes", "Journal not yet read.", p.reader.backlog())
        yield GaugeMetricFamily("sorwatch_publish_journal_bytes", "Size of the whole journal.", p.pruner.size())
        yield GaugeMetricFamily("sorwatch_publish_unsettled_records", "Read, not settled.", max(p.n - p.saved_n, 0))
        yield GaugeMetricFamily(
            "sorwatch_publish_lag_seconds",
            "Age of the oldest record not settled; up to the time between two marks when all is well.",
            0.0 if since is None else max(time.time_ns() - since, 0) / 1e9,
        )

    @staticmethod
    def _kinds(name: str, text: str, counts: dict[str, int]) -> Metric:
        family = CounterMetricFamily(name, text, labels=["kind"])
        for kind, count in counts.items():
            family.add_metric([kind], count)
        return family
