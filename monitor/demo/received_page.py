"""What the demo receiver got, for people and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import unescape
from typing import Any

from msgspec import Struct

from alerts import formats
from alerts.desk.markup import Html, el, join


class SlackPost(Struct, frozen=True, kw_only=True):
    """One message as Slack would have got it."""

    at: int
    way: str
    """``webhook`` or ``chat.postMessage``."""
    text: str
    payload: dict[str, Any]


class Letter(Struct, frozen=True, kw_only=True):
    """One mail as it was received."""

    at: int
    sender: str
    to: tuple[str, ...]
    subject: str
    message_id: str
    body: str
    headers: dict[str, str]


def received_json(slack: Sequence[SlackPost], mail: Sequence[Letter]) -> str:
    """Everything received, for programs."""
    posts = [{"at": p.at, "way": p.way, "text": p.text, "payload": p.payload} for p in slack]
    letters = [{"at": m.at, "to": m.to, "subject": m.subject, "message_id": m.message_id, "body": m.body} for m in mail]
    return json.dumps({"slack": posts, "mail": letters})


def received_page(slack: Sequence[SlackPost], mail: Sequence[Letter]) -> str:
    """Everything received, newest first, for people."""
    posts = [_post(p) for p in reversed(slack)]
    letters = [_mail(m) for m in reversed(mail)]
    nothing = el("p", "Nothing has arrived yet.", cls="soft")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="refresh", content=5),
        el("title", "Received notices · demo receiver"),
        el("style", Html(_STYLE)),
    )
    body = el(
        "body",
        el("h1", "Received notices"),
        el(
            "p",
            "A demo receiver: it stands in for Slack and for a mail server, and shows what they would have got.",
            cls="soft",
        ),
        el("h2", f"Slack ({len(slack)})"),
        posts if posts else nothing,
        el("h2", f"E-mail ({len(mail)})"),
        letters if letters else nothing,
    )
    return "<!doctype html>\n" + el("html", head, body, lang="en")


def _post(post: SlackPost) -> Html:
    blocks = post.payload.get("blocks") or []
    texts = [str(b.get("text", {}).get("text", "")) for b in blocks if isinstance(b, dict)]
    shown = "\n\n".join(texts) if texts else post.text
    return el("article", el("p", f"{formats.instant(post.at)} · {post.way}", cls="soft"), el("pre", as_read(shown)))


def as_read(text: str) -> Html:
    """Slack's markup roughly as Slack shows it: bold, links, and its three entities."""
    return join([_token(token) for token in _TOKENS.split(text)])


def _token(token: str) -> str:
    if token.startswith("*") and token.endswith("*") and len(token) > 2:
        return el("b", unescape(token[1:-1]))
    if token.startswith("<http") and token.endswith(">"):
        url, _, name = token[1:-1].partition("|")
        return el("a", unescape(name if name != "" else url), href=unescape(url))
    return unescape(token)


_TOKENS = re.compile(r"(<https?://[^>]*>|\*[^*\n]+\*)")


def _mail(letter: Letter) -> Html:
    line = f"{formats.instant(letter.at)} · from {letter.sender} to {', '.join(letter.to)}"
    return el("article", el("p", line, cls="soft"), el("h3", letter.subject), el("pre", join(letter.body)))


_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, Arial, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
article { border: 1px solid #8886; border-radius: 8px; padding: .7rem 1rem; margin: 0 0 .8rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
pre { font: .85rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
h3 { font-size: 1rem; margin: .2rem 0 .5rem; } .soft { opacity: .7; font-size: .9rem; margin: 0 0 .4rem; }
"""
