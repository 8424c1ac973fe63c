"""What is wrong with settings although each value is of the right kind: contradictions, and texts nobody can use. Pure.

It is asked about what is right of a file with other mistakes in it, so that none of them hides another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from monitor.config.settings import Alert, Kafka, Listen, Mail, Publish, Quotes, Session, Watch
from monitor.config.toml import Located, Mistake
from monitor.process import address
from monitor.process.address import Address

APPLICATION_VERSIONS: Final = (
    *("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4"),
    *("FIX.5.0", "FIX.5.0SP1", "FIX.5.0SP2"),
)
"""What default_appl_ver may be."""
LONGEST_NAME: Final = 255
"""Bytes of a session's name: the journal has one byte for its length."""
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d", re.ASCII)
_KIND = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,200}", re.ASCII)


class Readable(Struct, frozen=True, kw_only=True):
    """The tables of a settings file as far as they are right; ``None`` for those of which nothing is."""

    kafka: Kafka | None
    listen: Listen | None
    sessions: tuple[tuple[int, Session], ...]
    """Each with its place among those declared."""
    publish: Publish | None
    quotes: Quotes | None
    watch: Watch | None
    alert: Alert | None


def contradictions(read: Readable, located: Located) -> list[Mistake]:
    """Everything wrong, each with its line."""
    wrong = [*_session_mistakes(read.sessions, located)]
    if read.kafka is not None:
        wrong += _kafka_mistakes(read.kafka, located)
    if read.alert is not None:
        wrong += _alert_mistakes(read.alert, located)
    return [*wrong, *_shared_addresses(read, located), *_shared_source(read, located)]


def _shared_source(read: Readable, located: Located) -> Iterator[Mistake]:
    """The drop copy and the quotes under one name: nobody could tell which of them is silent or behind."""
    if read.listen is not None and read.quotes is not None and read.listen.source == read.quotes.source:
        what = f"quotes.source: {read.quotes.source!r} is listen.source too: give the quotes a name of their own"
        yield located.mistake(("quotes", "source"), what)


def is_address(text: str, lowest: int) -> bool:
    """Whether it is HOST:PORT, the port not below ``lowest``."""
    try:
        address.parse(text, lowest=lowest)
    except ValueError:
        return False
    return True


def _session_mistakes(sessions: tuple[tuple[int, Session], ...], located: Located) -> Iterator[Mistake]:
    names: set[str] = set()
    identities: dict[tuple[str, str, str], str] = {}
    for i, session in sessions:
        place = ("listen", "session", i)
        identity = session.begin_string, session.sender, session.target
        if session.name in names:
            yield located.mistake((*place, "name"), f"session {session.name!r} is declared twice")
        elif identity in identities:
            both = f"sessions {identities[identity]!r} and {session.name!r}"
            yield located.mistake(place, f"{both} have the same begin_string, sender and target: FIX cannot tell them")
        names.add(session.name)
        identities.setdefault(identity, session.name)
        for key, what in _wrong_with(session):
            yield located.mistake((*place, key), what)


def _wrong_with(session: Session) -> Iterator[tuple[str, str]]:
    """Fields of one session nobody can use, and why."""
    if not session.name.strip() or len(session.name.encode()) > LONGEST_NAME:
        yield "name", f"a session needs a name, of {LONGEST_NAME} bytes at most"
    for key, value in (("sender", session.sender), ("target", session.target)):
        if not value or not value.isprintable() or "/" in value:
            yield key, f"{value!r} is no CompID: one character or more, none of them a slash or a control character"
    for kind in session.message_types:
        if _KIND.fullmatch(kind) is None:
            yield "message_types", f"{kind!r} is no MsgType, such as U1"
    yield from _wrong_with_version(session)
    yield from _wrong_with_times(session)


def _wrong_with_version(session: Session) -> Iterator[tuple[str, str]]:
    version = session.default_appl_ver
    if session.begin_string == "FIXT.1.1" and version is None:
        yield "", "FIXT.1.1 needs default_appl_ver, such as FIX.5.0SP2"
    if version is not None and version not in APPLICATION_VERSIONS:
        yield "default_appl_ver", f"{version!r} is none of {', '.join(APPLICATION_VERSIONS)}"


