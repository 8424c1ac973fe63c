"""Findings and executions as they are told: ids, revisions, the steps of the story, policy and scores stamped on."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import structs

from monitor.engine.families import Family, Published
from monitor.engine.orders import Fill, Moment, Order
from monitor.engine.policy import Authority
from monitor.engine.quality import UNSCORED, score
from monitor.engine.rule import Rule, Verdict
from monitor.wire.events import DAY_NS, Execution, Finding, FindingState, Limit, Quote, Step, Tie

STEPS_MOST = 50
"""Steps of one order told with a finding: the first fills of very many stand for the rest."""


def finding_id(rule: str, version: int, order: Order, subject: str) -> str:
    """Hex of a 128-bit digest: the same finding has the same id however often, and wherever, it is made.

    The order's first day is in it, because an order's id may name another one on another day.
    """
    parts = (rule, str(version), order.sender, order.symbol, order.order_id, str(order.since // DAY_NS), subject)
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def execution_id(fill: Fill, order: Order) -> str:
    """Trade date (UTC days since 1970), sender, symbol, route, ExecID; lengths keep one from running into the next."""
    day, sender, symbol, route = fill.moment.at // DAY_NS, order.sender, order.symbol, order.order_id
    return f"{day}.{len(sender)}.{len(symbol)}.{len(route)}.{sender}.{symbol}.{route}.{fill.exec_id}"


def execution_of(fill: Fill, order: Order, root: Order, tie: Tie) -> Execution:
    """One fill as it is published: scored against the NBBO at its customer order's receipt."""
    quote = fill.moment.quote
    received = root.received
    receipt: Quote | None = None if received is None else received.quote
    side = fill.side or order.side
    scores = UNSCORED if fill.auction else score(side, fill.price, receipt)
    return Execution(
        id=execution_id(fill, order),
        exec_id=fill.exec_id,
        order_id=root.order_id,
        route_id=order.order_id,
        revision=fill.revision,
        state=fill.state,
        session=fill.session,
        source=fill.source,
        n=fill.n,
        part=fill.part,
        symbol=order.symbol,
        side=side,
        qty=fill.qty,
        price=fill.price,
        venue=fill.venue,
        venue_sent=fill.venue_sent,
        vendor=fill.vendor,
        order_class=root.order_class or order.order_class,
        at=fill.moment.at,
        clock=fill.moment.clock,
        seen=fill.seen,
        tie=tie,
        quote_at=quote.at,
        quote_state=quote.state,
        bid=quote.bid,
        ask=quote.ask,
        bid_size=quote.bid_size,
        ask_size=quote.ask_size,
        receipt_at=None if received is None else received.at,
        receipt=receipt,
        effective_spread=scores.effective_spread,
        quoted_spread=scores.quoted_spread,
        price_improvement=scores.price_improvement,
        eq_ratio=scores.eq_ratio,
        steps=(*_steps_before_fills(order, root), _fill_step(order, fill)),
        late=fill.late,
    )


def limit_of(verdict: Verdict, authority: Authority) -> Limit:
    """The threshold a verdict was reached by, and on whose word."""
    return Limit(
        name=verdict.limit_name,
        value=verdict.limit_value,
        policy=authority.policy,
        effective=authority.effective,
        approved_by=authority.approved_by,
        reason=authority.reason,
    )


def finding_of(told: Published, family: Family, rule: Rule, tie: Tie, state: FindingState, reason: str) -> Finding:
    """What was told of a subject as the finding it is published as."""
    order, root, verdict = family.orders[told.order_id], family.order(), told.verdict
    fill = order.fills.get(told.exec_id) if told.exec_id is not None else None
    return Finding(
        id=told.id or finding_id(rule.name, rule.version, order, verdict.subject),
        revision=told.revision,
        state=state,
        rule=rule.name,
        rule_version=rule.version,
        severity="info" if verdict.certainty == "cannot_tell" else rule.severity,
        certainty=verdict.certainty,
        factor=rule.factor,
        title=verdict.title or rule.title,
        order_id=root.order_id,
        route_id=None if order is root else order.order_id,
        exec_id=told.exec_id,
        subject=verdict.subject,
        symbol=order.symbol,
        side=order.side or root.side,
        qty=order.qty if fill is None else fill.qty,
        cost=verdict.cost,
        venue=told.venue,
        vendor=order.vendor or root.vendor,
        session=order.session,
        order_class=root.order_class or order.order_class,
        at=told.at,
        seen=told.seen,
        evidence=verdict.evidence,
        limit=told.limit,
        tie=tie,
        reason=reason,
        steps=steps_of(order, root, told.exec_id),
    )


_encoder = msgspec.msgpack.Encoder()


def content_of(finding: Finding) -> bytes:
    """A digest of all that a finding says but for its revision and state, and for the steps that go on being added."""
    said = structs.replace(finding, revision=0, state="raised", steps=(), seen=None)
    return blake2b(_encoder.encode(said), digest_size=8).digest()


def steps_of(order: Order, root: Order, exec_id: str | None) -> tuple[Step, ...]:
    """The story of an order, each step beside the NBBO of its instant; of one execution, or of all it had."""
    fills = [f for f in order.fills.values() if exec_id is None or f.exec_id == exec_id][:STEPS_MOST]
    steps = [*_steps_before_fills(order, root), *(_fill_step(order, fill) for fill in fills)]
    if order.done is not None and order.ended is not None and order.ended != "filled":
        steps.append(_step(order.ended, order.done, order))
    return tuple(steps)


def _steps_before_fills(order: Order, root: Order) -> list[Step]:
    steps = []
    if root.received is not None:
        steps.append(_step("received", root.received, root))
    if order.received is not None and order is not root:
        steps.append(_step("received", order.received, order))
    if order.routed is not None:
        steps.append(_step("routed", order.routed, order))
    if order.acked is not None:
        steps.append(_step("acked", order.acked, order))
    return steps


def _step(what: str, moment: Moment, order: Order) -> Step:
    priced = order.limit if what in ("received", "routed") else None
    qty = order.qty if what in ("received", "routed") else None
    return Step(
        what=what,
        at=moment.at,
        clock=moment.clock,
        order_id=order.order_id,
        venue=moment.venue,
        qty=qty,
        price=priced,
        quote=moment.quote,
    )


def _fill_step(order: Order, fill: Fill) -> Step:
    what = "filled" if fill.state == "live" else fill.state
    return Step(
        what=what,
        at=fill.moment.at,
        clock=fill.moment.clock,
        order_id=order.order_id,
        venue=fill.venue,
        qty=fill.qty,
        price=fill.price,
        exec_id=fill.exec_id,
        quote=fill.moment.quote,
    )
