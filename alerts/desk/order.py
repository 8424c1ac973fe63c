"""The page of one order: its story beside the NBBO, and everything said about it."""

from __future__ import annotations

from alerts import formats
from alerts.desk.chart import chart, timeline
from alerts.desk.markup import Html, el, facts, join, table
from alerts.desk.pieces import DASH, NUMBER, or_dash, order_link, standing_of, where
from alerts.store import Revision
from monitor.wire.events import Execution, Finding, Step, Tie

NOT_STATED = "not stated"
TIES: dict[Tie, str] = {
    "before": "a quote of the very instant does not count",
    "at-or-before": "a quote of the very instant counts",
}


def order_page(order: str, findings: list[tuple[Finding, list[Revision]]], executions: list[Execution]) -> Html:
    """One order's story beside the NBBO, and everything said about it."""
    steps = timeline([*(f.steps for f, _ in findings), *(x.steps for x in executions)])
    return join(
        el("p", el("a", "← all incidents", href="/"), cls="back"),
        el("h1", "Order ", el("code", order)),
        el("p", _ordered(order, steps, findings, executions), cls="lead"),
        el("section", el("h2", "Its story beside the NBBO"), chart(steps), _steps(steps)),
        el("section", el("h2", "Findings"), [finding_card(f, r) for f, r in findings] or _nothing_found()),
        el("section", el("h2", "Executions"), _executions(executions)),
    )


def _ordered(
    order: str, steps: list[Step], findings: list[tuple[Finding, list[Revision]]], executions: list[Execution]
) -> str:
    """What was ordered, through whom, and on which day."""
    about: Finding | Execution = findings[0][0] if findings else executions[0]
    quantity = next((s.qty for s in steps if s.order_id == order and s.qty is not None), None)
    side = "order in" if about.side is None else about.side.replace("_", " ")
    what = f"{side} {about.symbol}" if quantity is None else f"{side} {formats.shares(quantity)} {about.symbol}"
    return f"{what} · {where(None, about.vendor, about.session)}"


def finding_card(finding: Finding, revisions: list[Revision]) -> Html:
    """One finding with its evidence and history."""
    evidence = formats.evidence(finding.evidence)
    return el(
        "article",
        el("h3", formats.arrows(finding.title), " ", standing_of(finding)),
        el("p", formats.arrows(finding.reason), cls="lead"),
        facts(_said(finding)),
        el("h4", "Evidence"),
        facts(evidence) if evidence else el("p", "None was given.", cls="empty"),
        _history(revisions),
        cls=f"card {finding.severity}",
        id=f"finding-{finding.id}",
    )


def _said(finding: Finding) -> list[tuple[str, str]]:
    """What a finding is about, and on whose authority."""
    limit = finding.limit
    return [
        ("order", order_link(finding.order_id)),
        ("what", f"{formats.side(finding)} · {formats.arrows(finding.subject)}"),
        ("when", formats.instant(finding.at)),
        ("where", where(finding.venue, finding.vendor, finding.session)),
        ("cost", NOT_STATED if finding.cost is None else formats.money(finding.cost)),
        ("limit", join(el("code", limit.name), f" = {limit.value}")),
        ("authority", f"{limit.approved_by}, since {limit.effective} (policy {limit.policy}): {limit.reason}"),
        ("review factor", f"FINRA 5310.09: {finding.factor}"),
        ("rule", f"{finding.rule} version {finding.rule_version}"),
        ("tie rule", f"{finding.tie}: {TIES[finding.tie]}"),
    ]


def _history(revisions: list[Revision]) -> Html:
    if len(revisions) < 2:
        return join()
    items = [
        el(
            "li",
            f"revision {r.revision}, {formats.instant(r.heard)}: {r.state}, "
            f"{r.certainty.replace('_', ' ')}: {r.reason}",
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
        join(el("time", formats.clock(s.at)), _day_begun(s, before)),
        "" if before is None else formats.duration(s.at - before.at),
        s.clock,
        el("code", s.order_id),
        or_dash(s.venue),
        DASH if s.qty is None else formats.shares(s.qty),
        DASH if s.price is None else formats.price(s.price),
        DASH if quote is None or quote.bid is None else formats.price(quote.bid),
        DASH if quote is None or quote.ask is None else formats.price(quote.ask),
        "not joined" if quote is None else quote.state.replace("_", " "),
    ]


def _day_begun(s: Step, before: Step | None) -> Html:
    """The day of the first step, and of each on a day later than the one before."""
    day = formats.day(s.at)
    return join() if before is not None and formats.day(before.at) == day else el("small", day)


def _executions(executions: list[Execution]) -> Html:
    if not executions:
        return el("p", "None is kept for this order.", cls="empty")
    heads = [
        ("execution", ""), ("state", ""), ("time (UTC)", ""), ("venue", ""), ("shares", NUMBER), ("price", NUMBER),
        ("effective spread", NUMBER), ("quoted spread", NUMBER), ("improvement a share", NUMBER), ("E/Q", NUMBER),
        ("NBBO", ""),
    ]  # fmt: skip
    rows: list[list[Html | str]] = [
        [
            el("code", x.exec_id), x.state + (", late" if x.late else ""), el("time", formats.clock(x.at)),
            or_dash(x.venue), formats.shares(x.qty), formats.price(x.price), _score(x.effective_spread),
            _score(x.quoted_spread), _score(x.price_improvement), DASH if x.eq_ratio is None else f"{x.eq_ratio:.0%}",
            x.quote_state.replace("_", " "),
        ]
        for x in executions
    ]  # fmt: skip
    return table(heads, rows)


def _score(nano: int | None) -> str:
    return DASH if nano is None else formats.dollars(nano)
