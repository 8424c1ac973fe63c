"""Dialects that come with sorwatch, and reading one's own."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from msgspec.structs import replace

from fix_ingest.decode.dialect import Dialect, parse
from monitor.config.settings import Session
from monitor.config.toml import Mistake, Mistaken


def load(name_or_path: str) -> Dialect:
    """A shipped dialect by name or one's own by path; raises `Mistaken` when it cannot be read or is wrong."""
    shipped = resources.files(__name__).joinpath(f"{name_or_path}.toml")
    if name_or_path.isidentifier() and shipped.is_file():
        return parse(shipped.read_text("utf-8"), f"dialect {name_or_path}")
    try:
        text = Path(name_or_path).expanduser().read_text("utf-8")
    except (OSError, ValueError) as error:
        what = f"dialect cannot be read: {error}; shipped with sorwatch: {', '.join(shipped_names())}"
        raise Mistaken(name_or_path, [Mistake(None, what)]) from None
    return parse(text, name_or_path)


def shipped_names() -> list[str]:
    """Names of the dialects that come with sorwatch."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def for_sessions(sessions: Iterable[Session]) -> dict[str, Dialect]:
    """Session name → its dialect, with the vendor and counterparty that the session names; raises `Mistaken`."""
    found = {}
    for session in sessions:
        dialect = load(session.dialect)
        found[session.name] = replace(
            dialect,
            vendor=session.vendor or dialect.vendor,
            counterparty=session.counterparty or dialect.counterparty,
        )
    return found
