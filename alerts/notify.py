"""Whether to tell people about an incident now, and why.

A pure function of what was told last, the incident as it stands, and the time. An incident is told once for each
state it is in: first, while it grows (but not more often than ``again``), when it turns worse, when findings were
taken back, when it is over, and when it comes back. The same state is never told twice.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from alerts.incidents import RANK, Incident, State
from monitor.wire.events import Severity

STEEP = 10
"""An incident that became this many times larger since it was told is told at once."""


class Reason(StrEnum):
    """Why people are told, or are not."""

    FIRST = "first"
    GREW = "grew"
    ESCALATED = "escalated"
    SHRANK = "shrank"
    WITHDRAWN = "withdrawn"
    OVER = "over"
    REOPENED = "reopened"
    UNCHANGED = "unchanged"
    GATHERING = "gathering"
    """New: waits a moment so that the first notice says how much it is."""
    QUIET_PERIOD = "quiet-period"
    """Changed, but told only a moment ago."""
    NOT_CONFIRMED = "not-confirmed"
    """Nothing of it is confirmed, and only what is confirmed pages anybody."""


class LastNotified(Struct, frozen=True, kw_only=True):
    """The last notice of an incident, as it was decided."""

    incident: str
    n: int
    """First notice 1, and so on: with the incident it names the notice."""
    reason: Reason
    at: int
    count: int
    withdrawn: int
    severity: Severity


class Timing(Struct, frozen=True, kw_only=True):
    """How long to gather before the first notice, and the least time between two, ns."""

    gather_ns: int
    again_ns: int


class Decision(Struct, frozen=True, kw_only=True):
    """Whether to tell, why, and when to ask again if time alone could change the answer."""

    tell: bool
    reason: Reason
    ask_again: int | None = None


def decide(previous: LastNotified | None, incident: Incident, now: int, timing: Timing) -> Decision:
    """Decide about one incident at ``now``."""
    if previous is None:
        return _about_new(incident, now, timing)
    if incident.count == 0:
        return _once(previous, Reason.WITHDRAWN)
    if incident.state is State.OVER:
        return _about_over(previous, incident)
    if previous.reason in (Reason.OVER, Reason.WITHDRAWN):
        return _tell(Reason.REOPENED)
    return _about_running(previous, incident, now, timing)


def told(previous: LastNotified | None, incident: Incident, reason: Reason, now: int) -> LastNotified:
    """The entry to keep once it was decided to tell."""
    return LastNotified(
        incident=incident.id,
        n=1 if previous is None else previous.n + 1,
        reason=reason,
        at=now,
        count=incident.count,
        withdrawn=incident.withdrawn,
        severity=incident.severity,
    )


def _about_new(incident: Incident, now: int, timing: Timing) -> Decision:
    if incident.count == 0:
        return Decision(tell=False, reason=Reason.NOT_CONFIRMED)
    ready = incident.first_heard + timing.gather_ns
    if now < ready:
        return Decision(tell=False, reason=Reason.GATHERING, ask_again=ready)
    return _tell(Reason.FIRST)


def _about_over(previous: LastNotified, incident: Incident) -> Decision:
    if previous.reason is Reason.OVER and _same(previous, incident):
        return Decision(tell=False, reason=Reason.UNCHANGED)
    return _tell(Reason.OVER)


def _about_running(previous: LastNotified, incident: Incident, now: int, timing: Timing) -> Decision:
    if RANK[incident.severity] > RANK[previous.severity] or incident.count >= STEEP * previous.count:
        return _tell(Reason.ESCALATED)
    if _same(previous, incident):
        return Decision(tell=False, reason=Reason.UNCHANGED)
    ready = previous.at + timing.again_ns
    if now < ready:
        return Decision(tell=False, reason=Reason.QUIET_PERIOD, ask_again=ready)
    return _tell(Reason.GREW if incident.count > previous.count else Reason.SHRANK)


def _same(previous: LastNotified, incident: Incident) -> bool:
    return (previous.count, previous.withdrawn) == (incident.count, incident.withdrawn)


def _once(previous: LastNotified, reason: Reason) -> Decision:
    if previous.reason is reason:
        return Decision(tell=False, reason=Reason.UNCHANGED)
    return _tell(reason)


def _tell(reason: Reason) -> Decision:
    return Decision(tell=True, reason=reason)
