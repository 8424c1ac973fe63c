"""The first page: what is open, what was found last, how the line is, who was told."""

from __future__ import annotations

from msgspec import Struct

from alerts import words
from alerts.desk import line
from alerts.desk.markup import Html, el, join, path, table
from alerts.desk.pieces import NUMBER, aside, chip, findings_table, order_link, standing
from alerts.incidents import Incident, State
from alerts.ledger import Unreadable
from alerts.notify import Told
from alerts.outbox import Notice
from monitor.events import Finding, LineHealth
from monitor.settings import Link


class Overview(Struct, frozen=True, kw_only=True):
    """What the first page shows."""

    incidents: list[Incident]
    told: dict[str, Told]
    findings: list[Finding]
    health: list[LineHealth]
    latencies: list[int]
    notices: list[tuple[Notice, str]]
    """With the last word of the channel."""
    unreadable: list[Unreadable]
    channels: dict[str, str | None]
    """Each channel and what keeps it from delivering."""
    kafka: str | None
    """What keeps us from reading Kafka."""
    links: tuple[Link, ...]


def overview(seen: Overview, now: int) -> Html:
    """The first page."""
    return join(
        _status(seen, now),
        el("section", el("h2", "Incidents"), _incidents(seen, now)),
        el("section", el("h2", "Newest findings"), findings_table(seen.findings, bool(seen.health))),
        el("section", el("h2", "The line"), line.section(seen.health, seen.latencies, now)),
        el("section", el("h2", "Notices"), _notices(seen)),
        _unreadable(seen.unreadable, now),
        _links(seen.links),
    )


def _status(seen: Overview, now: int) -> Html:
    open_now = [i for i in seen.incidents if i.state is not State.OVER and i.count > 0]
    troubled = {name: why for name, why in seen.channels.items() if why is not None}
    heard = max((h.wall for h in seen.health), default=None)
    tiles = [
        _tile(
            str(len(open_now)) if seen.health or seen.incidents else "–", "open incidents", "bad" if open_now else ""
        ),
        _tile(str(sum(i.orders for i in open_now)) if open_now else "–", "orders in them", ""),
        _tile("never" if heard is None else words.ago(heard, now), "worker last heard", line.freshness(heard, now)),
        _tile("away" if seen.kafka is not None else "reading", "Kafka", "bad" if seen.kafka is not None else "good"),
        _tile(_channels_word(seen.channels), "notices", "bad" if troubled else ("good" if seen.channels else "")),
    ]
    notes = [el("p", f"Kafka: {seen.kafka}", cls="trouble")] if seen.kafka is not None else []
    notes += [el("p", f"{name}: {why}", cls="trouble") for name, why in troubled.items()]
    return join(el("div", tiles, cls="tiles"), notes)


def _channels_word(channels: dict[str, str | None]) -> str:
    if not channels:
        return "no channel set"
    if all(why is None for why in channels.values()):
        return " and ".join(channels)
    return "in trouble"


def _tile(value: str, name: str, cls: str) -> Html:
    return el("div", el("b", value), el("span", name), cls=f"tile {cls}".strip())


def _incidents(seen: Overview, now: int) -> Html:
    if not seen.incidents:
        if not seen.health:
            return el(
                "p", "Nothing has been heard from the worker yet: this is not the same as no incidents.", cls="empty"
            )
        return el("p", "No incidents: the worker is heard, and no rule has found anything.", cls="empty")
    heads = [
        ("state", ""), ("what", ""), ("venue", ""), ("vendor", ""), ("session", ""), ("orders", NUMBER),
        ("shares", NUMBER), ("cost", NUMBER), ("not counted", ""), ("last", "when"), ("told", "when"),
    ]  # fmt: skip
    return table(heads, [_incident_row(i, seen.told.get(i.id), now) for i in seen.incidents], cls="incidents")


def _incident_row(i: Incident, told: Told | None, now: int) -> list[Html | str]:
    what = el("a", i.title, href=path("incident", i.id))
    return [
        standing(i),
        join(what, el("small", i.cause.rule.replace("_", " "), ", for example ", order_link(i.example_order))),
        words.named(i.cause.venue),
        words.named(i.cause.vendor),
        i.cause.session,
        f"{i.orders:,}",
        "–" if i.shares is None else words.shares(i.shares),
        "–" if i.cost is None else words.money(i.cost),
        aside(i),
        words.ago(i.last_heard, now),
        "not told" if told is None else f"{told.reason.value}, {words.ago(told.at, now)}",
    ]


def _notices(seen: Overview) -> Html:
    if not seen.channels:
        return el("p", "Neither Slack nor e-mail is set: incidents are told on this page only.", cls="empty")
    if not seen.notices:
        return el("p", "Nobody has been told of anything so far.", cls="empty")
    rows: list[list[Html | str]] = [
        [
            words.clock(n.made // 10**6 * 10**6),
            n.channel,
            el("a", n.message.subject, href=path("incident", n.incident)),
            chip(n.state.value),
            str(n.tries),
            word,
        ]
        for n, word in seen.notices
    ]
    heads = [("made (UTC)", ""), ("to", ""), ("notice", ""), ("state", ""), ("tries", NUMBER), ("the channel said", "")]
    return table(heads, rows)


def _unreadable(messages: list[Unreadable], now: int) -> Html:
    if not messages:
        return join()
    rows: list[list[Html | str]] = [
        [m.topic, f"{m.part} / {m.place}", words.ago(m.heard, now), m.reason, el("code", repr(m.body[:80]))]
        for m in messages
    ]
    heads = [
        ("topic", ""),
        ("partition / offset", ""),
        ("heard", ""),
        ("why it could not be read", ""),
        ("begins with", ""),
    ]
    return el("section", el("h2", "Could not be read"), table(heads, rows))


def _links(links: tuple[Link, ...]) -> Html:
    own = [("metrics for Prometheus", "/metrics"), ("health of this process", "/healthz")]
    own += [(f"{name} as JSON", f"/api/{name}.json") for name in ("incidents", "findings", "health")]
    items = [el("li", el("a", name, href=url)) for name, url in [*((i.name, i.url) for i in links), *own]]
    return el("section", el("h2", "Elsewhere"), el("ul", items, cls="links"))
