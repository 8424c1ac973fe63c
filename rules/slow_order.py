"""Slow order: a hop of an order that took too long, or whose answer has not come by its deadline.

A missing answer is looked for by the clock that stamped the question. When it comes after all, by another clock, the
finding is amended and says how sure it still is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Literal

from msgspec import Meta, Struct

from monitor.engine import certainty
from monitor.engine.orders import NOTHING, Moment, Order, class_of, executed
from monitor.engine.rule import Answers, Deadline, Example, Observation, Rule, Verdict
from monitor.wire.events import Acked, Cancelled, Expired, Filled, Received, Rejected, Report, Routed
from monitor.wire.formats import duration

Milliseconds = Annotated[float, Meta(gt=0)]
Timed = Literal["market", "marketable", "resting", "unknown", "ioc", "fok"]
Said = tuple[Verdict | Deadline, ...]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Longest each hop of an order may take."""

    receipt_to_route_ms: Milliseconds = 100.0
    """From the receipt of the customer's order to the first route: time inside the router."""
    route_to_ack_ms: Milliseconds = 250.0
    """From a route to the venue's answer, be it acceptance, execution or refusal."""
    ack_to_fill_ms: Milliseconds = 1000.0
    """From the venue's acceptance to the first execution or the end of the order there."""
    receipt_to_done_ms: Milliseconds = 5000.0
    """From the receipt of the customer's order to its end."""
    timed_to_fill: tuple[Timed, ...] = ("market", "marketable", "ioc", "fok")
    """Order classes and times in force for which the last two hops are timed; others may rest."""

    @cached_property
    def longest_ns(self) -> dict[str, int]:
        """The longest each hop may take, by its name."""
        return {hop.name: round(hop.limit_ms(self) * 1_000_000) for hop in HOPS}


class Hop(Struct, frozen=True):
    """One stretch of an order's way."""

    name: str
    limit_ms: Callable[[Limits], float]
    in_time: Verdict
    """What is said when it was answered within its limit: nearly always, so it is made once."""


def _hop(name: str, about: Literal["order", "root"], limit_ms: Callable[[Limits], float]) -> Hop:
    return Hop(name, limit_ms, Verdict(subject=name, fires=False, about=about, reason="answered within its limit"))


TO_ROUTE = _hop("receipt->route", "root", lambda limits: limits.receipt_to_route_ms)
TO_ACK = _hop("route->ack", "order", lambda limits: limits.route_to_ack_ms)
TO_FILL = _hop("ack->fill", "order", lambda limits: limits.ack_to_fill_ms)
TO_DONE = _hop("receipt->done", "root", lambda limits: limits.receipt_to_done_ms)
HOPS = (TO_ROUTE, TO_ACK, TO_FILL, TO_DONE)

AT_AUCTION = ("opg", "cls")
"""Times in force of orders that wait for an auction."""
ACKED_SOMEWHERE = "no route had come when its time was over, but an acknowledgement: it may be from a venue"
UNREPORTED = "the route is not in the drop copy: the time to it cannot be told"


def observe(seen: Observation, limits: Limits) -> Answers:
    """Set deadlines for what must follow this step, and judge the hops it answers."""
    answers = _STEPS[type(seen.event)](seen, limits)
    if seen.root.done is not None:
        answers += _finished(seen, limits)
    return answers


def silence(alarm: Deadline, order: Order, root: Order, limits: Limits) -> Verdict | None:
    """Judge a deadline that has come: a finding when the answer is still missing."""
    hop, start, answered = _asked(alarm.subject, order, root, limits)
    if start is None or answered:
        return None
    return _unanswered(hop, start, alarm.at - start.at, limits, doubted=hop is TO_ROUTE and root.acked is not None)


def _unanswered(hop: Hop, start: Moment, waited: int, limits: Limits, *, doubted: bool) -> Verdict:
    limit = _limit_ns(hop, limits)
    return Verdict(
        subject=hop.name,
        fires=True,
        about=hop.in_time.about,
        certainty="possible" if doubted else "confirmed",
        title=f"No answer for {hop.name} after {duration(waited)}, limit {duration(limit)}",
        evidence={
            "hop": hop.name,
            "answered": False,
            "waited_ns": waited,
            "limit_ns": limit,
            "start_at_ns": start.at,
            "start_clock": start.clock,
        },
        limit_name=_limit_name(hop),
        limit_value=duration(limit),
        at=start.at + limit,
        reason=ACKED_SOMEWHERE if doubted else "nothing had come when its time was over",
    )


