"""Days of quotes and orders made from a seed, and what must come of them, reckoned without sorwatch.

Nothing here imports sorwatch: the truth is plain Python over lists.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

NANO = 10**9
OPEN = int(datetime(2024, 3, 8, 14, 30, tzinfo=UTC).timestamp()) * NANO
VENUES = ("XNYS", "ARCX", "XNAS", "BATS", "IEXG", "XPHL")
SOH = "\x01"


@dataclass
class Row:
    """A quote: ns UTC, symbol, prices in 1e-9 or None."""

    time: int
    symbol: str
    bid: int | None
    ask: int | None


@dataclass
class Deal:
    """A fill as it must come out."""

    exec_id: str
    order_id: str
    route_id: str
    symbol: str
    side: str
    qty: Decimal
    price: int
    venue: str
    at: int
    received: int
    state: str = "live"


@dataclass
class Said:
    """One message about an order: FIX tags without header, and when it was sent."""

    at: int
    kind: str
    tags: dict[int, str]


@dataclass
class Day:
    """A whole day and its truth."""

    rows: list[Row] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)


def money(nanos: int | None) -> str:
    """A price as text, as short as it can be."""
    if nanos is None:
        return ""
    text = f"{Decimal(nanos).scaleb(-9):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def iso(ns: int, minutes: int | None = None, digits: int = 9) -> str:
    """ISO 8601 with an offset of so many minutes, ``Z`` without one."""
    shift = 0 if minutes is None else minutes
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // NANO, minutes=shift)
    fraction = f".{ns % NANO:09d}"[: digits + 1] if digits else ""
    zone = "Z" if minutes is None else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone


def stamp(ns: int, digits: int) -> str:
    """A FIX UTCTimestamp."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // NANO)
    return moment.strftime("%Y%m%d-%H:%M:%S") + (f".{ns % NANO:09d}"[: digits + 1] if digits else "")


def quotes(random: Random, symbols: list[str], count: int, grid: int = 10**6) -> list[Row]:
    """Quotes with many equal times, sides missing, locked and crossed."""
    mid = {s: random.randint(20, 30_000) * 10**7 + random.choice((0, 0, 1234567, 1)) for s in symbols}
    if symbols:
        mid[symbols[0]] = 234_500_000  # below a dollar
    rows, at = [], OPEN
    for _ in range(count):
        at += random.choice((0, 0, 0, 1, 1, 2, 5, 40)) * grid
        symbol = random.choice(symbols)
        mid[symbol] = max(mid[symbol] + random.randint(-3, 3) * 5 * 10**6, 10**8)
        half = random.choice((5, 5, 5, 10, 15, 0, -5)) * 10**6
        bid: int | None = mid[symbol] - half
        ask: int | None = mid[symbol] + half
        which = random.random()
        if which < 0.02:
            bid = None
        elif which < 0.04:
            ask = None
        elif which < 0.045:
            bid = ask = None
        rows.append(Row(at, symbol, bid, ask))
    return rows


