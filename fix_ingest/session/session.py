"""One configured session: what is done when something happens to it. Knows QuickFIX by what it needs of it only.

What was measured about QuickFIX 1.16 and is built upon here:

- The next expected number is raised after a message was delivered. A message that cannot be written is refused by
  setting the number one back meanwhile and breaking the connection: it is asked for again at the next logon.
- ``Logout`` raises the number even when messages before it are missing; the same step back corrects that.
- A logon with 141=Y resets the numbers *before* the application can refuse its password; a refusal puts them back.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

import structlog

from fix_ingest.journal import Journal
from fix_ingest.session.delivery import Delivery, Parsed
from fix_ingest.session.raw_fields import field
from fix_ingest.session.sequence_store import numbers_began
from monitor.config.settings import Session

log = structlog.get_logger()


class SessionLayer(Protocol):
    """What a link needs of the QuickFIX session with its identity."""

    def getExpectedTargetNum(self) -> int: ...  # noqa: N802, D102 - QuickFIX's name: number expected next
    def getExpectedSenderNum(self) -> int: ...  # noqa: N802, D102 - QuickFIX's name: number sent next
    def setNextTargetMsgSeqNum(self, number: int) -> None: ...  # noqa: N802, D102 - QuickFIX's name
    def setNextSenderMsgSeqNum(self, number: int) -> None: ...  # noqa: N802, D102 - QuickFIX's name
    def logout(self, reason: str) -> None: ...  # noqa: D102 - QuickFIX's
    def disconnect(self) -> None: ...  # noqa: D102 - QuickFIX's


class LogonRefused(Exception):
    """The counterparty may not log on; the text is what it is told."""


class FixSession:
    """A session's state, its way into the journal, and what is counted about it. Times are ns UTC."""

    def __init__(self, session: Session, password: str | None, journal: Journal) -> None:
        self.session = session
        self.journal = journal
        self.rejects_sent = self.logons_refused = self.disk_errors = 0
        self.last_event = ""
        """What the session layer last said: why a session ended."""
        self.is_down = threading.Event()
        self.is_down.set()
        self.delivery: Delivery
        self.engine: SessionLayer
        self._password = password
        self._gap_ns = session.gap_seconds * 1_000_000_000
        self._before: tuple[int, int] = (1, 1)

    def attach(self, engine: SessionLayer, stored: Path | None) -> None:
        """Take the session layer's session, which exists once its engine does, and let the journal set its number.

        ``stored`` is the session's file in the store, if there was one: where it says that its numbers began again
        after the journal's last word, the store is right.
        """
        self.engine = engine
        self._recover(stored)
        self.delivery = Delivery(self.session.name, self.journal.append, engine.getExpectedTargetNum)

    def came(self, raw: bytes, seen: int) -> None:
        """Bytes of one message, before anything was checked."""
        try:
            self.delivery.came(raw, seen)
            if self.delivery.stalled(self._gap_ns):
                self._begin_again()
            if b"\x0135=A\x01" in raw:
                # A logon may reset the numbers before it can be refused.
                self._before = (self.engine.getExpectedTargetNum(), self.engine.getExpectedSenderNum())
        except OSError as error:
            self._note_left_out(error)

    def deliver(self, message: Parsed) -> None:
        """A message is delivered: on return its number counts as received, so it is in the journal before that."""
        try:
            self.delivery.deliver(message)
        except OSError as error:
            self._refuse_message(message.seq(), error)

    def deliver_admin(self, kind: str, message: Parsed) -> None:
        """A session message of that MsgType is delivered; raises `LogonRefused`."""
        if kind == "A" and self.session.role == "acceptor" and not self._password_right(self.delivery.raw):
            todo = "compare username and password_file of this session with what the counterparty sends"
            self._refuse_logon("user name or password is wrong", todo)
        expected = self.engine.getExpectedTargetNum()
        try:
            self.delivery.deliver_admin(message)
        except OSError as error:
            if kind == "A":
                self._note_left_out(error)
                self._refuse_logon("cannot take messages now", "make room on the disk of the journal")
            self._refuse_message(expected, error, uses_number=kind not in "24")
            return
        if kind == "5" and message.seq() != expected:
            self.engine.setNextTargetMsgSeqNum(expected - 1)

    def rejects(self, seq: str | None, reason: str | None) -> None:
        """The session layer answers with a reject, or the engine with a business reject."""
        self.rejects_sent += 1
        self._noting(self.delivery.rejected)
        log.warning("message rejected", session=self.session.name, reason=reason, seq=seq)

    def asks_again(self, first: int, now: int) -> None:
        """The session layer asks for everything from a number on again."""
        self._noting(lambda: self.delivery.asked_again(first, now))

    def credentials(self) -> list[tuple[int, str]]:
        """Tags and values to sign our logon with."""
        if self.session.role != "initiator":
            return []
        return [(tag, value) for tag, value in self._names_and_secrets() if value is not None]

    def said(self, text: str) -> None:
        """What the session layer says about itself."""
        if text != "Disconnecting":
            self.last_event = text
        log.info("fix", session=self.session.name, said=text)

    def went_up(self, now: int) -> None:
        """The session is logged on."""
        self.is_down.clear()
        log.info("session up", session=self.session.name, expected=self.engine.getExpectedTargetNum())
        self._noting(lambda: self.delivery.went_up(self.session.target, now))

    def went_down(self, now: int) -> None:
        """The session is down, or never came up."""
        if self.delivery.up or self.session.role == "acceptor":
            log.warning("session down", session=self.session.name, reason=self.last_event)
        else:
            log.warning(
                "cannot log on; trying again",
                session=self.session.name,
                counterparty=f"{self.session.host}:{self.session.port}",
                todo="does it listen there, and does it know our sender, target and password?",
            )
        self._noting(lambda: self.delivery.went_down(self.last_event, now))
        self.is_down.set()

    def _recover(self, stored: Path | None) -> None:
        mark = self.journal.marks.get(self.session.name)
        have = self.engine.getExpectedTargetNum()
        if mark is None or mark.next == have or (stored is not None and numbers_began(stored) > mark.seen):
            return
        self.engine.setNextTargetMsgSeqNum(mark.next)
        log.info("expected number set from the journal", session=self.session.name, store=have, journal=mark.next)

    def _noting(self, note: Callable[[], None]) -> None:
        """Write a note; without room on the disk it is left out and counted, the session's messages are not."""
        try:
            note()
        except OSError as error:
            self._note_left_out(error)

    def _note_left_out(self, error: OSError) -> None:
        self.disk_errors += 1
        log.error("journal cannot be written: a note is left out", session=self.session.name, error=str(error))

    def _refuse_message(self, seq: int, error: OSError, *, uses_number: bool = True) -> None:
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

    def _refuse_logon(self, why: str, todo: str) -> NoReturn:
        """Undo what the logon did to the numbers, and refuse it."""
        self.logons_refused += 1
        log.warning("logon refused", session=self.session.name, counterparty=self.session.target, why=why, todo=todo)
        target, sender = self._before
        self.engine.setNextTargetMsgSeqNum(target)
        self.engine.setNextSenderMsgSeqNum(sender)
        raise LogonRefused(why)

    def _begin_again(self) -> None:
        """A gap does not shrink: end the connection, so that the next logon asks for it again."""
        expected = self.engine.getExpectedTargetNum()
        log.error("gap does not fill; connection ends to ask again", session=self.session.name, missing=expected)
        self.engine.disconnect()

    def _password_right(self, raw: bytes) -> bool:
        """Whether a logon carries the configured user name and password; True when none are configured."""
        return all(
            value is None or hmac.compare_digest(field(raw, tag) or b"", value.encode("utf-8", "surrogateescape"))
            for tag, value in self._names_and_secrets()
        )

    def _names_and_secrets(self) -> tuple[tuple[int, str | None], ...]:
        """Username(553) and Password(554)."""
        return (553, self.session.username), (554, self._password)
