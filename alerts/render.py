"""What somebody reads at three in the morning: what happened, how sure, how much, where, on whose limit, what to do.

One notice in the forms the channels need: Slack text with blocks, e-mail subject and body. Everything that came from
outside (symbols, ids, venues, titles) is escaped for Slack and kept on one line, so that it can neither mention a
channel, nor make a link, nor add a header to a mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from alerts import words
from alerts.incidents import Incident
from alerts.notify import Reason
from monitor.events import Finding

_HEADLINE_MAX = 150
"""Slack refuses a header block beyond 150 characters."""
_SECTION_MAX = 3000
"""Slack refuses a section's text beyond 3,000 characters."""
_FACTS_MAX = 12

_OPENING: dict[Reason, str] = {
    Reason.FIRST: "New",
    Reason.GREW: "Still growing",
    Reason.ESCALATED: "Worse",
    Reason.SHRANK: "Corrected",
    Reason.WITHDRAWN: "Withdrawn",
    Reason.OVER: "Over",
    Reason.REOPENED: "Back again",
}
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


def message(
    incident: Incident, example: Finding | None, note: RuleNote | None, reason: Reason, base_url: str | None
) -> Message:
    """The notice of an incident for this reason, with one of its findings as example."""
    subject = _subject(incident, note, reason)
    link = None if base_url is None else f"{base_url.rstrip('/')}/incident/{incident.id}"
    lines = _summary(incident, reason)
    shown = [] if example is None else _example(example)
    advice = _advice(note, reason, incident.cause.rule)
    return Message(
        subject=subject,
        body=_body(lines, shown, advice, link),
        slack=_slack_text(subject, lines, link),
        blocks=_blocks(subject, lines, shown, advice, link),
    )


def escape(text: str) -> str:
    """Text for Slack: its three control characters as entities, so that nothing becomes a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def one_line(text: str) -> str:
    """The text without line breaks or other control characters, and with arrows as arrows."""
    return "".join(c if c.isprintable() else " " for c in text).replace("->", "→")


def _subject(incident: Incident, note: RuleNote | None, reason: Reason) -> str:
    cause = incident.cause
    rule = cause.rule.replace("_", " ") if note is None else note.title
    where = f" at {cause.venue}" if cause.venue is not None else ""
    whose = f" ({cause.vendor})" if cause.vendor is not None else ""
    count = "" if reason is Reason.WITHDRAWN else f": {words.many(incident.orders, 'order')}"
    return one_line(f"[{incident.severity}] {_OPENING.get(reason, reason.value)}: {rule}{where}{whose}{count}")[:200]


def _summary(incident: Incident, reason: Reason) -> list[tuple[str, str]]:
    cause = incident.cause
    lines = [("What", incident.title)]
    if reason in _MEANING:
        lines.append(("Meaning", _MEANING[reason]))
    lines += [
        ("How sure", _sure(incident)),
        ("How much", _size(incident)),
        ("Where", f"venue {words.named(cause.venue)}, vendor {words.named(cause.vendor)}, session {cause.session}"),
        ("When", f"{words.instant(incident.first_at)} to {words.instant(incident.last_at)}"),
        ("State", f"{incident.state.value}: {incident.why}"),
    ]
    return [(name, one_line(value)) for name, value in lines]


def _sure(incident: Incident) -> str:
    parts = [f"{words.many(incident.count, 'finding')} confirmed"]
    if incident.possible > 0:
        parts.append(f"{incident.possible:,} possible (within clock error)")
    if incident.cannot_tell > 0:
        parts.append(f"{incident.cannot_tell:,} cannot be told (no usable NBBO)")
    if incident.withdrawn > 0:
        parts.append(f"{incident.withdrawn:,} withdrawn")
    return ", ".join(parts)


def _size(incident: Incident) -> str:
    parts = [words.many(incident.orders, "order"), words.many(incident.symbols, "symbol")]
    if incident.shares is not None:
        parts.append(f"{words.shares(incident.shares)} shares")
    cost = "cost not stated" if incident.cost is None else f"cost {words.money(incident.cost)}"
    return ", ".join([*parts, cost])


def _example(finding: Finding) -> list[tuple[str, str]]:
    limit = finding.limit
    lines = [
        ("Order", f"{finding.order_id}, {words.side(finding)}, {words.instant(finding.at)}"),
        ("Found", finding.title),
        *words.evidence(finding.evidence)[:_FACTS_MAX],
        ("Sure", words.SURE[finding.certainty]),
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


def _body(lines: list[tuple[str, str]], shown: list[tuple[str, str]], advice: list[str], link: str | None) -> str:
    parts = [_columns(lines)]
    if shown:
        parts.append("An example\n" + _columns(shown))
    if advice:
        parts.append("What to do\n" + "\n".join(f"  {line}" for line in advice))
    if link is not None:
        parts.append(f"The page: {link}")
    parts.append("Times are UTC. Sent by sorwatch; the page is the record, this is a notice.")
    return "\n\n".join(parts) + "\n"


def _columns(pairs: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in pairs)


def _slack_text(subject: str, lines: list[tuple[str, str]], link: str | None) -> str:
    facts = dict(lines)
    text = f"{escape(subject)}\n{escape(facts['What'])}\n{escape(facts['How much'])}"
    return text if link is None else f"{text}\n<{link}|Open the incident>"


def _blocks(
    subject: str, lines: list[tuple[str, str]], shown: list[tuple[str, str]], advice: list[str], link: str | None
) -> tuple[dict[str, Any], ...]:
    head = subject if len(subject) <= _HEADLINE_MAX else subject[: _HEADLINE_MAX - 1] + "…"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": head, "emoji": False}},
        _section(_bold(lines)),
    ]
    if shown:
        blocks.append(_section("*An example*\n" + _bold(shown)))
    if advice:
        blocks.append(_section("*What to do*\n" + "\n".join(escape(line) for line in advice)))
    if link is not None:
        blocks.append(_section(f"<{link}|Open the incident>"))
    return tuple(blocks)


def _bold(pairs: Mapping[str, str] | list[tuple[str, str]]) -> str:
    rows = pairs.items() if isinstance(pairs, Mapping) else pairs
    return "\n".join(f"*{escape(name)}:* {escape(value)}" for name, value in rows)


def _section(text: str) -> dict[str, Any]:
    short = text if len(text) <= _SECTION_MAX else text[: _SECTION_MAX - 1] + "…"
    return {"type": "section", "text": {"type": "mrkdwn", "text": short}}
