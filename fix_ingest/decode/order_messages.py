"""Copies of what was sent to the router or the venue, and refusals of it → events."""

from __future__ import annotations

from fix_ingest.decode.context import DecodeContext, Unusable
from monitor.wire.events import Received, Rejected, Routed, Status


def order(case: DecodeContext) -> Received | Routed:
    """A copy of NewOrderSingle: a route when it names its parent, else as the dialect has it; raises `Unusable`."""
    facts, known = case.new(case.habits.tags.venue)
    terms = case.terms()
    route = known.parent is not None or case.habits.dialect.without_parent == "routed"
    return Routed(**facts, **terms) if route else Received(**facts, **terms)


def replace_request(case: DecodeContext) -> Status:
    """A copy of OrderCancelReplaceRequest; what comes of it is told by the report that follows; raises `Unusable`."""
    return Status(**case.about(case.habits.tags.venue), reason="replace requested")


def cancel_request(case: DecodeContext) -> Status:
    """A copy of OrderCancelRequest; raises `Unusable`."""
    return Status(**case.about(case.habits.tags.venue), reason="cancel requested")


def cancel_reject(case: DecodeContext) -> Status:
    """OrderCancelReject: the order goes on as it was; raises `Unusable`."""
    facts = case.about(case.habits.tags.venue)
    return Status(**facts, reason=f"cancel or replace refused: {facts['text'] or case.top.get('102') or 'no reason'}")


def business_reject(case: DecodeContext) -> Rejected | Status:
    """BusinessMessageReject of a message about a known order; raises `Unusable` for any other."""
    said = case.top.get("58") or f"380={case.top.get('380', '')}"
    ref = case.top.get("379")
    if not ref or case.chains.roots.get(ref, ref) not in case.chains.orders:
        raise Unusable(f"the counterparty refused a message (35={case.top.get('372', '?')}): {said}")
    case.client = ref
    facts = case.about(case.habits.tags.venue)
    if case.top.get("372", "D") == "D":
        case.chains.close(facts["order_id"])
        return Rejected(**facts, reason=said)
    return Status(**facts, reason=f"refused: {said}")


def session_reject(case: DecodeContext) -> Status:
    """Reject(3) is about the session, not about an order; raises `Unusable` always, with what it says."""
    said = case.top.get("58") or f"373={case.top.get('373', '')}"
    raise Unusable(f"the counterparty refused message {case.top.get('45', '?')}: {said}")