def orders(  # noqa: C901 - one order's way, told from top to bottom
    random: Random, rows: list[Row], symbols: list[str], count: int, grid: int = 10**6, levels: int = 2
) -> tuple[list[Said], list[Deal]]:
    """Customers' orders, routes, fills, busts, corrections, replacements, cancels and rejects."""
    said: list[Said] = []
    deals: list[Deal] = []
    last = {r.symbol: r for r in rows}
    span = rows[-1].time - rows[0].time
    for n in range(count):
        symbol = random.choice(symbols)
        side = random.choice(("1", "2", "5"))
        name = {"1": "buy", "2": "sell", "5": "sell_short"}[side]
        at = random.choice(rows).time if random.random() < 0.5 else rows[0].time + random.randrange(span) // grid * grid
        if random.random() < 0.03:
            at -= 3 * 60 * NANO
        received, client = at, f"C{n}"
        both = {55: symbol, 54: side}
        if levels:
            said.append(Said(at, "D", {11: client, **both, 38: "500", 40: "1", 60: "@"}))
        route, current = client, client
        if levels == 2:
            at += random.randint(0, 20) * grid
            route = current = f"C{n}.R"
            link = random.choice((526, 1080))
            said.append(Said(at, "D", {11: route, link: client, **both, 38: "500", 40: "1", 100: "ARCX", 60: "@"}))
        at += random.randint(0, 20) * grid
        if random.random() < 0.05:
            said.append(
                Said(at, "8", {11: current, 37: f"O{n}", 17: f"X{n}", **both, 150: "8", 39: "8", 58: "no", 60: "@"})
            )
            continue
        said.append(Said(at, "8", {11: current, 37: f"O{n}", 17: f"K{n}", **both, 150: "0", 39: "0", 60: "@"}))
        done = Decimal(0)
        for f in range(random.randint(0, 4)):
            at += random.choice((0, 1, 7, 300)) * grid
            if random.random() < 0.4:
                later = [r.time for r in rows[bisect_left(rows, at, key=lambda r: r.time) :][:40] if r.symbol == symbol]
                at = later[0] if later else at
            if random.random() < 0.2:
                newer = f"{route}.{f}"
                said.append(
                    Said(
                        at,
                        "8",
                        {
                            11: newer,
                            41: current,
                            37: f"O{n}",
                            17: f"P{n}.{f}",
                            **both,
                            150: "5",
                            39: "5",
                            38: "500",
                            60: "@",
                        },
                    )
                )
                current = newer
                at += grid
            near = last.get(symbol)
            base = (near.ask or near.bid or 10**11) if near else 10**11
            price = max(base + random.randint(-8, 8) * 5 * 10**6, 10**7)
            qty = Decimal(random.choice(("100", "1", "0.5", "33.125")))
            done += qty
            venue = random.choice(VENUES)
            exec_id = f"E{n}.{f}"
            filling = {
                11: current,
                37: f"O{n}",
                17: exec_id,
                **both,
                150: "F",
                39: "1",
                32: str(qty),
                31: money(price),
                30: venue,
                14: str(done),
                151: "1",
                6: "1",
                60: "@",
            }
            deal = Deal(exec_id, client, route, symbol, name, qty, price, venue, at, received)
            deals.append(deal)
            said.append(Said(at, "8", filling))
            after = random.random()
            ref = {11: current, 37: f"O{n}", 17: f"B{n}.{f}", 19: exec_id, **both, 30: venue, 60: "@"}
            moved = at + random.randint(1, 500) * grid
            if after < 0.08:
                deal.state = "busted"
                moved = moved if random.random() < 0.7 else at - 2 * grid
                said.append(Said(moved, "8", {**ref, 150: "H", 39: "1"}))
            elif after < 0.16:
                deal.state = "corrected"
                deal.qty, deal.price = Decimal(7), price + 10**7
                said.append(Said(moved, "8", {**ref, 150: "G", 39: "1", 32: "7", 31: money(deal.price)}))
        if random.random() < 0.5:
            said.append(
                Said(at + 600 * grid, "8", {11: current, 37: f"O{n}", 17: f"Z{n}", **both, 150: "4", 39: "4", 60: "@"})
            )
    return said, deals


def day(seed: int, symbols: int = 12, count: int = 4000, n_orders: int = 250, **more: Any) -> Day:
    """A day of quotes and orders; some symbols of the orders have no quotes."""
    random = Random(seed)  # noqa: S311 - a day that can be made again
    names = [f"S{i}" for i in range(symbols - 1)] + ["BRK.B"]
    rows = quotes(random, names, count, more.get("grid", 10**6))
    said, deals = orders(random, rows, [*names, "UNQUOTED"], n_orders, **more)
    return Day(rows, said, deals)


def fix(
    day_said: list[Said], version: str = "FIX.4.4", digits: int = 9, between: str = "|", sender: str = "SOR"
) -> list[str]:
    """The messages as lines of a log, in the order in which they were sent."""
    lines = []
    for n, message in enumerate(sorted(day_said, key=lambda s: s.at), 1):
        tags = {t: stamp(message.at, digits) if v == "@" else v for t, v in message.tags.items()}
        head = {35: message.kind, 49: sender, 56: "US", 34: str(n), 52: stamp(message.at, digits)}
        inside = between.join(f"{t}={v}" for t, v in {**head, **tags}.items())
        text = f"{inside.replace(between, SOH)}{SOH}"
        front = f"8={version}{SOH}9={len(text.encode())}{SOH}{text}"
        total = f"{front}10={sum(front.encode()) % 256:03d}{SOH}"
        lines.append(total.replace(SOH, between))
    return lines