def _received(seen: Observation, limits: Limits) -> Said:
    root, received = seen.root, seen.order.received
    if seen.order is not root or received is None:
        return ()
    to_route = _deadline(TO_ROUTE, received, limits)
    return (to_route, _deadline(TO_DONE, received, limits)) if _timed(root, root, limits) else (to_route,)


def _routed(seen: Observation, limits: Limits) -> Said:
    routed, received = seen.order.routed, seen.root.received
    if routed is None or routed.at != seen.event.at:
        return ()
    to_ack = _deadline(TO_ACK, routed, limits)
    if received is not None and _is_first_route(seen):
        return _answer(seen, TO_ROUTE, received, limits), to_ack
    return (to_ack,)


def _acked(seen: Observation, limits: Limits) -> Said:
    order, acked = seen.order, seen.order.acked
    said: Said = ()
    if acked is None or acked.at != seen.event.at or order.fills:
        return ()
    if order.routed is not None:
        said = (_answer(seen, TO_ACK, order.routed, limits),)
    elif order is not seen.root or acked.venue is not None:
        said = _unreported(seen)
    else:
        said = _acked_late(seen, limits)
    return (*said, _deadline(TO_FILL, acked, limits)) if _timed(order, seen.root, limits) else said


def _acked_late(seen: Observation, limits: Limits) -> Said:
    """No route came in time: that was certain until this acknowledgement, which may be from a venue."""
    received, waited = seen.root.received, _limit_ns(TO_ROUTE, limits)
    if received is None or seen.event.at <= received.at + waited or _went_out(seen.root):
        return ()
    return (_unanswered(TO_ROUTE, received, waited, limits, doubted=True),)


def _filled(seen: Observation, limits: Limits) -> Said:
    first = seen.fill is not None and next(iter(seen.order.fills)) == seen.fill.exec_id
    return _answered_at_venue(seen, limits) if first else ()


def _ended(seen: Observation, limits: Limits) -> Said:
    if seen.order.fills:
        return ()
    said, root = _answered_at_venue(seen, limits), seen.root
    if seen.order is root and root.received is not None and root.acked is None and not _went_out(root):
        return (*said, _answer(seen, TO_ROUTE, root.received, limits))
    return said


def _answered_at_venue(seen: Observation, limits: Limits) -> Said:
    """The first execution or the end of an order answers whichever hop was open."""
    order = seen.order
    said: Said = ()
    if order.routed is None and (isinstance(seen.event, Filled) or order is not seen.root):
        said = _unreported(seen)
    if order.acked is not None:
        return (*said, _answer(seen, TO_FILL, order.acked, limits)) if _timed(order, seen.root, limits) else said
    if order.routed is not None:
        return (_answer(seen, TO_ACK, order.routed, limits),)
    return said


def _finished(seen: Observation, limits: Limits) -> Said:
    root = seen.root
    if root.received is None or root.first_done is None or root.first_done.at != seen.event.at:
        return ()
    before = executed(root) - (NOTHING if seen.fill is None else seen.fill.qty)
    rested = before > NOTHING and _may_rest(root)
    return (_answer(seen, TO_DONE, root.received, limits),) if _timed(root, root, limits) and not rested else ()


_STEPS: dict[type[Report], Callable[[Observation, Limits], Said]] = {
    Received: _received,
    Routed: _routed,
    Acked: _acked,
    Filled: _filled,
    Rejected: _ended,
    Cancelled: _ended,
    Expired: _ended,
}


def _asked(name: str, order: Order, root: Order, limits: Limits) -> tuple[Hop, Moment | None, bool]:
    """The hop a deadline was set for, its start, and whether it needs no answer any more."""
    if name == TO_ROUTE.name:
        return TO_ROUTE, root.received, _went_out(root) or root.first_done is not None
    if name == TO_ACK.name:
        return TO_ACK, order.routed, order.acked is not None or bool(order.fills) or order.first_done is not None
    if name == TO_FILL.name:
        return TO_FILL, order.acked, _worked(order) or order.first_done is not None or not _timed(order, root, limits)
    rests = _may_rest(root) and executed(root) > NOTHING
    return TO_DONE, root.received, root.first_done is not None or rests or not _timed(root, root, limits)


