"""E-mail by SMTP: plain text, one Message-ID a notice, later notices of an incident as answers to the first."""

from __future__ import annotations

import ssl
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib
from aiosmtplib import errors

from alerts.channels import Delivered, Outcome, Refused, Retry
from alerts.render import Message
from monitor.config.load import secret
from monitor.config.settings import Mail

TIMEOUT_S = 20.0


class SmtpMail:
    """One server, one sender, a list of people."""

    name = "mail"

    def __init__(self, settings: Mail, password: str | None, timeout_s: float = TIMEOUT_S) -> None:
        self._settings = settings
        self._password = password
        self._timeout_s = timeout_s

    async def deliver(self, key: str, message: Message, thread: str | None) -> Outcome:
        """Hand it to the server."""
        letter = self.letter(key, message, thread)
        try:
            refused = await self._send(letter)
        except errors.SMTPRecipientsRefused as error:
            return _by_codes([(r.recipient, r.code, r.message) for r in error.recipients])
        except errors.SMTPResponseException as error:
            return _by_codes([("the server", error.code, error.message)])
        except errors.SMTPNotSupported as error:
            return Refused(why=f"the mail server cannot do what alert.mail asks for: {str(error)[:120]}")
        except (errors.SMTPException, OSError) as error:
            return Retry(why=f"the mail server cannot be used: {type(error).__name__}: {str(error)[:120]}")
        detail = "" if not refused else f"refused for {', '.join(sorted(refused))[:200]}"
        return Delivered(thread=str(letter["Message-ID"]) if thread is None else thread, detail=detail)

    async def close(self) -> None:
        """Nothing is kept open."""

    def letter(self, key: str, message: Message, thread: str | None) -> EmailMessage:
        """The mail itself; the same notice gives the same Message-ID, so that a repeat can be known as one."""
        letter = EmailMessage(policy=SMTP)
        letter["From"] = self._settings.sender
        letter["To"] = ", ".join(self._settings.to)
        letter["Subject"] = message.subject
        letter["Message-ID"] = f"<{key}@{_domain(self._settings.sender)}>"
        letter["Auto-Submitted"] = "auto-generated"
        if thread is not None:
            letter["In-Reply-To"] = thread
            letter["References"] = thread
        letter.set_content(message.body)
        return letter

    async def _send(self, letter: EmailMessage) -> dict[str, errors.SMTPResponseException | tuple[int, str]]:
        settings = self._settings
        server = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=self._timeout_s,
            use_tls=settings.tls == "tls",
            start_tls=settings.tls == "starttls",
            tls_context=None if settings.tls == "none" else _context(settings.ca_file),
            username=settings.username,
            password=self._password,
        )
        async with server:
            refused, _ = await server.send_message(letter)
        return dict(refused)


def mail_channel(settings: Mail) -> SmtpMail:
    """The channel these settings describe; raises `OSError` or `KeyError` when the password is not there."""
    return SmtpMail(settings, None if settings.password_file is None else secret(settings.password_file))


def _context(ca_file: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def _by_codes(answers: list[tuple[str, int, str]]) -> Outcome:
    said = "; ".join(f"{who}: {code} {' '.join(text.split())[:80]}" for who, code, text in answers)
    if any(code < 500 for _, code, _ in answers):
        return Retry(why=f"the mail server put it off: {said}")
    return Refused(why=f"the mail server refused: {said}")


def _domain(sender: str) -> str:
    _, _, domain = sender.rpartition("@")
    return "".join(c for c in domain if c.isalnum() or c in ".-") or "sorwatch"
