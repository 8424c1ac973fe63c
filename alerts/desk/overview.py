"""The first page: what is open, what was found last, how the line is, who was told."""

from __future__ import annotations

from msgspec import Struct

from alerts import formats
from alerts.desk import line_health
from alerts.desk.markup import Html, el, join, path, table
from alerts.desk.pieces import DASH, NUMBER, aside, chip, findings_table, or_dash, order_link, standing
from alerts.incidents import Incident, State
from alerts.notify import LastNotified
from alerts.outbox import Notice
from alerts.render import OPENING
from alerts.store import Unreadable
from monitor.config.settings import Link
from monitor.wire.events import Finding, LineHealth

INCIDENTS_SHOWN = 200
AWAY = "What is shown is as it was told last. Nothing is lost: all goes on by itself when Kafka answers again."
WAITING = "Notices wait until they are delivered; this page shows every incident meanwhile."


class Overview(Struct, frozen=True, kw_only=True):
    """What the first page shows."""

    incidents: list[Incident]
    """All of them, the most urgent first."""
    orders: int
    """Orders in those that are open, each once."""
    told: dict[str, LastNotified]
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
        el("section", el("h2", "Incidents"), _beyond(seen), _incidents(seen, now)),
        el("section", el("h2", "Newest findings"), findings_table(seen.findings, bool(seen.health))),
        el("section", el("h2", "The line"), line_health.section(seen.health, seen.latencies, now)),
        el("section", el("h2", "Notices"), _notices(seen)),
        _unreadable(seen.unreadable, now),
        _links(seen.links),
    )


def _status(seen: Overview, now: int) -> Html:
    open_now = open_incidents(seen.incidents)
    troubled = {name: why for name, why in seen.channels.items() if why is not None}
    heard = max((h.wall for h in seen.health), default=None)
    tiles = [
        _tile(_open_word(seen, len(open_now)), "open incidents", "bad" if open_now else ""),
        _tile(f"{seen.orders:,}" if open_now else DASH, "orders in them", ""),
        _tile(
            "never" if heard is None else formats.ago(heard, now),
            "worker last heard",
            line_health.freshness(heard, now),
        ),
        _tile(*_named(line_health.behind(seen.health), "behind, at most")),
        _tile(*_named(line_health.sessions_up(seen.health), "FIX sessions")),
        _tile("away" if seen.kafka is not None else "reading", "Kafka", "bad" if seen.kafka is not None else "good"),
        _tile(_channels_word(seen.channels), "notices", "bad" if troubled else ("good" if seen.channels else "")),
    ]
    notes = [el("p", f"Kafka: {seen.kafka}. {AWAY}", cls="trouble")] if seen.kafka is not None else []
    notes.append(line_health.warnings(seen.health, now))
    notes += [el("p", f"{name}: {why}. {WAITING}", cls="trouble") for name, why in troubled.items()]
    return join(el("div", tiles, cls="tiles"), notes)


def open_incidents(incidents: list[Incident]) -> list[Incident]:
    """Those with something confirmed that are not over."""
    return [i for i in incidents if i.state is not State.OVER and i.count > 0]


def _open_word(seen: Overview, n: int) -> str:
    return f"{n:,}" if seen.health or seen.incidents else DASH


def _named(said: tuple[str, str], name: str) -> tuple[str, str, str]:
    value, cls = said
    return value, name, cls


def _beyond(seen: Overview) -> Html:
    """What to say when not all incidents are shown."""
    n = len(seen.incidents)
    if n <= INCIDENTS_SHOWN:
        return join()
    said = f"The {INCIDENTS_SHOWN:,} most urgent of {n:,}; "
    return el("p", said, el("a", "all as JSON", href="/api/incidents.json"), ".")


def _channels_word(channels: dict[str, str | None]) -> str:
    if not channels:
        return "no channel set"
    if all(why is None for why in channels.values()):
        return ", ".join(channels)
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
        ("shares", NUMBER), ("cost", NUMBER), ("not counted", ""), ("last found", "soft"), ("told", "soft"),
    ]  # fmt: skip
    shown = seen.incidents[:INCIDENTS_SHOWN]
    return table(heads, [_incident_row(i, seen.told.get(i.id), now) for i in shown], cls="incidents")


def _incident_row(i: Incident, told: LastNotified | None, now: int) -> list[Html | str]:
    what = el("a", formats.arrows(i.title), href=path("incident", i.id))
    return [
        standing(i),
        join(what, el("small", i.cause.rule.replace("_", " "), ", for example ", order_link(i.example_order))),
        or_dash(i.cause.venue),
        or_dash(i.cause.vendor),
        i.cause.session,
        f"{i.orders:,}",
        DASH if i.shares is None else formats.shares(i.shares),
        DASH if i.cost is None else formats.money(i.cost),
        aside(i),
        formats.ago(i.last_heard, now),
        "not told" if told is None else f"{OPENING[told.reason].lower()}, {formats.ago(told.at, now)}",
    ]


def _notices(seen: Overview) -> Html:
    if not seen.channels:
        return el("p", "Neither Slack nor e-mail is set: incidents are told on this page only.", cls="empty")
    if not seen.notices:
        return el("p", "Nobody has been told of anything so far.", cls="empty")
    rows: list[list[Html | str]] = [
        [
            formats.clock(n.made // 10**6 * 10**6),
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
        [m.topic, f"{m.part} / {m.place}", formats.ago(m.heard, now), m.reason, el("code", repr(m.body[:80]))]
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
