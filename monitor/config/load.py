"""Reading the settings from their file, and secrets from where the settings point to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from monitor.config.checks import Readable, contradictions, is_address
from monitor.config.settings import Alert, Kafka, Listen, Publish, Quotes, Session, Settings, Watch
from monitor.config.toml import Located, Mistake, Mistaken


def load(path: str | None) -> Settings:
    """Read the settings, or the defaults when no file is named; raises `Mistaken` with every mistake.

    ``$SORWATCH_KAFKA`` (``host:port,host:port``) and ``$SORWATCH_STATE`` take the place of ``kafka.bootstrap`` and
    ``state``, for containers, where these differ from machine to machine and the rest of the file does not.
    """
    if path is None:
        return _overridden(Settings())
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise Mistaken(path, [Mistake(None, f"cannot be read: {error.strerror}")]) from None
    return _overridden(parse(text, path))


def _overridden(settings: Settings) -> Settings:
    servers, state = os.environ.get("SORWATCH_KAFKA"), os.environ.get("SORWATCH_STATE")
    if servers is not None:
        named = tuple(server.strip() for server in servers.split(","))
        bad = [server for server in named if not is_address(server, lowest=1)]
        if bad:
            raise Mistaken("$SORWATCH_KAFKA", [Mistake(None, f"{server!r} is not HOST:PORT") for server in bad])
        kafka = msgspec.structs.replace(settings.kafka, bootstrap=named)
        settings = msgspec.structs.replace(settings, kafka=kafka)
    return settings if state is None else msgspec.structs.replace(settings, state=state)


def parse(text: str, name: str) -> Settings:
    """Settings from TOML text; raises `Mistaken` with every mistake and its line."""
    located = Located(text, name)
    mistakes: list[Mistake] = []
    settings = located.read((), Settings, mistakes)
    mistakes += contradictions(_readable(located), located)
    if mistakes or settings is None:
        raise Mistaken(name, mistakes)
    return settings


def _readable(located: Located) -> Readable:
    """What is right table by table and key by key: one mistake must not hide those elsewhere."""
    listen = located.data.get("listen")
    declared = listen.get("session") if isinstance(listen, dict) else None
    count = len(declared) if isinstance(declared, list) else 0
    sessions = ((i, located.usable(("listen", "session", i), Session)) for i in range(count))
    return Readable(
        kafka=located.usable(("kafka",), Kafka),
        listen=located.usable(("listen",), Listen),
        sessions=tuple((i, session) for i, session in sessions if session is not None),
        publish=located.usable(("publish",), Publish),
        quotes=located.usable(("quotes",), Quotes),
        watch=located.usable(("watch",), Watch),
        alert=located.usable(("alert",), Alert),
    )


def secret(reference: str) -> str:
    """The secret a ``*_file`` setting points to; raises `OSError` or `KeyError` when it is not there.

    An empty one is none: a session, say, would let in anybody who names no password.
    """
    try:
        found = os.environ[reference[4:]] if reference.startswith("env:") else _text(Path(reference).expanduser())
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "it is not text") from None
    if not found:
        raise OSError(errno.ENODATA, "it is empty")
    return found


def _text(path: Path) -> str:
    return path.read_text("utf-8").strip()
