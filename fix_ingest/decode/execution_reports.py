"""ExecutionReport → event. What happened is decided by meaning (20, 150, and 39 only where 150 is missing)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from fix_ingest.decode.context import DecodeContext, Unusable
from fix_ingest.decode.dialect import Meaning
from fix_ingest.decode.field_values import price, quantity
from fix_ingest.decode.lookup import WORDS, first
from monitor.wire.events import (
    Acked,
    Busted,
    Cancelled,
    Corrected,
    Expired,
    Filled,
    OrderKind,
    Rejected,
    Replaced,
    Restated,
    Status,
)


def report(case: DecodeContext) -> OrderKind:
    """The event an ExecutionReport tells; raises `Unusable`."""
    return _MADE[meaning(case)](case)


def meaning(case: DecodeContext) -> Meaning:
    """What has happened; raises `Unusable` when the report does not say.

    A bust or correction names the execution it is about. Some hybrids use ExecTransType 1 and 2 for cancelled and
    replaced orders: without such a reference it is the ExecType that counts.
    """
    top, habits = case.top, case.habits
    trans = habits.trans_types.get(top.get("20", "").strip())
    if trans is not None and (trans == "status" or first(top, habits.tags.execution_ref) is not None):
        return trans
    kind = top.get("150", "").strip()
    if kind:
        said = habits.exec_types.get(kind)
        if said is None:
            raise Unusable(f"ExecType(150)={kind[:20]!r} is not known to this dialect")
    else:
        said = _by_status(case)
    return trans if trans is not None and said in ("fill", "ack", "status") else said


def _by_status(case: DecodeContext) -> Meaning:
    """FIX 4.0 and reports that leave ExecType out: a fill is one only when it says how much at which price."""
    status = case.top.get("39", "").strip()
    said = case.habits.statuses.get(status)
    traded = _amount(case) is not None and _money(case) is not None
    if said is None:
        if not status and traded:
            return "fill"
        raise Unusable(f"no ExecType(150), and OrdStatus(39)={status[:20]!r} does not say what happened")
    return "status" if said == "fill" and not traded else said


def filled(case: DecodeContext) -> Filled:
    """A trade; raises `Unusable` without a quantity and a price above zero. AvgPx and OrdStatus are never asked."""
    tags = case.habits.tags
    qty, paid = _amount(case), _money(case)
    if qty is None:
        raise Unusable(f"a trade without a quantity: {tags.fill_quantity[0]}={first(case.top, tags.fill_quantity)!r}")
    if paid is None:
        raise Unusable(f"a trade without a price: {tags.fill_price[0]}={first(case.top, tags.fill_price)!r}")
    facts = case.about(tags.fill_venue)
    cum, leaves = case.shares("14"), _left(case)
    if facts["exec_id"] is None:
        facts["exec_id"] = f"{facts['order_id']}@{case.record.n if cum is None else cum}"
        case.counts["made_up_exec_ids"] += 1
    if leaves == 0:
        case.chains.close(facts["order_id"])
    auction = any(case.top.get(tag) == value for tag, value in case.habits.auction)
    liquidity = first(case.top, tags.liquidity)
    return Filled(**facts, qty=qty, price=paid, leaves=leaves, cum=cum, liquidity=liquidity, auction=auction)


def _left(case: DecodeContext) -> Decimal | None:
    """LeavesQty(151), which FIX 4.0 does not have: there OrderQty(38) without CumQty(14)."""
    left: Decimal | None = case.shares("151")
    if left is not None:
        return left
    ordered: Decimal | None = case.shares("38")
    done: Decimal | None = case.shares("14")
    return None if ordered is None or done is None or done > ordered else ordered - done


def busted(case: DecodeContext) -> Busted:
    """An execution taken back; raises `Unusable` when it does not say which."""
    return Busted(**case.about(case.habits.tags.fill_venue), ref_exec_id=_reference(case))


def corrected(case: DecodeContext) -> Corrected:
    """An execution changed; raises `Unusable` when it does not say which."""
    ref = _reference(case)
    facts = case.about(case.habits.tags.fill_venue)
    return Corrected(**facts, ref_exec_id=ref, qty=_amount(case), price=_money(case))


def _acked(case: DecodeContext) -> Acked:
    return Acked(**case.about(case.habits.tags.venue))


def _cancelled(case: DecodeContext) -> Cancelled:
    facts = case.about(case.habits.tags.venue)
    case.chains.close(facts["order_id"])
    return Cancelled(**facts, cum=case.shares("14"))


def _rejected(case: DecodeContext) -> Rejected:
    facts = case.about(case.habits.tags.venue)
    case.chains.close(facts["order_id"])
    return Rejected(**facts, reason=facts["text"] or _coded(case, "103"))


def _replaced(case: DecodeContext) -> Replaced:
    return Replaced(**case.about(case.habits.tags.venue), **case.terms(), new_id=case.client)


def _expired(case: DecodeContext) -> Expired:
    facts = case.about(case.habits.tags.venue)
    case.chains.close(facts["order_id"])
    return Expired(**facts)


def _done_for_day(case: DecodeContext) -> Expired | Status:
    """Over, unless the order lives on tomorrow (good till cancelled or till a date)."""
    return _status(case) if case.top.get("59") in ("1", "6") else _expired(case)


def _restated(case: DecodeContext) -> Restated:
    return Restated(**case.about(case.habits.tags.venue), **case.terms())


def _status(case: DecodeContext) -> Status:
    code = case.top.get("150") or case.top.get("39") or ""
    return Status(**case.about(case.habits.tags.venue), reason=WORDS.get(code, "order status"))


def _reference(case: DecodeContext) -> str:
    ref = first(case.top, case.habits.tags.execution_ref)
    if ref is None:
        tag = case.habits.tags.execution_ref[0]
        raise Unusable(f"a bust or correction that does not name its execution: ExecRefID({tag}) is missing")
    return ref


def _amount(case: DecodeContext) -> Decimal | None:
    """Shares of this trade; None when absent, unreadable or not above zero."""
    text = first(case.top, case.habits.tags.fill_quantity)
    value = None if text is None else quantity(text)
    return value if value is not None and value > 0 else None


def _money(case: DecodeContext) -> int | None:
    """Price of this trade; None when absent, unreadable or not above zero."""
    text = first(case.top, case.habits.tags.fill_price)
    value = None if text is None else price(text)
    return value if value is not None and value > 0 else None


def _coded(case: DecodeContext, tag: str) -> str | None:
    code = case.top.get(tag)
    return f"{tag}={code}" if code else None


_MADE: dict[Meaning, Callable[[DecodeContext], OrderKind]] = {
    "ack": _acked,
    "fill": filled,
    "cancel": _cancelled,
    "reject": _rejected,
    "replace": _replaced,
    "expire": _expired,
    "done_for_day": _done_for_day,
    "restate": _restated,
    "bust": busted,
    "correct": corrected,
    "status": _status,
}
