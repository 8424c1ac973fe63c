"""The demo receiver answers as Slack does and shows what it got."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from monitor.demo.receiver import TOKEN, Receiver
from tests.waiting import until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def post(url: str, payload: object, token: str | None = None) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    asked = urllib.request.Request(url, json.dumps(payload).encode(), headers)  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - our own address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_webhook_answers(receiver: Receiver) -> None:
    assert post(receiver.webhook_url, {"text": "hello"}) == (200, "ok")
    assert post(receiver.webhook_url + "x", {"text": "hello"}) == (404, "no_service")
    assert post(receiver.webhook_url, {}) == (400, "invalid_payload")
    assert post(receiver.webhook_url, {"username": "x"}) == (400, "no_text")


@pytest.mark.parametrize(
    ("token", "payload", "error"),
    [
        (None, {}, "not_authed"),
        ("xoxb-no", {"channel": "#x", "text": "t"}, "invalid_auth"),
        (TOKEN, {"text": "t"}, "channel_not_found"),
        (TOKEN, {"channel": "#x"}, "no_text"),
    ],
)
def test_api_refuses(receiver: Receiver, token: str | None, payload: object, error: str) -> None:
    status, body = post(receiver.api_url + "chat.postMessage", payload, token)
    assert (status, json.loads(body)) == (200, {"ok": False, "error": error})


def test_what_was_received_is_shown_escaped(receiver: Receiver) -> None:
    post(receiver.webhook_url, {"text": "<script>alert(1)</script>"})

    def shown() -> str:
        with urllib.request.urlopen(receiver.received_url, timeout=5) as answer:  # noqa: S310 - our own address
            text: str = answer.read().decode()
        return text

    text = until(lambda: shown())
    assert "&lt;script&gt;alert(1)" in text
    assert "demo receiver" in text
    assert "<script" not in text
