"""Random days of a small desk, each determined by its seed; a frozen generator that imports nothing of the product."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

Record = dict[str, Any]
"""One report as it stands on the wire, by the names of its fields."""

MS = 1_000_000
START = 1_780_272_000_000 * MS
"""Midnight UTC of 1 June 2026."""
SYMBOLS = ("AAA", "BBB", "CCC")
SHARES = Decimal(100)
COUNT = 1500
PLAIN_BELOW = 1000
"""Days of smaller seeds are those that ``worlds.world(worlds.seeded(seed))`` made at d21ec04."""
TWO_SESSIONS_FROM = 1400
"""Days of seeds from here on hold the same ClOrdIDs in two sessions."""


class Row(NamedTuple):
    """One quote; an absent side is ``None``."""

    time: int
    symbol: str
    bid: int | None
    ask: int | None


class Day(NamedTuple):
    """Reports in no order, those that come only after their time was settled, and the quotes of each source."""

    reports: list[Record]
    late: list[Record]
    quotes: dict[str, list[Row]]
    settled: int | None
    """What the sources vouch for before the late reports come."""
    until: int


def day(seed: int) -> Day:
    """The day of a seed."""
    rnd = Random(seed)  # noqa: S311 - the days must be the same again, not unforeseeable
    if seed < PLAIN_BELOW:
        return _plain(rnd)
    return _varied(rnd, two_sessions=seed >= TWO_SESSIONS_FROM)


def _plain(rnd: Random) -> Day:
    quotes = {name: _rows(rnd, 60, 3500) for name in ("q1", "q2")}
    reports: list[Record] = []
    for number in range(8):
        reports += _order(rnd, number, len(reports), (1, 40), 2500)
    if rnd.random() < 0.5:
        down, up = sorted(START + rnd.randrange(4000) * MS for _ in range(2))
        reports.append({"kind": "session_down", "source": "r1", "n": 900, "at": down, "seen": down, "session": "S"})
        reports.append({"kind": "session_up", "source": "r1", "n": 901, "at": up, "seen": up, "session": "S"})
    return Day(reports, [], quotes, None, START + 4000 * MS)


def _rows(rnd: Random, count: int, span_ms: int) -> list[Row]:
    times = sorted(START + rnd.randrange(span_ms) * MS for _ in range(count))
    return [Row(time, rnd.choice(SYMBOLS), _side(rnd, 100), _side(rnd, 101)) for time in times]


def _side(rnd: Random, around: int) -> int | None:
    if rnd.random() < 0.05:
        return rnd.choice((None, 0))
    return (around * 100 + rnd.randrange(-60, 61)) * 10_000_000


def _order(rnd: Random, number: int, n: int, slower: tuple[int, ...], starts_ms: int) -> list[Record]:  # noqa: C901 - one line for each thing that may be said
    start = START + rnd.randrange(starts_ms) * MS
    source = rnd.choice(("r1", "r2"))
    symbol, side = rnd.choice(SYMBOLS), rnd.choice(("buy", "sell"))
    root, route, exec_id = f"O{number}", f"O{number}-1", f"E{number}"
    told = {"source": source, "session": "S", "symbol": symbol, "side": side}
    events: list[Record] = []

    def say(kind: str, wait: int, order_id: str, clock: str, **more: Any) -> None:
        at = start + rnd.choice((0, *(wait * times for times in slower))) * MS
        identity = {"kind": kind, "n": n + len(events), "at": at, "seen": at, "clock": clock, "order_id": order_id}
        events.append(identity | told | more)

    child = {"parent_id": root}
    price = (100 * 100 + rnd.randrange(-80, 181)) * 10_000_000
    if rnd.random() < 0.9:
        say("received", 0, root, "oms", qty=str(SHARES), ord_type=rnd.choice(("market", "limit")), price=price)
    if rnd.random() < 0.9:
        say("routed", 2, route, "vendor", qty=str(SHARES), venue=rnd.choice(("ARCX", "XNAS", "SGMT")), **child)
    if rnd.random() < 0.9:
        say("acked", 4, route, "vendor", **(child if rnd.random() < 0.3 else {}))
    fill = {"qty": str(SHARES / rnd.choice((1, 2))), "price": price, "exec_id": exec_id, "venue": "ARCX"}
    if rnd.random() < 0.9:
        say("filled", 6, route, "vendor", **fill, **(child if rnd.random() < 0.3 else {}))
    if rnd.random() < 0.3:
        say("filled", 8, route, "vendor", **fill | {"price": price + rnd.choice((0, 10_000_000))})
    if rnd.random() < 0.3:
        say("filled", 9, root, "oms", **fill)
    if rnd.random() < 0.3:
        say("busted", 7, rnd.choice((route, "?")), "vendor", ref_exec_id=exec_id)
    if rnd.random() < 0.3:
        better = price - 50_000_000
        say("corrected", 8, route, "vendor", ref_exec_id=exec_id, price=better, exec_id=f"{exec_id}c")
    if rnd.random() < 0.2:
        say(rnd.choice(("cancelled", "rejected")), 9, rnd.choice((root, route)), "vendor")
    if rnd.random() < 0.2:
        say("replaced", 5, root, "oms", qty=str(2 * SHARES))
    return events


def _varied(rnd: Random, *, two_sessions: bool) -> Day:
    """Slower orders of more kinds: times in force, auctions, unknown sides and venues, second routes, late reports."""
    quotes = {name: _rows(rnd, 90, 11_000) for name in ("q1", "q2")}
    reports: list[Record] = []
    for number in range(8):
        order = _order(rnd, number, 100 * number, (1, 40, 180), 7000)
        order += _second_route(rnd, number, order)
        reports += _changed(rnd, order)
    if two_sessions:
        _share_ids(reports)
    late = [report for report in reports if rnd.random() < 0.06]
    on_time = [report for report in reports if not any(report is other for other in late)]
    return Day(on_time, late, quotes, START + rnd.randrange(3000, 9000) * MS, START + 12_000 * MS)


def _second_route(rnd: Random, number: int, order: list[Record]) -> list[Record]:
    """Another venue tried after the first one, with an execution or an end of its own."""
    if not order or rnd.random() < 0.5:
        return []
    last = max(order, key=lambda report: int(report["at"]))
    told = {name: last[name] for name in ("source", "session", "symbol", "side")}
    told |= {"order_id": f"O{number}-2", "parent_id": f"O{number}", "clock": "vendor"}
    price = (100 * 100 + rnd.randrange(-80, 181)) * 10_000_000
    end = rnd.choice(
        (
            {"kind": "filled", "exec_id": f"E{number}b", "qty": "50", "price": price, "venue": "XNAS"},
            {"kind": "expired"},
            {"kind": "rejected"},
        )
    )
    steps: tuple[Record, ...] = ({"kind": "routed", "qty": "50", "venue": "XNAS"}, {"kind": "acked"}, end)
    at, reports = int(last["at"]), []
    for i, step in enumerate(steps):
        at += rnd.choice((1, 30, 120, 400, 1300)) * MS
        reports.append(told | step | {"n": int(last["n"]) + 50 + i, "at": at, "seen": at})
    return reports


def _changed(rnd: Random, order: list[Record]) -> list[Record]:
    """The same order with other terms, side, vendor, venues and times of arrival."""
    terms: Record = {"tif": rnd.choice((None, "day", "ioc", "fok", "opg", "cls", "gtc"))}
    terms["ord_type"] = rnd.choice(("market", "limit", "limit", "stop", "pegged", None))
    side = rnd.choice(("as it was", "as it was", "sell_short", None))
    vendor = rnd.choice((None, "V1", "V2"))
    return [_without_none(_change(rnd, report, terms, side, vendor)) for report in order]


def _change(rnd: Random, report: Record, terms: Record, side: str | None, vendor: str | None) -> Record:
    report = report | {"vendor": vendor}
    if side != "as it was":
        report["side"] = side
    if report["kind"] in ("received", "routed"):
        report |= terms
    if report["kind"] == "replaced":
        report["price"] = (100 * 100 + rnd.randrange(-80, 181)) * 10_000_000
    if report["kind"] in ("routed", "filled"):
        report |= rnd.choice(VENUES)
    if report["kind"] == "filled":
        report["auction"] = rnd.random() < 0.1
    if rnd.random() < 0.03:
        report["seen"] = report["at"] - 61_000 * MS
    return report


VENUES: tuple[Record, ...] = (
    {},
    {},
    {"venue": "EDGX", "venue_sent": "EDGX"},
    {"venue": "SGMT", "venue_sent": "SGMT"},
    {"venue": None, "venue_sent": "D"},
    {"venue": None, "venue_sent": "DARK7"},
    {"venue": None},
)


def _without_none(report: Record) -> Record:
    return {name: value for name, value in report.items() if value is not None}


def _share_ids(reports: list[Record]) -> None:
    """Orders 4 to 7 use the ClOrdIDs and symbols of orders 0 to 3, in a session of their own."""
    symbols = {report["order_id"]: report["symbol"] for report in reports}
    for report in reports:
        name = str(report["order_id"])
        if name[0] == "O" and int(name[1]) >= 4:
            shared = f"O{int(name[1]) - 4}"
            report |= {"session": "T", "order_id": shared + name[2:]}
            report["symbol"] = symbols.get(shared, report["symbol"])
            if "parent_id" in report:
                report["parent_id"] = shared
