"""What somebody reads at three in the morning: what happened, how sure, how much, where, on whose limit, what to do.

One notice in the forms the channels need: Slack text with blocks, e-mail subject and body. Everything that came from
outside (symbols, ids, venues, titles) is escaped for Slack and kept on one line, so that it can neither mention a
channel, nor make a link, nor add a header to a mail.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from alerts import formats
from alerts.incidents import Incident
from alerts.notify import Reason
from monitor.wire.events import Finding

_HEADLINE_MAX = 150
"""Slack refuses a header block beyond 150 characters."""
_SECTION_MAX = 3000
"""Slack refuses a section's text beyond 3,000 characters."""
_FACTS_MAX = 12
_HOW_MANY = "How many"
_MS = 1_000_000

Pairs = list[tuple[str, str]]
"""Names and values, as they are read."""

OPENING: dict[Reason, str] = {
    Reason.FIRST: "New",
    Reason.GREW: "Still growing",
    Reason.ESCALATED: "Worse",
    Reason.SHRANK: "Corrected",
    Reason.WITHDRAWN: "Withdrawn",
    Reason.OVER: "Over",
    Reason.REOPENED: "Back again",
}
"""What a notice for this reason begins with."""
_MEANING: dict[Reason, str] = {
    Reason.WITHDRAWN: "Every finding was taken back: see the order page for why. Nothing needs to be done.",
    Reason.OVER: "No new finding has come for a while. It still has to be looked into and written down.",
    Reason.SHRANK: "Findings were taken back after busts, corrections or late quotes; the figures are the new ones.",
}


class RuleNote(Struct, frozen=True, kw_only=True):
    """What a notice says about a rule itself."""

    title: str
    runbook: str
    blind_to: str


class Message(Struct, frozen=True, kw_only=True):
    """One notice in every form."""

    subject: str
    body: str
    """Plain text, for e-mail."""
    slack: str
    """Slack markup; what is shown where blocks are not."""
    blocks: tuple[dict[str, Any], ...]


class _Told(Struct, frozen=True, kw_only=True):
    """What a notice says, before it takes the form of a channel: in the order in which it should be read."""

    subject: str
    lines: Pairs
    """What, how many, since when, how sure, where."""
    link: str | None
    advice: list[str]
    evidence_of: str
    evidence: Pairs


def message(
    incident: Incident, example: Finding | None, note: RuleNote | None, reason: Reason, base_url: str | None
) -> Message:
    """The notice of an incident for this reason, with one of its findings as example."""
    told = _Told(
        subject=_subject(incident, note, reason),
        lines=_summary(incident, example, reason),
        link=None if base_url is None else f"{base_url.rstrip('/')}/incident/{incident.id}",
        advice=_advice(note, reason, incident.cause.rule),
        evidence_of="Evidence" if incident.count < 2 else f"Evidence of {_which(incident, example).lower()}",
        evidence=[] if example is None else _example(example),
    )
    return Message(subject=told.subject, body=_body(told), slack=_slack_text(told), blocks=_blocks(told))


