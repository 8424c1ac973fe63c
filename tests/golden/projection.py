"""Findings and executions without what a refactoring may change: ids, revisions, wording and the names of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

Projected = dict[str, Any]
"""A row: its ``name``, which tells which rows of two answers belong together, and what is said under it."""

# The one table to be extended when rules are renamed or split: (rule, subject up to its colon) → neutral name.
# Old names stay, so that answers of either version can be projected.
NEUTRAL = {
    # Names of d21ec04.
    ("slow_order", "receipt->route"): "receipt_to_route",
    ("slow_order", "route->ack"): "route_to_ack",
    ("slow_order", "ack->fill"): "ack_to_fill",
    ("slow_order", "receipt->done"): "receipt_to_done",
    ("poor_fill", "outside"): "outside_nbbo",
    ("poor_fill", "receipt"): "worse_than_receipt",
    ("unexpected_venue", "route"): "undeclared_route",
    ("unexpected_venue", "venue"): "undeclared_fill",
    # Names after the split: add them here.
}


def projected(finding: Any) -> Projected:
    """What a finding says, without ids, revisions, versions, texts and the rest of its evidence."""
    return {
        "name": name_of(finding),
        "state": finding.state,
        "certainty": finding.certainty,
        "order": finding.order_id,
        "route": finding.route_id,
        "exec": finding.exec_id,
        "symbol": finding.symbol,
        "side": finding.side,
        "at": finding.at,
        "excess": finding.evidence.get("excess_nano"),
        "cost": finding.cost,
    }


def evidence_of(finding: Any) -> Projected:
    """What a finding rests on, and the facts it repeats of its order."""
    return {
        "name": name_of(finding),
        "evidence": {name: value for name, value in finding.evidence.items() if value is not None},
        "qty": _number(finding.qty),
        "venue": finding.venue,
        "vendor": finding.vendor,
        "session": finding.session,
        "class": finding.order_class,
    }


def name_of(finding: Any) -> str:
    """The neutral name of a finding's rule, and the execution or the order it is about."""
    kind, _, about = finding.subject.partition(":")
    try:
        rule = NEUTRAL[finding.rule, kind]
    except KeyError:
        raise KeyError(f"{finding.rule} {finding.subject}: add its neutral name to NEUTRAL in {__file__}") from None
    return f"{rule} {about or finding.route_id or finding.order_id}"


def execution_of(execution: Any) -> Projected:
    """An execution with its scores and the NBBO at receipt, route, acceptance and fill, without its revision."""
    return {
        "name": f"{execution.route_id} {execution.exec_id}",
        "order": execution.order_id,
        "state": execution.state,
        "session": execution.session,
        "symbol": execution.symbol,
        "side": execution.side,
        "qty": _number(execution.qty),
        "price": execution.price,
        "venue": execution.venue,
        "sent": execution.venue_sent,
        "vendor": execution.vendor,
        "class": execution.order_class,
        "at": execution.at,
        "clock": execution.clock,
        "late": execution.late,
        "tie": execution.tie,
        "quote": _quote(execution.quote_state, execution.quote_at, execution),
        "receipt_at": execution.receipt_at,
        "receipt": _quote_of(execution.receipt),
        "effective": execution.effective_spread,
        "quoted": execution.quoted_spread,
        "improvement": execution.price_improvement,
        "eq": execution.eq_ratio,
        "steps": [_step(step) for step in execution.steps if step.what in ("routed", "acked")],
    }


def _step(step: Any) -> list[Any]:
    return [step.what, step.at, step.order_id, step.venue, _quote_of(step.quote)]


def _quote_of(quote: Any) -> list[Any] | None:
    return None if quote is None else _quote(quote.state, quote.at, quote)


def _quote(state: str, at: int | None, sides: Any) -> list[Any]:
    """State, time, prices and sizes."""
    return [state, at, sides.bid, sides.ask, sides.bid_size, sides.ask_size]


def _number(qty: Decimal | None) -> str | None:
    return None if qty is None else f"{qty.normalize():f}"


def last_of(told: Iterable[Any], key: Callable[[Any], object]) -> list[Any]:
    """The last revision of each."""
    latest: dict[object, Any] = {}
    for each in told:
        before = latest.get(key(each))
        if before is None or each.revision >= before.revision:
            latest[key(each)] = each
    return list(latest.values())
