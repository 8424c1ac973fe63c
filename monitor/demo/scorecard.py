"""What the demo found beside what was planted: nothing missed, nothing accused without cause, nothing lost.

The line promises to be right about what is reported to it within its patience. On a busy machine the router itself, a
process like any other, may send a message, or the listener take it, later than that: about such an order neither a
fault found nor one missed says anything, so it is counted as left out and not judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct, field

from monitor.config import settings
from monitor.demo.router import RULE_OF, Planted
from monitor.kafka import readback
from monitor.wire import codec, events

Accusation = tuple[str, str]
"""Rule and customer's order."""

QUIET_NS = 4_000_000_000
"""After the last message every deadline of the demo's policy has passed within so long."""


IN_TIME_SHARE = 0.5
"""The part of the patience within which a report has to come; the rest is for its way from the socket to the disk."""


class Sent(Struct):
    """What the router has sent so far."""

    messages: int = 0
    fills: int = 0
    last_at: int = 0
    planted: list[Planted] = field(default_factory=list)


class Scorecard(Struct, frozen=True, kw_only=True):
    """The demo's outcome."""

    reports_sent: int
    reports_published: int
    """Distinct order events on the topic."""
    fills_sent: int
    executions: int
    """Distinct executions scored."""
    planted: dict[str, int]
    """Orders with a planted fault, by the rule that must find it."""
    findings: dict[str, int]
    """Orders accused with certainty, by rule; those withdrawn after a bust are counted."""
    withdrawn: int
    missed: tuple[Accusation, ...]
    wrong: tuple[Accusation, ...]
    """Accused with certainty though nothing was planted."""
    uncertain: int
    """Findings that are only possible, or say that it cannot be told."""
    left_out: int
    """Orders this machine reported too late to be judged; not counted in planted, findings, missed and wrong."""
    lost: int
    duplicated: int
    fill_to_finding_ms: dict[str, float | None]
    """From a fill's arrival to its finding's arrival at Kafka, the patience of ``patience_ms`` included."""
    patience_ms: int
    restarts: int


def tell(kafka: settings.Kafka, patience_ms: int, sent: Sent, restarts: int) -> Scorecard:
    """Read the topics back and compare them with what was sent."""
    reports = [r for m in readback.read(kafka, "reports") for r in codec.decode_reports(m.value)]
    executions = [e for m in readback.read(kafka, "executions") for e in codec.decode_executions(m.value)]
    findings = [(m.stamped_ms, f) for m in readback.read(kafka, "findings") for f in codec.decode_findings(m.value)]
    return compare(sent, reports, executions, findings, patience_ms, restarts)


def compare(
    sent: Sent,
    reports: Iterable[events.ReportLine],
    executions: Iterable[events.Execution],
    findings: Iterable[tuple[int, events.Finding]],
    patience_ms: int,
    restarts: int,
) -> Scorecard:
    """The outcome, from what stands on the topics; repeats of the same event, revision or id count once."""
    about_orders = [r for r in reports if isinstance(r, events.Report)]
    published = {(r.source, r.n, r.part) for r in about_orders}
    tardy = _tardy(about_orders, patience_ms)
    scored = {e.id for e in executions}
    listed = list(findings)
    planted = {(RULE_OF[p.fault], p.order_id) for p in sent.planted if p.order_id not in tardy}
    confirmed = [f for _, f in listed if f.certainty == "confirmed" and f.state != "withdrawn"]
    accused = {(f.rule, f.order_id) for f in confirmed if f.order_id not in tardy}
    return Scorecard(
        reports_sent=sent.messages,
        reports_published=len(published),
        fills_sent=sent.fills,
        executions=len(scored),
        planted=_by_rule(planted),
        findings=_by_rule(accused),
        withdrawn=len({f.id for _, f in listed if f.state == "withdrawn"}),
        missed=tuple(sorted(planted - accused)),
        wrong=tuple(sorted(accused - planted)),
        uncertain=len({f.id for _, f in listed if f.certainty != "confirmed"}),
        left_out=len(tardy),
        lost=max(0, sent.messages - len(published)) + max(0, sent.fills - len(scored)),
        duplicated=max(0, len(published) - sent.messages) + max(0, len(scored) - sent.fills),
        fill_to_finding_ms=_latency(listed),
        patience_ms=patience_ms,
        restarts=restarts,
    )


class Progress:
    """How far the worker has judged, by what it says on ``line``; each look reads only what is new."""

    def __init__(self, kafka: settings.Kafka) -> None:
        self._kafka = kafka
        self._next: dict[int, int] = {}
        self._latest: dict[int, int | None] = {}

    def judged_until(self) -> int | None:
        """Up to when every partition has judged everything, ns UTC; ``None`` while one has not said so."""
        for message in readback.read(self._kafka, "line", self._next):
            self._next[message.partition] = message.offset + 1
            self._latest |= {health.partition: health.settled for health in codec.decode_health(message.value)}
        done = [at for at in self._latest.values() if at is not None]
        return min(done) if len(done) == self._kafka.partitions else None


def as_json(told: Scorecard) -> dict[str, Any]:
    """The outcome as the demo prints it."""
    return msgspec.to_builtins(told)  # type: ignore[no-any-return]  # a Struct becomes a dict


def wrongs(told: Scorecard) -> list[str]:
    """What keeps the demo from being a success, one sentence each."""
    found = []
    if told.missed:
        found.append(f"planted and not found: {_shown(told.missed)}")
    if told.wrong:
        found.append(f"accused without cause: {_shown(told.wrong)}")
    if told.lost:
        found.append(f"{told.lost} messages or fills were lost")
    if told.duplicated:
        found.append(f"{told.duplicated} messages or fills counted twice")
    if not told.reports_sent:
        found.append("nothing was sent")
    if told.left_out and not any(told.planted.values()):
        found.append(f"this machine is too busy: {told.left_out} orders were reported too late to be judged")
    return found


def _tardy(reports: Iterable[events.Report], patience_ms: int) -> set[str]:
    """Customers' orders of which a report came late."""
    in_time_ns = patience_ms * 1e6 * IN_TIME_SHARE
    late = (r for r in reports if r.seen is not None and r.seen - r.at > in_time_ns)
    return {r.order_id if r.parent_id is None else r.parent_id for r in late}


def _by_rule(accusations: set[Accusation]) -> dict[str, int]:
    rules = sorted(set(RULE_OF.values()))
    counted = Counter(rule for rule, _ in accusations)
    return {rule: counted[rule] for rule in sorted({*rules, *counted})}


def _latency(findings: list[tuple[int, events.Finding]]) -> dict[str, float | None]:
    """Percentiles over first tellings of findings about a fill (those found by a deadline have no arrival)."""
    first: dict[str, float] = {}
    for stamped_ms, finding in findings:
        if finding.exec_id is not None and finding.seen is not None and finding.revision == 0:
            first.setdefault(finding.id, stamped_ms - finding.seen / 1e6)
    values = sorted(first.values())
    return {name: _percentile(values, share) for name, share in (("p50", 0.50), ("p99", 0.99))}


def _percentile(values: list[float], share: float) -> float | None:
    return None if not values else round(values[min(len(values) - 1, int(share * len(values)))], 1)


def _shown(accusations: tuple[Accusation, ...]) -> str:
    some = ", ".join(f"{rule} {order}" for rule, order in accusations[:5])
    return some + (f" and {len(accusations) - 5} more" if len(accusations) > 5 else "")
