"""``sorwatch doctor``: what of the environment is missing and how to get it."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from monitor.config import load
from monitor.config.settings import Settings
from monitor.config.toml import Mistaken
from monitor.process import address, command_line
from monitor.process.address import Address


class Answer(Struct, frozen=True):
    """What one question about the environment found."""

    what: str
    state: str
    """``ok``, ``note`` (works without) or ``missing``."""
    how: str
    """What was found, or how to get what is missing."""


NEEDED_BYTES = 2 << 30


def questions(config: Settings) -> Iterator[Answer]:
    """Every question, asked in the order in which somebody setting up would meet them."""
    yield _python()
    yield from (_module(*part) for part in (("quickfix", "FIX sessions"), ("faust", "the worker"), ("kafka", "Kafka")))
    yield _crc()
    yield _compiler()
    yield _java()
    yield _jars(config)
    yield _directory(Path(config.state).expanduser())
    yield from _ports(config)
    yield _broker(config)
    yield from _secrets(config)
    yield from _files(config)
    yield from _others(config)


def _python() -> Answer:
    found = f"Python {sys.version.split()[0]}"
    good = sys.version_info >= (3, 11)
    return Answer("Python", "ok" if good else "missing", found if good else f"{found}: install Python 3.11 or newer")


def _module(name: str, purpose: str) -> Answer:
    try:
        importlib.import_module(name)
    except ImportError as error:
        return Answer(f"{name} ({purpose})", "missing", f"{error}: run `make setup`")
    return Answer(f"{name} ({purpose})", "ok", "importable")


def _crc() -> Answer:
    try:
        importlib.import_module("crc32c")
    except ImportError:
        return Answer("crc32c", "missing", "publishing is up to 35 times slower: pip install 'kafka-python[crc32c]'")
    return Answer("crc32c", "ok", "checksums in C")


def _compiler() -> Answer:
    found = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
    if found is None:
        return Answer("C++ compiler", "note", "needed only to build QuickFIX: apt-get install g++")
    return Answer("C++ compiler", "ok", found)


def _java() -> Answer:
    from monitor.kafka.embedded import java

    try:
        found = java.find()
    except java.NoJava as error:
        return Answer("Java", "missing", f"{error}; or name a broker in kafka.bootstrap")
    return Answer("Java", "ok", str(found))


def _jars(config: Settings) -> Answer:
    from monitor.kafka.embedded import jars

    cache = jars.cache_directory()
    missing = [jar for jar in jars.locked(jars.LOCK.read_text("utf-8")) if not (cache / jar.name).exists()]
    if not missing:
        return Answer("Kafka's jars", "ok", f"in {cache}")
    return Answer("Kafka's jars", "note", f"{len(missing)} to be fetched at the first start from {config.kafka.mirror}")


def _directory(path: Path) -> Answer:
    there = next((p for p in (path, *path.absolute().parents) if p.exists()), Path("/"))
    if not os.access(there, os.W_OK):
        return Answer("state directory", "missing", f"{there} is not writable: set `state` in the settings")
    free = shutil.disk_usage(there).free
    state = "ok" if free >= NEEDED_BYTES else "missing"
    return Answer("state directory", state, f"{path.absolute()}, {free >> 20} MiB free (journal and broker want 2048)")


def _ports(config: Settings) -> Iterator[Answer]:
    wanted = {s.name: Address(s.host, s.port) for s in config.listen.session if s.role == "acceptor"}
    named = {"listen": config.listen.probe, "publish": config.publish.probe, "quotes": config.quotes.probe}
    named |= {"watch": config.watch.probe, "alert": config.alert.page}
    wanted |= {name: address.parse(text) for name, text in named.items()}
    for name, there in wanted.items():
        taken = _taken(there)
        state, how = ("ok", f"{there} is free") if taken is None else ("note", f"{there}: {taken} (running already?)")
        yield Answer(f"port of {name}", state, how)


def _taken(there: Address) -> str | None:
    with socket.socket(socket.AF_INET6 if ":" in there.host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((there.host, there.port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def _broker(config: Settings) -> Answer:
    from monitor.kafka import topics

    try:
        topics.check(config.kafka)
    except Mistaken as mistaken:
        return Answer("Kafka", "missing", "; ".join(str(mistaken).splitlines()))
    except topics.Unavailable as away:
        if config.kafka.bootstrap:
            return Answer("Kafka", "missing", str(away))
        return Answer("Kafka", "note", f"{config.kafka.servers[0]}: not there; `sorwatch run` and `demo` start it")
    return Answer("Kafka", "ok", ", ".join(config.kafka.servers))


def _files(config: Settings) -> Iterator[Answer]:
    """The files the settings name: limits and dialects."""
    from fix_ingest.decode import dialects
    from monitor.worker import engines

    checks: list[tuple[str, str, Callable[[], object]]] = [
        ("policy", config.watch.policy or "the shipped one", lambda: engines.maker(config.watch)),
        (
            "dialects",
            ", ".join(sorted({s.dialect for s in config.listen.session})) or "none needed",
            lambda: dialects.for_sessions(config.listen.session),
        ),
    ]
    for what, found, check in checks:
        try:
            check()
        except Mistaken as mistaken:
            yield Answer(what, "missing", "; ".join(str(mistaken).splitlines()))
        else:
            yield Answer(what, "ok", found)


def _others(config: Settings) -> Iterator[Answer]:
    """Machines of others: counterparties to be called, the mail server."""
    called = {f"session {s.name}": f"{s.host}:{s.port}" for s in config.listen.session if s.role == "initiator"}
    if config.alert.mail is not None:
        called["alert.mail"] = f"{config.alert.mail.host}:{config.alert.mail.port}"
    for what, text in called.items():
        host, port = text.rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), 2).close()
        except OSError as error:
            how = f"{text}: {error.strerror or error}: check host, port and the network; it is tried again for ever"
            yield Answer(what, "note", how)
        else:
            yield Answer(what, "ok", f"{text} takes connections")


def _secrets(config: Settings) -> Iterator[Answer]:
    for place, reference in _references(config):
        try:
            load.secret(reference)
        except KeyError:
            yield Answer(place, "missing", f"{reference} is not set: set that variable")
        except OSError as error:
            yield Answer(place, "missing", f"{reference} cannot be read: {error.strerror}")
        else:
            yield _readers(place, reference)


def _readers(place: str, reference: str) -> Answer:
    """Who else may read the secret."""
    path = Path(reference).expanduser()
    if not reference.startswith("env:") and path.stat().st_mode & 0o077:
        return Answer(place, "note", f"{reference} can be read by others: chmod 600 {reference}")
    return Answer(place, "ok", reference)


def _references(config: Settings) -> Iterator[tuple[str, str]]:
    named: list[tuple[str, str | None]] = [("kafka.password_file", config.kafka.password_file)]
    named += [(f"listen.session {s.name}: password_file", s.password_file) for s in config.listen.session]
    if config.alert.slack is not None:
        named += [("alert.slack.webhook_file", config.alert.slack.webhook_file)]
        named += [("alert.slack.token_file", config.alert.slack.token_file)]
    if config.alert.mail is not None:
        named += [("alert.mail.password_file", config.alert.mail.password_file)]
    yield from ((place, reference) for place, reference in named if reference is not None)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch doctor``."""
    command_line.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print every answer; the exit code says whether something needed is missing."""
    return report(questions(load.load(args.config)), sys.stdout.write)


def report(answers: Iterator[Answer], write: Callable[[str], object]) -> int:
    """Write the answers one a line as they come; 0 when nothing is missing."""
    missing = 0
    for answer in answers:
        mark = {"ok": "ok      ", "note": "note    ", "missing": "MISSING "}[answer.state]
        write(f"{mark}{answer.what:32} {answer.how}\n")
        missing += answer.state == "missing"
    write("Everything needed is here.\n" if not missing else f"{missing} missing: see above how to get it.\n")
    return command_line.OK if not missing else command_line.UNAVAILABLE
