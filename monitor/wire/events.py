"""The vocabulary: everything that crosses a topic is defined here.

Times are integer nanoseconds UTC, prices integers in 1e-9 of the currency unit, quantities exact decimals in
shares (a JSON number on the wire). Absence is ``None``, never 0 or "". Unknown fields are refused.

Every report names who published it and where it stands in that publisher's journal: ``(source, n, part)`` is
the identity of an event, is the same however often it is published, and settles the order of two events that
carry the same time.

``gc=False``: values that hold no containers of others can be in no cycle, and at tens of thousands a second they are
not worth the collector's while.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

DAY_NS = 86_400_000_000_000
"""A day of UTC, ns."""
SCHEMA = 1
"""Version of the wire; every Kafka message carries it in its ``schema`` header."""

Side = Literal["buy", "sell", "sell_short", "sell_short_exempt"]
Certainty = Literal["confirmed", "possible", "cannot_tell"]
QuoteState = Literal["ok", "locked", "crossed", "one_sided", "stale", "none"]
Tie = Literal["before", "at-or-before"]
Severity = Literal["info", "warning", "critical"]
FindingState = Literal["raised", "amended", "withdrawn"]

LATEST = 9_214_646_400_000_000_000
"""The year 2262, ns UTC: times beyond it would leave no room for sums in 64 bits."""
Time = Annotated[int, Meta(ge=-LATEST, le=LATEST)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Paid = Annotated[int, Meta(gt=0, le=2**63 - 1)]
"""Price of an execution."""
NAME_MOST = 256
"""Characters of an id or a code, more than anybody uses: no report can make a message too large for Kafka."""
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MOST)]
Code = Annotated[str, Meta(max_length=NAME_MOST)]
"""An id or a code that may be absent, or empty as it was sent."""

_DIGITS = 27
"""Of a quantity, before or behind its point: beyond it sums of quantities would be rounded."""


def _require_shares(qty: Decimal) -> None:
    """Raises `ValueError`, which a decoder tells as its own."""
    if not qty.is_finite() or qty <= 0 or abs(qty.adjusted()) > _DIGITS:
        raise ValueError(f"qty: {qty} is no quantity of shares")


class Event(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", gc=False
):
    """What every line of ``reports`` carries: identity and two times."""

    source: Name
    """Publisher that vouches for the event, such as the name of a drop-copy journal."""
    n: Whole
    """Number of the journal record within the source: rises, never reused."""
    part: Whole = 0
    """Which event of that record, where one record makes several."""
    at: Time
    """When it happened, by ``clock``."""
    clock: Code = "here"
    """Whose clock stamped ``at``; the policy gives each clock its error budget."""
    seen: Time
    """When it reached sorwatch."""


class Tick(Event, frozen=True, kw_only=True, tag="tick"):
    """The source's promise: you have everything of mine up to ``at``."""


class Ended(Event, frozen=True, kw_only=True, tag="ended"):
    """The source has nothing more to say: do not wait for it until it speaks again."""


class SessionEvent(Event, frozen=True, kw_only=True):
    """Something about a FIX session rather than about an order."""

    session: Name
    text: str | None = None


class SessionUp(SessionEvent, frozen=True, kw_only=True, tag="session_up"):
    """The counterparty logged on."""


class SessionDown(SessionEvent, frozen=True, kw_only=True, tag="session_down"):
    """The session ended, by logout or by a broken connection."""


class Gap(SessionEvent, frozen=True, kw_only=True, tag="gap"):
    """Messages ``first`` to ``last`` were missing and have been asked for again."""

    first: int
    last: int


class GapFilled(SessionEvent, frozen=True, kw_only=True, tag="gap_filled"):
    """The messages of a gap have arrived."""

    first: int
    last: int


class Reset(SessionEvent, frozen=True, kw_only=True, tag="reset"):
    """Sequence numbers started again; what was not resent before is gone."""


class Garbled(SessionEvent, frozen=True, kw_only=True, tag="garbled"):
    """Bytes that could not be understood, kept with the reason."""

    reason: str
    raw: str


