"""QuickFIX sessions → journal: the only file that imports quickfix.

What was measured about QuickFIX 1.16 and is built upon here:

- An exception that leaves a callback wedges the process for good, so every callback is guarded: what nobody
  foresaw ends the process with code 70, the journal tells the next one where to go on, the counterparty sends again.
- Engine and sessions run in one thread each for all acceptors of an address and for all initiators: deliveries follow
  their bytes within the same thread, before other bytes are shown.
- Such a thread is no thread of Python's: every callback would make a thread state and throw it away (a mapping of
  memory each time, half of the processor time of a message). The first message keeps it: `Application.stay`.
- It holds bare pointers to what it is given, and its own stop frees the server while its thread may still use it
  (segmentation faults were seen): nothing made here is ever destroyed.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import quickfix as fix
import structlog

from fix_ingest.journal import Journal
from fix_ingest.session.bind import listen_there, listening, unknown_port
from fix_ingest.session.quickfix_settings import quickfix_settings
from fix_ingest.session.raw_fields import without_secrets
from fix_ingest.session.sequence_store import session_file
from fix_ingest.session.session import FixSession, LogonRefused
from monitor.config.settings import Session

log = structlog.get_logger()
Callback = TypeVar("Callback", bound=Callable[..., Any])

_QUIET: Final = ("Processing QUEUED message", "Already sent ResendRequest", "MsgSeqNum too high", "Message ")
"""Events of the engine that come once a message and are counted instead of told."""

_ALIVE: Final[list[Any]] = []


class Misconfigured(OSError):
    """QuickFIX does not take the settings."""


def _die(where: str) -> NoReturn:
    log.critical("unforeseen error in a FIX callback; the process ends", where=where, exc_info=True)
    os._exit(70)


def guarded(callback: Callback) -> Callback:
    """End the process when a callback fails: QuickFIX would hang for ever instead."""

    @wraps(callback)
    def call(*args: Any) -> Any:
        try:
            return callback(*args)
        except LogonRefused as refused:
            raise fix.RejectLogon(str(refused)) from None
        except BaseException:  # noqa: BLE001 - process boundary: whatever leaves a callback wedges the process
            _die(callback.__name__)

    return call  # type: ignore[return-value]  # same signature: wraps() keeps it


class _Parsed:
    """A QuickFIX message, valid within its callback only."""

    __slots__ = ("_message",)

    def __init__(self, message: Any) -> None:
        self._message = message

    def seq(self) -> int:
        return int(self._message.getHeader().getField(34))

    def text(self) -> bytes:
        return _bytes(self._message.toString())


class _Log(fix.Log):  # type: ignore[misc]  # no type information is published for quickfix
    """Lets everything pass unheard."""

    def onIncoming(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """Bytes of one message, before anything was checked."""

    def onOutgoing(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """Not kept: we send session messages only."""

    def clear(self) -> None:
        """Nothing to clear."""

    def backup(self) -> None:
        """Nothing to back up."""


class WireLog(_Log):
    """Receives the exact bytes of a session."""

    def __init__(self, application: Application, link: FixSession) -> None:
        super().__init__()
        self._application, self._link = application, link

    @guarded
    def onIncoming(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """Bytes of one message, before anything was checked."""
        application = self._application
        if not application.stays:
            application.stay()
        application.current = link = self._link
        link.came(_bytes(text), time.time_ns())

    @guarded
    def onEvent(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """What the session layer says about itself."""
        if not text.startswith(_QUIET):
            self._link.said(text)


class StrangerLog(_Log):
    """Hears of connections that belong to no session."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self._application = application

    @guarded
    def onEvent(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """Connections, and first messages that name no session of ours."""
        if not text.startswith("Session not found"):
            log.info("fix", said=text)
            return
        self._application.strangers += 1
        told = without_secrets(_bytes(text)).decode("utf-8", "replace").replace("\x01", "|")
        log.warning("logon refused: no such session", said=told, todo="compare sender and target with listen.session")


class Logs(fix.LogFactory):  # type: ignore[misc]  # no type information is published for quickfix
    """Makes the logs and keeps them alive: QuickFIX holds bare pointers."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self._application = application
        self._kept: list[Any] = []

    @guarded
    def create(self, *args: Any) -> Any:
        """The log of a session, or the one for everybody."""
        made = WireLog(self._application, self._application.link(args[0])) if args else StrangerLog(self._application)
        self._kept.append(made)
        made.__disown__()
        return made

    def destroy(self, made: Any) -> None:
        """Kept until the process ends."""


class Application(fix.Application):  # type: ignore[misc]  # no type information is published for quickfix
    """The callbacks of one engine thread."""

    def __init__(self, links: list[FixSession]) -> None:
        super().__init__()
        self._links = {_identity(link.session).toString(): link for link in links}
        self.current: FixSession = links[0]
        """Whose bytes came last: the session of whatever is delivered now."""
        self.strangers = 0
        self.stays = False

    def stay(self) -> None:
        """Keep Python's state of the engine's thread until the process ends: taken once more than it is given back."""
        self.stays = True
        ctypes.pythonapi.PyGILState_Ensure()

    def link(self, session_id: Any) -> FixSession:
        """The configured session with that identity."""
        return self._links[session_id.toString()]

    def onCreate(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """Attached after construction."""

    @guarded
    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """A message is delivered: on return its number counts as received."""
        self.current.deliver(_Parsed(message))

    @guarded
    def fromAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """A session message is delivered; a logon may be refused here."""
        self.link(session_id).deliver_admin(_kind(message), _Parsed(message))

    @guarded
    def toAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """We send a session message."""
        link, kind = self.link(session_id), _kind(message)
        if kind == "A":
            for tag, value in link.credentials():
                message.setField(fix.StringField(tag, value))
        elif kind == "3":
            link.rejects(_get(message, 45), _get(message, 58))
        elif kind == "2":
            link.asks_again(int(message.getField(7)), time.time_ns())

    @guarded
    def toApp(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """The engine's own business reject: the only application message that ever leaves."""
        self.link(session_id).rejects(_get(message, 45), _get(message, 58))

    @guarded
    def onLogon(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """The session is up."""
        self.link(session_id).went_up(time.time_ns())

    @guarded
    def onLogout(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """The session is down, or never came up."""
        self.link(session_id).went_down(time.time_ns())


class Engine:
    """Every configured session over one journal: make it, `start` it once, `stop` it once, end the process.

    QuickFIX's threads outlive Python's objects, so a process that has started an engine ends by ``os._exit``.
    """

    def __init__(self, sessions: tuple[Session, ...], passwords: dict[str, str], journal: Journal, state: Path) -> None:
        """Take the addresses and make the sessions; raises `AddressTaken`, `Misconfigured` or another `OSError`."""
        self.links = [FixSession(session, passwords.get(session.name), journal) for session in sessions]
        self.applications: list[Application] = []
        self._state = state
        self._engines: list[tuple[Any, socket.socket | None, int]] = []
        shared = _by_address(self.links)
        sockets = [None if address is None else listening(address) for address in shared]
        for links, mine in zip(shared.values(), sockets, strict=True):
            try:
                self._make(links, mine)
            except (fix.ConfigError, fix.RuntimeError) as error:
                raise Misconfigured(0, f"{[link.session.name for link in links]}: {error}") from None

    @property
    def strangers(self) -> int:
        """First messages that named no session."""
        return sum(application.strangers for application in self.applications)

    def start(self) -> None:
        """Accept and connect."""
        for engine, mine, port in self._engines:
            engine.start()
            if mine is not None:
                listen_there(mine, port)

    def stop(self, seconds: float = 5.0) -> None:
        """Log every session out, refuse new logons, and wait for the counterparties' answers for so long at most."""
        for link in self.links:
            link.engine.logout("stopping")
        deadline = time.monotonic() + seconds
        for link in self.links:
            link.is_down.wait(max(0.0, deadline - time.monotonic()))

    def _make(self, links: list[FixSession], mine: socket.socket | None) -> None:
        """The QuickFIX engine of all acceptors of an address, or of all initiators."""
        application = Application(links)
        self.applications.append(application)
        port = 0 if mine is None else unknown_port()
        store = self._state / "store"
        files = [session_file(store, link.session) for link in links]
        known = [path if path.exists() else None for path in files]
        settings, stores, logs = fix.SessionSettings(), fix.FileStoreFactory(str(store)), Logs(application)
        for link in links:
            settings.set(_identity(link.session), _dictionary(quickfix_settings(link.session, port, self._state)))
        make = fix.SocketInitiator if mine is None else fix.SocketAcceptor
        engine = make(application, stores, settings, logs)
        _never_destroy(application, logs, settings, stores, engine)
        for link, stored in zip(links, known, strict=True):
            link.attach(fix.Session.lookupSession(_identity(link.session)), stored)
        self._engines.append((engine, mine, port))


def _by_address(links: list[FixSession]) -> dict[tuple[str, int] | None, list[FixSession]]:
    """Links that share an engine: acceptors of one address, and all initiators."""
    shared: dict[tuple[str, int] | None, list[FixSession]] = {}
    for link in links:
        address = (link.session.host, link.session.port) if link.session.role == "acceptor" else None
        shared.setdefault(address, []).append(link)
    return shared


def _never_destroy(*made: Any) -> None:
    """Leave QuickFIX's objects to the end of the process: they point at each other, and Python frees in any order."""
    for each in made:
        if hasattr(each, "__disown__"):
            each.__disown__()
        else:
            each.thisown = False
    _ALIVE.extend(made)


def _identity(session: Session) -> Any:
    """QuickFIX's name of a session."""
    return fix.SessionID(session.begin_string, session.sender, session.target)


def _dictionary(values: dict[str, str]) -> Any:
    made = fix.Dictionary()
    for key, value in values.items():
        made.setString(key, value)
    return made


def _kind(message: Any) -> str:
    """MsgType(35)."""
    return str(message.getHeader().getField(35))


def _get(message: Any, tag: int) -> str | None:
    return str(message.getField(tag)) if message.isSetField(tag) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
