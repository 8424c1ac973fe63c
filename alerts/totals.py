"""What each thing heard adds to the running totals: names, labels with a bounded set of values, amounts.

Totals are kept in the store, in the transaction that took in what they count, so they are exact over restarts.
Sums are added up as sums (shares, dollars), so that a ratio over any time is one sum divided by another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from alerts.incidents import Change
from monitor.wire.events import Execution, Finding, LineHealth, Step

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are shown."""
Amount = tuple[str, Labels, float]
"""Metric, labels, and what to add to it."""

HOP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds."""
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Seconds beyond patience."""
INFINITE = "+Inf"
OTHER, NONE = "other", "none"
_NANO = 1_000_000_000
_MIC = re.compile(r"[A-Z0-9]{4}")
_HOPS = (("received", "routed", "receipt_to_route"), ("routed", "acked", "route_to_ack"))


class Bounded:
    """Lets through the first so many values of a label; every other is ``other``, and absence is ``none``."""

    def __init__(self, most: int, shape: re.Pattern[str] | None = None) -> None:
        self._most = most
        self._shape = shape
        self._known: set[str] = set()

    def __call__(self, value: str | None) -> str:
        """The value to put on the label."""
        if value is None:
            return NONE
        if value in self._known:
            return value
        if len(self._known) >= self._most or (self._shape is not None and self._shape.fullmatch(value) is None):
            return OTHER
        self._known.add(value)
        return value


class RunningTotals:
    """Turns what was heard into amounts."""

    def __init__(self, venues: int = 40, vendors: int = 10, rules: int = 60) -> None:
        self._venue = Bounded(venues, _MIC)
        self._vendor = Bounded(vendors)
        self.rule = Bounded(rules)
        """The bound on names of rules, for whoever else labels by rule."""

    def know(self, totals: Iterable[tuple[str, Labels]]) -> None:
        """Give back the label values that earlier totals carry, so that they stay the same over a restart."""
        for _, labels in totals:
            for name, value in labels:
                bound = {"venue": self._venue, "vendor": self._vendor, "rule": self.rule}.get(name)
                if bound is not None and value not in (OTHER, NONE):
                    bound(value)

    def finding(self, change: Change, finding: Finding) -> list[Amount]:
        """A revision of a finding: what became of it."""
        labels = (
            ("rule", self.rule(finding.rule)),
            ("severity", finding.severity),
            ("venue", self._venue(finding.venue)),
            ("vendor", self._vendor(finding.vendor)),
            ("certainty", finding.certainty),
            ("change", change.value),
        )
        return [("sorwatch_findings", labels, 1.0)]

    def execution(self, now: Execution, before: Execution | None, first_of_route: bool) -> list[Amount]:
        """A revision of an execution: what it adds to the sums, what its earlier revision had added taken off."""
        amounts = self._sums(now, 1)
        if before is None:
            amounts += self._hops(now, first_of_route)
            amounts.append(("sorwatch_executions", (("quote_state", now.quote_state),), 1.0))
        else:
            amounts += self._sums(before, -1)
            amounts.append(("sorwatch_executions_amended", (("state", now.state),), 1.0))
        return amounts

    def health(self, health: LineHealth) -> list[Amount]:
        """How long findings took, beyond patience."""
        return [
            amount
            for latency in health.latency_ns
            for amount in _observed(
                "sorwatch_fill_to_finding_seconds", (), max(0, latency - health.patience_ns), LATENCY_BUCKETS
            )
        ]

    def notice(self, channel: str, outcome: str) -> list[Amount]:
        """An attempt to deliver."""
        return [("sorwatch_notice_attempts", (("channel", channel), ("outcome", outcome)), 1.0)]

    def decision(self, reason: str) -> list[Amount]:
        """An incident was told."""
        return [("sorwatch_incidents_told", (("reason", reason),), 1.0)]

    def unreadable(self, topic: str) -> list[Amount]:
        """A message that could not be read."""
        return [("sorwatch_unreadable_messages", (("topic", topic),), 1.0)]

    def _sums(self, execution: Execution, sign: int) -> list[Amount]:
        if execution.state == "busted":
            return []
        labels = (("venue", self._venue(execution.venue)), ("vendor", self._vendor(execution.vendor)))
        sums: list[Amount] = [("sorwatch_shares", labels, sign * float(execution.qty))]
        scored = {
            "sorwatch_effective_spread_dollars": execution.effective_spread,
            "sorwatch_quoted_spread_dollars": execution.quoted_spread,
            "sorwatch_price_improvement_dollars": execution.price_improvement,
        }
        if any(value is None for value in scored.values()):
            return sums
        sums.append(("sorwatch_scored_shares", labels, sign * float(execution.qty)))
        for name, value in scored.items():
            if value is not None:
                sums.append((name, labels, sign * float(execution.qty * value / _NANO)))
        return sums

    def _hops(self, execution: Execution, first_of_route: bool) -> list[Amount]:
        labels = (("vendor", self._vendor(execution.vendor)), ("venue", self._venue(execution.venue)))
        found = hops(execution)
        if not first_of_route:
            found = {name: ns for name, ns in found.items() if name == "ack_to_fill"}
        return [
            amount
            for name, ns in found.items()
            for amount in _observed("sorwatch_hop_seconds", (("hop", name), *labels), ns, HOP_BUCKETS)
        ]


def hops(execution: Execution) -> dict[str, int]:
    """Durations of the hops that the execution's steps show, ns; one that goes backwards is left out."""
    route = execution.route_id
    at = {
        "received": _first(execution.steps, "received", execution.order_id),
        "routed": _first(execution.steps, "routed", route),
        "acked": _first(execution.steps, "acked", route),
    }
    pairs = [(name, at[begin], at[end]) for begin, end, name in _HOPS]
    pairs.append(("ack_to_fill", at["acked"], execution.at))
    return {name: end - begin for name, begin, end in pairs if begin is not None and end is not None and end >= begin}


def _first(steps: tuple[Step, ...], what: str, order: str) -> int | None:
    return next((s.at for s in steps if s.what == what and s.order_id == order), None)


def _observed(name: str, labels: Labels, ns: int, buckets: tuple[float, ...]) -> list[Amount]:
    seconds = ns / _NANO
    within = next((str(b) for b in buckets if seconds <= b), INFINITE)
    return [(f"{name}_bucket", (*labels, ("le", within)), 1.0), (f"{name}_sum", labels, seconds)]