def quote_at(times: list[int], rows: list[Row], at: int, tie: str, stale: int = 300 * NANO) -> tuple[str, Row | None]:
    """State and quote that count at an instant, from the quotes of one symbol in order."""
    i = (bisect_left if tie == "before" else bisect_right)(times, at) - 1
    if i < 0:
        return "none", None
    row = rows[i]
    bid = row.bid if row.bid is not None and row.bid > 0 else None
    ask = row.ask if row.ask is not None and row.ask > 0 else None
    plain = Row(row.time, row.symbol, bid, ask)
    if at - row.time > stale:
        return "stale", plain
    if bid is None or ask is None:
        return "one_sided", plain
    if bid >= ask:
        return ("locked" if bid == ask else "crossed"), plain
    return "ok", plain


def by_symbol(rows: list[Row]) -> dict[str, tuple[list[int], list[Row]]]:
    """Quotes of each symbol in order of time, those of equal time as they stand."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda r: r.time):
        found.setdefault(row.symbol, []).append(row)
    return {s: ([r.time for r in each], each) for s, each in found.items()}


def expected(day_: Day, tie: str) -> dict[str, dict[str, Any]]:
    """Every execution by its id, with all fields that are checked."""
    book = by_symbol(day_.rows)
    wanted = {}
    for deal in day_.deals:
        state, row = quote_at(*book.get(deal.symbol, ([], [])), deal.at, tie)
        then, receipt = quote_at(*book.get(deal.symbol, ([], [])), deal.received, tie)
        effective = improved = None
        if then in ("ok", "locked") and receipt is not None and receipt.bid is not None and receipt.ask is not None:
            sign = 1 if deal.side == "buy" else -1
            effective = sign * (2 * deal.price - receipt.bid - receipt.ask)
            improved = sign * ((receipt.ask if deal.side == "buy" else receipt.bid) - deal.price)
        wanted[deal.exec_id] = {
            "exec_id": deal.exec_id,
            "order_id": deal.order_id,
            "route_id": deal.route_id,
            "symbol": deal.symbol,
            "side": deal.side,
            "qty": deal.qty,
            "price": deal.price,
            "venue": deal.venue,
            "at": deal.at,
            "quote_at": row and row.time,
            "bid": row and row.bid,
            "ask": row and row.ask,
            "quote_state": state,
            "state": deal.state,
            "effective_spread": effective,
            "price_improvement": improved,
        }
    return wanted


def outside(wanted: dict[str, dict[str, Any]]) -> set[str]:
    """Executions outside the NBBO of their instant, busted ones left out."""
    return {
        e["exec_id"]
        for e in wanted.values()
        if e["quote_state"] == "ok"
        and e["state"] != "busted"
        and (e["price"] > e["ask"] if e["side"] == "buy" else e["price"] < e["bid"])
    }


def told(path: Path) -> list[dict[str, Any]]:
    """Lines of JSON, numbers exact."""
    return [json.loads(line, parse_float=Decimal) for line in path.read_bytes().splitlines()]


def differences(path: Path, wanted: dict[str, dict[str, Any]], but: tuple[str, ...] = ()) -> list[str]:
    """What differs between the executions written and the truth."""
    lines = told(path)
    seen = {e["exec_id"]: e for e in lines}
    wrong = [] if len(seen) == len(lines) else ["an execution twice"]
    wrong += [f"missing {i}" for i in wanted.keys() - seen.keys()] + [f"extra {i}" for i in seen.keys() - wanted.keys()]
    for i in wanted.keys() & seen.keys():
        wrong += [
            f"{i}.{name}: {seen[i].get(name)!r}, not {value!r}"
            for name, value in wanted[i].items()
            if name not in but and seen[i].get(name) != value
        ]
    return wrong
