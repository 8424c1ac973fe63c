"""Prometheus text out of the running totals, the incidents and the newest word from the line.

No label takes more values than it is bounded to; order ids and symbols are never labels. What has not been heard is
not exported, so "no data" is not mistaken for zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from alerts.totals import HOP_BUCKETS, INFINITE, LATENCY_BUCKETS, Labels
from monitor.wire.events import LineHealth

COUNTERS = {
    "sorwatch_findings": "Revisions of findings heard, by what became of the finding.",
    "sorwatch_executions": "Executions heard, by the state of the NBBO they are compared with.",
    "sorwatch_executions_amended": "Executions told again, by their new state.",
    "sorwatch_notice_attempts": "Attempts to deliver a notice, by outcome.",
    "sorwatch_incidents_told": "Decisions to tell people about an incident, by reason.",
    "sorwatch_unreadable_messages": "Messages that could not be read, by topic.",
}
SUMS = {
    "sorwatch_shares": "Shares executed; busted ones taken off. May fall: use delta().",
    "sorwatch_scored_shares": "Shares with spreads known, the denominator of the sums of dollars. Use delta().",
    "sorwatch_effective_spread_dollars": "Sum of effective spread times shares. Use delta().",
    "sorwatch_quoted_spread_dollars": "Sum of quoted spread at receipt times shares. Use delta().",
    "sorwatch_price_improvement_dollars": "Sum of price improvement times shares. Use delta().",
}
HISTOGRAMS = {
    "sorwatch_hop_seconds": ("Time of each hop of an order.", HOP_BUCKETS),
    "sorwatch_fill_to_finding_seconds": (
        "From a fill being seen to its finding being on Kafka, beyond patience.",
        LATENCY_BUCKETS,
    ),
}
LINE_COUNTS = (
    "reports",
    "quotes",
    "executions",
    "findings",
    "late_reports",
    "late_quotes",
    "future_reports",
    "duplicates",
    "garbled",
    "unlinked",
    "gaps",
    "resets",
    "dead_letters",
    "unknown_busts",
    "silent_sources",
    "conflicts",
    "forgotten",
    "holes",
    "lost_messages",
    "overflowed",
)
"""What the worker counts; anything else it may say is ``other``."""
_NANO = 1e9

Totals = Mapping[tuple[str, Labels], float]


class Readings(Struct, frozen=True, kw_only=True):
    """Everything one scrape shows."""

    totals: dict[tuple[str, Labels], float]
    incidents: dict[tuple[str, str], int]
    """By rule, bounded as everywhere, and state."""
    health: list[LineHealth]
    notices: dict[tuple[str, str], int]


class Exposition(Collector):
    """Makes metric families of readings taken when Prometheus asks."""

    def __init__(self, read: Callable[[], Readings]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """All families."""
        readings = self._read()
        yield from plain_families(readings.totals)
        yield from histogram_families(readings.totals)
        yield from incident_families(readings)
        yield from line_families(readings.health)


def registry(read: Callable[[], Readings]) -> CollectorRegistry:
    """A registry that shows what ``read`` answers."""
    made = CollectorRegistry()
    made.register(Exposition(read))
    return made


def plain_families(totals: Totals) -> list[Metric]:
    """Counters and sums."""
    made: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for (name, labels), value in sorted(totals.items()):
        if name in COUNTERS and name not in made:
            made[name] = CounterMetricFamily(name, COUNTERS[name], labels=[n for n, _ in labels])
        elif name in SUMS and name not in made:
            made[name] = GaugeMetricFamily(name, SUMS[name], labels=[n for n, _ in labels])
        if name in made:
            made[name].add_metric([v for _, v in labels], value)
    return list(made.values())


def histogram_families(totals: Totals) -> list[Metric]:
    """Histograms, from buckets that are kept each for itself and shown added up, as Prometheus wants them."""
    families: list[Metric] = []
    for name, (text, buckets) in HISTOGRAMS.items():
        family: HistogramMetricFamily | None = None
        for (_, labels), total in sorted((key, v) for key, v in totals.items() if key[0] == f"{name}_sum"):
            if family is None:
                family = HistogramMetricFamily(name, text, labels=[n for n, _ in labels])
            family.add_metric([v for _, v in labels], _added_up(totals, name, labels, buckets), sum_value=total)
        if family is not None:
            families.append(family)
    return families


def _added_up(totals: Totals, name: str, labels: Labels, buckets: tuple[float, ...]) -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = []
    count = 0.0
    for bound in (*(str(b) for b in buckets), INFINITE):
        count += totals.get((f"{name}_bucket", (*labels, ("le", bound))), 0.0)
        rows.append((bound, count))
    return rows


def incident_families(readings: Readings) -> list[Metric]:
    """Incidents by rule and state, notices by channel and state."""
    incidents = GaugeMetricFamily("sorwatch_incidents", "Incidents kept, by state.", labels=["rule", "state"])
    for (name, state), n in sorted(readings.incidents.items()):
        incidents.add_metric([name, state], n)
    notices = GaugeMetricFamily("sorwatch_notices", "Notices kept, by where they stand.", labels=["channel", "state"])
    for (channel, state), n in sorted(readings.notices.items()):
        notices.add_metric([channel, state], n)
    return [incidents, notices]


def line_families(health: list[LineHealth]) -> list[Metric]:
    """The state of the line, by partition of the worker."""
    if not health:
        return []
    lag = GaugeMetricFamily(
        "sorwatch_line_watermark_lag_seconds", "Age of the watermark when last told.", labels=["partition"]
    )
    heard = GaugeMetricFamily(
        "sorwatch_line_told_timestamp_seconds", "When the worker last told of a partition.", labels=["partition"]
    )
    held = GaugeMetricFamily("sorwatch_line_held_events", "Events waiting to be judged.", labels=["partition"])
    orders = GaugeMetricFamily("sorwatch_line_open_orders", "Orders not finished.", labels=["partition"])
    silent = GaugeMetricFamily("sorwatch_line_silent_sources", "Sources set aside for silence.", labels=["partition"])
    events = CounterMetricFamily("sorwatch_line_events", "What the worker counted.", labels=["partition", "kind"])
    for one in health:
        part = [str(one.partition)]
        if one.watermark is not None:
            lag.add_metric(part, (one.wall - one.watermark) / _NANO)
        heard.add_metric(part, one.wall / _NANO)
        held.add_metric(part, one.held)
        orders.add_metric(part, one.open_orders)
        silent.add_metric(part, len(one.silent))
        for kind, n in _known_counts(one.counts).items():
            events.add_metric([*part, kind], n)
    return [lag, heard, held, orders, silent, events, _sessions(health)]


def _known_counts(counts: Mapping[str, int]) -> dict[str, int]:
    known = {kind: n for kind, n in counts.items() if kind in LINE_COUNTS}
    other = sum(n for kind, n in counts.items() if kind not in LINE_COUNTS)
    return known if other == 0 else {**known, "other": other}


def _sessions(health: list[LineHealth]) -> Metric:
    family = GaugeMetricFamily("sorwatch_line_session_up", "Whether a FIX session is up.", labels=["session"])
    newest: dict[str, float] = {}
    for one in sorted(health, key=lambda h: h.wall):
        newest.update({session: 1.0 if state == "up" else 0.0 for session, state in one.sessions.items()})
    for session, up in sorted(newest.items())[:50]:
        family.add_metric([session], up)
    return family