def escape(text: str) -> str:
    """Text for Slack: its three control characters as entities, so that nothing becomes a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def one_line(text: str) -> str:
    """The text without line breaks or other control characters, and with arrows as arrows."""
    return formats.arrows("".join(c if c.isprintable() else " " for c in text))


def _subject(incident: Incident, note: RuleNote | None, reason: Reason) -> str:
    cause = incident.cause
    rule = cause.rule.replace("_", " ") if note is None else note.title
    where = f" at {cause.venue}" if cause.venue is not None else ""
    whose = f" ({cause.vendor})" if cause.vendor is not None else ""
    much = "" if reason is Reason.WITHDRAWN else f": {formats.many(incident.orders, 'order')}{_cost(incident)}"
    return one_line(f"[{incident.severity}] {OPENING.get(reason, reason.value)}: {rule}{where}{whose}{much}")[:200]


def _cost(incident: Incident) -> str:
    return "" if incident.cost is None else f", cost {formats.money(incident.cost)}"


def _summary(incident: Incident, example: Finding | None, reason: Reason) -> Pairs:
    lines = [(_which(incident, example), incident.title)]
    if reason in _MEANING:
        lines.append(("Meaning", _MEANING[reason]))
    if incident.count > 0:
        lines.append((_HOW_MANY, _size(incident)))
    lines += [
        ("Since", _since(incident)),
        ("How sure", _sure(incident)),
        ("Where", _where(incident)),
        ("State", f"{incident.state.value}: {incident.why}"),
    ]
    return [(name, one_line(value)) for name, value in lines]


def _which(incident: Incident, example: Finding | None) -> str:
    """What the finding shown is of its incident: the dearest, or the first where no cost can be stated."""
    if incident.count < 2:
        return "What"
    return "The first" if example is None or example.cost is None else "The worst"


def _since(incident: Incident) -> str:
    first, last = (ns // _MS * _MS for ns in (incident.first_at, incident.last_at))
    return formats.instant(first) if first == last else f"{formats.instant(first)}, the last {formats.instant(last)}"


def _where(incident: Incident) -> str:
    cause = incident.cause
    named = (("venue", cause.venue), ("vendor", cause.vendor), ("session", cause.session))
    return ", ".join(f"{name} {value}" for name, value in named if value is not None)


def _sure(incident: Incident) -> str:
    parts = [f"{formats.many(incident.count, 'finding')} confirmed"]
    if incident.possible > 0:
        parts.append(f"{incident.possible:,} possible (within clock error)")
    if incident.cannot_tell > 0:
        parts.append(f"{incident.cannot_tell:,} cannot be told (no usable NBBO, or no venue)")
    if incident.withdrawn > 0:
        parts.append(f"{incident.withdrawn:,} withdrawn")
    return ", ".join(parts)


def _size(incident: Incident) -> str:
    parts = [formats.many(incident.orders, "order"), formats.many(incident.symbols, "symbol")]
    if incident.shares is not None:
        parts.append(f"{formats.shares(incident.shares)} shares")
    cost = "cost not stated" if incident.cost is None else f"cost {formats.money(incident.cost)}"
    return ", ".join([*parts, cost])


def _example(finding: Finding) -> Pairs:
    limit = finding.limit
    evidence = formats.evidence(finding.evidence)
    lines = [
        ("Order", f"{finding.order_id}, {formats.side(finding)}, {formats.instant(finding.at)}"),
        *evidence[:_FACTS_MAX],
        *([("more", f"{len(evidence) - _FACTS_MAX} on the page")] if len(evidence) > _FACTS_MAX else []),
        ("Withdrawn", finding.reason) if finding.state == "withdrawn" else ("Sure", formats.SURE[finding.certainty]),
        ("Limit", f"{limit.name} = {limit.value}, in force since {limit.effective} (policy {limit.policy})"),
        ("Authority", f"{limit.approved_by}: {limit.reason}"),
    ]
    return [(one_line(name), one_line(value)) for name, value in lines]


def _advice(note: RuleNote | None, reason: Reason, rule: str) -> list[str]:
    if reason is Reason.WITHDRAWN:
        return []
    if note is None:
        return [f"No runbook: this version of sorwatch does not know the rule {one_line(rule)}."]
    return [one_line(line) for line in note.runbook.strip().splitlines() if line.strip()]


def _body(told: _Told) -> str:
    parts = [_columns(told.lines)]
    if told.link is not None:
        parts.append(f"Open the incident: {told.link}")
    if told.advice:
        parts.append("What to do\n" + "\n".join(f"  {line}" for line in told.advice))
    if told.evidence:
        parts.append(f"{told.evidence_of}\n{_columns(told.evidence)}")
    parts.append("Times are UTC. Sent by sorwatch; the page is the record, this is a notice.")
    return "\n\n".join(parts) + "\n"


def _columns(pairs: Pairs) -> str:
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in pairs)


def _slack_text(told: _Told) -> str:
    parts = [escape(told.subject), escape(told.lines[0][1])]
    parts += [escape(value) for name, value in told.lines if name == _HOW_MANY]
    return "\n".join(parts if told.link is None else [*parts, f"<{told.link}|Open the incident>"])


def _blocks(told: _Told) -> tuple[dict[str, Any], ...]:
    head = _cut(told.subject, _HEADLINE_MAX)
    texts = [_bold(told.lines)]
    if told.link is not None:
        texts.append(f"<{told.link}|Open the incident>")
    if told.advice:
        texts.append("*What to do*\n" + "\n".join(escape(line) for line in told.advice))
    if told.evidence:
        texts.append(f"*{told.evidence_of}*\n{_bold(told.evidence)}")
    header = {"type": "header", "text": {"type": "plain_text", "text": head, "emoji": False}}
    return (header, *(_section(text) for text in texts))


def _bold(pairs: Pairs) -> str:
    return "\n".join(f"*{escape(name)}:* {escape(value)}" for name, value in pairs)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, _SECTION_MAX)}}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
