"""The pages' HTML: pure functions of what is known and the time."""

from __future__ import annotations

from msgspec import Struct

from alerts import words
from alerts.desk import line
from alerts.desk.chart import chart, timeline
from alerts.desk.markup import Html, el, facts, join, path, table
from alerts.incidents import Incident, State
from alerts.ledger import Revision, Unreadable
from alerts.notify import Told
from alerts.outbox import Attempt, Notice
from alerts.render import RuleNote
from monitor.events import Execution, Finding, LineHealth, Step
from monitor.settings import Link

REFRESH_S = 10
"""How often a page without JavaScript is loaded again."""
NUMBER = "num"


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


def layout(title: str, body: Html, now: int) -> str:
    """A whole page."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("noscript", el("meta", http_equiv="refresh", content=REFRESH_S)),
        el("title", f"{title} · sorwatch"),
        el("link", rel="stylesheet", href="/static/style.css"),
        el("script", src="/static/live.js", defer="defer"),
    )
    top = el(
        "header",
        el("a", el("strong", "sorwatch"), href="/", cls="brand"),
        el("span", "orders routed by others, watched", cls="claim"),
        el("span", f"{words.clock(now // 10**9 * 10**9)} UTC", cls="when", id="when"),
    )
    lost = el("p", "This page has lost its connection; what it shows is old.", id="lost", hidden="hidden", role="alert")
    page = el("html", head, el("body", top, lost, el("main", body, id="main")), lang="en")
    return "<!doctype html>\n" + page


def overview(seen: Overview, now: int) -> Html:
    """The first page."""
    return join(
        _status(seen, now),
        el("section", el("h2", "Incidents"), _incidents(seen, now)),
        el("section", el("h2", "Newest findings"), _findings(seen.findings, bool(seen.health))),
        el("section", el("h2", "The line"), line.section(seen.health, seen.latencies, now)),
        el("section", el("h2", "Notices"), _notices(seen)),
        _unreadable(seen.unreadable, now),
        _links(seen.links),
    )


def incident_page(
    incident: Incident,
    note: RuleNote | None,
    findings: list[Finding],
    notices: list[tuple[Notice, list[Attempt]]],
    example: Finding | None,
    now: int,
) -> Html:
    """One incident."""
    title = incident.cause.rule.replace("_", " ") if note is None else note.title
    return join(
        el("p", el("a", "← all incidents", href="/"), cls="back"),
        el("h1", title, " ", _standing(incident)),
        el("p", incident.title, cls="lead"),
        facts(_incident_facts(incident, now)),
        join() if example is None else el("section", el("h2", "An example"), finding_card(example, [])),
        _what_to_do(note),
        el("section", el("h2", "Findings"), _findings(findings, heard=True)),
        el("section", el("h2", "Notices"), _told_story(notices)),
    )


def order_page(order: str, findings: list[tuple[Finding, list[Revision]]], executions: list[Execution]) -> Html:
    """One order's story beside the NBBO, and everything said about it."""
    steps = timeline([*(f.steps for f, _ in findings), *(x.steps for x in executions)])
    return join(
        el("p", el("a", "← all incidents", href="/"), cls="back"),
        el("h1", "Order ", el("code", order)),
        el("section", el("h2", "Its story beside the NBBO"), chart(steps), _steps(steps)),
        el("section", el("h2", "Findings"), [finding_card(f, r) for f, r in findings] or _nothing_found()),
        el("section", el("h2", "Executions"), _executions(executions)),
    )


def missing(what: str) -> Html:
    """What was asked for is not known here."""
    return join(
        el("p", el("a", "← all incidents", href="/"), cls="back"),
        el("h1", "Not known here"),
        el("p", what, " Only the newest findings and executions are kept.", cls="lead"),
    )


