"""What a publisher tells Prometheus, read anew at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from monitor.kafka.producer import ProducerState

Metric = CounterMetricFamily | GaugeMetricFamily


class Reading(Struct, frozen=True, kw_only=True):
    """A publisher's figures at one moment."""

    producer: ProducerState
    records: int
    events: int
    undecodable: int
    damaged: int
    pruned_segments: int
    pruned_bytes: int
    backlog_bytes: int
    journal_bytes: int
    unsettled_records: int
    lag_seconds: float
    decoded: Mapping[str, int]


class PublishMetrics(Collector):
    """A collector and the registry it is in; ``read`` is asked at each scrape."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        reading = self._read()
        yield from _counters(reading)
        yield from _gauges(reading)
        yield _kinds("sorwatch_publish_errors", "Failures of the Kafka client, by kind.", reading.producer.errors)
        yield _kinds("sorwatch_decode", "What the decoder has met.", reading.decoded)

    def describe(self) -> list[Metric]:
        """Nothing beforehand: everything is read at the scrape."""
        return []


def _counters(r: Reading) -> Iterator[Metric]:
    recreated = max(r.producer.created - 1, 0)
    yield CounterMetricFamily("sorwatch_publish_records", "Journal records read.", r.records)
    yield CounterMetricFamily("sorwatch_publish_events", "Events decoded.", r.events)
    yield CounterMetricFamily("sorwatch_publish_messages", "Messages acknowledged by Kafka.", r.producer.acknowledged)
    yield CounterMetricFamily("sorwatch_publish_recreations", "Producers made after the first.", recreated)
    yield CounterMetricFamily("sorwatch_publish_undecodable", "Records the decoder failed on.", r.undecodable)
    yield CounterMetricFamily("sorwatch_publish_damaged", "Unreadable stretches of the journal.", r.damaged)
    pruned = "Journal segments deleted, published and old."
    yield CounterMetricFamily("sorwatch_publish_pruned_segments", pruned, r.pruned_segments)
    yield CounterMetricFamily("sorwatch_publish_pruned_bytes", "Bytes of those.", r.pruned_bytes)


def _gauges(r: Reading) -> Iterator[Metric]:
    state = r.producer
    yield GaugeMetricFamily("sorwatch_publish_connected", "Whether Kafka is spoken to.", int(state.connected))
    yield GaugeMetricFamily("sorwatch_publish_in_flight_bytes", "Sent and not acknowledged.", state.bytes)
    yield GaugeMetricFamily("sorwatch_publish_in_flight_messages", "Sent and not acknowledged.", state.messages)
    yield GaugeMetricFamily("sorwatch_publish_stalled_seconds", "Without acknowledgement.", state.stalled_s)
    yield GaugeMetricFamily("sorwatch_publish_backlog_bytes", "Journal not yet read.", r.backlog_bytes)
    yield GaugeMetricFamily("sorwatch_publish_journal_bytes", "Size of the whole journal.", r.journal_bytes)
    yield GaugeMetricFamily("sorwatch_publish_unsettled_records", "Read, not settled.", r.unsettled_records)
    lag = "Age of the oldest record not settled; up to the time between two marks when all is well."
    yield GaugeMetricFamily("sorwatch_publish_lag_seconds", lag, r.lag_seconds)


def _kinds(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=["kind"])
    for kind, count in counts.items():
        family.add_metric([kind], count)
    return family
