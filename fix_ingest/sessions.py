"""QuickFIX sessions → journal: the only file that imports quickfix.

What was measured about QuickFIX 1.16 and is built upon here:

- An exception that leaves a callback wedges the process for good, so every callback is guarded: what nobody
  foresaw ends the process with code 70, the journal tells the next one where to go on, the counterparty sends again.
- The next expected number is raised after ``fromApp`` returns. A message that cannot be written is refused by setting
  the number one back inside the callback and breaking the connection: it is asked for again at the next logon.
- ``Logout`` raises the number even when messages before it are missing; the same step back corrects that.
- A logon with 141=Y resets the numbers *before* the application can refuse its password; a refusal puts them back.
- Engine and sessions run in one thread each for all acceptors of an address and for all initiators: deliveries follow
  their bytes within the same thread, before other bytes are shown.
- Such a thread is no thread of Python's: every callback would make a thread state and throw it away (a mapping of
  memory each time, half of the processor time of a message). The first message keeps it: `Application.stay`.
- Acceptors listen on every interface and on no other: the listening socket is therefore made here, on the address that
  was asked for, and put in the place of QuickFIX's, which listens on a port nobody knows for a moment only.
- The file store holds sequence numbers only (PersistMessages=N): we send nothing but session messages, which are
  never resent but gap-filled. Its files do not grow, so a full disk does not break the session layer.
"""

from __future__ import annotations

import calendar
import ctypes
import hmac
import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import quickfix as fix
import structlog

from fix_ingest.delivery import Delivery
from fix_ingest.dictionaries import write_relaxed
from fix_ingest.journal import Journal
from fix_ingest.wirebytes import field, without_secrets
from monitor.settings import Session

log = structlog.get_logger()
Callback = TypeVar("Callback", bound=Callable[..., Any])

_QUIET: Final = ("Processing QUEUED message", "Already sent ResendRequest", "MsgSeqNum too high", "Message ")
"""Events of the engine that come once a message and are counted instead of told."""


_ALIVE: Final[list[Any]] = []
_COMPARE: Final = "compare username and password_file of this session with what the counterparty sends"


class Misconfigured(OSError):
    """QuickFIX does not take the settings."""


class AddressTaken(OSError):
    """An acceptor's address cannot be listened on."""


def _die(where: str) -> NoReturn:
    log.critical("unforeseen error in a FIX callback; the process ends", where=where, exc_info=True)
    os._exit(70)


def guarded(callback: Callback) -> Callback:
    """End the process when a callback fails: QuickFIX would hang for ever instead."""

    @wraps(callback)
    def call(*args: Any) -> Any:
        try:
            return callback(*args)
        except fix.RejectLogon:
            raise
        except BaseException:  # noqa: BLE001 - process boundary: whatever leaves a callback wedges the process
            _die(callback.__name__)

    return call  # type: ignore[return-value]  # same signature: wraps() keeps it