def _answer(seen: Observation, hop: Hop, start: Moment, limits: Limits) -> Verdict:
    event, limit = seen.event, _limit_ns(hop, limits)
    elapsed = event.at - start.at
    judged = certainty.hop(elapsed, limit, start.clock, event.clock, seen.budgets)
    if judged is None:
        return hop.in_time
    return Verdict(
        subject=hop.name,
        fires=True,
        about=hop.in_time.about,
        certainty=judged.certainty,
        title=f"{hop.name} took {duration(elapsed)}, limit {duration(limit)}",
        evidence={
            "hop": hop.name,
            "answered": True,
            "answered_by": type(event).__name__.lower(),
            "elapsed_ns": elapsed,
            "limit_ns": limit,
            "start_at_ns": start.at,
            "start_clock": start.clock,
            "end_clock": event.clock,
            "clock_error_ns": certainty.margin(seen.budgets, start.clock, event.clock),
        },
        limit_name=_limit_name(hop),
        limit_value=duration(limit),
        reason=judged.reason,
    )


def _unreported(seen: Observation) -> Said:
    """An order answers that was never seen to be routed: what was said of the time to its route is taken back."""
    root = seen.root
    others = [child for child in root.children if child != seen.order.order_id]
    if root.received is None or root.routed is not None or others:
        return ()
    return (Verdict(subject=TO_ROUTE.name, fires=False, about="root", reason=UNREPORTED),)


def _deadline(hop: Hop, start: Moment, limits: Limits) -> Deadline:
    return Deadline(subject=hop.name, at=start.at + _limit_ns(hop, limits))


def _is_first_route(seen: Observation) -> bool:
    return seen.order is seen.root or seen.root.children[:1] == [seen.order.order_id]


def _went_out(root: Order) -> bool:
    """Whether the order left the router; an acknowledgement that names no venue may be the router's own."""
    acked_at_venue = root.acked is not None and root.acked.venue is not None
    return bool(root.children) or root.routed is not None or bool(root.fills) or acked_at_venue


def _worked(order: Order) -> bool:
    """Whether anything was executed or is being worked below: then the wait at this level is over."""
    return bool(order.fills) or bool(order.children)


def _timed(order: Order, root: Order, limits: Limits) -> bool:
    """Whether the order is of those that must be executed at once, by its class as its terms are now."""
    own = order if order.order_class not in (None, "unknown") else root
    tif = order.tif or root.tif
    return tif not in AT_AUCTION and (_class_now(own) in limits.timed_to_fill or tif in limits.timed_to_fill)


def _may_rest(order: Order) -> bool:
    """Whether what is left of the order after an execution may rest at its limit."""
    return _class_now(order) == "marketable" and order.tif not in ("ioc", "fok")


def _class_now(order: Order) -> str:
    """The class at receipt, unless the order's price was changed since to one that may rest."""
    first = order.received or order.routed
    if order.order_class == "marketable" and first is not None:
        return class_of(order, first.quote)
    return order.order_class or "unknown"


def _limit_ns(hop: Hop, limits: Limits) -> int:
    return limits.longest_ns[hop.name]


def _limit_name(hop: Hop) -> str:
    return hop.name.replace("->", "_to_") + "_ms"


