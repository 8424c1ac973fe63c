"""Writes docs/settings.md from the settings' Structs: ``python -m docs.generate.settings``."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Struct

from docs.generate.docstrings import field_docstrings
from monitor.config import settings

PAGE = Path(__file__).parent.parent / "settings.md"

INTRODUCTION = """\
# Settings

One TOML file for all processes, named by `--config FILE` or `$SORWATCH_CONFIG`. Without one, the defaults below hold:
one machine, everything on loopback. All mistakes in a file are reported at once, each with its line, and the exit
code is then 2. `$SORWATCH_KAFKA` (`host:port,host:port`) and `$SORWATCH_STATE` take the place of `kafka.bootstrap` and
`state`. A field that ends in `_file` names a file that holds a secret; `env:NAME` in its place names an environment
variable. `sorwatch doctor --config FILE` says whether all of it is there.

This page is generated from `monitor/config/settings.py` by `python -m docs.generate`; a test holds it current.
"""


def page() -> str:
    """The whole page."""
    said = field_docstrings(settings)
    parts = [INTRODUCTION, _section("(top of the file)", settings.Settings, said)]
    for name, kind in _tables(settings.Settings):
        parts.append(_section(f"[{name}]", kind, said))
        parts += [_section(_header(name, inner, field), inner, said) for field, inner in _tables(kind)]
    return "\n".join(parts)


def _header(table: str, kind: type[Struct], field: str) -> str:
    return f"[[{table}.{field}]]" if kind in (settings.Session,) else f"[{table}.{field}]"


def _tables(kind: type[Struct]) -> list[tuple[str, type[Struct]]]:
    """Fields of a Struct that are tables, and what is in them."""
    found = []
    for name, hint in get_type_hints(kind).items():
        inner = next((k for k in (hint, *get_args(hint)) if isinstance(k, type) and issubclass(k, Struct)), None)
        if inner is not None:
            found.append((name, inner))
    return found


def _section(title: str, kind: type[Struct], said: dict[str, dict[str, str]]) -> str:
    tables = dict(_tables(kind))
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        if field.name not in tables:
            meaning = said.get(kind.__name__, {}).get(field.name, "")
            rows.append(f"| `{field.name}` | {_type(field.type)} | {_default(field)} | {meaning} |")
    body = "\n".join(rows) if len(rows) > 2 else ""
    return f"## {title}\n\n{inspect.cleandoc(kind.__doc__ or '')}\n\n{body}\n"


def _type(kind: Any) -> str:
    args = get_args(kind)
    if "Literal" in str(kind) and args and all(isinstance(a, str) for a in args):
        return " or ".join(f"`{a}`" for a in args)
    text = getattr(kind, "__name__", str(kind)) if not args else str(kind)
    text = re.sub(r"typing\.Annotated\[(\w+).*?\)\]", r"\1", text).replace("typing.", "")
    text = re.sub(r"tuple\[(.+), \.\.\.\]", r"list of \1", text).replace("NoneType", "none").replace("None", "none")
    return text.replace("|", "or").replace("tuple[str, str]", "[text, text]")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "**needed**"
    value = field.default if field.default is not msgspec.NODEFAULT else ()
    if value is None:
        return "none"
    return "none" if value == () else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
