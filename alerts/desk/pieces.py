"""What several pages show alike: chips, links, tables of findings."""

from __future__ import annotations

from alerts import formats
from alerts.desk.markup import Html, el, join, path, table
from alerts.incidents import Incident, State
from monitor.wire.events import Finding

NUMBER = "num"
DASH = "–"


def chip(word: str) -> Html:
    """A word with a colour that says the same."""
    return el("span", word.replace("_", " "), cls=f"chip {word.replace(' ', '-')}")


def order_link(order: str) -> Html:
    """A link to an order's page."""
    return el("a", el("code", order), href=path("order", order))


def standing(i: Incident) -> Html:
    """The state of an incident and how bad it is, in words."""
    word = i.state.value
    if i.count == 0:
        word = "withdrawn" if i.state is State.OVER and i.withdrawn > 0 else "not confirmed"
    return join(chip(word), " ", chip(i.severity))


def aside(i: Incident) -> str:
    """What of an incident is known but not counted."""
    parts = [(i.possible, "possible"), (i.cannot_tell, "cannot tell"), (i.withdrawn, "withdrawn")]
    return ", ".join(f"{n:,} {word}" for n, word in parts if n > 0)


def where(venue: str | None, vendor: str | None, session: str) -> str:
    """Venue, vendor and session in one line; what the cause does not have is left out."""
    named = (("venue", venue), ("vendor", vendor), ("session", session))
    return " · ".join(f"{name} {value}" for name, value in named if value is not None)


def or_dash(value: str | None) -> str:
    """The value of a cell, or a dash where there is none."""
    return DASH if value is None else value


def findings_table(findings: list[Finding], heard: bool) -> Html:
    """Findings, one a row; ``heard`` tells whether the worker has spoken at all."""
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
            join(el("time", formats.clock(f.at // 10**6 * 10**6)), el("small", formats.day(f.at))),
            standing_of(f),
            formats.arrows(f.title),
            join(order_link(f.order_id), el("small", formats.side(f))),
            or_dash(f.venue),
            el("span", f"{formats.unitless(f.limit.name)} = {f.limit.value}", cls="limit"),
            DASH if f.cost is None or f.state == "withdrawn" else formats.money(f.cost),
        ]
        for f in findings
    ]
    return table(heads, rows)


def standing_of(finding: Finding) -> Html:
    """How sure a finding is and whether it was amended; of one that was withdrawn only that."""
    if finding.state == "withdrawn":
        return chip(finding.state)
    return join(chip(finding.certainty), join() if finding.state == "raised" else join(" ", chip(finding.state)))
