"""Unexpected venue: an order sent to, or executed at, a venue that was not declared for its class."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from typing import Literal

from msgspec import Struct

from monitor.engine.orders import Fill, Order
from monitor.engine.rule import Answers, Example, Observation, Rule, Verdict
from monitor.venues.shipped import shipped
from monitor.venues.table import Resolution
from monitor.wire.events import Busted, Certainty, Corrected, Filled, Routed

OFF_EXCHANGE = "TRF"
"""Declares prints through a FINRA trade reporting facility, whatever its code."""

US_EQUITIES = (
    *("XNYS", "ARCX", "XASE", "XCHI", "XCIS"),
    *("XNAS", "XBOS", "XPSX"),
    *("BATS", "BATY", "EDGA", "EDGX"),
    *("IEXG", "MEMX", "LTSE", "EPRL", "24EQ"),
    OFF_EXCHANGE,
)
"""Every US equities exchange, and off-exchange prints."""

DAY_NS = 86_400_000_000_000

_WORDS = {
    "undeclared": "which is not declared",
    "off_exchange": "off exchange, which is not declared",
    "expired": "a code no longer in use",
    "unknown": "a code not known here",
    "missing": "not reported",
}

Place = Literal["declared", "undeclared", "off_exchange", "expired", "unknown", "missing"]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Where orders may go."""

    declared: tuple[str, ...] = US_EQUITIES
    """MICs; an operating MIC covers its segments, and ``TRF`` every off-exchange print."""
    unlisted: tuple[str, ...] = ()
    """Declared codes that the shipped list of venues does not have, exactly as they are sent."""
    routes: bool = True
    """Whether a route's destination is judged too, before anything is executed there."""

    def __post_init__(self) -> None:
        unknown = [code for code in self.declared if code != OFF_EXCHANGE and code not in shipped().by_mic]
        if unknown:
            raise ValueError(
                f"declared: {', '.join(unknown)}: not a MIC known here; if it is right, put it in unlisted"
            )

    @cached_property
    def placed(self) -> Callable[[str | None, str | None, int], Judged]:
        """What a venue as sent, and its MIC, are on a day (UTC, since 1970): worked out once for each."""
        return lru_cache(maxsize=4096)(partial(_place, self))


class Judged(Struct, frozen=True):
    """What a venue is to the policy, and how sure that is."""

    place: Place
    certainty: Certainty
    reason: str
    resolution: Resolution


def observe(seen: Observation, limits: Limits) -> Answers:
    """Judge the destination of a route, and the venue of an execution; the latter takes the place of the former."""
    if isinstance(seen.event, (Routed, Busted)):
        return _route(seen, limits) if limits.routes else ()
    return _execution(seen, seen.fill, limits) if seen.fill is not None else ()


