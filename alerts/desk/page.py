"""The frame of every page; pure functions of what is shown and the time."""

from __future__ import annotations

from alerts import formats
from alerts.desk.markup import Html, el, join

REFRESH_S = 10
"""How often a page without JavaScript is loaded again."""


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
        el("span", f"{formats.clock(now // 10**9 * 10**9)} UTC", id="when"),
    )
    lost = el("p", "This page has lost its connection; what it shows is old.", id="lost", hidden="hidden", role="alert")
    page = el("html", head, el("body", top, lost, el("main", body, id="main")), lang="en")
    return "<!doctype html>\n" + page


def missing(what: str) -> Html:
    """What was asked for is not known here."""
    return join(
        el("p", el("a", "← all incidents", href="/"), cls="back"),
        el("h1", "Not known here"),
        el("p", what, " Only the newest findings and executions are kept.", cls="lead"),
    )
