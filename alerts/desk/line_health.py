"""The state of the line on the page: what the worker's partitions last said."""

from __future__ import annotations

from math import ceil

from alerts import formats
from alerts.desk.markup import Html, el, facts, join, table
from alerts.desk.pieces import DASH, NUMBER
from monitor.wire.events import LineHealth

STALE_NS = 10_000_000_000
"""The worker speaks every second: silence for ten is worth a word."""
BEHIND_NS = 10_000_000_000
"""A watermark older than this is trouble, as in deploy/prometheus/rules.yml."""
MEANING = {
    "reports": "reports read",
    "quotes": "quotes read",
    "executions": "executions scored",
    "findings": "findings made",
    "late_reports": "reports too late",
    "late_quotes": "quotes too late",
    "future_reports": "reports from the future",
    "duplicates": "repeats dropped",
    "garbled": "garbled messages",
    "unlinked": "fills of orders never announced",
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
ORDINARY = frozenset({"reports", "quotes", "executions", "findings", "duplicates", "forgotten"})
"""What is counted of a line that is well."""
EVERYWHERE = frozenset({"garbled", "gaps", "resets", "silent_sources"})
"""What concerns no symbol is told to every partition, and counted by each: once is enough."""


def freshness(heard: int | None, now: int) -> str:
    """``good``, ``bad``, or nothing while nothing was heard yet."""
    if heard is None:
        return ""
    return "bad" if now - heard > STALE_NS else "good"


def behind(health: list[LineHealth]) -> tuple[str, str]:
    """How far the slowest partition is behind, in words and as ``good`` or ``bad``; nothing while nothing was heard."""
    if not health:
        return DASH, ""
    lags = [_lag(one) for one in health]
    known = [lag for lag in lags if lag is not None]
    if len(known) < len(lags):
        return "waiting", "bad"
    worst = max(known)
    return formats.duration(_whole_ms(worst)), "bad" if _late(worst) else "good"


def sessions_up(health: list[LineHealth]) -> tuple[str, str]:
    """How many FIX sessions are up, in words and as ``good`` or ``bad``; nothing while none was seen."""
    states = list(sessions(health).values())
    if not states:
        return "none yet", ""
    up = states.count("up")
    return (f"{up} up", "good") if up == len(states) else (f"{up} of {len(states)} up", "bad")


def sessions(health: list[LineHealth]) -> dict[str, str]:
    """``up`` or ``down`` by FIX session, as the partition heard last has it."""
    newest: dict[str, str] = {}
    for one in sorted(health, key=lambda h: h.wall):
        newest.update(one.sessions)
    return dict(sorted(newest.items()))


def warnings(health: list[LineHealth], now: int) -> Html:
    """What is wrong with the line, and what to do about it."""
    old = [h for h in health if now - h.wall > STALE_NS]
    lines = _old(old, len(health), now)
    lines += [_behind(h, _lag(h)) for h in health if h not in old and _late(_lag(h))]
    if silent := sorted({name for h in health for name in h.silent}):
        lines.append(
            f"Set aside because they are silent: {', '.join(silent)}. Without quotes fills cannot be judged, without "
            "reports nothing is. Start the source again."
        )
    lines += [
        f"FIX session {name} is down: drop copies are missed until it is up, and asked for again then. "
        "Call the counterparty."
        for name, state in sessions(health).items()
        if state == "down"
    ]
    return join([el("p", line, cls="trouble") for line in lines])


def section(health: list[LineHealth], latencies: list[int], now: int) -> Html:
    """Counts over all partitions, then each partition."""
    if not health:
        return el(
            "p",
            "Nothing has been heard from the worker yet. Is `sorwatch watch` running, and on the same Kafka?",
            cls="empty",
        )
    return join(facts(_counts(health, latencies)), _sessions(health), _partitions(health, now))


def percentile(sorted_ns: list[int], share: float) -> int | None:
    """The value that so many of the values do not exceed (nearest rank)."""
    if not sorted_ns:
        return None
    return sorted_ns[max(0, ceil(share * len(sorted_ns)) - 1)]


def _old(old: list[LineHealth], known: int, now: int) -> list[str]:
    """Partitions that were not heard for a while; one line where it is all of them."""
    if len(old) == known and old:
        newest = max(h.wall for h in old)
        return [
            f"The worker was last heard {formats.ago(newest, now)}: what it says is old, and orders are not being "
            "judged. Is `sorwatch watch` running, and does Kafka answer?"
        ]
    return [f"Partition {h.partition} was last heard {formats.ago(h.wall, now)}: what it says is old." for h in old]


def _behind(one: LineHealth, lag: int | None) -> str:
    """Why a partition is not judged up to now, as far as its sources tell."""
    if lag is None:
        heard = ", ".join(sorted(one.sources)) or "none"
        return (
            f"Partition {one.partition} judges nothing yet: a source of reports and one of quotes must have spoken. "
            f"Heard so far: {heard}."
        )
    slowest = min(one.sources, key=lambda name: one.sources[name], default=None)
    waits = "" if slowest is None else f" It waits for {slowest}."
    return f"Partition {one.partition} is {formats.duration(_whole_ms(lag))} behind.{waits}"


def _lag(one: LineHealth) -> int | None:
    """Age of the watermark when it was told, ns; ``None`` while there is none."""
    return None if one.watermark is None else one.wall - one.watermark


def _late(lag: int | None) -> bool:
    return lag is None or lag > BEHIND_NS


def _whole_ms(ns: int) -> int:
    return ns // 1_000_000 * 1_000_000


def _counts(health: list[LineHealth], latencies: list[int]) -> list[tuple[str, str]]:
    total: dict[str, int] = dict.fromkeys(MEANING, 0)
    for one in health:
        for kind, n in one.counts.items():
            known = total.get(kind, 0)
            total[kind] = max(known, n) if kind in EVERYWHERE else known + n
    pairs: list[tuple[str, str]] = [
        (MEANING.get(kind, kind.replace("_", " ")), _amount(kind, n)) for kind, n in total.items()
    ]
    ordered = sorted(latencies)
    if ordered:
        middle, tail = (formats.duration(percentile(ordered, share)) for share in (0.5, 0.99))
        pairs.append(("fill → finding beyond patience", f"p50 {middle}, p99 {tail} (last {len(ordered):,})"))
    else:
        pairs.append(("fill → finding beyond patience", "no finding measured yet"))
    return pairs


def _amount(kind: str, n: int) -> str:
    """A count; one that says that something was lost, late or not understood stands out."""
    return f"{n:,}" if kind in ORDINARY or n == 0 else el("strong", f"{n:,}", cls="warn")


def _sessions(health: list[LineHealth]) -> Html:
    newest = sessions(health)
    if not newest:
        return el("p", "No FIX session has been seen yet.", cls="empty")
    chips = [el("span", f"{name} {state}", cls=f"chip session-{state}") for name, state in newest.items()]
    return el("p", "FIX sessions: ", [join(c, " ") for c in chips])


def _partitions(health: list[LineHealth], now: int) -> Html:
    heads = [
        ("partition", NUMBER), ("heard", ""), ("heard all up to (UTC)", ""), ("behind by", NUMBER),
        ("judged up to (UTC)", ""), ("waiting", NUMBER), ("open orders", NUMBER), ("sources, and how far behind", ""),
    ]  # fmt: skip
    return table(heads, [_row(one, now) for one in sorted(health, key=lambda h: h.partition)])


def _row(one: LineHealth, now: int) -> list[Html | str]:
    return [
        str(one.partition),
        formats.ago(one.wall, now),
        "none yet" if one.watermark is None else formats.clock(_whole_ms(one.watermark)),
        DASH if one.watermark is None else formats.duration(_whole_ms(one.wall - one.watermark)),
        "nothing yet" if one.settled is None else formats.clock(_whole_ms(one.settled)),
        f"{one.held:,}",
        f"{one.open_orders:,}",
        _sources(one),
    ]


def _sources(one: LineHealth) -> str:
    """Each source and how old its last word was: the oldest holds all the others up."""
    said = [f"{name} {formats.duration(_whole_ms(one.wall - tick))}" for name, tick in sorted(one.sources.items())]
    return ", ".join(said) if said else "none heard"