class Link:
    """One configured session: its state, its QuickFIX identity and what is counted about it."""

    def __init__(self, session: Session, password: str | None, journal: Journal) -> None:
        self.session = session
        self.password = password
        self.journal = journal
        self.id = fix.SessionID(session.begin_string, session.sender, session.target)
        self.key: str = self.id.toString()
        self.rejects_sent = self.logons_refused = self.disk_errors = 0
        self.gap_ns = session.gap_seconds * 1_000_000_000
        self.last_event = ""
        self.is_down = threading.Event()
        self.is_down.set()
        self.delivery: Delivery
        self.engine: Any
        self._before: tuple[int, int] = (1, 1)

    def attach(self) -> None:
        """Find the QuickFIX session, which exists once its engine does, and let the journal set its number."""
        self.engine = fix.Session.lookupSession(self.id)
        self.delivery = Delivery(self.session.name, self.journal.append, self.engine.getExpectedTargetNum)

    def recover(self, store: Path, known: bool) -> None:
        """Let the journal decide which number is expected next.

        Where the store says that its numbers began again after the journal's last word, the store is right.
        """
        mark = self.journal.marks.get(self.session.name)
        have = self.engine.getExpectedTargetNum()
        if mark is None or mark.next == have or (known and _began(store, self.key) > mark.seen):
            return
        self.engine.setNextTargetMsgSeqNum(mark.next)
        log.info("expected number set from the journal", session=self.session.name, store=have, journal=mark.next)

    def remember(self) -> None:
        """Keep both numbers before a logon that may reset them."""
        self._before = (self.engine.getExpectedTargetNum(), self.engine.getExpectedSenderNum())

    def put_back(self) -> None:
        """Undo what a refused logon did to the numbers."""
        target, sender = self._before
        self.engine.setNextTargetMsgSeqNum(target)
        self.engine.setNextSenderMsgSeqNum(sender)

    def note_left_out(self, error: OSError) -> None:
        """What befell the session could not be written; its messages are a different matter."""
        self.disk_errors += 1
        log.error("journal cannot be written: a note is left out", session=self.session.name, error=str(error))

    def refuse_message(self, seq: int, error: OSError, *, uses_number: bool = True) -> None:
        """The message could not be written: have it sent again instead of losing it.

        ``uses_number``: whether the engine counts the message once the callback returns.
        """
        self.disk_errors += 1
        log.error(
            "journal cannot be written; session refuses and ends",
            session=self.session.name,
            seq=seq,
            error=str(error),
            todo="make room on the disk of the journal; the counterparty is asked again at its next logon",
        )
        if uses_number:
            self.engine.setNextTargetMsgSeqNum(seq - 1)
        self.delivery.undelivered()
        self.engine.disconnect()

    def begin_again(self) -> None:
        """A gap does not shrink: end the connection, so that the next logon asks for it again."""
        expected = self.engine.getExpectedTargetNum()
        log.error("gap does not fill; connection ends to ask again", session=self.session.name, missing=expected)
        self.engine.disconnect()

    def password_right(self, raw: bytes) -> bool:
        """Whether a logon carries the configured user name and password; True when none are configured."""
        want = ((553, self.session.username), (554, self.password))
        return all(
            value is None or hmac.compare_digest(field(raw, tag) or b"", value.encode("utf-8", "surrogateescape"))
            for tag, value in want
        )


class _Parsed:
    """A QuickFIX message, valid within its callback only."""

    __slots__ = ("_message",)

    def __init__(self, message: Any) -> None:
        self._message = message

    def seq(self) -> int:
        return int(self._message.getHeader().getField(34))

    def text(self) -> bytes:
        return _bytes(self._message.toString())


