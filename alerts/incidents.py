"""Findings grouped into incidents by cause: rule, venue, vendor, session, and the UTC day on which it happened.

The grouping is a function of the newest revision of each finding: the order in which they arrive, and how often,
changes nothing. The day is part of the cause so that an incident's id needs no memory: it is the same before and
after a crash, and a cause that comes back in the afternoon continues the morning's incident instead of looking new.

What a finding weighs: several findings about one execution (or, where no execution is meant, one order) count its
shares and its cost once, by the largest of them, because they are views of the same loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b

from msgspec import Struct, structs

from monitor.wire.events import DAY_NS, Certainty, Finding, FindingState, Severity

RANK: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}


class Change(StrEnum):
    """What hearing a finding did."""

    NEW = "new"
    AMENDED = "amended"
    WITHDRAWN = "withdrawn"
    REPEATED = "repeated"
    """The same or an older revision than the one known: nothing changed."""


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    GROWING = "growing"
    OVER = "over"


class Cause(Struct, frozen=True, kw_only=True):
    """What findings of one incident have in common."""

    rule: str
    venue: str | None
    vendor: str | None
    session: str
    day: int
    """Days since 1970-01-01 UTC."""

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits, a function of the cause alone."""
        text = "\x1f".join((self.rule, _named(self.venue), _named(self.vendor), self.session, str(self.day)))
        return blake2b(text.encode(), digest_size=8).hexdigest()


class Entry(Struct, frozen=True, kw_only=True):
    """What an incident remembers of one finding."""

    id: str
    revision: int
    cause: Cause
    state: FindingState
    certainty: Certainty
    severity: Severity
    title: str
    order_id: str
    weighs: str
    """The execution, else the order, whose shares and cost it speaks about."""
    symbol: str
    qty: Decimal | None
    cost: int | None
    at: int
    heard: int
    """When it was first heard with this certainty, by our clock."""

    @property
    def pages(self) -> bool:
        """Whether it counts: confirmed and not taken back."""
        return self.state != "withdrawn" and self.certainty == "confirmed"


class Pace(Struct, frozen=True, kw_only=True):
    """When an incident counts as growing and as over, ns."""

    growing_ns: int
    close_ns: int


class Incident(Struct, frozen=True, kw_only=True):
    """One cause, as it stands now. Only confirmed findings count; the others are counted beside."""

    id: str
    cause: Cause
    state: State
    why: str
    """Why it has its state, in words."""
    severity: Severity
    title: str
    """The example's title, or that of a finding that could not be confirmed."""
    count: int
    orders: int
    shares: Decimal | None
    cost: int | None
    """1e-9 of the currency; ``None`` when no finding could say."""
    symbols: int
    possible: int
    cannot_tell: int
    withdrawn: int
    first_at: int
    last_at: int
    first_heard: int
    last_heard: int
    example: str
    """Id of the finding to show first: the dearest confirmed one."""
    example_order: str


