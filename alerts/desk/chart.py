"""One order's steps beside the NBBO, as a picture.

The steps stand at equal distances, because microseconds and seconds do not fit on one scale; the time between two
steps is written between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import ceil, floor

from msgspec import Struct

from alerts import formats
from alerts.desk.markup import Html, el, join
from monitor.wire.events import Step

WIDTH, HEIGHT = 960, 330
LEFT, RIGHT, TOP, BOTTOM = 78, 40, 64, 46
MOST = 16
"""Steps shown; the table below has all."""
RANK = {"received": 0, "routed": 1, "acked": 2, "filled": 3}
"""Order of steps that carry the same time."""
NAMES = {"filled": "fill"}

Placed = tuple[Step, float]


def timeline(findings_steps: Iterable[tuple[Step, ...]]) -> list[Step]:
    """The steps of several findings and executions as one story: each once, in order, with a quote where one knows."""
    known: dict[tuple[str, int, str, str | None], Step] = {}
    for steps in findings_steps:
        for step in steps:
            key = (step.what, step.at, step.order_id, step.exec_id)
            if key not in known or known[key].quote is None:
                known[key] = step
    return sorted(known.values(), key=lambda s: (s.at, RANK.get(s.what, len(RANK)), s.order_id, str(s.exec_id)))


class Scale(Struct, frozen=True):
    """Prices, 1e-9 of the currency, on the height of the picture."""

    low: float
    high: float

    def y(self, price: float) -> str:
        """Where a price stands, from the top."""
        return f"{TOP + (HEIGHT - TOP - BOTTOM) * (1 - (price - self.low) / (self.high - self.low)):.1f}"


def chart(steps: list[Step]) -> Html:
    """The picture, or a sentence when there is nothing to draw."""
    shown = steps[:MOST]
    prices = [p for s in shown for p in _prices(s)]
    if not prices:
        return el("p", "No prices are known for this order, so there is nothing to draw.", cls="empty")
    scale, xs = _scale(prices), _places(len(shown))
    placed = list(zip(shown, xs, strict=True))
    drawn = join(
        _grid(scale),
        [_band(a, b, scale) for a, b in pairwise(placed)],
        [_column(step, x) for step, x in placed],
        [_between(a, b) for a, b in pairwise(placed)],
        [_quote_marks(step, x, scale) for step, x in placed],
        [_fill(step, x, scale) for step, x in placed],
    )
    told = f"{formats.many(len(shown), 'step')} of the order, with the best bid and offer at each"
    picture = el("svg", drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=told, cls="chart")
    return el("figure", picture, el("figcaption", _caption(len(steps))))


def _caption(n: int) -> str:
    cut = "" if n <= MOST else f" The first {MOST} of {n} steps are drawn; the table has all of them."
    return f"Bars: best bid to best offer at each step. Dots: executions. Steps stand at equal distances.{cut}"


def _prices(step: Step) -> list[int]:
    found = [step.price if step.what == "filled" else None]
    if step.quote is not None:
        found += [_real(step.quote.bid), _real(step.quote.ask)]
    return [p for p in found if p is not None]


def _real(price: int | None) -> int | None:
    return None if price is None or price <= 0 else price


def _scale(prices: list[int]) -> Scale:
    low, high = min(prices), max(prices)
    room = max((high - low) * 0.15, abs(high) * 0.0001, 1.0)
    return Scale(low - room, high + room)


def _places(n: int) -> list[float]:
    if n == 1:
        return [(LEFT + WIDTH - RIGHT) / 2]
    gap = (WIDTH - LEFT - RIGHT - 80) / (n - 1)
    return [LEFT + 40 + i * gap for i in range(n)]


def _grid(scale: Scale) -> Html:
    lines = []
    for price in ticks(scale.low, scale.high):
        at = scale.y(price)
        lines.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, cls="grid"))
        lines.append(el("text", formats.price(price), x=LEFT - 10, y=at, cls="axis", text_anchor="end", dy=4))
    return join(lines)


def ticks(low: float, high: float) -> list[int]:
    """Round prices between two, 1e-9 of the currency: three to seven of them."""
    steps = (digit * 10**zeros for zeros in range(20) for digit in (1, 2, 5))
    step = next(s for s in steps if (high - low) / s <= 7)
    first = ceil(low / step)
    return [n * step for n in range(first, floor(high / step) + 1)]


def _sides(step: Step) -> tuple[int, int] | None:
    if step.quote is None:
        return None
    bid, ask = _real(step.quote.bid), _real(step.quote.ask)
    return None if bid is None or ask is None else (bid, ask)


def _band(a: Placed, b: Placed, scale: Scale) -> Html:
    """The NBBO between two steps as it was at the first: what changed meanwhile is not known here."""
    sides = _sides(a[0])
    if sides is None:
        return join()
    (bid, ask), width = sides, b[1] - a[1]
    top, bottom = scale.y(max(bid, ask)), scale.y(min(bid, ask))
    height = f"{float(bottom) - float(top):.1f}"
    return el("rect", x=f"{a[1]:.1f}", y=top, width=f"{width:.1f}", height=height, cls="band")


def _column(step: Step, x: float) -> Html:
    where = "" if step.venue is None else step.venue[:12]
    return join(
        el("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=TOP - 8, y2=HEIGHT - BOTTOM, cls="moment"),
        el("text", NAMES.get(step.what, step.what), x=f"{x:.1f}", y=TOP - 34, cls="what", text_anchor="middle"),
        el("text", where, x=f"{x:.1f}", y=TOP - 18, cls="where", text_anchor="middle"),
    )


def _between(a: Placed, b: Placed) -> Html:
    level, middle = HEIGHT - BOTTOM + 8, f"{(a[1] + b[1]) / 2:.1f}"
    return join(
        el("line", x1=f"{a[1] + 3:.1f}", x2=f"{b[1] - 3:.1f}", y1=level, y2=level, cls="span"),
        el("text", formats.duration(b[0].at - a[0].at), x=middle, y=level + 20, cls="delta", text_anchor="middle"),
    )


def _quote_marks(step: Step, x: float, scale: Scale) -> Html:
    quote = step.quote
    if quote is None:
        return join()
    marks = []
    for price, cls, below in ((_real(quote.bid), "bid", 15), (_real(quote.ask), "ask", -7)):
        if price is not None:
            at = scale.y(price)
            marks.append(el("line", x1=f"{x - 18:.1f}", x2=f"{x + 18:.1f}", y1=at, y2=at, cls=cls))
            label = formats.price(price)
            marks.append(el("text", label, x=f"{x:.1f}", y=at, dy=below, cls=f"quote {cls}", text_anchor="middle"))
    return join(marks)


def _fill(step: Step, x: float, scale: Scale) -> Html:
    if step.what != "filled" or step.price is None:
        return join()
    label = f"{formats.shares(step.qty)} @ {formats.price(step.price)}"
    return join(
        el("circle", cx=f"{x:.1f}", cy=scale.y(step.price), r=6, cls="fill"),
        el("text", label, x=f"{x - 12:.1f}", y=scale.y(step.price), dy=5, cls="filled", text_anchor="end"),
    )