class Report(Event, frozen=True, kw_only=True):
    """What every event about one order carries."""

    session: Name
    seq: Whole | None = None
    """MsgSeqNum(34)."""
    symbol: Name
    order_id: Name
    """The order this event is about: ClOrdID(11) of the first of its replace chain."""
    sender: Code | None = None
    """The counterparty whose ids these are, where it is not the session: a primary and its backup are one sender."""
    parent_id: Code | None = None
    """The customer's order this one is a route of; ``None`` when it is the customer's order itself or unknown."""
    parent_sender: Code | None = None
    """Whose order the parent is, where the dialect says that this session routes the orders of another one."""
    link: Code | None = None
    """Which rung of the lineage ladder named the parent."""
    broker_id: Code | None = None
    """OrderID(37)."""
    exec_id: Code | None = None
    """ExecID(17)."""
    side: Side | None = None
    venue: Code | None = None
    """MIC of the venue, resolved; ``None`` when absent or unknown."""
    venue_sent: Code | None = None
    """The venue exactly as it was sent."""
    vendor: Code | None = None
    """Who runs the router."""
    text: str | None = None
    raw: str | None = None
    """The FIX message, with | for SOH."""


class Terms(Report, frozen=True, kw_only=True):
    """The terms of an order, where the message states them."""

    qty: Decimal | None = None
    ord_type: Literal["market", "limit", "stop", "stop_limit", "pegged", "other"] | None = None
    price: Whole | None = None
    """Limit price."""
    tif: Literal["day", "ioc", "fok", "gtc", "opg", "cls", "gtd", "other"] | None = None
    capacity: Code | None = None


class Received(Terms, frozen=True, kw_only=True, tag="received"):
    """A customer's order reached the router."""


class Routed(Terms, frozen=True, kw_only=True, tag="routed"):
    """The router sent an order (or a child of one) to a venue."""


class Acked(Report, frozen=True, kw_only=True, tag="acked"):
    """The venue accepted the order."""


class Filled(Report, frozen=True, kw_only=True, tag="filled"):
    """Part or all of an order was executed; ``exec_id`` names the execution."""

    qty: Decimal
    price: Paid
    leaves: Decimal | None = None
    cum: Decimal | None = None
    liquidity: Code | None = None
    """Added, removed or routed, as sent."""
    auction: bool = False
    """Printed in an opening, reopening or closing cross: its price has no NBBO to be compared with."""

    def __post_init__(self) -> None:
        _require_shares(self.qty)


class Rejected(Report, frozen=True, kw_only=True, tag="rejected"):
    """The venue or the router refused the order."""

    reason: str | None = None


class Cancelled(Report, frozen=True, kw_only=True, tag="cancelled"):
    """The order is over without (further) execution."""

    cum: Decimal | None = None


class Replaced(Terms, frozen=True, kw_only=True, tag="replaced"):
    """The order's terms changed; ``order_id`` stays that of the first of the chain."""

    new_id: Code | None = None


class Expired(Report, frozen=True, kw_only=True, tag="expired"):
    """The order's time in force ran out."""


class Restated(Terms, frozen=True, kw_only=True, tag="restated"):
    """The venue changed the order by itself."""


class Busted(Report, frozen=True, kw_only=True, tag="busted"):
    """An execution was cancelled after the fact; ``ref_exec_id`` names it."""

    ref_exec_id: Name


class Corrected(Report, frozen=True, kw_only=True, tag="corrected"):
    """An execution's price or quantity was changed after the fact; ``ref_exec_id`` names it."""

    ref_exec_id: Name
    qty: Decimal | None = None
    price: Paid | None = None

    def __post_init__(self) -> None:
        if self.qty is not None:
            _require_shares(self.qty)


class Status(Report, frozen=True, kw_only=True, tag="status"):
    """An answer about state that changes nothing, or a message that means nothing to an order's story."""

    reason: str | None = None


SessionKind = SessionUp | SessionDown | Gap | GapFilled | Reset | Garbled
OrderKind = (
    Received
    | Routed
    | Acked
    | Filled
    | Rejected
    | Cancelled
    | Replaced
    | Expired
    | Restated
    | Busted
    | Corrected
    | Status
)
ReportLine = Tick | Ended | SessionKind | OrderKind
"""Everything that may stand on a line of ``reports``."""


class Quote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The NBBO as it counted for some instant, and whether it can be used."""

    state: QuoteState
    at: int | None = None
    bid: int | None = None
    ask: int | None = None
    bid_size: int | None = None
    """Shares."""
    ask_size: int | None = None


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One step of an order's story beside the NBBO of its instant."""

    what: str
    """The event's kind."""
    at: Time
    clock: str
    order_id: str
    venue: str | None = None
    qty: Decimal | None = None
    price: int | None = None
    exec_id: str | None = None
    quote: Quote | None = None