class WireLog(fix.Log):  # type: ignore[misc]  # no type information is published for quickfix
    """Receives the exact bytes of a session."""

    def __init__(self, application: Application, link: Link) -> None:
        super().__init__()
        self._application, self._link = application, link

    def onIncoming(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """Bytes of one message, before anything was checked."""
        try:
            link = self._link
            application = self._application
            if not application.stays:
                application.stay()
            application.current = link
            raw = text.encode("utf-8", "surrogateescape")
            link.delivery.came(raw, time.time_ns())
            if link.delivery.stalled(link.gap_ns):
                link.begin_again()
            if b"\x0135=A\x01" in raw:
                link.remember()
        except OSError as error:
            self._link.note_left_out(error)
        except BaseException:  # noqa: BLE001 - process boundary: whatever leaves a callback wedges the process
            _die("onIncoming")

    def onOutgoing(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """Not kept: we send session messages only."""

    @guarded
    def onEvent(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """What the session layer says about itself."""
        if not text.startswith(_QUIET):
            self._link.last_event = text if text != "Disconnecting" else self._link.last_event
            log.info("fix", session=self._link.session.name, said=text)

    def clear(self) -> None:
        """Nothing to clear."""

    def backup(self) -> None:
        """Nothing to back up."""


class StrangerLog(fix.Log):  # type: ignore[misc]  # no type information is published for quickfix
    """Hears of connections that belong to no session."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self._application = application

    def onIncoming(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """Told by the event before it."""

    def onOutgoing(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """Never happens."""

    @guarded
    def onEvent(self, text: str) -> None:  # noqa: N802 - QuickFIX's name
        """Connections, and first messages that name no session of ours."""
        if text.startswith("Session not found"):
            self._application.strangers += 1
            told = without_secrets(_bytes(text)).decode("utf-8", "replace").replace("\x01", "|")
            log.warning(
                "logon refused: no such session", said=told, todo="compare sender and target with listen.session"
            )
        else:
            log.info("fix", said=text)

    def clear(self) -> None:
        """Nothing to clear."""

    def backup(self) -> None:
        """Nothing to back up."""


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

    def __init__(self, links: list[Link]) -> None:
        super().__init__()
        self._links = {link.key: link for link in links}
        self.current: Link = links[0]
        """Whose bytes came last: the session of whatever is delivered now."""
        self.strangers = 0
        self.stays = False

    def stay(self) -> None:
        """Keep Python's state of the engine's thread until the process ends: taken once more than it is given back."""
        self.stays = True
        ctypes.pythonapi.PyGILState_Ensure()

    def link(self, session_id: Any) -> Link:
        """The configured session with that identity."""
        return self._links[session_id.toString()]

    def onCreate(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """Attached after construction."""

    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """A message is delivered: on return its number counts as received, so it is in the journal before that."""
        link = self.current
        try:
            link.delivery.deliver(_Parsed(message))
        except OSError as error:
            self._refuse(link, message, error)
        except BaseException:  # noqa: BLE001 - process boundary: whatever leaves a callback wedges the process
            _die("fromApp")

    @guarded
    def _refuse(self, link: Link, message: Any, error: OSError) -> None:
        link.refuse_message(_Parsed(message).seq(), error)

    @guarded
    def fromAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """A session message is delivered; a logon may be refused here."""
        link = self.link(session_id)
        parsed, delivery = _Parsed(message), link.delivery
        kind = message.getHeader().getField(35)
        if kind == "A" and link.session.role == "acceptor" and not link.password_right(delivery.raw):
            self._refuse_logon(link, "user name or password is wrong", _COMPARE)
        expected = link.engine.getExpectedTargetNum()
        try:
            delivery.deliver_admin(parsed)
        except OSError as error:
            if kind == "A":
                link.note_left_out(error)
                self._refuse_logon(link, "cannot take messages now", "make room on the disk of the journal")
            link.refuse_message(expected, error, uses_number=kind not in "24")
            return
        if kind == "5" and parsed.seq() != expected:
            link.engine.setNextTargetMsgSeqNum(expected - 1)

    def _refuse_logon(self, link: Link, why: str, todo: str) -> NoReturn:
        link.logons_refused += 1
        log.warning("logon refused", session=link.session.name, counterparty=link.session.target, why=why, todo=todo)
        link.put_back()
        raise fix.RejectLogon(why)

    @guarded
    def toAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """We send a session message."""
        link = self.link(session_id)
        kind = message.getHeader().getField(35)
        if kind == "A":
            self._sign(link, message)
        elif kind == "3":
            link.rejects_sent += 1
            _noting(link, link.delivery.rejected)
            log.warning("message rejected", session=link.session.name, reason=_get(message, 58), seq=_get(message, 45))
        elif kind == "2":
            first = int(message.getField(7))
            _noting(link, lambda: link.delivery.asked_again(first, time.time_ns()))

    def _sign(self, link: Link, message: Any) -> None:
        if link.session.role != "initiator":
            return
        if link.session.username is not None:
            message.setField(fix.StringField(553, link.session.username))
        if link.password is not None:
            message.setField(fix.StringField(554, link.password))

    @guarded
    def toApp(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """The engine's own business reject: the only application message that ever leaves."""
        link = self.link(session_id)
        link.rejects_sent += 1
        _noting(link, link.delivery.rejected)
        log.warning("message rejected", session=link.session.name, reason=_get(message, 58), seq=_get(message, 45))

    @guarded
    def onLogon(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """The session is up."""
        link = self.link(session_id)
        link.is_down.clear()
        log.info("session up", session=link.session.name, expected=link.engine.getExpectedTargetNum())
        _noting(link, lambda: link.delivery.went_up(link.session.target, time.time_ns()))

    @guarded
    def onLogout(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
        """The session is down, or never came up."""
        link = self.link(session_id)
        log.warning("session down", session=link.session.name, reason=link.last_event)
        _noting(link, lambda: link.delivery.went_down(link.last_event, time.time_ns()))
        link.is_down.set()


class Engine:
    """Every configured session over one journal: make it, `start` it once, `stop` it once, end the process.

    QuickFIX's own stop frees the server while its thread may still use it (segmentation faults were seen), and its
    threads outlive Python's objects; so its objects are never destroyed, and a process that has started an engine
    ends by ``os._exit``.
    """

    def __init__(self, sessions: tuple[Session, ...], passwords: dict[str, str], journal: Journal, state: Path) -> None:
        """Take the addresses and make the sessions; raises `AddressTaken`, `Misconfigured` or another `OSError`."""
        self.links = [Link(session, passwords.get(session.name), journal) for session in sessions]
        self.applications: list[Application] = []
        self._state = state
        self._engines: list[tuple[Any, socket.socket | None, int]] = []
        addresses: dict[tuple[str, int] | None, list[Link]] = {}
        for link in self.links:
            acceptor = link.session.role == "acceptor"
            addresses.setdefault((link.session.host, link.session.port) if acceptor else None, []).append(link)
        sockets = [None if address is None else _listening(address) for address in addresses]
        for links, listening in zip(addresses.values(), sockets, strict=True):
            try:
                self._make(links, listening)
            except (fix.ConfigError, fix.RuntimeError) as error:
                raise Misconfigured(0, f"{[link.session.name for link in links]}: {error}") from None

    @property
    def strangers(self) -> int:
        """First messages that named no session."""
        return sum(application.strangers for application in self.applications)

    def start(self) -> None:
        """Accept and connect."""
        for engine, listening, port in self._engines:
            engine.start()
            if listening is not None:
                _listen_there(listening, port)

    def stop(self, seconds: float = 5.0) -> None:
        """Log every session out, refuse new logons, and wait for the counterparties' answers for so long at most."""
        for link in self.links:
            link.engine.logout("stopping")
        deadline = time.monotonic() + seconds
        for link in self.links:
            link.is_down.wait(max(0.0, deadline - time.monotonic()))

    def _make(self, links: list[Link], listening: socket.socket | None) -> None:
        application = Application(links)
        self.applications.append(application)
        port = 0 if listening is None else _free_port()
        store = self._state / "store"
        known = {link.key: (store / f"{_file_name(link)}.session").exists() for link in links}
        settings, stores, logs = fix.SessionSettings(), fix.FileStoreFactory(str(store)), Logs(application)
        for link in links:
            settings.set(link.id, _dictionary(link.session, port, self._state))
        make = fix.SocketInitiator if listening is None else fix.SocketAcceptor
        engine = make(application, stores, settings, logs)
        _never_destroy(application, logs, settings, stores, engine)
        for link in links:
            link.attach()
            link.recover(store / f"{_file_name(link)}.session", known[link.key])
            link.attach()
        self._engines.append((engine, listening, port))


def _never_destroy(*made: Any) -> None:
    """Leave QuickFIX's objects to the end of the process: they point at each other, and Python frees in any order."""
    for each in made:
        if hasattr(each, "__disown__"):
            each.__disown__()
        else:
            each.thisown = False
    _ALIVE.extend(made)


def _dictionary(session: Session, port: int, state: Path) -> Any:
    """One session's settings, as QuickFIX wants them."""
    made = fix.Dictionary()
    for key, value in _settings(session, port, state).items():
        made.setString(key, value)
    return made


def _settings(session: Session, port: int, state: Path) -> dict[str, str]:
    values = {
        "ConnectionType": session.role,
        "FileStorePath": str(state / "store"),
        "PersistMessages": "N",
        "UseDataDictionary": "Y",
        "ValidateUserDefinedFields": "N",
        "AllowUnknownMsgFields": "Y",
        "ValidateFieldsOutOfOrder": "N",
        "ValidateFieldsHaveValues": "N",
        "CheckLatency": "N",
        "SocketNodelay": "Y",
        "HeartBtInt": str(session.heartbeat_seconds),
    }
    values |= _schedule(session) | _dictionaries(session, state)
    if session.role == "acceptor":
        return values | {"SocketAcceptPort": str(port)}
    return values | {
        "SocketConnectHost": session.host,
        "SocketConnectPort": str(session.port),
        "ReconnectInterval": str(session.reconnect_seconds),
    }


def _schedule(session: Session) -> dict[str, str]:
    if session.start_time is None:
        return {"NonStopSession": "Y"}
    return {"StartTime": session.start_time, "EndTime": session.end_time or session.start_time}


def _dictionaries(session: Session, state: Path) -> dict[str, str]:
    directory = state / "dictionaries"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = str(write_relaxed(session.begin_string, session.message_types, directory))
    if session.default_appl_ver is None:
        return {"DataDictionary": own}
    application = str(write_relaxed(session.default_appl_ver, session.message_types, directory))
    return {
        "TransportDataDictionary": own,
        "AppDataDictionary": application,
        "DefaultApplVerID": session.default_appl_ver,
    }


def _noting(link: Link, note: Callable[[], None]) -> None:
    """Write a note; without room on the disk it is left out and counted, the session's messages are not."""
    try:
        note()
    except OSError as error:
        link.note_left_out(error)


def _get(message: Any, tag: int) -> str | None:
    return str(message.getField(tag)) if message.isSetField(tag) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _file_name(link: Link) -> str:
    return f"{link.session.begin_string}-{link.session.sender}-{link.session.target}"


def _began(path: Path, key: str) -> int:
    """When the store's numbers last began at 1, ns UTC; 0 when it cannot be read."""
    try:
        day, _, clock = path.read_text("ascii").strip().partition("-")
        whole = time.strptime(f"{day} {clock[:8]}", "%Y%m%d %H:%M:%S")
    except (OSError, ValueError):
        log.warning("store cannot be read; the journal decides", session=key, path=str(path))
        return 0
    return calendar.timegm(whole) * 1_000_000_000 + int((clock[9:] + "000000000")[:9])


def _listening(address: tuple[str, int]) -> socket.socket:
    """A socket that listens where the settings say; raises `AddressTaken`."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
        made.listen(128)
    except OSError as error:
        made.close()
        raise AddressTaken(error.errno, f"cannot listen on {address[0]}:{address[1]}: {error.strerror}") from None
    made.setblocking(False)
    return made


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("0.0.0.0", 0))  # noqa: S104 - asks for a number only: nothing listens on it
        return int(probe.getsockname()[1])


def _listen_there(mine: socket.socket, port: int) -> None:
    """Put our listening socket in the place of the one QuickFIX has just made on every interface."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
        fd = int(name)
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode) and _local_port(fd) == port:
                os.dup2(mine.fileno(), fd, inheritable=False)
                mine.close()
                return
        except OSError:
            continue
    raise AddressTaken(0, f"the FIX engine does not listen on its own port {port}: is this QuickFIX 1.16?")


def _local_port(fd: int) -> int | None:
    with socket.socket(fileno=os.dup(fd)) as copy:
        return copy.getsockname()[1] if copy.family == socket.AF_INET else None
