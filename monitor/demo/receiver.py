"""A demo receiver, not a service: answers as Slack does and takes real SMTP mail, and shows what it received.

The demo and the tests send their notices here, so that a person without a Slack workspace or a mail server sees what
would arrive. It keeps everything in memory, listens on loopback, and refuses on demand as the real ones do.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import signal
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from monitor.demo.received_page import Letter, SlackPost, received_json, received_page

TOKEN = "xoxb-demo-receiver"  # noqa: S105 - a made-up token of a made-up server
WEBHOOK = "/services/T0DEMO/B0DEMO/demo-receiver"
KEPT = 5_000


class Receiver:
    """A Slack-shaped HTTP server and an SMTP server, each in a thread, on ports of the system's choice when 0.

    ``script`` holds answers to give instead of the usual ones, first come first served:
    ``slack_script`` (status, error or body, Retry-After), ``smtp_script`` lines such as ``451 later``.
    """

    def __init__(
        self,
        slack_port: int = 0,
        smtp_port: int = 0,
        *,
        host: str = "127.0.0.1",
        login: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``tls`` offers STARTTLS; ``login`` asks for this user and password, after STARTTLS."""
        self.slack: deque[SlackPost] = deque(maxlen=KEPT)
        self.mail: deque[Letter] = deque(maxlen=KEPT)
        self.slack_script: deque[tuple[int, str, int | None]] = deque()
        self.smtp_script: deque[str] = deque()
        self.requests = 0
        """HTTP requests to Slack's paths, refused ones too."""
        self.before_answer: Callable[[], None] | None = None
        """Called when a Slack message was kept and before it is answered."""
        self._login, self._tls, self._host = login, tls, host
        self._http = ThreadingHTTPServer((host, slack_port), _handler(self))
        self._http.daemon_threads = True
        self.slack_port: int = self._http.server_address[1]
        self._loop = asyncio.new_event_loop()
        self._threads = [
            threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True),
            threading.Thread(target=self._loop.run_forever, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(smtp_port), self._loop).result(10)
        self.smtp_port: int = self._server.sockets[0].getsockname()[1]

    @property
    def webhook_url(self) -> str:
        """Incoming webhook."""
        return f"http://{self._host}:{self.slack_port}{WEBHOOK}"

    @property
    def api_url(self) -> str:
        """Base URL of the Web API."""
        return f"http://{self._host}:{self.slack_port}/api/"

    @property
    def received_url(self) -> str:
        """The page that shows what arrived."""
        return f"http://{self._host}:{self.slack_port}/received"

    def close(self) -> None:
        """Stop both servers."""
        self._http.shutdown()
        self._http.server_close()
        asyncio.run_coroutine_threadsafe(self._stop_smtp(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        for thread in self._threads:
            thread.join(5)
        self._loop.close()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take_mail(self, envelope: Envelope) -> str:
        """Keep a mail, or answer as the script says."""
        if self.smtp_script:
            return self.smtp_script.popleft()
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        self.mail.append(_letter(content, envelope))
        return "250 kept by the demo receiver"

    def answer_slack(self, path: str, token: str, payload: dict[str, Any]) -> tuple[int, str, str, int | None]:
        """Status, kind of content, body and Retry-After, as Slack would answer."""
        self.requests += 1
        webhook = path.startswith("/services/")
        if self.slack_script:
            status, said, after = self.slack_script.popleft()
            return status, *_as_slack(webhook, said), after
        refusal = _webhook_refusal(path, payload) if webhook else _api_refusal(token, payload)
        if refusal is not None:
            return refusal[0], *_as_slack(webhook, refusal[1]), None
        way = "webhook" if webhook else "chat.postMessage"
        self.slack.append(SlackPost(at=time.time_ns(), way=way, text=str(payload.get("text", "")), payload=payload))
        if self.before_answer is not None:
            self.before_answer()
        if webhook:
            return 200, "text/plain", "ok", None
        stamp = f"{time.time():.6f}"
        return 200, "application/json", json.dumps({"ok": True, "channel": payload["channel"], "ts": stamp}), None

    async def _listen(self, port: int) -> asyncio.Server:
        return await self._loop.create_server(self._smtp, self._host, port)

    def _smtp(self) -> SMTP:
        return SMTP(
            _MailHandler(self),
            hostname="demo-receiver",
            ident="sorwatch demo receiver",
            tls_context=self._tls,
            require_starttls=self._tls is not None,
            auth_required=self._login is not None,
            authenticator=self._authenticate,
            loop=self._loop,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        ok = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode()) == self._login
        return AuthResult(success=ok, handled=False)

    async def _stop_smtp(self) -> None:
        self._server.close()
        await self._server.wait_closed()
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _MailHandler:
    """What aiosmtpd calls."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """A mail is complete."""
        return self._receiver.take_mail(envelope)


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            payload = _payload(self.rfile.read(int(self.headers.get("Content-Length", 0))), self.headers)
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, kind, body, after = receiver.answer_slack(self.path, token, payload)
            self._answer(status, kind, body, after)

        def do_GET(self) -> None:
            if self.path == "/received":
                self._answer(
                    200, "text/html; charset=utf-8", received_page(list(receiver.slack), list(receiver.mail)), None
                )
            elif self.path == "/received.json":
                self._answer(200, "application/json", received_json(list(receiver.slack), list(receiver.mail)), None)
            else:
                self._answer(404, "text/plain", "here: /received /received.json\n", None)

        def _answer(self, status: int, kind: str, body: str, after: int | None) -> None:
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            if after is not None:
                self.send_header("Retry-After", str(after))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """What arrives is shown on the page, not in a log."""

    return Handler


def _payload(body: bytes, headers: Any) -> dict[str, Any]:
    if "form" in headers.get("Content-Type", ""):
        form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
        return {k: json.loads(v) if k in ("blocks", "metadata") else v for k, v in form.items()}
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _webhook_refusal(path: str, payload: dict[str, Any]) -> tuple[int, str] | None:
    if not hmac.compare_digest(path, WEBHOOK):
        return 404, "no_service"
    if not payload:
        return 400, "invalid_payload"
    return None if payload.get("text") or payload.get("blocks") else (400, "no_text")


def _api_refusal(token: str, payload: dict[str, Any]) -> tuple[int, str] | None:
    if token == "":
        return 200, "not_authed"
    if not hmac.compare_digest(token.encode(), TOKEN.encode()):
        return 200, "invalid_auth"
    if not payload.get("channel"):
        return 200, "channel_not_found"
    return None if payload.get("text") or payload.get("blocks") else (200, "no_text")


def _as_slack(webhook: bool, said: str) -> tuple[str, str]:
    if webhook:
        return "text/plain", said
    return "application/json", json.dumps({"ok": False, "error": said})


def _letter(content: bytes, envelope: Envelope) -> Letter:
    parsed = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
    body = parsed.get_body(("plain",))
    return Letter(
        at=time.time_ns(),
        sender=str(envelope.mail_from),
        to=tuple(envelope.rcpt_tos),
        subject=str(parsed["Subject"]),
        message_id=str(parsed["Message-ID"]).strip(),
        body="" if body is None else body.get_content(),
        headers={name: str(value) for name, value in parsed.items()},
    )


def main(argv: list[str] | None = None) -> int:
    """Run until stopped."""
    parser = argparse.ArgumentParser(prog="python -m monitor.demo.receiver", description=__doc__.splitlines()[0])
    parser.add_argument("--slack-port", type=int, default=0)
    parser.add_argument("--smtp-port", type=int, default=0)
    args = parser.parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Receiver(args.slack_port, args.smtp_port) as receiver:
        ports = {"slack_port": receiver.slack_port, "smtp_port": receiver.smtp_port}
        urls = {"webhook": receiver.webhook_url, "api": receiver.api_url, "received": receiver.received_url}
        sys.stdout.write(json.dumps({**ports, **urls}) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
