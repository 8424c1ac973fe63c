"""HTML in which everything is text unless it was made here: escaping cannot be forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

VOID = frozenset({"meta", "link", "br", "line", "rect", "circle", "path", "polyline"})


class Html(str):
    """Markup that is safe as it is."""

    __slots__ = ()


Child = str | Iterable[str]


def el(name: str, /, *children: Child, **attributes: str | int | float | None) -> Html:
    """An element; children that are not `Html` are escaped, attributes always; ``cls`` is class, _ is -."""
    names = {"cls": "class", "for_": "for", "http_equiv": "http-equiv"}
    given = "".join(
        f' {names.get(k, k.replace("_", "-"))}="{escape(visible(str(v)), quote=True)}"'
        for k, v in attributes.items()
        if v is not None
    )
    if name in VOID and not children:
        return Html(f"<{name}{given}>") if name in ("meta", "link", "br") else Html(f"<{name}{given}/>")
    return Html(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Children one after the other, escaped unless they are `Html`."""
    pieces = (p for child in children for p in ((child,) if isinstance(child, str) else child))
    return Html("".join(p if isinstance(p, Html) else escape(visible(p), quote=True) for p in pieces))


def visible(text: str) -> str:
    """Control characters and direction marks as their code points, so that they cannot change what is seen."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


def path(*parts: str) -> str:
    """A link on this page; every part is quoted, slashes too."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def table(heads: Iterable[tuple[str, str]], rows: Iterable[Iterable[Child]], *, cls: str = "") -> Html:
    """A table; each head is (title, class of its column); cells repeat it for screens too narrow for columns."""
    columns = list(heads)
    head = el("tr", [el("th", title, cls=kind or None, scope="col") for title, kind in columns])
    body = [
        el(
            "tr",
            [
                el("td", cell, cls=kind or None, data_head=title)
                for cell, (title, kind) in zip(row, columns, strict=True)
            ],
        )
        for row in rows
    ]
    return el("div", el("table", el("thead", head), el("tbody", body), cls=cls or None), cls="wide")


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """A list of names and values."""
    return el("dl", [el("div", el("dt", name), el("dd", value)) for name, value in pairs], cls="facts")