def place(sent: str | None, mic: str | None, at: int, limits: Limits) -> Judged:
    """What a venue is to the policy; ``mic`` is what the drop copy's own dialect made of ``sent``."""
    return limits.placed(sent, mic, at // DAY_NS)


def _place(limits: Limits, sent: str | None, mic: str | None, day: int) -> Judged:
    """Codes are dated by the day (UTC), so that the answer is the same all day."""
    found = _resolve(sent, mic, day * DAY_NS)
    if (sent is not None and sent in limits.unlisted) or _covered(found, (*limits.declared, *limits.unlisted)):
        if found.status == "expired":
            return Judged("expired", "possible", f"declared, but its code is no longer in use: {found.reason}", found)
        return Judged("declared", "confirmed", "declared", found)
    if found.status == "absent":
        return Judged("missing", "cannot_tell", found.reason, found)
    if found.status == "unknown":
        return Judged("unknown", "possible", f"{found.reason}; it may be another name of a declared venue", found)
    if found.status == "expired":
        return Judged("expired", "possible", f"neither declared nor in use any more: {found.reason}", found)
    if found.off_exchange:
        return Judged("off_exchange", "confirmed", f"off-exchange prints are not declared: {found.reason}", found)
    return Judged("undeclared", "confirmed", f"not declared: {found.reason}", found)


def _route(seen: Observation, limits: Limits) -> Answers:
    """The destination, unless an execution there speaks for it; a bust gives it its voice back."""
    order, event = seen.order, seen.event
    if order.routed is None or _is_executed(order):
        return ()
    sent, mic = (event.venue_sent, event.venue) if isinstance(event, Routed) else (None, order.routed.venue)
    judged = place(sent, mic, order.routed.at, limits)
    subject = f"route:{order.order_id}"
    if judged.place == "declared":
        return (Verdict(subject=subject, fires=False, reason=judged.reason),)
    if judged.place in ("unknown", "missing"):
        return ()
    title = f"Routed to {judged.resolution.mic or sent}, {_WORDS[judged.place]}"
    return (_fires(seen, subject, judged, title, sent, order.routed.at, limits),)


def _is_executed(order: Order) -> bool:
    return bool(order.fills) and any(fill.state != "busted" for fill in order.fills.values())


def _execution(seen: Observation, fill: Fill, limits: Limits) -> Answers:
    judged = place(fill.venue_sent, fill.venue, fill.moment.at, limits)
    subject = f"venue:{fill.exec_id}"
    if judged.place == "declared":
        return (Verdict(subject=subject, fires=False, reason=judged.reason),)
    name = judged.resolution.mic or fill.venue_sent
    words = _WORDS[judged.place]
    title = f"Executed at {name}, {words}" if name is not None else "Executed, but the venue was not reported"
    verdict = _fires(seen, subject, judged, title, fill.venue_sent, fill.moment.at, limits)
    if seen.order.routed is None or not limits.routes:
        return (verdict,)
    told = Verdict(subject=f"route:{seen.order.order_id}", fires=False, reason="told with the execution it led to")
    return verdict, told


def _fires(
    seen: Observation, subject: str, judged: Judged, title: str, sent: str | None, at: int, limits: Limits
) -> Verdict:
    order_class = seen.root.order_class
    return Verdict(
        subject=subject,
        fires=True,
        certainty=judged.certainty,
        title=title,
        evidence={
            "place": judged.place,
            "venue_sent": sent,
            "venue": judged.resolution.mic,
            "operator": judged.resolution.operating,
            "venue_kind": judged.resolution.kind,
            "off_exchange": judged.resolution.off_exchange,
            "order_class": order_class,
        },
        limit_name="declared",
        limit_value=", ".join((*limits.declared, *limits.unlisted)),
        at=at,
        reason=judged.reason,
    )


def _resolve(sent: str | None, mic: str | None, at: int) -> Resolution:
    """By the code as sent, which may be dated; by the dialect's MIC where that says otherwise."""
    found = shipped().resolve(sent, at)
    return found if mic is None or found.mic == mic else shipped().resolve(mic, at)


def _covered(found: Resolution, allowed: tuple[str, ...]) -> bool:
    if found.off_exchange and OFF_EXCHANGE in allowed:
        return True
    return (found.mic is not None and found.mic in allowed) or (
        found.operating is not None and found.operating in allowed
    )


EXAMPLES = (
    Example(
        name="executed at a venue that is not declared",
        limits='declared = ["XNYS", "XNAS"]',
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.02 venue=EDGX
            09:31:10.000  tick
        """,
        fires=("venue:E1 confirmed",),
    ),
    Example(
        name="routed to a venue that is not declared, and nothing executed there",
        limits='declared = ["XNYS", "XNAS"]',
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +1ms          routed id=A1 parent=A venue=IEXG
            +1ms          cancelled id=A1
            09:31:10.000  tick
        """,
        fires=("route:A1 confirmed",),
    ),
    Example(
        name="routed to and executed at an undeclared venue: told once, with the execution",
        limits='declared = ["XNYS", "XNAS"]',
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +1ms          routed id=A1 parent=A venue=EDGX
            +1ms          filled id=A1 exec=E1 qty=100 price=100.02 venue=EDGX
            09:31:10.000  tick
        """,
        fires=("venue:E1 confirmed",),
    ),
    Example(
        name="off exchange, where off-exchange prints are not declared",
        limits='declared = ["XNYS", "XNAS"]',
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.02 sent=D
            09:31:10.000  tick
        """,
        fires=("venue:E1 confirmed",),
    ),
    Example(
        name="a code nobody knows may be another name of a declared venue",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.02 sent=DARK7
            09:31:10.000  tick
        """,
        fires=("venue:E1 possible",),
    ),
    Example(
        name="an execution that does not say where",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.02
            09:31:10.000  tick
        """,
        fires=("venue:E1 cannot_tell",),
    ),
    Example(
        name="an operating MIC covers its segments",
        limits='declared = ["XNYS"]',
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +1ms          routed id=A1 parent=A venue=ARCX
            +1ms          filled id=A1 exec=E1 qty=100 price=100.02 venue=ARCX
            09:31:10.000  tick
        """,
    ),
    Example(
        name="off exchange is a class of its own, and declared",
        limits='declared = ["XNAS", "TRF"]',
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.02 venue=FINY
            +2ms          filled id=A exec=E2 qty=100 price=100.02 sent=D
            09:31:10.000  tick
        """,
    ),
    Example(
        name="a code of the vendor's own, declared as it is sent",
        limits='unlisted = ["DARK7"]',
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +2ms          filled id=A exec=E1 qty=100 price=100.02 sent=DARK7
            09:31:10.000  tick
        """,
    ),
)


RULE = Rule(
    name="unexpected_venue",
    version=1,
    title="Unexpected venue",
    severity="critical",
    factor="internalisation, payment for order flow and venue choice (5310.09(b)(8))",
    describe=(
        "Holds the destination of every route and the venue of every execution (LastMkt) against the venues that the "
        "policy declares for the order's class. MICs and the tapes' one-letter codes are resolved through ISO 10383 "
        "as it stood on the day; an operating MIC covers its segments. Off-exchange prints (a FINRA trade reporting "
        "facility, letter D) are a class of their own, declared as `TRF`. A known venue that is not declared is "
        "*confirmed*; a code that is unknown or no longer in use is *possible*, for it may be another name of a "
        "declared venue; an execution without a venue is *cannot tell*. What was told at the route is taken back "
        "when its execution is told."
    ),
    runbook=(
        "1. Is the venue new in the vendor's routing table? Ask for the change notice.\n"
        "2. Is it affiliated with the vendor, or does it pay for order flow? Then escalate to the committee.\n"
        "3. Compare the fills there with the NBBO (poor fill) before judging.\n"
        "4. Accepted: declare it in the policy, with reason and approver. Not accepted: have the vendor exclude it.\n"
        "5. Code unknown or not in use: ask the vendor what it means, and put it into the dialect's venues."
    ),
    blind_to=(
        "A print through a reporting facility does not say which dealer or ATS executed it. A router that reports "
        "its own name in LastMkt hides where it went. Destinations that are unknown codes, such as the names of "
        "routing strategies, are not judged; their executions are."
    ),
    limits=Limits,
    observe=observe,
    heeds=(Routed, Filled, Corrected, Busted),
    examples=EXAMPLES,
)
