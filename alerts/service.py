"""What happens to everything heard: kept, counted, grouped into incidents, and told when that is due.

The service joins the pure parts (incidents, notify, render, measures) with the store. It is told the time, and it
does everything inside the store's transactions.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

import structlog
from msgspec import Struct

from alerts import decoding, notify
from alerts.incidents import RANK, Change, Incident, Incidents, Pace, State
from alerts.metrics import Readings
from alerts.notify import LastNotified, Timing
from alerts.outbox import Outbox
from alerts.render import RuleNote, message
from alerts.store import Store, Unreadable
from alerts.totals import Amount, Labels, RunningTotals
from monitor.wire.events import Execution, Finding, LineHealth

log = structlog.get_logger()

EXECUTIONS_KEPT, FINDINGS_KEPT, UNREADABLE_KEPT = 50_000, 100_000, 500
NOTICES_KEPT_NS = 90 * 86_400 * 10**9
TRIM_EVERY = 5_000
"""Messages between two looks at how much is kept."""


class Received(Struct, frozen=True, kw_only=True):
    """One Kafka message."""

    topic: str
    """Without the prefix."""
    part: int
    offset: int
    value: bytes
    reason: str | None = None
    """For dead letters: why the worker could not read it."""


class AlertService:
    """Takes in what was heard and decides what is told."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        notes: Mapping[str, RuleNote],
        timing: Timing,
        pace: Pace,
        channels: tuple[str, ...],
        base_url: str | None,
    ) -> None:
        self.store, self.outbox, self.notes = store, outbox, notes
        self.timing, self.pace, self.channels, self.base_url = timing, pace, channels, base_url
        self.measures = RunningTotals()
        self._changed: dict[tuple[str, Labels], float] = {}
        self._new_latencies: list[int] = []
        """Of the batch being taken in: they count once it is kept."""
        self._since_trim = 0
        self.latencies: deque[int] = deque(maxlen=1000)
        """Fill seen → finding on Kafka beyond patience, ns, of the newest findings."""
        self.reload()
        store.rolled_back.append(self.reload)

    def reload(self) -> None:
        """Know exactly what the store knows: at start, and after a transaction that could not be finished."""
        self.incidents = Incidents()
        self.told: dict[str, LastNotified] = self.outbox.told()
        self.totals = self.store.totals()
        self.health: dict[int, LineHealth] = {h.partition: h for h in self.store.health()}
        self.measures.know(self.totals)
        self._changed.clear()
        self._new_latencies.clear()
        for entry in self.store.entries():
            self.incidents.put(entry)
        self._ask = dict.fromkeys(self.incidents.ids(), 0)

    def take(self, batch: Sequence[Received], now: int) -> None:
        """Take in messages and the place reached, all or nothing."""
        with self.store.transaction():
            for received in batch:
                self._take_one(received, now)
                self.store.reached(received.topic, received.part, received.offset + 1)
            self._trim(len(batch), now)
            self._save_totals()
        self.latencies.extend(self._new_latencies)
        self._new_latencies.clear()

    def tell(self, now: int) -> int:
        """Decide about every incident that may have to be told; answers how many were."""
        due = [incident for incident, at in self._ask.items() if at <= now]
        if not due:
            return 0
        with self.store.transaction():
            count = sum(self._decide(incident, now) for incident in due)
            self._save_totals()
        return count

    def incident(self, incident: str, now: int) -> Incident | None:
        """One incident as it stands."""
        return self.incidents.incident(incident, now, self.pace) if incident in self.incidents else None

    def all_incidents(self, now: int) -> list[Incident]:
        """All incidents: those that are not over first, then by severity, the newest first."""
        found = [self.incidents.incident(i, now, self.pace) for i in self.incidents.ids()]
        return sorted(found, key=_urgency)

    def count(self, amounts: Iterable[Amount]) -> None:
        """Add to the totals; kept with the transaction that is open."""
        for name, labels, value in amounts:
            key = (name, labels)
            self.totals[key] = self._changed[key] = self.totals.get(key, 0.0) + value

    def count_attempt(self, channel: str, outcome: str) -> None:
        """Count an attempt to deliver, inside the transaction that records it."""
        self.count(self.measures.notice(channel, outcome))
        self._save_totals()

    def readings(self, now: int) -> Readings:
        """What Prometheus is shown."""
        return Readings(
            totals=self.totals,
            incidents=Counter((self.measures.rule(i.cause.rule), i.state.value) for i in self.all_incidents(now)),
            health=list(self.health.values()),
            notices=self.outbox.counts(),
        )

    def _take_one(self, received: Received, now: int) -> None:
        try:
            match received.topic:
                case "findings":
                    for finding in decoding.findings(received.value):
                        self._hear_finding(finding, now)
                case "executions":
                    for execution in decoding.executions(received.value):
                        self._hear_execution(execution)
                case "line":
                    for health in decoding.health(received.value):
                        self._hear_health(health)
                case _:
                    reason = "no reason was given" if received.reason is None else received.reason
                    self._keep_unreadable(received, reason, now)
        except decoding.Unfit as error:
            log.warning("a message could not be read; it is kept", topic=received.topic, offset=received.offset)
            self._keep_unreadable(received, str(error), now)

    def _hear_finding(self, finding: Finding, now: int) -> None:
        change, entry = self.incidents.hear(finding, now)
        self.store.keep_revision(finding, now)
        if change is not Change.REPEATED:
            self.store.keep_finding(entry, finding, now)
            self._ask[entry.cause.id] = 0
        self.count(self.measures.finding(change, finding))

    def _hear_execution(self, execution: Execution) -> None:
        news, before = self.store.keep_execution(execution)
        if not news:
            return
        first = before is None and self.store.is_first_of_route(execution)
        self.count(self.measures.execution(execution, before, first))

    def _hear_health(self, health: LineHealth) -> None:
        known = self.health.get(health.partition)
        if known is not None and known.wall >= health.wall:
            return
        self.health[health.partition] = health
        self.store.keep_health(health)
        self._new_latencies.extend(max(0, ns - health.patience_ns) for ns in health.latency_ns)
        self.count(self.measures.health(health))

    def _keep_unreadable(self, received: Received, reason: str, now: int) -> None:
        self.store.keep_unreadable(
            Unreadable(
                topic=received.topic,
                part=received.part,
                place=received.offset,
                heard=now,
                reason=reason[:500],
                body=received.value[:4096],
            )
        )
        self.count(self.measures.unreadable(received.topic))

    def _decide(self, incident_id: str, now: int) -> bool:
        if incident_id not in self.incidents:
            del self._ask[incident_id]
            return False
        incident = self.incidents.incident(incident_id, now, self.pace)
        previous = self.told.get(incident_id)
        decision = notify.decide(previous, incident, now, self.timing)
        if decision.tell:
            self._tell(incident, notify.told(previous, incident, decision.reason, now))
        self._ask_again(incident, decision.ask_again)
        return decision.tell

    def _tell(self, incident: Incident, told: LastNotified) -> None:
        example = self.store.finding(incident.example)
        note = self.notes.get(incident.cause.rule)
        self.outbox.tell(told, message(incident, example, note, told.reason, self.base_url), self.channels)
        self.told[incident.id] = told
        self.count(self.measures.decision(told.reason.value))
        log.info("told", incident=incident.id, reason=told.reason.value, rule=incident.cause.rule, n=told.n)

    def _ask_again(self, incident: Incident, at: int | None) -> None:
        """When time alone may change the answer: at the moment named, or when the incident is over by quiet."""
        if incident.state is State.OVER:
            self._ask.pop(incident.id, None)
            return
        over = incident.last_heard + self.pace.close_ns
        self._ask[incident.id] = over if at is None else min(at, over)

    def _save_totals(self) -> None:
        self.store.keep_totals(self._changed)
        self._changed.clear()

    def _trim(self, taken: int, now: int) -> None:
        self._since_trim += taken
        if self._since_trim < TRIM_EVERY:
            return
        self._since_trim = 0
        self.store.trim(EXECUTIONS_KEPT, UNREADABLE_KEPT)
        self._forget_old(now)
        self.outbox.trim(now - NOTICES_KEPT_NS)
        # as the store has it: an incident that comes back goes on with the numbers of its notices
        self.told = self.outbox.told()

    def _forget_old(self, now: int) -> None:
        for incident in reversed(self.all_incidents(now)):
            if len(self.incidents) <= FINDINGS_KEPT or incident.state is not State.OVER:
                return
            if incident.id not in self._ask:
                self.incidents.forget(incident.id)
                self.store.forget_findings(incident.id)


def _urgency(incident: Incident) -> tuple[bool, bool, int, int, str]:
    over = incident.state is State.OVER
    return over, incident.count == 0, -RANK[incident.severity], -incident.first_heard, incident.id