class Execution(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One fill scored against the NBBO at receipt and execution; told again, revision raised, when it changes."""

    id: str
    """Of the execution: trade date, sender, symbol, route and ExecID; the same wherever it is published."""
    exec_id: str
    order_id: str
    """The customer's order where the lineage is known, else the order that was filled."""
    route_id: str
    """The order that was filled."""
    revision: int
    """0 at first; readers keep the highest."""
    state: Literal["live", "busted", "corrected"]
    session: str
    source: str
    n: int
    part: int
    symbol: str
    side: Side | None
    qty: Decimal
    price: int
    venue: str | None
    venue_sent: str | None
    vendor: str | None
    order_class: str | None
    at: int
    clock: str
    seen: int
    tie: Tie
    quote_at: int | None
    quote_state: QuoteState
    bid: int | None
    ask: int | None
    bid_size: int | None
    ask_size: int | None
    receipt_at: int | None
    receipt: Quote | None
    effective_spread: int | None
    """Twice the signed distance from the midpoint at receipt (17 CFR 242.600(b)), positive is cost."""
    quoted_spread: int | None
    """Best offer less best bid at receipt."""
    price_improvement: int | None
    """Signed distance to the far side of the NBBO at receipt, positive is better than quoted."""
    eq_ratio: float | None
    """Effective over quoted spread of this one fill; for several fills divide the sums."""
    steps: tuple[Step, ...]
    late: bool = False
    """Reached sorwatch after its time had been settled: the NBBO of its instant was no longer known."""


class Limit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The threshold a finding was judged by, and on whose authority."""

    name: str
    value: str
    """As a person writes it: ``250 ms``, ``0.01``, ``ARCX, XNAS``."""
    policy: str
    """Version of the policy."""
    effective: str
    """Date from which it applies."""
    approved_by: str
    reason: str


class Finding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule's verdict on one order, with how sure it is and what it rests on."""

    id: str
    """A function of rule, version, session, order, the order's first day and subject: the same however often made."""
    revision: int
    """0 when raised; readers keep the highest."""
    state: FindingState
    rule: str
    rule_version: int
    severity: Severity
    certainty: Certainty
    factor: str
    """The FINRA 5310.09 review factor it evidences."""
    title: str
    """One line for a person."""
    order_id: str
    route_id: str | None
    exec_id: str | None
    subject: str
    """What of the order is meant: an execution, a hop."""
    symbol: str
    side: Side | None
    qty: Decimal | None
    """Shares concerned."""
    cost: int | None
    """What it cost the customer, in 1e-9 of the currency, where that can be said."""
    venue: str | None
    vendor: str | None
    session: str
    order_class: str | None
    at: int
    """When the thing complained of happened: the fill, or the deadline that passed."""
    seen: int | None
    """When the event that gave rise to it reached sorwatch; ``None`` for a deadline."""
    evidence: dict[str, int | float | str | bool | None]
    """Names end in their unit: ``_ns``, ``_nano`` (1e-9 of the currency), ``_shares``."""
    limit: Limit
    tie: Tie
    reason: str
    """Why it has its state and certainty."""
    steps: tuple[Step, ...]


class LineHealth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one partition of the worker knows about the state of the line, told about once a second on ``line``."""

    partition: int
    wall: int
    """When it was said."""
    watermark: int | None
    """Everything up to here has been heard from every source."""
    settled: int | None
    """Everything up to here has been judged."""
    held: int
    """Events waiting to be judged."""
    open_orders: int
    counts: dict[str, int]
    """Since the worker's first start: ``reports``, ``quotes``, ``executions``, ``findings``, ``late_reports``,
    ``late_quotes``, ``duplicates``, ``garbled``, ``unlinked``, ``gaps``, ``resets``, ``dead_letters``,
    ``unknown_busts``, ``silent_sources``."""
    sources: dict[str, int]
    """Last tick of each source."""
    silent: tuple[str, ...]
    sessions: dict[str, Literal["up", "down"]]
    latency_ns: tuple[int, ...] = ()
    """Fill seen → finding acknowledged by Kafka, one per finding since the last report, patience included."""
    patience_ns: int = 0


def sender_of(event: Report) -> str:
    """Whose ids an event carries: the counterparty's, which by default is the session."""
    return event.session if event.sender is None else event.sender