def finding_card(finding: Finding, revisions: list[Revision]) -> Html:
    """One finding with its evidence and history."""
    limit = finding.limit
    evidence = [(name, value) for name, value in words.evidence(finding.evidence)]
    return el(
        "article",
        el("h3", finding.title, " ", chip(finding.certainty), " ", _state_chip(finding)),
        el("p", finding.reason, cls="lead"),
        facts(
            [
                ("order", order_link(finding.order_id)),
                ("what", f"{words.side(finding)} · {finding.subject}"),
                ("when", words.instant(finding.at)),
                ("where", _where(finding.venue, finding.vendor, finding.session)),
                ("cost", words.money(finding.cost)),
                ("limit", f"{limit.name} = {limit.value}"),
                ("authority", f"{limit.approved_by}, since {limit.effective} (policy {limit.policy}): {limit.reason}"),
                ("review factor", f"FINRA 5310.09: {finding.factor}"),
                ("rule", f"{finding.rule} version {finding.rule_version}, quotes of equal time: {finding.tie}"),
            ]
        ),
        el("h4", "Evidence"),
        facts(evidence) if evidence else el("p", "None was given.", cls="empty"),
        _history(revisions),
        cls=f"card {finding.severity}",
        id=f"finding-{finding.id}",
    )


def chip(word: str) -> Html:
    """A word with a colour that says the same."""
    return el("span", word.replace("_", " "), cls=f"chip {word.replace(' ', '-')}")


def order_link(order: str) -> Html:
    """A link to an order's page."""
    return el("a", el("code", order), href=path("order", order))


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
        ("shares", NUMBER), ("cost", NUMBER), ("not counted", ""), ("last", ""), ("told", ""),
    ]  # fmt: skip
    return table(heads, [_incident_row(i, seen.told.get(i.id), now) for i in seen.incidents], cls="incidents")


def _incident_row(i: Incident, told: Told | None, now: int) -> list[Html | str]:
    what = el("a", i.title, href=path("incident", i.id))
    return [
        _standing(i),
        join(what, el("small", i.cause.rule.replace("_", " "))),
        words.named(i.cause.venue),
        words.named(i.cause.vendor),
        i.cause.session,
        f"{i.orders:,}",
        "–" if i.shares is None else words.shares(i.shares),
        "–" if i.cost is None else words.money(i.cost),
        _aside(i),
        words.ago(i.last_heard, now),
        "not told" if told is None else f"{told.reason.value}, {words.ago(told.at, now)}",
    ]


def _aside(i: Incident) -> str:
    parts = [(i.possible, "possible"), (i.cannot_tell, "cannot tell"), (i.withdrawn, "withdrawn")]
    return ", ".join(f"{n:,} {word}" for n, word in parts if n > 0)


def _standing(i: Incident) -> Html:
    word = i.state.value
    if i.count == 0:
        word = "withdrawn" if i.state is State.OVER and i.withdrawn > 0 else "not confirmed"
    return join(chip(word), " ", chip(i.severity))


def _incident_facts(i: Incident, now: int) -> list[tuple[str, str]]:
    return [
        ("state", f"{i.state.value}: {i.why}"),
        ("orders", f"{words.many(i.orders, 'order')} in {words.many(i.symbols, 'symbol')}"),
        ("findings", f"{i.count:,} confirmed" + (f"; {_aside(i)}" if _aside(i) else "")),
        ("shares", words.shares(i.shares)),
        ("cost", words.money(i.cost)),
        ("where", _where(i.cause.venue, i.cause.vendor, i.cause.session)),
        ("first", words.instant(i.first_at)),
        ("last", f"{words.instant(i.last_at)} (heard {words.ago(i.last_heard, now)})"),
    ]


def _where(venue: str | None, vendor: str | None, session: str) -> str:
    return f"venue {words.named(venue)} · vendor {words.named(vendor)} · session {session}"


def _what_to_do(note: RuleNote | None) -> Html:
    if note is None:
        return el(
            "section", el("h2", "What to do"), el("p", "This version knows no runbook for the rule.", cls="empty")
        )
    lines = [el("p", text.strip()) for text in note.runbook.strip().splitlines() if text.strip()]
    blind = el("p", "What this rule cannot see: ", note.blind_to, cls="aside")
    return el("section", el("h2", "What to do"), el("div", lines, blind, cls="card runbook"))