class Incidents:
    """Everything heard, by cause. Holds values only: no clock, no store."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._groups: dict[str, dict[str, Entry]] = {}
        self._gathered: dict[str, Incident] = {}
        """Incidents as last gathered; all but their state holds until a finding of theirs changes."""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, incident: str) -> bool:
        return incident in self._groups

    def ids(self) -> list[str]:
        """Ids of all incidents."""
        return list(self._groups)

    def orders(self, incidents: Iterable[str]) -> int:
        """Orders with a confirmed finding in any of these incidents, each once."""
        return len({e.order_id for i in incidents for e in self._groups[i].values() if e.pages})

    def hear(self, finding: Finding, heard: int) -> tuple[Change, Entry]:
        """Take one revision of a finding, in any order; ``heard`` is the time of day."""
        known = self._entries.get(finding.id)
        if known is not None and known.revision >= finding.revision:
            return Change.REPEATED, known
        entry = entry_of(finding, heard, known)
        self.put(entry)
        if entry.state == "withdrawn":
            return Change.WITHDRAWN, entry
        return (Change.NEW if known is None else Change.AMENDED), entry

    def put(self, entry: Entry) -> None:
        """Set what is known of one finding, in place of what was known before."""
        known = self._entries.get(entry.id)
        if known is not None and known.cause != entry.cause:
            self._leave(known)
        self._entries[entry.id] = entry
        self._groups.setdefault(entry.cause.id, {})[entry.id] = entry
        self._gathered.pop(entry.cause.id, None)

    def forget(self, incident: str) -> None:
        """Let go of an incident and its findings."""
        self._gathered.pop(incident, None)
        for finding in self._groups.pop(incident, {}):
            del self._entries[finding]

    def incident(self, incident: str, now: int, pace: Pace) -> Incident:
        """The incident as it stands at ``now``; raises `KeyError` when nothing is known of it."""
        known = self._gathered.get(incident)
        if known is None:
            known = self._gathered[incident] = gathered(self._groups[incident].values(), now, pace)
        state, why = _state(known, now, pace)
        return structs.replace(known, state=state, why=why)

    def _leave(self, known: Entry) -> None:
        self._gathered.pop(known.cause.id, None)
        group = self._groups[known.cause.id]
        del group[known.id]
        if not group:
            del self._groups[known.cause.id]


def entry_of(finding: Finding, heard: int, known: Entry | None = None) -> Entry:
    """What to remember of a finding; ``heard`` moves only when it became more or less sure."""
    if known is not None and known.certainty == finding.certainty and known.state != "withdrawn":
        heard = known.heard
    return Entry(
        id=finding.id,
        revision=finding.revision,
        cause=Cause(
            rule=finding.rule,
            venue=finding.venue,
            vendor=finding.vendor,
            session=finding.session,
            day=finding.at // DAY_NS,
        ),
        state=finding.state,
        certainty=finding.certainty,
        severity=finding.severity,
        title=finding.title,
        order_id=finding.order_id,
        weighs=_weighs(finding),
        symbol=finding.symbol,
        qty=finding.qty,
        cost=finding.cost,
        at=finding.at,
        heard=heard,
    )


def _weighs(finding: Finding) -> str:
    """The execution, with the order it filled: an ExecID alone may be that of another order's too."""
    order = finding.order_id if finding.route_id is None else finding.route_id
    return "\x1f".join((finding.symbol, order, finding.exec_id or ""))


def gathered(entries: Iterable[Entry], now: int, pace: Pace) -> Incident:
    """One incident out of the findings of one cause; at least one is needed."""
    known = sorted(entries, key=lambda e: (e.at, e.id))
    paging = [e for e in known if e.pages]
    alive = [e for e in known if e.state != "withdrawn"]
    shown = paging or alive or known
    example = max(shown, key=lambda e: (RANK[e.severity], e.cost if e.cost is not None else -1, -e.at, e.id))
    made = Incident(
        id=example.cause.id,
        cause=example.cause,
        state=State.OPEN,
        why="",
        severity=example.severity,
        title=example.title,
        count=len(paging),
        orders=len({(e.symbol, e.order_id) for e in paging}),
        shares=_shares(paging),
        cost=_cost(paging),
        symbols=len({e.symbol for e in shown}),
        possible=sum(e.certainty == "possible" for e in alive),
        cannot_tell=sum(e.certainty == "cannot_tell" for e in alive),
        withdrawn=len(known) - len(alive),
        first_at=shown[0].at,
        last_at=shown[-1].at,
        first_heard=min(e.heard for e in shown),
        last_heard=max(e.heard for e in shown),
        example=example.id,
        example_order=example.order_id,
    )
    state, why = _state(made, now, pace)
    return structs.replace(made, state=state, why=why)


def _state(incident: Incident, now: int, pace: Pace) -> tuple[State, str]:
    if incident.count + incident.possible + incident.cannot_tell == 0:
        return State.OVER, "withdrawn: every finding was taken back"
    quiet = now - incident.last_heard
    if quiet >= pace.close_ns:
        return State.OVER, "quiet: nothing new was found for long enough"
    if incident.count == 0:
        return State.OPEN, "nothing of it is confirmed"
    if incident.count > 1 and quiet < pace.growing_ns and incident.last_heard > incident.first_heard:
        return State.GROWING, "new findings keep arriving"
    return State.OPEN, "found, and not growing at the moment"


def _shares(paging: list[Entry]) -> Decimal | None:
    most: dict[str, Decimal] = {}
    for e in paging:
        if e.qty is not None:
            most[e.weighs] = max(e.qty, most.get(e.weighs, e.qty))
    return sum(most.values(), Decimal(0)) if most else None


def _cost(paging: list[Entry]) -> int | None:
    most: dict[str, int] = {}
    for e in paging:
        if e.cost is not None:
            most[e.weighs] = max(e.cost, most.get(e.weighs, e.cost))
    return sum(most.values()) if most else None


def _named(value: str | None) -> str:
    return "-" if value is None else "=" + value