def _wrong_with_times(session: Session) -> Iterator[tuple[str, str]]:
    for key, time in (("start_time", session.start_time), ("end_time", session.end_time)):
        if time is not None and _TIME.fullmatch(time) is None:
            yield key, f"{time!r} is no time of day, such as 22:00:00 (UTC)"
    if session.end_time is not None and session.start_time is None:
        yield "end_time", "end_time needs start_time"


def _kafka_mistakes(kafka: Kafka, located: Located) -> Iterator[Mistake]:
    if kafka.protocol.startswith("SASL") and (
        kafka.mechanism is None or kafka.username is None or kafka.password_file is None
    ):
        yield located.mistake(("kafka", "protocol"), f"{kafka.protocol} needs mechanism, username and password_file")
    if _PREFIX.fullmatch(kafka.prefix) is None:
        what = f"kafka.prefix: {kafka.prefix!r} cannot begin a topic's name: letters, digits, '.', '_' and '-' can"
        yield located.mistake(("kafka", "prefix"), what)
    for i, server in enumerate(kafka.bootstrap):
        if not is_address(server, lowest=1):
            yield located.mistake(("kafka", "bootstrap"), f"kafka.bootstrap[{i}]: {server!r} is not HOST:PORT")


def _alert_mistakes(alert: Alert, located: Located) -> Iterator[Mistake]:
    slack = alert.slack
    if slack is not None and slack.webhook_file is None and (slack.token_file is None or slack.channel is None):
        yield located.mistake(("alert", "slack"), "alert.slack needs webhook_file, or token_file and channel")
    if alert.base_url is not None and not alert.base_url.startswith(("https://", "http://")):
        what = f"alert.base_url: {alert.base_url!r} does not begin with https:// or http://"
        yield located.mistake(("alert", "base_url"), what)
    if alert.mail is not None:
        yield from _mail_mistakes(alert.mail, located)


def _mail_mistakes(mail: Mail, located: Located) -> Iterator[Mistake]:
    if not mail.to:
        yield located.mistake(("alert", "mail", "to"), "alert.mail.to names nobody")
    for key, mailbox in (("sender", mail.sender), *(("to", to) for to in mail.to)):
        if not mailbox.strip() or not mailbox.isprintable():
            yield located.mistake(("alert", "mail", key), f"alert.mail.{key}: {mailbox!r} is no mail address")
    if (mail.username is None) != (mail.password_file is None):
        yield located.mistake(("alert", "mail"), "alert.mail needs username and password_file, or neither")
    if mail.username is not None and mail.tls == "none":
        yield located.mistake(("alert", "mail", "tls"), "a password is not sent without TLS: set tls")


def _shared_addresses(read: Readable, located: Located) -> Iterator[Mistake]:
    """Addresses that are none, and two processes that would listen on the same one."""
    acceptors = [s for _, s in read.sessions if s.role == "acceptor"]
    taken = {str(Address(s.host, s.port)): f"listen.session {s.name!r}" for s in acceptors}
    for place, there in _addresses(read):
        name = ".".join(place)
        if not is_address(there, lowest=0):
            yield located.mistake(place, f"{name}: {there!r} is not HOST:PORT")
        elif there in taken:
            yield located.mistake(place, f"{name}: {there} is where {taken[there]} listens")
        elif not there.endswith(":0"):
            taken[there] = name


def _addresses(read: Readable) -> Iterator[tuple[tuple[str, str], str]]:
    if read.listen is not None:
        yield ("listen", "probe"), read.listen.probe
    if read.publish is not None:
        yield ("publish", "probe"), read.publish.probe
    if read.quotes is not None:
        yield ("quotes", "probe"), read.quotes.probe
    if read.watch is not None:
        yield ("watch", "probe"), read.watch.probe
    if read.alert is not None:
        yield ("alert", "page"), read.alert.page
