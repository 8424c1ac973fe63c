"""What a quote feed shows Prometheus and /healthz."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from monitor.feeds.rejects import Unreadable
from monitor.wire.blocks import Block

STALLED_S = 10.0
"""Without an acknowledgement for so long a feed is unhealthy."""


class Meters:
    """The feed's metrics, in a registry of their own, and the same figures for its summary."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        self.rows = self.blocks = self.bytes = self.dropped = self.late = 0
        self._rows = Counter("sorwatch_quotes_rows", "Quotes sent", registry=r)
        self._blocks = Counter("sorwatch_quotes_blocks", "Blocks sent, those without rows included", registry=r)
        self._bytes = Counter("sorwatch_quotes_bytes", "Bytes sent", registry=r)
        self._unreadable = Counter("sorwatch_quotes_unreadable", "Rows that could not be read", ["reason"], registry=r)
        self._dropped = Counter(
            "sorwatch_quotes_dropped_rows", "Quotes of a live feed given up because Kafka was away", registry=r
        )
        self._gaps = Counter("sorwatch_quotes_gaps", "Times that quotes had to be given up", registry=r)
        self._late = Counter("sorwatch_quotes_late_rows", "Quotes older than what was already vouched for", registry=r)
        self._lag = Gauge("sorwatch_quotes_lag_seconds", "How far behind the time of day or the pace", registry=r)
        self._through = Gauge("sorwatch_quotes_through_seconds", "Everything up to this time is sent", registry=r)
        self.lag_s = 0.0

    def sent(self, block: Block, size: int) -> None:
        """A block went out."""
        self.rows += len(block)
        self.blocks += 1
        self.bytes += size
        self._rows.inc(len(block))
        self._blocks.inc()
        self._bytes.inc(size)
        if block.through is not None:
            self._through.set(block.through / 1e9)

    def unreadable(self, row: Unreadable) -> None:
        """A row could not be read."""
        self._unreadable.labels(row.reason).inc()

    def drop(self, rows: int) -> None:
        """A gap: quotes were given up."""
        self.dropped += rows
        self._dropped.inc(rows)
        self._gaps.inc()

    def too_late(self, rows: int) -> None:
        """Quotes that are older than a promise already given; they are sent all the same."""
        self.late += rows
        self._late.inc(rows)

    def lag(self, seconds: float) -> None:
        """How far behind."""
        self.lag_s = max(seconds, 0.0)
        self._lag.set(self.lag_s)
