"""How sure a verdict is, over the error budgets of the clocks it rests on.

Two times by one clock are compared exactly: its error is in both. Two times by two clocks may each be wrong by their
clock's budget (FINRA 4590 and 6820 allow a member 50 ms from NIST), so their difference may be wrong by the sum. A
verdict that would hold at any time within the budgets is *confirmed*; one that some time within them would undo is
*possible*; where there is no quote to compare with, one *cannot tell*.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from monitor.engine.orders import Window
from monitor.wire.events import Certainty, Quote, Side

ANY_CLOCK = "*"
"""Names the budget of every clock that has none of its own."""

_UNUSABLE = {
    "none": "no quote of that instant is known: none had come, or it was reported too late",
    "stale": "the quote was stale",
    "one_sided": "the quote had one side only",
    "crossed": "the quote was crossed (bid above ask)",
    "locked": "the quote was locked (bid equal to ask)",
}


class Judged(Struct, frozen=True):
    """How sure, and why."""

    certainty: Certainty
    reason: str


def budget(budgets: Mapping[str, int], clock: str) -> int:
    """Error budget of one clock, ns; 0 when the policy names neither it nor ``*``."""
    own = budgets.get(clock)
    return budgets.get(ANY_CLOCK, 0) if own is None else own


def margin(budgets: Mapping[str, int], start: str, end: str) -> int:
    """By how much, ns, the difference of a time by clock ``start`` and one by clock ``end`` may be wrong."""
    return 0 if start == end else budget(budgets, start) + budget(budgets, end)


def hop(elapsed: int, limit: int, start: str, end: str, budgets: Mapping[str, int]) -> Judged | None:
    """Judge a duration (ns) between two clocks against its limit; ``None`` when it is within the limit."""
    if elapsed <= limit:
        return None
    allowance = margin(budgets, start, end)
    if start == end:
        return Judged("confirmed", f"both times are by the clock of {start}")
    if elapsed - limit > allowance:
        return Judged("confirmed", f"over the limit by more than the clocks of {start} and {end} may err together")
    return Judged("possible", f"over the limit by no more than the clocks of {start} and {end} may err together")


def unusable(quote: Quote | None) -> str | None:
    """Why no price can be judged by this quote, or ``None`` when it can."""
    if quote is None:
        return _UNUSABLE["none"]
    if quote.state == "ok":
        return None if quote.bid is not None and quote.ask is not None else _UNUSABLE["one_sided"]
    return _UNUSABLE[quote.state]


def beyond(side: Side, price: int, tolerance: int, window: Window | None) -> Judged:
    """How sure it is that a fill found outside a quote was outside, given the extremes of all that may have stood."""
    worst = None if window is None else window.high_ask if side == "buy" else window.low_bid
    if worst is None:
        return Judged("possible", "within the clocks' error the quote may have lacked the side to compare with")
    outside = price - tolerance > worst if side == "buy" else price + tolerance < worst
    if outside:
        return Judged("confirmed", "outside every quote within the clocks' error")
    return Judged("possible", "within the clocks' error another quote may have stood, and the fill was inside that one")