def _findings(findings: list[Finding], heard: bool) -> Html:
    if not findings:
        return el("p", "None so far." if heard else "Nothing has been heard from the worker yet.", cls="empty")
    heads = [
        ("time (UTC)", ""),
        ("sure", ""),
        ("finding", ""),
        ("order", ""),
        ("venue", ""),
        ("limit", ""),
        ("cost", NUMBER),
    ]
    rows: list[list[Html | str]] = [
        [
            el("time", f"{words.day(f.at)} {words.clock(f.at)}"),
            join(chip(f.certainty), " ", _state_chip(f)),
            f.title,
            order_link(f.order_id),
            words.named(f.venue),
            f"{f.limit.name} = {f.limit.value}",
            "–" if f.cost is None else words.money(f.cost),
        ]
        for f in findings
    ]
    return table(heads, rows)


def _state_chip(finding: Finding) -> Html:
    return join() if finding.state == "raised" else chip(finding.state)


def _history(revisions: list[Revision]) -> Html:
    if len(revisions) < 2:
        return join()
    items = [
        el(
            "li",
            f"revision {r.revision}, {words.instant(r.heard)}: {r.state}, {r.certainty.replace('_', ' ')}: {r.reason}",
        )
        for r in revisions
    ]
    return join(el("h4", "What was said about it"), el("ol", items))


def _nothing_found() -> Html:
    return el("p", "No rule has found anything about this order.", cls="empty")


def _steps(steps: list[Step]) -> Html:
    heads = [
        ("step", ""), ("time (UTC)", ""), ("since the last", NUMBER), ("clock", ""), ("order", ""), ("venue", ""),
        ("quantity", NUMBER), ("price", NUMBER), ("bid", NUMBER), ("offer", NUMBER), ("NBBO", ""),
    ]  # fmt: skip
    rows = [_step_row(s, steps[i - 1] if i > 0 else None) for i, s in enumerate(steps)]
    return table(heads, rows) if rows else el("p", "No step of it is known.", cls="empty")


def _step_row(s: Step, before: Step | None) -> list[Html | str]:
    quote = s.quote
    return [
        s.what,
        el("time", words.clock(s.at)),
        "" if before is None else words.duration(s.at - before.at),
        s.clock,
        el("code", s.order_id),
        "–" if s.venue is None else s.venue,
        "–" if s.qty is None else words.shares(s.qty),
        "–" if s.price is None else words.price(s.price),
        "–" if quote is None or quote.bid is None else words.price(quote.bid),
        "–" if quote is None or quote.ask is None else words.price(quote.ask),
        "not joined" if quote is None else quote.state.replace("_", " "),
    ]


def _executions(executions: list[Execution]) -> Html:
    if not executions:
        return el("p", "None is kept for this order.", cls="empty")
    heads = [
        ("execution", ""), ("state", ""), ("time (UTC)", ""), ("venue", ""), ("shares", NUMBER), ("price", NUMBER),
        ("effective spread", NUMBER), ("quoted spread", NUMBER), ("improvement", NUMBER), ("E/Q", NUMBER), ("NBBO", ""),
    ]  # fmt: skip
    rows: list[list[Html | str]] = [
        [
            el("code", x.exec_id), x.state + (", late" if x.late else ""), el("time", words.clock(x.at)),
            words.named(x.venue), words.shares(x.qty), words.price(x.price), _score(x.effective_spread),
            _score(x.quoted_spread), _score(x.price_improvement), "–" if x.eq_ratio is None else f"{x.eq_ratio:.0%}",
            x.quote_state.replace("_", " "),
        ]
        for x in executions
    ]  # fmt: skip
    return table(heads, rows)


def _score(nano: int | None) -> str:
    return "–" if nano is None else words.price(nano)


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


def _told_story(notices: list[tuple[Notice, list[Attempt]]]) -> Html:
    if not notices:
        return el("p", "Nobody was sent anything about it.", cls="empty")
    return join([_told_notice(notice, attempts) for notice, attempts in notices])


def _told_notice(notice: Notice, attempts: list[Attempt]) -> Html:
    items = [
        el("li", f"{words.instant(a.started)}: {a.outcome}" + (f": {a.detail}" if a.detail != "" else ""))
        for a in attempts
    ]
    return el(
        "article",
        el("h3", f"{notice.channel}: {notice.message.subject}", " ", chip(notice.state.value)),
        el("ol", items) if items else el("p", "Not tried yet.", cls="empty"),
        cls="card",
    )


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