EXAMPLES = (
    Example(
        name="the router keeps a market order for 400 ms",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +400ms        routed id=A1 parent=A venue=ARCX
            +2ms          acked id=A1
            +5ms          filled id=A1 exec=E1 qty=100 price=100.02 venue=ARCX
            09:31:10.000  tick
        """,
        fires=("receipt->route confirmed",),
    ),
    Example(
        name="a venue never answers: found at the deadline",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=limit limit=99.00
            +5ms          routed id=A1 parent=A venue=ARCX
            09:31:10.000  tick
        """,
        fires=("route->ack confirmed",),
    ),
    Example(
        name="an order that should be executed at once is accepted and then nothing happens",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=sell qty=100 type=limit limit=100.00
            +5ms          routed id=A1 parent=A venue=XNYS
            +2ms          acked id=A1
            09:31:10.000  tick
        """,
        fires=("ack->fill confirmed", "receipt->done confirmed"),
    ),
    Example(
        name="two clocks: over the limit by less than they may err together",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market clock=oms
            +120ms        routed id=A1 parent=A venue=ARCX clock=router
            +2ms          filled id=A1 exec=E1 qty=100 price=100.02 venue=ARCX clock=router
            09:31:10.000  tick
        """,
        fires=("receipt->route possible",),
    ),
    Example(
        name="quick at every hop",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +1ms          routed id=A1 parent=A venue=ARCX
            +2ms          acked id=A1
            +5ms          filled id=A1 exec=E1 qty=100 price=100.02 venue=ARCX
            09:31:10.000  tick
        """,
    ),
    Example(
        name="done in time, and busted later: it had been answered",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +1ms          routed id=A1 parent=A venue=ARCX
            +2ms          acked id=A1
            +5ms          filled id=A1 exec=E1 qty=100 price=100.02 venue=ARCX
            +2s           busted id=A1 exec=E2 ref=E1
            09:31:10.000  tick
        """,
    ),
    Example(
        name="a limit order may rest as long as it likes",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=limit limit=99.98
            +1ms          routed id=A1 parent=A venue=ARCX
            +2ms          acked id=A1
            09:41:00.000  filled id=A1 exec=E1 qty=100 price=99.98 venue=ARCX
            09:41:10.000  tick
        """,
    ),
    Example(
        name="the venue refuses at once: a refusal is an answer",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=limit limit=99.98
            +1ms          routed id=A1 parent=A venue=ARCX
            +2ms          rejected id=A1 reason=halted
            09:31:10.000  tick
        """,
    ),
    Example(
        name="the route is not in the drop copy: the time to it cannot be told",
        tape="""
            09:30:00.000  quote IBM 100.00x100.02
            09:31:00.000  received id=A side=buy qty=100 type=market
            +400ms        filled id=A exec=E1 qty=100 price=100.02 venue=ARCX
            09:31:10.000  tick
        """,
    ),
)


RULE = Rule(
    name="slow_order",
    version=1,
    title="Slow order",
    severity="warning",
    factor="speed of execution (5310.09(b)(4))",
    describe=(
        "Times every hop of an order: from the receipt of the customer's order to its first route (time inside the "
        "router), from each route to the venue's answer, from the venue's acceptance to the first execution, and "
        "from receipt to the end. The last two only for orders that should be executed at once; what is left of a "
        "marketable limit order once it was executed in part may rest. A hop is judged when "
        "its answer arrives; a missing answer is found at its deadline, and the finding is amended with the true "
        "duration when the answer comes after all. An execution, rejection, cancellation or expiry answers an open "
        "hop as an acknowledgement does. Two times by one clock are compared exactly; between two clocks the finding "
        "is *confirmed* only beyond the sum of their error budgets, and *possible* up to it."
    ),
    runbook=(
        "1. Which hop? receipt->route is time inside the router; route->ack is the way to the venue and back; "
        "ack->fill is the venue.\n"
        "2. One venue or all? All at once: suspect our session, clock or the line first (see line health).\n"
        "3. No answer at all: ask the vendor for the state of the order now; cancel if the customer is exposed.\n"
        "4. Market halted or opening? Note it and close.\n"
        "5. Otherwise notify the vendor with order, hop and both times, and record its answer."
    ),
    blind_to=(
        "A hop whose start is not in the drop copy is not judged. Halts, limit states and orders that wait for "
        "the opening without saying so are not known here. A limit order that was marketable at receipt may have lost "
        "its market before it reached the venue. Times are as precise as the clocks behind them; those of the drop "
        "copy's own arrival are never used. A missing answer is counted by the clock of its question: where the "
        "customer's order and its routes are stamped by different clocks, keep the limits well above their error "
        "budgets."
    ),
    limits=Limits,
    observe=observe,
    heeds=tuple(_STEPS),
    silence=silence,
    examples=EXAMPLES,
)
