"""The page of one incident."""

from __future__ import annotations

from alerts import formats
from alerts.desk.markup import Html, el, facts, join
from alerts.desk.order import NOT_STATED, finding_card
from alerts.desk.pieces import aside, chip, findings_table, standing, where
from alerts.incidents import Incident
from alerts.outbox import Attempt, Notice
from alerts.render import RuleNote
from monitor.wire.events import Finding

FINDINGS_SHOWN = 200
API_MOST = 10_000
"""More than this are not answered at once."""


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
        el("h1", title, " ", standing(incident)),
        el("p", formats.arrows(incident.title), cls="lead"),
        facts(_incident_facts(incident, now)),
        join() if example is None else el("section", el("h2", "An example"), finding_card(example, [])),
        _what_to_do(note),
        el("section", el("h2", "Findings"), _beyond(incident, len(findings)), findings_table(findings, heard=True)),
        el("section", el("h2", "Notices"), _told_story(notices)),
    )


def _incident_facts(i: Incident, now: int) -> list[tuple[str, str]]:
    return [
        ("state", f"{i.state.value}: {i.why}"),
        ("orders", f"{formats.many(i.orders, 'order')} in {formats.many(i.symbols, 'symbol')}"),
        ("findings", f"{i.count:,} confirmed" + (f"; {aside(i)}" if aside(i) else "")),
        ("shares", formats.shares(i.shares)),
        ("cost", NOT_STATED if i.cost is None else formats.money(i.cost)),
        ("where", where(i.cause.venue, i.cause.vendor, i.cause.session)),
        ("first", formats.instant(i.first_at)),
        ("last", f"{formats.instant(i.last_at)} (heard {formats.ago(i.last_heard, now)})"),
    ]


def _beyond(i: Incident, shown: int) -> Html:
    """What to say when not all findings are shown."""
    known = i.count + i.possible + i.cannot_tell + i.withdrawn
    if known <= shown:
        return join()
    all_of_them = f"/api/findings.json?limit={min(known, API_MOST)}&incident={i.id}"
    return el("p", f"The newest {shown:,} of {known:,} findings; ", el("a", "all as JSON", href=all_of_them), ".")


def _what_to_do(note: RuleNote | None) -> Html:
    if note is None:
        return el(
            "section", el("h2", "What to do"), el("p", "This version knows no runbook for the rule.", cls="empty")
        )
    lines = [el("p", text.strip()) for text in note.runbook.strip().splitlines() if text.strip()]
    blind = el("p", "What this rule cannot see: ", note.blind_to, cls="aside")
    return el("section", el("h2", "What to do"), el("div", lines, blind, cls="card runbook"))


def _told_story(notices: list[tuple[Notice, list[Attempt]]]) -> Html:
    if not notices:
        return el("p", "Nobody was sent anything about it.", cls="empty")
    return join([_told_notice(notice, attempts) for notice, attempts in notices])


def _told_notice(notice: Notice, attempts: list[Attempt]) -> Html:
    items = [
        el("li", f"{formats.instant(a.started)}: {a.outcome}" + (f": {a.detail}" if a.detail != "" else ""))
        for a in attempts
    ]
    return el(
        "article",
        el("h3", f"{notice.channel}: {notice.message.subject}", " ", chip(notice.state.value)),
        el("ol", items) if items else el("p", "Not tried yet.", cls="empty"),
        cls="card",
    )
