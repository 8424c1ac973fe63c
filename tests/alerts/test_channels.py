"""Channels against servers that speak as the real ones do: what is delivered, put off, refused."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from alerts.channels import Delivered, Outcome, Refused, Retry
from alerts.channels.mail import SmtpMail, mail_channel
from alerts.channels.slack import Bot, Webhook, slack_channel
from alerts.notify import Reason
from alerts.render import message
from monitor.config.settings import Mail, Slack
from monitor.demo.receiver import TOKEN, Receiver
from tests.alerts.alert_samples import finding, gathered_one

MESSAGE = message(gathered_one([finding()]), finding(), None, Reason.FIRST, "https://desk.example")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls") / "both.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(made), "-out", f"{made}.crt"], check=True, capture_output=True)
    return made


def mail(receiver: Receiver, **changes: object) -> Mail:
    values = {"host": "127.0.0.1", "port": receiver.smtp_port, "tls": "none"} | changes
    return Mail(sender="sorwatch@desk.example", to=("a@desk.example", "b@desk.example"), **values)  # type: ignore[arg-type]  # any fields of it


async def test_webhook_delivers_text_and_blocks(receiver: Receiver) -> None:
    assert await Webhook(receiver.webhook_url).deliver("k", MESSAGE, None) == Delivered()
    (post,) = receiver.slack
    assert post.payload["blocks"][0]["type"] == "header"
    assert post.text == MESSAGE.slack


async def test_bot_answers_in_the_thread(receiver: Receiver) -> None:
    bot = Bot(TOKEN, "#desk", receiver.api_url)
    first = await bot.deliver("k1", MESSAGE, None)
    assert isinstance(first, Delivered)
    assert first.thread is not None
    assert await bot.deliver("k2", MESSAGE, first.thread) == first
    assert [p.payload.get("thread_ts") for p in receiver.slack] == [None, first.thread]
    assert receiver.slack[0].payload["metadata"]["event_payload"] == {"key": "k1"}


@pytest.mark.parametrize(
    ("status", "said", "after", "kind"),
    [
        (429, "rate_limited", 7, Retry),
        (500, "rollup_error", None, Retry),
        (503, "service_unavailable", None, Retry),
        (400, "invalid_payload", None, Refused),
        (403, "invalid_token", None, Refused),
        (404, "no_service", None, Refused),
        (410, "channel_is_archived", None, Refused),
        (200, "\n<!DOCTYPE html><title>Log in to the network</title>", None, Retry),
    ],
)
async def test_what_a_webhook_is_told(
    receiver: Receiver, status: int, said: str, after: int | None, kind: type[Outcome]
) -> None:
    receiver.slack_script.append((status, said, after))
    outcome = await Webhook(receiver.webhook_url).deliver("k", MESSAGE, None)
    assert isinstance(outcome, kind)
    assert getattr(outcome, "after_s", None) == after
    assert receiver.requests == 1


@pytest.mark.parametrize(
    ("status", "said", "after", "kind"),
    [
        (429, "ratelimited", 7, Retry),
        (200, "ratelimited", None, Retry),
        (200, "internal_error", None, Retry),
        (503, "", None, Retry),
        (200, "channel_not_found", None, Refused),
        (200, "not_in_channel", None, Refused),
        (200, "token_revoked", None, Refused),
    ],
)
async def test_what_a_bot_is_told(
    receiver: Receiver, status: int, said: str, after: int | None, kind: type[Outcome]
) -> None:
    receiver.slack_script.append((status, said, after))
    outcome = await Bot(TOKEN, "#desk", receiver.api_url).deliver("k", MESSAGE, None)
    assert isinstance(outcome, kind)
    assert getattr(outcome, "after_s", None) == after
    assert receiver.requests == 1


async def test_a_wrong_token_is_refused(receiver: Receiver) -> None:
    outcome = await Bot("xoxb-wrong", "#desk", receiver.api_url).deliver("k", MESSAGE, None)
    assert isinstance(outcome, Refused)
    assert "invalid_auth" in outcome.why
    assert "xoxb" not in outcome.why


async def test_slack_that_is_away_is_tried_again_and_the_url_stays_secret() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with capture_logs() as logs:
            outcome = await Webhook(f"http://127.0.0.1:{port}/services/secret").deliver("k", MESSAGE, None)
    assert isinstance(outcome, Retry)
    assert "secret" not in outcome.why + str(logs)


async def test_slack_that_does_not_answer_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        outcome = await Webhook(f"http://127.0.0.1:{port}/services/x", timeout_s=1).deliver("k", MESSAGE, None)
    assert isinstance(outcome, Retry)


def test_settings_name_the_channel(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "secret").write_text(receiver.webhook_url + "\n")
    assert isinstance(slack_channel(Slack(webhook_file=str(tmp_path / "secret"))), Webhook)
    assert isinstance(slack_channel(Slack(token_file=str(tmp_path / "secret"), channel="#desk")), Bot)
    with pytest.raises(OSError, match="nowhere"):
        slack_channel(Slack(webhook_file=str(tmp_path / "nowhere")))


async def test_mail_arrives_with_its_own_message_id(receiver: Receiver) -> None:
    channel = mail_channel(mail(receiver))
    assert await channel.deliver("k1", MESSAGE, None) == Delivered(thread="<k1@desk.example>")
    assert await channel.deliver("k2", MESSAGE, "<k1@desk.example>") == Delivered(thread="<k1@desk.example>")
    first, second = receiver.mail
    assert (first.message_id, second.message_id) == ("<k1@desk.example>", "<k2@desk.example>")
    assert second.headers["In-Reply-To"] == "<k1@desk.example>"
    assert first.to == ("a@desk.example", "b@desk.example")
    assert first.subject == MESSAGE.subject
    assert first.body.split() == MESSAGE.body.split()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("451 try later", Retry),
        ("421 closing", Retry),
        ("452 no room", Retry),
        ("554 spam", Refused),
        ("552 too large", Refused),
    ],
)
async def test_what_a_mail_server_says(receiver: Receiver, said: str, kind: type[Outcome]) -> None:
    receiver.smtp_script.append(said)
    outcome = await SmtpMail(mail(receiver), None).deliver("k", MESSAGE, None)
    assert isinstance(outcome, kind)
    assert said.split()[0] in outcome.why


async def test_a_mail_server_that_is_away_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = Mail(host="127.0.0.1", port=taken.getsockname()[1], tls="none", sender="s@x", to=("a@x",))
        outcome = await SmtpMail(settings, None, timeout_s=2).deliver("k", MESSAGE, None)
    assert isinstance(outcome, Retry)


async def test_a_server_without_starttls_gets_no_mail(receiver: Receiver) -> None:
    outcome = await SmtpMail(mail(receiver, tls="starttls"), None).deliver("k", MESSAGE, None)
    assert isinstance(outcome, Retry)
    assert "STARTTLS" in outcome.why
    assert not receiver.mail


@pytest.mark.parametrize(("password", "kind"), [("right", Delivered), ("wrong", Refused)])
async def test_starttls_and_login(certificate: Path, password: str, kind: type[Outcome]) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(f"{certificate}.crt", certificate)
    with Receiver(login=("sorwatch", "right"), tls=tls) as receiver:
        settings = mail(receiver, tls="starttls", host="localhost", ca_file=f"{certificate}.crt", username="sorwatch")
        outcome = await SmtpMail(settings, password).deliver("k", MESSAGE, None)
        assert isinstance(outcome, kind), outcome
        assert len(receiver.mail) == (1 if kind is Delivered else 0)
        assert password not in getattr(outcome, "why", "")


async def test_an_unknown_certificate_is_not_trusted(certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(f"{certificate}.crt", certificate)
    with Receiver(tls=tls) as receiver:
        outcome = await SmtpMail(mail(receiver, tls="starttls", host="localhost"), None).deliver("k", MESSAGE, None)
        assert isinstance(outcome, Retry)
        assert not receiver.mail
