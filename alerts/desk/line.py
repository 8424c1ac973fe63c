"""The state of the line on the page: what the worker's partitions last said."""

from __future__ import annotations

from math import ceil

from alerts import words
from alerts.desk.markup import Html, el, facts, join, table
from monitor.events import LineHealth

STALE_NS = 10_000_000_000
"""The worker speaks every second: silence for ten is worth a word."""
NUMBER = "num"
MEANING = {
    "reports": "reports read",
    "quotes": "quotes read",
    "executions": "executions scored",
    "findings": "findings made",
    "late_reports": "reports too late",
    "late_quotes": "quotes too late",
    "duplicates": "repeats dropped",
    "garbled": "garbled messages",
    "unlinked": "routes without a parent",
    "gaps": "gaps",
    "resets": "sequence resets",
    "dead_letters": "dead letters",
    "unknown_busts": "busts of unknown fills",
    "silent_sources": "sources set aside",
    "conflicts": "contradicting repeats",
    "forgotten": "orders forgotten",
    "holes": "holes in what a source sent",
    "lost_messages": "messages lost by Kafka",
    "overflowed": "judged early for want of room",
}
EVERYWHERE = frozenset({"garbled", "gaps", "resets", "silent_sources"})
"""What concerns no symbol is told to every partition, and counted by each: once is enough."""


def freshness(heard: int | None, now: int) -> str:
    """``good``, ``bad``, or nothing while nothing was heard yet."""
    if heard is None:
        return ""
    return "bad" if now - heard > STALE_NS else "good"


def section(health: list[LineHealth], latencies: list[int], now: int) -> Html:
    """Counts over all partitions, then each partition."""
    if not health:
        return el(
            "p",
            "Nothing has been heard from the worker yet. Is `sorwatch watch` running, and on the same Kafka?",
            cls="empty",
        )
    return join(_warnings(health, now), facts(_counts(health, latencies)), _sessions(health), _partitions(health, now))


def percentile(sorted_ns: list[int], share: float) -> int | None:
    """The value that so many of the values do not exceed (nearest rank)."""
    if not sorted_ns:
        return None
    return sorted_ns[max(0, ceil(share * len(sorted_ns)) - 1)]


def _warnings(health: list[LineHealth], now: int) -> Html:
    old = [h for h in health if now - h.wall > STALE_NS]
    silent = sorted({name for h in health for name in h.silent})
    lines = [
        el("p", f"Partition {h.partition} was last heard {words.ago(h.wall, now)}: what it says is old.", cls="trouble")
        for h in old
    ]
    if silent:
        lines.append(el("p", f"Set aside because they are silent: {', '.join(silent)}.", cls="trouble"))
    return join(lines)


def _counts(health: list[LineHealth], latencies: list[int]) -> list[tuple[str, str]]:
    total: dict[str, int] = dict.fromkeys(MEANING, 0)
    for one in health:
        for kind, n in one.counts.items():
            known = total.get(kind, 0)
            total[kind] = max(known, n) if kind in EVERYWHERE else known + n
    pairs = [(MEANING.get(kind, kind.replace("_", " ")), f"{n:,}") for kind, n in total.items()]
    ordered = sorted(latencies)
    if ordered:
        middle, tail = (words.duration(percentile(ordered, share)) for share in (0.5, 0.99))
        pairs.append(("fill → finding beyond patience", f"p50 {middle}, p99 {tail} (last {len(ordered):,})"))
    else:
        pairs.append(("fill → finding beyond patience", "no finding measured yet"))
    return pairs


def _sessions(health: list[LineHealth]) -> Html:
    newest: dict[str, str] = {}
    for one in sorted(health, key=lambda h: h.wall):
        newest.update(one.sessions)
    if not newest:
        return el("p", "No FIX session has been seen yet.", cls="empty")
    chips = [el("span", f"{name} {state}", cls=f"chip session-{state}") for name, state in sorted(newest.items())]
    return el("p", "FIX sessions: ", [join(c, " ") for c in chips])


def _partitions(health: list[LineHealth], now: int) -> Html:
    heads = [
        ("partition", NUMBER), ("heard", ""), ("watermark", ""), ("behind by", NUMBER), ("judged to", ""),
        ("waiting", NUMBER), ("open orders", NUMBER), ("sources", ""),
    ]  # fmt: skip
    return table(heads, [_row(one, now) for one in sorted(health, key=lambda h: h.partition)])


def _row(one: LineHealth, now: int) -> list[Html | str]:
    return [
        str(one.partition),
        words.ago(one.wall, now),
        "none yet" if one.watermark is None else words.clock(one.watermark // 1_000_000 * 1_000_000),
        "–" if one.watermark is None else words.duration(one.wall - one.watermark),
        "nothing yet" if one.settled is None else words.clock(one.settled // 1_000_000 * 1_000_000),
        f"{one.held:,}",
        f"{one.open_orders:,}",
        ", ".join(sorted(one.sources)) if one.sources else "none heard",
    ]
